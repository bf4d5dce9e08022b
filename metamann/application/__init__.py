"""The Python interface: models, tasks, runs, and what the commands do."""

"""metamann: networks with an external memory that learn a new task from a handful of labelled examples."""

from importlib.metadata import version

__version__ = version("metamann")

"""Models and tasks as a person holds them."""

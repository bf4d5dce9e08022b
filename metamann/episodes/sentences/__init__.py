"""Episodes of sentences with typed spans."""

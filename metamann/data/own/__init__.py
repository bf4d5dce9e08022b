"""A user's own sentences: one reader of every format, and what matches words with marked entities."""

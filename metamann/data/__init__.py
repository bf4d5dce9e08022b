"""Data: in-memory stores of labelled items, readers, built-in data and downloads."""

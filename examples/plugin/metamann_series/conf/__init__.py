"""Choices of the command line, importable as pkg://metamann_series.conf."""

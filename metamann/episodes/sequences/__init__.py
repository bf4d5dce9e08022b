"""Algorithmic tasks on random bits and their sequences."""

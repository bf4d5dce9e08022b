"""Memories that attend to everything that was told."""

"""Memories that attend to all earlier pairs."""

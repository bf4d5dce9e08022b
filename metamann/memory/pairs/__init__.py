"""Memories of (key, label code) pairs."""

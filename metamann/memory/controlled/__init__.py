"""Memories that a controller reads and writes by addressing weights."""

"""Memories whose content is a matrix that is changed by every item."""

"""Labelled images: published, embedded, and folders of the user's own."""

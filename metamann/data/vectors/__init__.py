"""Labelled rows of features, from any model."""

"""Adapt and predict: the learners."""

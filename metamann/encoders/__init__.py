"""Inputs to position features."""

"""Rows of features out of any model, with a label each."""

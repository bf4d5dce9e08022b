"""Sentences with typed spans: their store, published data sets, embedded records."""

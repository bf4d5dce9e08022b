"""Adapters: other ways to answer with a learner that is trained already."""

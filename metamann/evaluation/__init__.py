"""Evaluation on held-out tasks: evaluators, metrics with intervals, paired comparison, continual learning."""

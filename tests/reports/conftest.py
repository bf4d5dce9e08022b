"""The same toy evaluation as of evaluators."""

from toy_evaluation import evaluator, learner  # noqa: F401

"""An evaluation on toy words, and a learner to be evaluated."""

from toy_evaluation import evaluator, learner  # noqa: F401

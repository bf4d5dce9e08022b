"""The leak auditor: contracts that any sampler and any learner can be run against."""

"""The leak auditor: checks for data leaks in any data split, sampler and learner."""

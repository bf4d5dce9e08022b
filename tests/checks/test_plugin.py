"""The pytest plug-in: a fixture of any test suite, that passes what is sound and fails with what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metamann.data.store import ClassStore
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.learners.mann import MANN


def test_a_sound_sampler_and_learner_pass(
    metamann_audit: Callable[..., None], store: ClassStore, make_mann: Callable[..., MANN]
) -> None:
    metamann_audit(lambda: Sampler(store, NWayKShot(ways=4, queries=2)), make_mann("prototypes", ways=4), answered=20)


def test_a_fault_fails_the_test_and_is_named(metamann_audit: Callable[..., None], store: ClassStore) -> None:
    class Unseeded(Sampler):
        dealt = 0

        def plan(self, index: int) -> Any:
            Unseeded.dealt += 1
            return super().plan(self.dealt)

    with pytest.raises(pytest.fail.Exception, match="the index alone decides what an episode holds"):
        metamann_audit(lambda: Unseeded(store, NWayKShot(ways=4, queries=2)))


def test_tasks_that_meet_those_of_testing_fail_the_test(metamann_audit: Callable[..., None], store: ClassStore) -> None:
    def sampler() -> Sampler:
        return Sampler(store, NWayKShot(ways=4, queries=2))

    with pytest.raises(pytest.fail.Exception, match="tasks of meta-training do not reach what is tested"):
        metamann_audit(sampler, test_sampler=sampler, episodes=40)

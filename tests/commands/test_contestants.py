"""What runs are called where they stand beside one another."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from metamann.commands.contestants import name_of, told_apart


def training(seed: int = 0, steps: int = 10, workers: int = 1, **learner: Any) -> dict[str, Any]:
    return {
        "seed": seed,
        "trainer": {"steps": steps, "workers": workers},
        "learner": {"_target_": "Learner", **learner},
    }


def test_seeds_and_what_makes_no_other_learner_have_one_name() -> None:
    trainings = [training(), training(seed=1), training(seed=2, workers=4)]
    assert told_apart(["maml"] * 3, trainings) == ["maml"] * 3


def test_namesakes_are_called_by_the_settings_that_differ() -> None:
    trainings = [training(order=1), training(order=2), training(order=2, seed=1, steps=20), training(order=3)]
    assert told_apart(["maml", "maml", "maml", "anil"], trainings) == [
        "maml, learner.order=1, trainer.steps=10",
        "maml, learner.order=2, trainer.steps=10",
        "maml, learner.order=2, trainer.steps=20",
        "anil",
    ]


def test_runs_that_differ_in_a_class_alone_are_told_apart_beside_others() -> None:
    trainings = [training(size=1), {**training(size=1), "learner": {"_target_": "Other", "size": 1}}, training(size=2)]
    assert len(set(told_apart(["a"] * 3, trainings))) == 3


def test_a_setting_that_one_does_not_have_differs() -> None:
    assert told_apart(["a", "a"], [training(), training(steps_at_test=3)]) == [
        "a, learner.steps_at_test=None",
        "a, learner.steps_at_test=3",
    ]


@pytest.mark.parametrize(
    ("taken", "name"),
    [({}, "LRUA"), ({"encoder_from": None}, "LRUA"), ({"encoder_from": "run"}, "LRUA, encoder of another run")],
)
def test_an_encoder_that_another_run_trained_is_said(taken: dict[str, Any], name: str) -> None:
    config = {"learner": {"_target_": "learners.MANN"}, "memory": {"_target_": "memory.LRUAMemory"}, **taken}
    assert name_of(OmegaConf.create(config)) == name

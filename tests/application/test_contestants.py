"""What runs are called where they stand beside one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metamann.application.compose import settings
from metamann.application.contestants import distinct_names, name_of
from metamann.application.run import Run
from metamann.application.settings import plain
from metamann.training.checkpoint import Checkpoint


def training(seed: int = 0, steps: int = 10, workers: int = 1, **learner: Any) -> dict[str, Any]:
    return {
        "seed": seed,
        "trainer": {"steps": steps, "workers": workers},
        "learner": {"_target_": "Learner", **learner},
    }


def test_seeds_and_what_makes_no_other_learner_have_one_name() -> None:
    trainings = [training(), training(seed=1), training(seed=2, workers=4)]
    assert distinct_names(["maml"] * 3, trainings) == ["maml"] * 3


def test_namesakes_are_called_by_the_settings_that_differ() -> None:
    trainings = [training(order=1), training(order=2), training(order=2, seed=1, steps=20), training(order=3)]
    assert distinct_names(["maml", "maml", "maml", "anil"], trainings) == [
        "maml, learner.order=1, trainer.steps=10",
        "maml, learner.order=2, trainer.steps=10",
        "maml, learner.order=2, trainer.steps=20",
        "anil",
    ]


def test_runs_that_differ_in_a_class_alone_are_told_apart_beside_others() -> None:
    trainings = [training(size=1), {**training(size=1), "learner": {"_target_": "Other", "size": 1}}, training(size=2)]
    assert len(set(distinct_names(["a"] * 3, trainings))) == 3


def test_a_setting_that_one_does_not_have_differs() -> None:
    assert distinct_names(["a", "a"], [training(), training(steps_at_test=3)]) == [
        "a, learner.steps_at_test=None",
        "a, learner.steps_at_test=3",
    ]


@pytest.mark.parametrize(
    ("changes", "adapter", "name"),
    [
        ({"memory": "lrua"}, None, "LRUA"),
        ({"memory": "lrua", "encoder_from": "run"}, None, "LRUA, encoder of another run"),
        ({"memory": "none"}, None, "no memory, lstm"),
        ({"memory": "keyvalue_bounded"}, None, "BoundedKeyValue, evicts by age"),
        ({"learner": "maml"}, None, "maml"),
        ({"memory": "lrua"}, "linear_head", "linear_head"),
    ],
)
def test_a_learner_is_called_by_what_makes_it(
    changes: dict[str, Any], adapter: str | None, name: str, tmp_path: Path
) -> None:
    """An encoder that another run trained is said: its training is not counted."""
    path = tmp_path / "run.pt"
    Checkpoint(plain(settings(**changes)), {}, {}, {}, 0, {}, 0.0).save(path)
    assert name_of(Run(path), adapter) == name

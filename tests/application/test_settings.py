"""Typed settings: parts are plain data, and every value is of the kind that its setting takes."""

from __future__ import annotations

from typing import Any

import pytest

from metamann.application.compose import settings
from metamann.application.settings import (
    PARTS,
    AuditSettings,
    EvaluationSettings,
    TrainSettings,
    plain,
    train_settings,
)
from metamann.application.trust import conf_choices
from metamann.errors import ConfigError
from metamann.modalities.choosing import modality_of

NWAY = "metamann.episodes.items.protocols.NWayKShot"


@pytest.mark.parametrize(
    "value",
    [r"\${oc.env:HOME}", r"\${oc.create:{_target_: os.mkdir}}", {"_partial_": True}, {"_args_": [1]}, {r"\${a}": 1}],
    ids=str,
)
@pytest.mark.parametrize("part", ["protocol", "train_protocol"])
def test_what_would_be_resolved_or_built_in_another_way_is_refused(part: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{part} is no plain data"):
        TrainSettings(**{part: {"_target_": NWAY, "ways": [{"a": value}]}})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trainer.steps", "abc", r"trainer\.steps=abc .*a whole number"),
        ("trainer.steps", None, r"trainer\.steps=null .*a whole number"),
        ("trainer.steps", 0, r"trainer\.steps=0 .*at least 1"),
        ("trainer.workers", 0, r"trainer\.workers=1 is the least"),
        ("trainer.learning_rate", "fast", r"trainer\.learning_rate=fast .*a number"),
        ("logger.wandb", 3.5, r"logger\.wandb=3\.5 .*true or false"),
        ("validation.episodes", 1, r"validation\.episodes=1 .*at least 2"),
        ("seed", -1, r"seed=-1"),
        ("trainer.lr", 0.1, r" trainer\.lr;.*use trainer\.learning_rate="),
        ("memory", "ntn", r"memory=ntn\b.*choose .*ntm"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        settings(**{name: value})
    assert len(str(caught.value).splitlines()) == 1


def test_a_setting_without_a_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.path.*set data\.path="):
        settings(data="folder")


def test_settings_are_what_a_checkpoint_gives_back() -> None:
    run = settings("quickstart", **{"trainer.steps": 7, "trust": ["a"]})
    assert train_settings(plain(run), ["a"]) == run
    assert train_settings(plain(run), []).trust == []  # what a file says about trust does not count


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (EvaluationSettings, {"support": "a.txt"}, "support= and query= go together"),
        (EvaluationSettings, {"spans": "trim"}, "spans= says how support= and query= are read"),
        (EvaluationSettings, {"support": "a", "query": "b", "split": "val"}, "leave out split=val"),
        (EvaluationSettings, {"episodes": 1}, "episodes=1 must be at least 2"),
        (AuditSettings, {"answered": 3}, "answered=3 must be at least 20"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(kind: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**given)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"data": "records", "protocol": "greedy_sentences"}, "encoder=conv is for images"),
        ({"learner": "tagger"}, "learner=tagger is for supervised sentences"),
        ({"learner": "sentence_mann"}, "learner=sentence_mann is for sentences"),
    ],
)
def test_a_part_that_takes_a_setting_of_another_is_refused_for_what_it_is(chosen: dict[str, str], message: str) -> None:
    """A size of no image and a scheme of no sentence are not what is wrong."""
    run = settings(**chosen)
    with pytest.raises(ConfigError, match=message):
        modality_of({part: getattr(run, part) for part in PARTS}, conf_choices())

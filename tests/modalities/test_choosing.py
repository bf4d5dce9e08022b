"""Which kind of input a run has, and which parts of conf/ go together."""

from __future__ import annotations

from typing import Any

import pytest

from metamann.application.trust import conf_choices
from metamann.errors import LONGEST_MESSAGE, ConfigError
from metamann.modalities.choosing import modalities, modality_of

MANN = {"learner": "mann", "memory": "keyvalue"}


def of(**chosen: Any) -> dict[str, Any]:
    """Parts of a run: names of choices, or plain data."""
    known = conf_choices()
    groups = {part: part.replace("train_protocol", "protocol") for part in chosen}
    return {
        part: known[groups[part]][value] if isinstance(value, str) else value for part, value in chosen.items()
    }  # fmt: skip


def name_of(**chosen: Any) -> str:
    return modality_of(of(**chosen), conf_choices()).name


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"data": "strokes", "protocol": "stream", "encoder": "conv", **MANN}, "images"),
        ({"data": "omniglot", "protocol": "lake_runs", "encoder": "pixels", **MANN}, "images"),
        ({"data": "strokes", "protocol": "nway", "encoder": "conv", **MANN, "learner": "maml"}, "images"),
        ({"data": "records", "protocol": "greedy_sentences", "encoder": "words", **MANN}, "sentences"),
        ({"data": "snips", "protocol": "fixed_sentences", "encoder": "words", **MANN}, "sentences"),
        (
            {"data": "records", "protocol": "supervised", "encoder": "words", "memory": "none", "learner": "tagger"},
            "supervised sentences",
        ),
        ({"data": None, "protocol": "copy", "memory": "ntm", "learner": "sequence"}, "sequences"),
        ({"protocol": "associative_recall", "memory": "dnc", "learner": "sequence"}, "sequences"),
    ],
)
def test_parts_have_the_modality_of_their_data_and_protocol(parts: dict[str, Any], name: str) -> None:
    assert name_of(**parts) == name


IMAGES = {"data": "strokes", "protocol": "nway", "encoder": "conv", **MANN}
SENTENCES = {"data": "records", "protocol": "greedy_sentences", "encoder": "words", **MANN}
SUPERVISED = {
    "data": "records", "protocol": "supervised", "encoder": "words", "memory": "none", "learner": "tagger",
}  # fmt: skip
SEQUENCES = {"data": None, "protocol": "copy", "memory": "ntm", "learner": "sequence"}


@pytest.mark.parametrize(
    ("parts", "changes", "message"),
    [
        (
            IMAGES,
            {"protocol": "greedy_sentences"},
            r"^protocol=greedy_sentences is for sentences .*data=strokes .*nway",
        ),
        (IMAGES, {"encoder": "words"}, r"^encoder=words .*sentences .*choose encoder=conv or pixels\b"),
        (IMAGES, {"learner": "sentence_mann"}, r"^learner=sentence_mann .*sentences .*choose learner=mann, "),
        (IMAGES, {"learner": "sequence"}, r"^learner=sequence is for sequences .*choose learner=mann, "),
        (IMAGES, {"adapter": "structshot"}, r"^adapter=structshot .*sentences .*choose adapter=rotated, "),
        (
            IMAGES,
            {"train_protocol": "greedy_sentences"},
            r"^train_protocol=greedy_sentences .*leave out train_protocol=\.$",
        ),
        (IMAGES, {"protocol": "copy"}, r"^protocol=copy .*experiment=copy, .*leave out data="),
        (IMAGES, {"data": None}, r"^protocol=nway .*choose data=strokes, omniglot"),
        (SENTENCES, {"protocol": "nway"}, r"^protocol=nway is for images .*data=records .*greedy_sentences"),
        (SENTENCES, {"encoder": "conv"}, r"^encoder=conv is for images .*choose encoder=words, "),
        (SENTENCES, {"learner": "tagger"}, r"^learner=tagger is for supervised sentences .*sentence_mann"),
        (SENTENCES, {"adapter": "rotated"}, r"^adapter=rotated is for images .*structshot"),
        (SUPERVISED, {"learner": "mann"}, r"^learner=mann is for .*choose learner=tagger\.$"),
        (SUPERVISED, {"adapter": "structshot"}, r"^adapter=structshot is for sentences .*leave out adapter=\.$"),
        (SUPERVISED, {"memory": "prototypes"}, r"^memory=prototypes is for .*choose memory=additive, "),
        (SUPERVISED, {"data": "snips"}, r"^protocol=supervised .*supervised sentences .*data=snips .*choose"),
        (SEQUENCES, {"encoder": "conv"}, r"^encoder=conv is for images .*leave out encoder=\.$"),
        (SEQUENCES, {"learner": "mann"}, r"^learner=mann is for images .*choose learner=sequence\.$"),
        (SEQUENCES, {"memory": "keyvalue"}, r"^memory=keyvalue is for images .*choose memory=additive, "),
        (SEQUENCES, {"adapter": "rotated"}, r"^adapter=rotated is for images .*leave out adapter=\.$"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_those_that_do(
    parts: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    name_of(**parts)
    with pytest.raises(ConfigError, match=message) as caught:
        name_of(**{**parts, **changes})
    assert len(str(caught.value)) <= LONGEST_MESSAGE
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("part", ["data", "encoder", "memory", "learner", "adapter", "train_protocol"])
def test_a_class_that_no_modality_lists_goes_through(part: str) -> None:
    assert name_of(**{**IMAGES, part: {"_target_": "plug.In"}}) == "images"
    assert name_of(**{**SENTENCES, part: {"_target_": "plug.In"}}) == "sentences"


def test_a_protocol_that_no_modality_lists_is_of_its_data() -> None:
    assert name_of(**{**IMAGES, "protocol": {"_target_": "plug.In"}}) == "images"
    with pytest.raises(ConfigError, match=r"^protocol plug\.In .*modality\.NAME"):
        name_of(protocol={"_target_": "plug.In"})


def test_every_choice_that_fits_is_one_of_conf_and_every_choice_of_conf_fits_somewhere() -> None:
    fitting: dict[str, set[str]] = {}
    for each in modalities():
        for group, names in each.fits.items():
            fitting.setdefault(group, set()).update(names)
    assert fitting == {group: set(names) for group, names in conf_choices().items()}


def test_names_are_told_apart() -> None:
    names = [each.name for each in modalities()]
    assert len(set(names)) == len(names)

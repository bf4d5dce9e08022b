"""Explanations: the example that is shown again is read most; what cannot be explained says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_words import ToyEncoder

from metamann.application.loading import load_task
from metamann.application.model import Model
from metamann.application.tensor_archive import read_archive, write_archive
from metamann.data.images.objects import Pictures
from metamann.encoders.identity import IdentityEncoder
from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import MetamannError
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.interface import Memory
from metamann.memory.pairs.keyvalue import KeyValueMemory
from metamann.modalities.explanations import Explanation, SentenceExplanation
from metamann.modalities.item_objects import ItemObjects, Rows
from metamann.modalities.sentence_objects import SentenceObjects

NAMING = pytest.mark.parametrize("kind", ["keyvalue", "nearest", "prototypes"])
SHOWN = [("o1 o2 Type1x3 .", [(6, 13, "song")]), ("o4 Type2x1 Type2x2 .", [(3, 18, "artist")])]
MakeMemory = Callable[..., Memory[Any]]


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)


def sentence_model(make_memory: MakeMemory, kind: str, **options: Any) -> Model:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    memory = make_memory(kind, encoder.features, 12, torch.float32)
    return Model(SentenceMANN(encoder, memory, 12, **options), SentenceObjects(LabelCodes("random", 12), 3))


@NAMING
def test_the_picture_that_is_asked_again_is_read_most(make_mann: Any, kind: str) -> None:
    task = Model(make_mann(kind), ItemObjects(Pictures(16), LabelCodes(), 5)).adapt(
        {"cat": [picture(0)], "dog": [picture(1)]}
    )
    explanation = task.explain(picture(1))
    assert isinstance(explanation, Explanation)
    first, second = explanation.examples
    assert (first.number, first.label, explanation.answer.label) == (1, "dog", "dog")
    assert first.weight > second.weight
    assert len(explanation.plot().axes) == 3


def test_rows_are_explained_and_drawn_as_bars() -> None:
    model = Model(MANN(IdentityEncoder(4), KeyValueMemory(4, 5), 5), ItemObjects(Rows(4), LabelCodes(), 5))
    explanation = model.adapt({"a": [[1, 0, 0, 0]], "b": [[0, 1, 0, 0], [0, 1, 1, 0]]}).explain([0, 1, 0, 0])
    assert isinstance(explanation, Explanation)
    assert [each.number for each in explanation.examples] == [1, 2, 0]
    assert [len(axes.patches) for axes in explanation.plot().axes] == [4, 4, 4, 4]


def test_what_was_added_and_forgotten_keeps_its_number(make_mann: Any) -> None:
    task = Model(make_mann("keyvalue"), ItemObjects(Pictures(16), LabelCodes(), 5)).adapt(
        {"cat": [picture(0), picture(1)], "dog": [picture(2)]}
    )
    task.add({"dog": [picture(3)]})
    task.forget(0)
    for number, shown in enumerate((1, 2, 3)):
        assert task.explain(picture(shown)).examples[0].number == number


@NAMING
@pytest.mark.parametrize("options", [{}, {"label_names": True}])
def test_words_are_explained_by_words_of_the_examples(
    make_memory: MakeMemory, kind: str, options: dict[str, Any]
) -> None:
    task = sentence_model(make_memory, kind, **options).adapt(SHOWN[:1])
    task.add(SHOWN[1:])
    explanation = task.explain("o1 o2 Type2x2")
    assert isinstance(explanation, SentenceExplanation)
    assert [each.word for each in explanation.words] == ["o1", "o2", "Type2x2"]
    outside, inside = (
        [next(read for read in each.read if (read.label is None) == is_outside) for each in explanation.words]
        for is_outside in (True, False)
    )
    assert [(read.word, read.number) for read in outside[:2]] == [("o1", 0), ("o2", 0)]
    assert (inside[2].label, inside[2].number) == ("artist", 1)
    assert all(sum(read.weight for read in each.read) <= 1 + 1e-5 for each in explanation.words)
    cells = explanation.plot().axes[0].tables[0].get_celld()
    assert [cells[row, 0].get_text().get_text() for row in range(4)] == ["word", "o1", "o2", "Type2x2"]
    assert task.explain("").words == ()


@NAMING
def test_a_forgotten_sentence_is_read_no_more(make_memory: MakeMemory, kind: str) -> None:
    model = sentence_model(make_memory, kind)
    task = model.adapt([*SHOWN, ("o7 Type1x5", [(3, 10, "song")])], keep_examples=False)
    task.forget(0)
    kept = model.adapt([*SHOWN, ("o7 Type1x5", [(3, 10, "song")])])
    kept.forget(0)
    anew = model.adapt([("o7 Type1x5", [(3, 10, "song")]), SHOWN[1]])
    asked = "o2 Type1x3 Type2x2"
    for forgetful in (task, kept):
        assert [(entity.text, entity.label) for entity in forgetful.predict(asked)] == [
            (entity.text, entity.label) for entity in anew.predict(asked)
        ]
        found = forgetful.predict(asked)
        assert [each.score for each in found] == pytest.approx([each.score for each in anew.predict(asked)], abs=1e-5)
    assert not {"o1", "Type1x3"} & {read.word for each in kept.explain(asked).words for read in each.read}


def test_what_cannot_be_explained_says_what_can(make_mann: Any, tmp_path: Path) -> None:
    objects = ItemObjects(Pictures(16), LabelCodes(), 5)
    with pytest.raises(MetamannError, match="keyvalue, nearest, prototypes or ridge"):
        Model(make_mann("lrua"), objects).adapt({"cat": [picture(0)]}).explain(picture(0))
    model = Model(make_mann("keyvalue"), objects)
    with pytest.raises(MetamannError, match="keep_examples"):
        model.adapt({"cat": [picture(0)]}, keep_examples=False).explain(picture(0))
    path = tmp_path / "pets.task"
    model.adapt({"cat": [picture(0), picture(1)]}).save(path)
    tensors, about = read_archive(path, "task")
    filled = next(name for name, tensor in tensors.items() if tensor.shape == (1, 2) and tensor.dtype == torch.bool)
    write_archive(path, "task", {**tensors, filled: torch.tensor([[True, False]])}, about)
    with pytest.raises(MetamannError, match="adapt it to them anew"):
        load_task(path, model).explain(picture(0))

"""Adapted tasks: what a person gives, what comes back, and what must stay as it was."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from metamann.application.model import Model
from metamann.application.task import Task
from metamann.data.images.folder import folder
from metamann.data.images.objects import Pictures
from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import MetamannError
from metamann.modalities.item_objects import ItemObjects
from metamann.modalities.task_objects import Prediction

KINDS = (("cat", "RGB", "jpg"), ("cat", "RGBA", "png"), ("dog", "L", "png"), ("dog", "P", "gif"))
MakeModel = Callable[..., Model]


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8))


@pytest.fixture
def make_model(make_mann: Any) -> MakeModel:
    def make(kind: str = "keyvalue", codes: LabelCodes | None = None, **options: Any) -> Model:
        return Model(make_mann(kind), ItemObjects(Pictures(16, "light"), codes or LabelCodes(), 5), **options)

    return make


def same(one: Task, other: Task) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state.memory, other.state.memory, strict=True))


def test_a_shown_picture_is_named(make_model: MakeModel) -> None:
    task = make_model().adapt({"cat": [picture(0), picture(1)], "dog": picture(2)})
    assert task.labels == ("cat", "dog")
    answer = task.predict(picture(2))
    assert isinstance(answer, Prediction)
    assert answer.label == "dog"
    assert answer.score == answer.scores["dog"] > answer.scores["cat"]
    assert sum(answer.scores.values()) == pytest.approx(1)
    several = task.predict(picture(number) for number in range(2))
    assert [each.score for each in several] == pytest.approx([task.predict(picture(n)).score for n in range(2)])
    assert not task.calibrated


def test_pairs_are_the_same_as_a_dictionary(make_model: MakeModel) -> None:
    model = make_model()
    pairs = model.adapt([(picture(0), "cat"), (picture(1), "dog")])
    assert same(pairs, model.adapt({"cat": [picture(0)], "dog": [picture(1)]}))


def test_below_the_threshold_it_is_none_of_these(make_model: MakeModel) -> None:
    task = make_model().adapt({"cat": [picture(0)], "dog": [picture(1)]})
    score = task.predict(picture(5)).score
    assert task.predict([picture(5)], threshold=min(score + 1e-3, 1)) == [None]
    assert task.predict(picture(5), threshold=score) == task.predict(picture(5))
    with pytest.raises(MetamannError, match="threshold"):
        task.predict(picture(5), threshold=2)


@pytest.mark.parametrize("codes", [LabelCodes(), LabelCodes("random", 5), LabelCodes("random", 8)])
@pytest.mark.parametrize("more", [1, 6])
def test_added_examples_are_as_if_they_had_been_there(make_model: MakeModel, codes: LabelCodes, more: int) -> None:
    model = make_model(codes=codes)
    first = {"cat": [picture(0)], "dog": [picture(1)]}
    new = {f"new{number}": [picture(10 + number)] for number in range(more)}
    task = model.adapt(first)
    task.add(new)
    whole = model.adapt({**first, **new})
    assert task.labels == whole.labels
    assert same(task, whole) or torch.allclose(task.state.memory.keys, whole.state.memory.keys, atol=1e-6)
    assert torch.equal(task.state.memory.values, whole.state.memory.values)
    assert task.predict(picture(3)).label == whole.predict(picture(3)).label


def test_what_is_forgotten_was_never_there(make_model: MakeModel) -> None:
    model = make_model()
    task = model.adapt({"cat": [picture(0)], "dog": [picture(1)], "owl": [picture(2), picture(3)]})
    task.forget("dog")
    assert task.labels == ("cat", "owl")
    task.forget(2)
    anew = model.adapt({"cat": [picture(0)], "owl": [picture(2)]})
    assert task.predict(picture(3)).score == pytest.approx(anew.predict(picture(3)).score, abs=1e-6)
    assert task.examples is not None
    assert len(task.examples) == 2
    task.add({"cat": [picture(4)]})
    task.forget(0)
    assert task.labels == ("cat", "owl")
    anew = model.adapt({"owl": [picture(2)], "cat": [picture(4)]})
    assert task.predict(picture(3)).scores == pytest.approx(anew.predict(picture(3)).scores, abs=1e-6)
    with pytest.raises(MetamannError, match="no label dog"):
        task.forget("dog")
    with pytest.raises(MetamannError, match="nothing would be left"):
        task.forget([0, 1])


@pytest.mark.parametrize("kind", ["keyvalue", "nearest", "prototypes", "lrua"])
def test_without_examples_a_memory_that_can_forgets_single_ones(make_model: MakeModel, kind: str) -> None:
    model, shown = make_model(kind), {"cat": [picture(0), picture(1)], "dog": [picture(2), picture(3)]}
    task = model.adapt(shown, keep_examples=False)
    if kind == "lrua":
        with pytest.raises(MetamannError, match="keep_examples"):
            task.forget(1)
        return
    task.add({"cat": [picture(4)]})
    task.forget([1, 2])
    anew = model.adapt([(picture(0), "cat"), (picture(3), "dog"), (picture(4), "cat")])
    assert task.predict(picture(5)).scores == pytest.approx(anew.predict(picture(5)).scores, abs=1e-6)
    task.forget(2)
    with pytest.raises(MetamannError, match="there is no example 2"):
        task.forget(2)
    for what in ("dog", 1):  # its last example
        with pytest.raises(MetamannError, match="keep_examples"):
            task.forget(what)


def test_the_model_and_its_other_tasks_stay_as_they_are(memory_kind: str, make_model: MakeModel) -> None:
    model = make_model(memory_kind)
    before = {name: tensor.clone() for name, tensor in model.learner.state_dict().items()}
    other = model.adapt({"a": [picture(0)], "b": [picture(1)]})
    kept = [tensor.clone() for tensor in other.state.memory if isinstance(tensor, torch.Tensor)]
    task = model.adapt({"a": [picture(2)], "b": [picture(3)]})
    task.add({"a": [picture(4)]})
    task.forget("b")
    task.predict([picture(5)])
    after = model.learner.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    tensors = [tensor for tensor in other.state.memory if isinstance(tensor, torch.Tensor)]
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors, strict=True))


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ({}, "no labelled example"),
        ({"cat": []}, "cat has no example"),
        ([picture(0)], "pair"),
        ({"cat": [np.zeros((2, 3, 4, 5))]}, "shape"),
        ({"cat": [np.full((4, 4), 7.0)]}, "between 0 and 1"),
        ({3: [picture(0)]}, "no name"),
        ("no/such/folder", "no folder"),
        ({"cat": ["no/such/file.png"]}, "cannot be read"),
        ({"cat": [object()]}, "no image"),
        (3, "examples must be"),
    ],
)
def test_wrong_examples_are_refused_with_the_fix(make_model: MakeModel, examples: Any, message: str) -> None:
    with pytest.raises(MetamannError, match=message):
        make_model().adapt(examples)


def test_more_labels_than_can_be_named_are_refused(make_model: MakeModel) -> None:
    with pytest.raises(MetamannError, match="6 labels are more than the 5"):
        make_model("lrua", most_labels=5).adapt({f"label{number}": [picture(number)] for number in range(6)})


def test_pictures_are_read_as_the_folder_reader_reads_them(tmp_path: Path, make_model: MakeModel) -> None:
    files = []
    for label, mode, suffix in KINDS:
        path = tmp_path / label / f"{mode}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(len(files)).integers(0, 256, (20, 13, 4), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
        files.append(path)
    store = folder(str(tmp_path), size=16, shares=(0, 0, 1)).test
    expected = {
        label: sorted(bytes(image.numpy()) for image in store.items[a:b])
        for label, a, b in zip(store.class_names, store.first_item, store.first_item[1:], strict=False)
    }
    reader = Pictures(16)
    for read in (reader.read, lambda path: reader.read(Image.open(path)), lambda path: reader.read(str(path))):
        for label in ("cat", "dog"):
            found = sorted(bytes(read(path).numpy()) for path in files if path.parent.name == label)
            assert found == expected[label]
    grey = np.asarray(Image.open(files[2]))
    ink = reader.read(files[2])
    for value in (grey, grey[..., None], torch.from_numpy(grey.copy()), grey / 255):
        assert torch.equal(reader.read(value), ink)
    colours = np.asarray(Image.open(files[0]))
    for value in (colours, torch.from_numpy(colours.copy()).permute(2, 0, 1)):
        assert torch.equal(reader.read(value), reader.read(files[0]))
    assert make_model().adapt(tmp_path).labels == ("cat", "dog")


def test_threads_may_ask_one_task_at_once(make_model: MakeModel) -> None:
    task = make_model().adapt({"cat": [picture(0)], "dog": [picture(1)]})
    alone = [task.predict(picture(number)) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda number: task.predict(picture(number)), range(12))) == alone

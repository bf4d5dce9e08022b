"""Files of tasks and models: the same bits come back, and what is damaged or foreign is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_words import ToyEncoder

from metamann.application.loading import load_task
from metamann.application.model import Model
from metamann.application.model_files import load_model_file
from metamann.application.tensor_archive import read_archive, write_archive
from metamann.data.images.objects import Pictures
from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import MetamannError
from metamann.learners.adapters.linear_head import LinearHead
from metamann.learners.adapters.majority import Majority
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.keyvalue import KeyValueMemory
from metamann.modalities.item_objects import ItemObjects
from metamann.modalities.sentence_objects import SentenceObjects


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)


@pytest.fixture
def model(make_mann: Any) -> Model:
    return Model(make_mann("keyvalue"), ItemObjects(Pictures(16), LabelCodes(), 5), card="tiny")


@pytest.mark.parametrize("examples", [True, False])
def test_a_loaded_task_of_any_memory_answers_with_the_same_bits(
    memory_kind: str, make_mann: Any, tmp_path: Path, examples: bool
) -> None:
    model = Model(make_mann(memory_kind), ItemObjects(Pictures(16), LabelCodes(), 5))
    task = model.adapt({"cat": [picture(0), picture(1)], "dog": [picture(2)]})
    task.save(tmp_path / "pets.task", examples=examples)
    loaded = load_task(tmp_path / "pets.task", model)
    asked = [picture(number) for number in range(5)]
    assert loaded.predict(asked) == task.predict(asked)
    assert loaded.labels == task.labels
    assert (loaded.examples is not None) == examples


def test_a_loaded_task_of_sentences_answers_with_the_same_bits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    learner = SentenceMANN(encoder, KeyValueMemory(encoder.features, 12), 12, label_names=True)
    model = Model(learner, SentenceObjects(LabelCodes("random", 12), 3))
    task = model.adapt([("o1 Type1x1 é", [(3, 10, "song")]), ("Type2x1", [(0, 7, "big artist")])])
    task.add([("Type3x1 o9", [(0, 7, "third")])])
    task.save(tmp_path / "songs.task")
    loaded = load_task(tmp_path / "songs.task", model)
    assert loaded.predict("o3 Type1x2 Type2x4") == task.predict("o3 Type1x2 Type2x4")
    assert loaded.examples == task.examples


def test_another_model_or_none_is_refused_by_name(model: Model, make_mann: Any, tmp_path: Path) -> None:
    path = tmp_path / "pets.task"
    model.adapt({"cat": [picture(0)]}).save(path)
    with pytest.raises(MetamannError, match="model="):
        load_task(path)
    with pytest.raises(MetamannError, match=model.hash[:12]):
        load_task(path, Model(make_mann("lrua"), model.objects))


def test_sums_that_no_examples_give_are_one_line(make_mann: Any, tmp_path: Path) -> None:
    model, path = Model(make_mann("ridge"), ItemObjects(Pictures(16), LabelCodes(), 5)), tmp_path / "pets.task"
    model.adapt([(picture(number), "cat" if number % 2 else "dog") for number in range(9)]).save(path)
    tensors, about = read_archive(path, "task")
    sums = next(name for name, tensor in tensors.items() if tensor.dim() == 3 and tensor.shape[1] == tensor.shape[2])
    write_archive(path, "task", {**tensors, sums: -torch.eye(tensors[sums].shape[1]).unsqueeze(0) * 99}, about)
    with pytest.raises(MetamannError, match="damaged"):
        load_task(path, model).predict(picture(1))


def test_damaged_files_are_one_line(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "pets.task"
    model.adapt({"cat": [picture(0)], "dog": [picture(1)]}).save(path)
    content = path.read_bytes()
    for size in (0, 5, 40, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(MetamannError, match="task file"):
            load_task(path, model)
    with pytest.raises(MetamannError, match="cannot be read"):
        load_task(tmp_path / "absent.task", model)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state.0", torch.full((1, 2, 3), torch.nan)),
        ("state.0", torch.zeros(1, 7, 16)),
        ("state.0", torch.zeros(2, dtype=torch.int64)),
        ("state.99", torch.zeros(2)),
        ("examples.labels", torch.tensor([0, 9])),
        ("examples.labels", torch.tensor([1, 1])),
        ("examples.items", torch.zeros(2, 1, 8, 8, dtype=torch.uint8)),
        ("other", torch.zeros(2)),
    ],
)
def test_parts_that_do_not_fit_are_refused(model: Model, tmp_path: Path, name: str, value: torch.Tensor) -> None:
    path = tmp_path / "pets.task"
    model.adapt({"cat": [picture(0)], "dog": [picture(1)]}).save(path)
    tensors, about = read_archive(path, "task")
    write_archive(path, "task", {**tensors, name: value}, about)
    with pytest.raises(MetamannError, match=r"damaged|more than a task"):
        load_task(path, model)


@pytest.mark.parametrize("adapter", [Majority, LinearHead])
def test_a_state_of_whole_numbers_is_never_read_from_a_file(adapter: Any, make_mann: Any, tmp_path: Path) -> None:
    """A label in a file could point anywhere; such a task learns anew from its examples."""
    path = tmp_path / "pets.task"
    model = Model(adapter(make_mann("keyvalue")), ItemObjects(Pictures(16), LabelCodes(), 5))
    task = model.adapt({"cat": [picture(0)], "dog": [picture(1)]})
    task.save(path)
    assert load_task(path, model).predict(picture(1)) == task.predict(picture(1))
    with pytest.raises(MetamannError, match="examples=True"):
        task.save(path, examples=False)
    tensors, about = read_archive(path, "task")
    assert not any(name.startswith("state.") for name in tensors)
    write_archive(path, "task", {**tensors, "state.0": torch.tensor([[99, 0]])}, about)
    with pytest.raises(MetamannError, match="takes no state from a file"):
        load_task(path, model)
    write_archive(path, "task", {"state.0": torch.tensor([[99, 0]])}, about)
    with pytest.raises(MetamannError, match="takes no state from a file"):
        load_task(path, model)


def test_a_task_that_forgot_answers_with_the_same_bits(model: Model, tmp_path: Path) -> None:
    task = model.adapt([(picture(0), "cat"), (picture(1), "dog"), (picture(2), "cat")])
    task.forget(0)
    task.save(tmp_path / "pets.task")
    loaded = load_task(tmp_path / "pets.task", model)
    assert loaded.labels == task.labels == ("cat", "dog")
    assert loaded.predict(picture(1)) == task.predict(picture(1))
    loaded.forget(1)
    assert loaded.labels == ("dog",)


def test_a_model_file_holds_weights_and_card(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "tiny.model"
    model.save(path)
    weights, about = load_model_file(path)
    assert about.card == "tiny"
    state = model.learner.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[key], state[key]) for key in state)
    with pytest.raises(MetamannError, match="no task file"):
        load_task(path, model)


def test_classes_that_its_labels_do_not_have_are_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "pets.task"
    model.adapt({"cat": [picture(0)], "dog": [picture(1)]}).save(path)
    tensors, about = read_archive(path, "task")
    ways = next(name for name, tensor in tensors.items() if torch.equal(tensor, torch.tensor([2])))
    write_archive(path, "task", {**tensors, ways: torch.tensor([5])}, about)
    with pytest.raises(MetamannError, match="classes of its state"):
        load_task(path, model)

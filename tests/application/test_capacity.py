"""A memory with too few slots for its episodes is said, one too large for the machine is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from metamann.application.capacity import capacity_notes, check_room
from metamann.data.sentences.store import Sentence, SentenceStore, Span
from metamann.data.store import ClassStore
from metamann.episodes.items.protocols import NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.sequences.algorithmic import AssociativeRecall, Copy, RepeatCopy
from metamann.episodes.sequences.source import RandomBits
from metamann.errors import ConfigError
from metamann.learners.adapters.linear_head import LinearHead
from metamann.learners.adapters.majority import Majority
from metamann.learners.mann import MANN
from metamann.memory.controlled.dnc import DNCMemory
from metamann.memory.interface import Memory

BOUNDED = {"additive", "additive_additive", "additive_multiplicative", "dnc", "keyvalue_bounded", "keyvalue_quota",
           "keyvalue_usage", "lrua", "ntm", "ntm_input"}  # fmt: skip


class Holder(nn.Module):
    """A learner of which only the memory matters."""

    def __init__(self, memory: Memory[Any]) -> None:
        super().__init__()
        self.memory = memory


def test_a_memory_knows_how_many_items_it_holds(memory_kind: str, make_memory: Callable[..., Memory[Any]]) -> None:
    memory = make_memory(memory_kind)
    assert memory.capacity == (getattr(memory, "slots", None) if memory_kind in BOUNDED else None)


@pytest.fixture
def holder(make_memory: Callable[..., Memory[Any]]) -> Holder:
    """Six slots."""
    return Holder(make_memory("ntm"))


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (NWayKShot(ways=6, shots=1, queries=1), None),
        (NWayKShot(ways=[2, 7], shots=1, queries=1), "less than the 7 classes of an episode"),
        (NWayKShot(ways=2, shots=4, queries=1), "less than the 8 items of an episode"),
        (OnlineStream(ways=2, steps=6), None),
        (OnlineStream(ways=2, steps=12), "less than the 12 items"),
        (OnlineStream(ways=7, steps=12), "less than the 7 classes"),
    ],
)
def test_classes_and_items_of_images_are_counted(
    protocol: Any, said: str | None, holder: Holder, store: ClassStore
) -> None:
    notes = capacity_notes(holder, Sampler(store, protocol).loads())
    assert (len(notes) == 1 and said in notes[0] and "memory.slots=6" in notes[0]) if said else notes == ()


@pytest.mark.parametrize(
    ("task", "vectors"),
    [(Copy(6), None), (Copy([1, 7]), 7), (RepeatCopy(9, 3), 9), (AssociativeRecall([2, 6], 3), 18)],
)
def test_vectors_of_sequences_are_counted(task: Any, vectors: int | None, holder: Holder) -> None:
    notes = capacity_notes(holder, Sampler(RandomBits("train"), task).loads())
    assert (f"the {vectors} vectors of an episode" in notes[0]) if vectors else notes == ()


def test_classes_of_sentences_are_counted_where_labels_are_told(holder: Holder) -> None:
    made = [Sentence((f"w{n}",), (Span(0, 1, f"type{n % 8}"),)) for n in range(100)]
    store = SentenceStore("toy", tuple(made))
    assert "the 8 classes" in capacity_notes(holder, Sampler(store, GreedySentences(ways=8)).loads())[0]
    assert capacity_notes(holder, Sampler(store, GreedySentences(ways=6)).loads()) == ()
    assert capacity_notes(holder, Sampler(store, Supervised(types=store.types)).loads()) == ()


def test_the_largest_load_of_all_is_said(holder: Holder, store: ClassStore) -> None:
    protocols = [NWayKShot(ways=ways, shots=1, queries=1) for ways in (2, 9, 7)]
    loads = [load for protocol in protocols for load in Sampler(store, protocol).loads()]
    assert "the 9 classes" in capacity_notes(holder, loads)[0]


def test_nothing_is_said_of_memories_that_are_not_used_or_grow(
    make_memory: Callable[..., Memory[Any]], store: ClassStore
) -> None:
    loads = Sampler(store, NWayKShot(ways=12, shots=1, queries=1)).loads()
    encoder = nn.Identity()
    encoder.features = 5  # type: ignore[assignment]  # what encoders have
    memory = make_memory("ntm")
    for learner in (
        Holder(make_memory("keyvalue")),
        LinearHead(MANN(encoder, memory, 3)),
        Majority(MANN(encoder, memory, 3)),
    ):
        assert capacity_notes(learner, loads) == ()
    assert capacity_notes(nn.Identity(), loads) == ()


def test_a_memory_beyond_the_machine_is_refused_before_it_is_there() -> None:
    holder = Holder(DNCMemory(8, 3, slots=1_000_000, width=1, heads=1, hidden=4))
    with pytest.raises(ConfigError, match=r"16 episodes .* GiB.*lower memory\.slots=1000000"):
        check_room(holder, 16)
    check_room(Holder(DNCMemory(8, 3, slots=16)), 16)


def test_every_memory_of_a_usual_size_has_room(memory_kind: str, make_memory: Callable[..., Memory[Any]]) -> None:
    for code_width in (0, 3):  # of sequences, and of labels
        check_room(Holder(make_memory(memory_kind, code_width=code_width)), 64)

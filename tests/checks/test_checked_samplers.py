"""Samplers: no false alarm on ours, and every planted fault is found by the check that is meant for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from toy_words import toy_store

from metamann.checks.finding import Finding, errors_above
from metamann.checks.samplers import audit_sampler
from metamann.checks.tasks import audit_tasks_apart
from metamann.data.sentences.store import Sentence, SentenceStore
from metamann.data.store import ClassStore
from metamann.episodes.episode import Episode, Examples
from metamann.episodes.items.protocols import EpisodeProtocol, LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.items.source import Plan
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences

NWAY = NWayKShot(ways=5, shots=3, queries=2)


def greedy_sampler(seed: int = 0) -> Sampler:
    return Sampler(toy_store(), GreedySentences(ways=3, shots=1), seed)


def failed(findings: list[Finding]) -> list[str]:
    return [found.check for found in findings if found.outcome == "fail"]


@pytest.mark.parametrize(
    "protocol",
    [
        NWAY,
        NWayKShot(ways=(2, 5), shots=(1, 3), queries=2, codes=LabelCodes("random", 8)),
        NWayKShot(ways=4, shots=1, queries=1, within_group=True),
        OnlineStream(ways=5, steps=23),
        OnlineStream(ways=(3, 6), steps=20),
    ],
    ids=str,
)
def test_no_false_alarm_on_images(store: ClassStore, protocol: EpisodeProtocol) -> None:
    found = audit_sampler(lambda: Sampler(store, protocol, 3))
    assert {each.outcome for each in found} == {"pass"}, found


def test_no_false_alarm_on_sentences() -> None:
    found = audit_sampler(greedy_sampler)
    assert {each.outcome for each in found} == {"pass"}, found


class Relabelled(Sampler):
    """Numbers the classes as a set of their ids happens to lie, as public code does."""

    def plan(self, index: int) -> Plan:
        plan = super().plan(index)
        ids = [int(np.searchsorted(self.store.first_item, row, side="right")) - 1 for row in plan.items]
        number = {name: position for position, name in enumerate(list(set(ids)))}
        return plan._replace(labels=np.array([number[name] for name in ids]))


class ClassBlocked(Sampler):
    """All shots of a class behind one another."""

    def plan(self, index: int) -> Plan:
        plan = super().plan(index)
        order = np.argsort(plan.labels[:15], kind="stable")
        # numbers drawn anew, so that the order alone tells
        numbers = np.random.default_rng(index).permutation(5)
        labels = np.concatenate([plan.labels[:15][order], plan.labels[15:]])
        return plan._replace(items=np.concatenate([plan.items[:15][order], plan.items[15:]]), labels=numbers[labels])


class Sorted(Sampler):
    """The support in the order of the class numbers."""

    def plan(self, index: int) -> Plan:
        plan = super().plan(index)
        order = np.concatenate([np.argsort(plan.labels[:15], kind="stable"), np.arange(15, 25)])
        return plan._replace(items=plan.items[order], labels=plan.labels[order])


class Overlapping(Sampler):
    """A query that stands in the support."""

    def plan(self, index: int) -> Plan:
        plan = super().plan(index)
        if index % 50 == 7:
            plan.items[15], plan.labels[15] = plan.items[0], plan.labels[0]
        return plan


class OneNumberEach(Sampler):
    """Every class has one number for ever."""

    def plan(self, index: int) -> Plan:
        rng = np.random.default_rng(index)
        classes = [int(rng.choice(range(number, 12, 5))) for number in range(5)]
        items = np.stack([self.store.first_item[each] + rng.permutation(12)[:5] for each in classes])
        labels = np.broadcast_to(np.arange(5)[:, None], items.shape)
        support, query = rng.permutation(15), rng.permutation(10)
        return Plan(
            np.concatenate([items[:, :3].ravel()[support], items[:, 3:].ravel()[query]]),
            np.concatenate([labels[:, :3].ravel()[support], labels[:, 3:].ravel()[query]]),
            5,
        )


class Forgetful(Sampler):
    """Draws from a state that goes on, as samplers with a global random state do."""

    drawn = 0

    def plan(self, index: int) -> Plan:
        Forgetful.drawn += 1
        return super().plan(self.drawn)


@pytest.mark.parametrize(
    ("faulty", "caught"),
    [
        (Relabelled, "labels cannot be guessed from the class"),
        (OneNumberEach, "labels cannot be guessed from the class"),
        (ClassBlocked, "labels cannot be guessed from the order"),
        (Sorted, "labels cannot be guessed from the position"),
        (Overlapping, "support and query are disjoint"),
        (Forgetful, "the index alone decides what an episode holds"),
    ],
)
def test_planted_faults_are_found(store: ClassStore, faulty: type[Sampler], caught: str) -> None:
    assert caught in failed(audit_sampler(lambda: faulty(store, NWAY, 1)))


class Foreign:
    """A sampler that is not ours: episodes, and nothing else."""

    def __init__(self, store: ClassStore, seed: int = 0) -> None:
        self.inner = Sampler(store, NWAY, seed)

    def batch(self, indices: Sequence[int]) -> Any:
        return self.inner.batch(indices)


def test_a_foreign_sampler_is_audited_but_for_what_it_does_not_tell(store: ClassStore) -> None:
    found = {each.check: each.outcome for each in audit_sampler(lambda: Foreign(store))}
    assert found.pop("labels cannot be guessed from the class") == "skipped"
    assert set(found.values()) == {"pass"}


def test_tasks_that_reach_what_is_tested_are_found(make_store: Callable[..., ClassStore]) -> None:
    train, test = make_store(seed=1), make_store(seed=2)
    assert audit_tasks_apart(Foreign(train), Foreign(test), 20).outcome == "pass"
    turned = ClassStore(test.name, test.items.rot90(1, (2, 3)), test.class_names, test.groups, test.first_item)
    both = ClassStore.from_classes(
        "both",
        [each.images_of(number) for each in (train, turned) for number in range(12)],
        [f"class{number}" for number in range(24)],
        [""] * 24,
    )
    assert audit_tasks_apart(Foreign(both), Foreign(test), 20).outcome == "fail"


def test_sentences_met_on_both_sides_are_found() -> None:
    assert audit_tasks_apart(greedy_sampler(seed=1), greedy_sampler(seed=2), 20).outcome == "fail"


def test_sentences_are_compared_by_their_words_whatever_their_numbers() -> None:
    store = toy_store()
    longer = SentenceStore("longer", (*store.sentences, Sentence(("AAA", "zzz"), ())))
    assert longer.lexicon[1] != store.lexicon[1]
    protocol = GreedySentences(ways=3, shots=1)
    one, other = (Sampler(each, protocol, 1) for each in (store, longer))
    assert audit_tasks_apart(one, other, 60).outcome == "fail"


def test_errors_above_counts_in_standard_errors() -> None:
    values = np.array([0.0, 1.0, 0.0, 1.0, np.nan])
    # mean 0.5, standard deviation 0.577 over four values
    assert errors_above(values, 0.0) == pytest.approx(0.5 / (np.std([0, 1, 0, 1], ddof=1) / 2))
    assert errors_above(np.ones(5), 1.0) == 0
    assert errors_above(np.ones(5), 0.5) == np.inf
    assert errors_above(np.full(5, np.nan), 0.5) == 0
    assert errors_above(np.full(5, 0.2, dtype=np.float32), 1 / 5) == 0


def test_padding_of_the_batch_is_no_difference(store: ClassStore) -> None:
    class Padded(Sampler):
        def batch(self, indices: Sequence[int]) -> Any:
            episode = super().batch(indices)
            assert isinstance(episode, Episode)
            room = len(indices)
            assert isinstance(episode.support.inputs, torch.Tensor)
            inputs = torch.nn.functional.pad(episode.support.inputs, (0, 0, 0, 0, 0, 0, 0, room))
            labels = torch.nn.functional.pad(episode.support.labels, (0, room), value=-100)
            return episode._replace(support=Examples(inputs, labels))

    assert not failed(audit_sampler(lambda: Padded(store, NWAY, 1)))

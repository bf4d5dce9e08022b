"""Bounded key-value memory: which pair makes room for which, against a plain list of dictionaries."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from contract import (
    CODE_WIDTH,
    FEATURES,
    Make,
    after_writing,
    assert_scan_is_the_chained_step,
    full_mask,
    labelled_sequence,
    random_mask,
)
from dialects import Options, option_id
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metamann.memory.interface import Memory
from metamann.memory.pairs import bounded
from metamann.memory.pairs.bounded import BoundedKeyValueMemory, BoundedState
from metamann.memory.pairs.keyvalue import KeyValueMemory

BATCH, STEPS = 3, 13
RULES = ("age", "usage", "quota")


def small(slots: int = 4, **options: Any) -> BoundedKeyValueMemory:
    """Features are keys, without learned layers."""
    return BoundedKeyValueMemory(FEATURES, CODE_WIDTH, slots, **options).double()


def draw(steps: int = STEPS, batch: int = BATCH, classes: int = CODE_WIDTH, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features and one-hot codes."""
    return labelled_sequence(steps, batch, classes, seed)[:2]


def axes(*numbers: int) -> Tensor:
    """One episode of unit vectors along these axes: those of different number have cosine 0."""
    return torch.eye(FEATURES, dtype=torch.float64)[list(numbers)].unsqueeze(0)


def labels(*numbers: int, classes: int = CODE_WIDTH) -> Tensor:
    return torch.eye(classes, dtype=torch.float64)[list(numbers)].unsqueeze(0)


def held(state: BoundedState) -> list[int]:
    """Label in each filled slot of the first episode."""
    return [int(code.argmax()) for code, filled in zip(state.values[0], state.filled[0], strict=True) if filled]


# the rules once more, for one episode, in lists and dictionaries


def reference_weights(
    memory: BoundedKeyValueMemory, slots: list[dict[str, Any] | None], feature: np.ndarray
) -> np.ndarray:
    strength = math.exp(memory.log_strength.item())
    cosines = {
        number: pair["feature"] @ feature / np.linalg.norm(pair["feature"]) / np.linalg.norm(feature)
        for number, pair in enumerate(slots)
        if pair is not None
    }
    best = sorted(cosines, key=lambda number: -round(cosines[number], 4))[: memory.top_k]
    weights = np.zeros(len(slots) + 1)
    weights[best] = [math.exp(strength * cosines[number]) for number in best]
    weights[-1] = math.exp(strength * memory.never_seen.item())
    return weights / weights.sum()


def reference_place(rule: str, slots: list[dict[str, Any] | None], code: tuple[float, ...]) -> int:
    if None in slots:
        return slots.index(None)
    if rule == "usage":
        return min(range(len(slots)), key=lambda number: (slots[number]["usage"], number))
    candidates = range(len(slots))
    if rule == "quota":
        counts = Counter([code, *(pair["code"] for pair in slots)])
        candidates = [number for number in candidates if counts[slots[number]["code"]] == max(counts.values())]
    return min(candidates, key=lambda number: slots[number]["written_at"])


def reference_scan(
    memory: BoundedKeyValueMemory, surprise: float | None, features: np.ndarray, codes: np.ndarray, mask: np.ndarray
) -> tuple[list[np.ndarray], list[dict[str, Any] | None]]:
    slots: list[dict[str, Any] | None] = [None] * memory.slots
    reads, writes = [], 0
    for feature, code, present in zip(features, codes, mask, strict=True):
        weights = reference_weights(memory, slots, feature)
        read = np.append(np.zeros_like(code), weights[-1])
        for weight, pair in zip(weights[:-1], slots, strict=True):
            if pair is not None:
                read[:-1] += weight * np.array(pair["code"])
        reads.append(read)
        if not present:
            continue
        place = reference_place(memory.evict, slots, tuple(code))
        for weight, pair in zip(weights[:-1], slots, strict=True):
            if pair is not None:
                pair["usage"] = memory.usage_decay * pair["usage"] + weight
        mass = read[:-1] @ code
        if surprise is None or mass <= 0 or -math.log(mass) > surprise:
            writes += 1
            slots[place] = {"feature": feature, "code": tuple(code), "written_at": writes, "usage": 1.0}
    return reads, slots


@st.composite
def cases(draw_from: st.DrawFn) -> dict[str, Any]:
    """Options, and a sequence of labels of which some are frequent and -1 is masked."""
    return {
        "options": {
            "evict": draw_from(st.sampled_from(RULES)),
            "slots": draw_from(st.integers(1, 7)),
            "surprise": draw_from(st.sampled_from([None, 0.2, 0.7, 2.0])),
            "top_k": draw_from(st.sampled_from([None, 1, 2])),
            "usage_decay": draw_from(st.sampled_from([0.5, 0.99])),
            "strength": draw_from(st.sampled_from([2.0, 8.0])),
        },
        "labels": draw_from(st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 3, -1]), max_size=14)),
        "random_codes": draw_from(st.booleans()),
        "seed": draw_from(st.integers(0, 10_000)),
    }


@settings(deadline=None, max_examples=60)
@given(case=cases())
def test_step_and_scan_follow_the_plain_rules(case: dict[str, Any]) -> None:
    memory = BoundedKeyValueMemory(FEATURES, 4, **case["options"]).double()
    generator = torch.Generator().manual_seed(case["seed"])
    labels = torch.tensor(case["labels"], dtype=torch.long)
    features = torch.randn(1, len(labels), FEATURES, generator=generator, dtype=torch.float64)
    table = torch.eye(4, dtype=torch.float64)
    if case["random_codes"]:
        table = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64)).Q
    codes, mask = table[labels.clamp_min(0)].unsqueeze(0), (labels >= 0).unsqueeze(0)
    expected, slots = reference_scan(
        memory, case["options"]["surprise"], features[0].numpy(), codes[0].numpy(), mask[0].numpy()
    )
    fresh = memory.initial_state(1, 4, features)
    for reads, state in (memory.scan(fresh, features, codes, mask), Memory.scan(memory, fresh, features, codes, mask)):
        for read, wanted in zip(reads[0].detach().numpy(), expected, strict=True):
            np.testing.assert_allclose(read, wanted, rtol=1e-6, atol=1e-9)
        for number, pair in enumerate(slots):
            assert bool(state.filled[0, number]) == (pair is not None)
            wanted = pair or {"feature": np.ones(FEATURES), "code": np.zeros(4), "written_at": 0, "usage": 0.0}
            key = wanted["feature"] / np.linalg.norm(wanted["feature"]) * (pair is not None)
            np.testing.assert_allclose(state.keys[0, number].numpy(), key, rtol=1e-9)
            np.testing.assert_array_equal(state.values[0, number].numpy(), wanted["code"])
            assert float(state.written_at[0, number]) == wanted["written_at"]
            assert float(state.usage[0, number]) == pytest.approx(wanted["usage"], rel=1e-6)


# the forms of the scan


@pytest.mark.parametrize("slots", [1, 3, 20])
@pytest.mark.parametrize(
    "options",
    [
        *({"evict": rule} for rule in RULES),
        {"evict": "age", "surprise": 0.5, "top_k": 2},
        {"evict": "usage", "top_k": 2},
        {"evict": "quota", "surprise": 0.5, "hops": 3, "key_width": 4},
    ],
    ids=option_id,
)
def test_scan_equals_the_chained_step(
    make_memory: Make, options: Options, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a state in use, with masked steps, chunks that the steps do not fill, and keys that tie."""
    monkeypatch.setattr(bounded, "SHORTEST_CHUNK", 4)
    memory = make_memory("keyvalue_bounded", **{**options, "slots": slots})
    features, codes = draw()
    features[:, 2::5] = features[:, 1:2]
    features[:, 4] = 0
    mask, within = random_mask(BATCH, STEPS, 0.8, seed=2), (1e-9, 1e-12)
    fresh = memory.initial_state(BATCH, CODE_WIDTH, features)
    state = Memory.scan(memory, fresh, *draw(steps=3, seed=1), mask[:, :3])[1]
    chained = assert_scan_is_the_chained_step(memory, state, features, codes, mask, within, within)
    assert all(gradient.any() for gradient in chained.gradients[: 2 + len(list(memory.parameters()))])


def test_of_slots_that_tie_scan_and_step_read_the_first() -> None:
    """Every key is the query itself; from the fourth step on the first slot holds a later pair than the others."""
    memory = small(slots=3, top_k=2)
    features, codes = axes(*[0] * 8), labels(*range(8), classes=8)
    fresh = memory.initial_state(1, 8, features)
    there = {4: (3, 1), 5: (3, 4), 6: (3, 4), 7: (6, 4)}
    for scan in (memory.scan, lambda *sequence: Memory.scan(memory, *sequence)):
        reads, _ = scan(fresh, features, codes, full_mask(features))
        for t, pairs in there.items():
            assert set(reads[0, t, :-1].nonzero().flatten().tolist()) == set(pairs)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("surprise", [None, 0.5])
def test_earlier_reads_are_bitwise_independent_of_later_items(rule: str, surprise: float | None) -> None:
    """Later items go to other slots if an earlier label changes: that must not show, not even in rounding."""
    memory = BoundedKeyValueMemory(FEATURES, 5, 6, rule, surprise)
    features, codes = (tensor.float() for tensor in draw(steps=30, batch=8, classes=5))
    fresh = memory.initial_state(8, 5, features)
    reads, _ = memory.scan(fresh, features, codes, full_mask(features))
    for t in (8, 14, 22):
        other, other_codes = features.clone(), codes.clone()
        other[:, t + 1 :] = features[:, t + 1 :].flip(1)
        other_codes[:, t:] = codes[:, t:].roll(1, -1)
        changed, _ = memory.scan(fresh, other, other_codes, full_mask(features))
        assert torch.equal(changed[:, : t + 1], reads[:, : t + 1])
        assert not torch.equal(changed[:, t + 1 :], reads[:, t + 1 :])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("hops", [1, 3])
def test_with_enough_slots_it_equals_the_unbounded_memory(make_memory: Make, rule: str, hops: int) -> None:
    options = {"hops": hops, "key_width": 4}
    memory = make_memory("keyvalue_bounded", slots=STEPS, evict=rule, **options)
    unbounded = KeyValueMemory(FEATURES, CODE_WIDTH, **options).double()
    unbounded.load_state_dict(memory.state_dict())
    features, codes = draw()
    mask = torch.rand(BATCH, STEPS, generator=torch.Generator().manual_seed(2)) < 0.8
    results = []
    for reader in (memory, unbounded):
        reads, state = reader.scan(reader.initial_state(BATCH, CODE_WIDTH, features), features, codes, mask)
        results.append((reads, reader.read(state, features.flip(1))))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("surprise", [None, 1.0])
def test_scan_of_no_steps_leaves_the_state_unchanged(surprise: float | None) -> None:
    memory = small(surprise=surprise)
    features, codes = draw()
    state = after_writing(memory, features, codes)
    reads, final = memory.scan(state, features[:, :0], codes[:, :0], full_mask(features)[:, :0])
    assert reads.shape == (BATCH, 0, CODE_WIDTH + 1)
    assert all(torch.equal(one, other) for one, other in zip(final, state, strict=True))


# what makes room


def test_eviction_by_age_holds_the_last_items() -> None:
    memory = small(evict="age")
    features, codes = draw(steps=40)
    state = after_writing(memory, features, codes)
    assert all(tensor.shape[1] == 4 for tensor in state)
    order = state.written_at.argsort(1)
    assert state.written_at.gather(1, order).tolist() == [[37, 38, 39, 40]] * BATCH
    for episode in range(BATCH):
        expected = torch.nn.functional.normalize(features[episode, -4:], dim=-1)
        torch.testing.assert_close(state.keys[episode, order[episode]], expected)
        assert torch.equal(state.values[episode, order[episode]], codes[episode, -4:])


def test_eviction_by_usage_holds_what_is_read() -> None:
    """The first pair is the oldest and the only one that is read."""
    features, codes = axes(0, 1, 2, 0, 3, 4), labels(0, 1, 1, 0, 2, 2)
    options = {"slots": 3, "strength": 20.0, "surprise": 0.5}
    assert held(after_writing(small(evict="usage", **options), features, codes)) == [0, 2, 2]
    assert held(after_writing(small(evict="age", **options), features, codes)) == [2, 2, 1]


def test_of_equal_usages_the_first_slot_is_evicted() -> None:
    memory = small(slots=3, evict="usage")
    state = after_writing(memory, axes(0, 1, 2), labels(0, 1, 2))._replace(
        usage=torch.tensor([[0.7, 0.5, 0.5]]).double()
    )
    _, state = memory.step(state, axes(3)[:, 0], labels(0)[:, 0], torch.ones(1, dtype=torch.bool))
    assert held(state) == [0, 0, 2]


def test_usage_is_the_decayed_sum_of_read_weights_and_1_for_the_write() -> None:
    memory = small(usage_decay=0.9)
    features, codes = draw(steps=4)
    fresh = memory.initial_state(BATCH, CODE_WIDTH, features)
    weights = memory.trace(fresh, features, codes, full_mask(features)).read_weights[:, 0]
    usage = memory.write(fresh, features, codes, full_mask(features)).usage
    for slot in range(4):
        expected = 0.9 ** (3 - slot) + sum(0.9 ** (3 - t) * weights[:, t, slot] for t in range(slot + 1, 4))
        torch.testing.assert_close(usage[:, slot], torch.as_tensor(expected).expand(BATCH).to(usage))


def test_eviction_by_quota_keeps_rare_labels() -> None:
    features, _ = draw(steps=30, batch=1)
    codes = labels(1, 2, *[0] * 28)
    assert sorted(held(after_writing(small(evict="quota"), features, codes))) == [0, 0, 1, 2]
    assert held(after_writing(small(evict="age"), features, codes)) == [0, 0, 0, 0]


def test_by_quota_the_oldest_of_the_fullest_labels_makes_room() -> None:
    """Label 2 holds two with the new pair, as many as label 0, whose first one is older."""
    state = after_writing(small(evict="quota"), axes(0, 1, 2, 3, 4), labels(1, 0, 0, 2, 2))
    assert held(state) == [1, 2, 0, 2]
    assert state.written_at.tolist() == [[1, 5, 3, 4]]


@settings(deadline=None, max_examples=30)
@given(sequence=st.lists(st.integers(0, 4), min_size=6, max_size=20), random_codes=st.booleans())
def test_by_quota_no_label_loses_a_slot_to_one_that_holds_as_many(sequence: list[int], random_codes: bool) -> None:
    memory = small(slots=5, evict="quota")
    generator = torch.Generator().manual_seed(len(sequence))
    table = torch.randn(5, 5, generator=generator, dtype=torch.float64) if random_codes else torch.eye(5).double()
    state = memory.initial_state(1, 5, table)
    names = {tuple(code.tolist()): number for number, code in enumerate(table)}

    def counts() -> Counter[int]:
        return Counter(names[tuple(code.tolist())] for code in state.values[0][state.filled[0]])

    for label in sequence:
        before = counts()
        feature = torch.randn(1, FEATURES, generator=generator, dtype=torch.float64)
        _, state = memory.step(state, feature, table[label].unsqueeze(0), torch.ones(1, dtype=torch.bool))
        assert all(before[loser] > before[label] for loser in before - counts())


# what is written at all


def test_a_repeat_is_not_stored_but_another_label_or_another_item_is() -> None:
    memory = small(surprise=0.5, strength=20.0)
    first = after_writing(memory, axes(0), labels(0))
    again = after_writing(memory, axes(0, 0), labels(0, 0))
    for name in ("keys", "values", "filled", "written_at"):
        assert torch.equal(getattr(again, name), getattr(first, name))
    assert float(again.usage[0, 0]) > float(first.usage[0, 0])
    assert held(after_writing(memory, axes(0, 0), labels(0, 1))) == [0, 1]
    assert held(after_writing(memory, axes(0, 1), labels(0, 0))) == [0, 0]
    assert held(after_writing(small(strength=20.0), axes(0, 0), labels(0, 0))) == [0, 0]


@pytest.mark.parametrize("rule", RULES)
def test_pairs_without_surprise_evict_nothing(rule: str) -> None:
    memory = small(slots=2, evict=rule, surprise=0.5, strength=20.0)
    assert held(after_writing(memory, axes(0, 1, 1, 1, 1), labels(0, 1, 1, 1, 1))) == [0, 1]


def test_surprise_is_the_negative_log_of_the_mass_on_the_label() -> None:
    """Halfway between two keys of different labels, with all mass on the two, it is log 2."""
    features, codes = axes(0, 1, 0), labels(0, 1, 0)
    features[:, 2] += features[:, 1]
    for surprise, number in ((math.log(2) - 0.01, 3), (math.log(2) + 0.01, 2)):
        assert (
            len(held(after_writing(small(surprise=surprise, strength=100.0, never_seen=-1.0), features, codes)))
            == number
        )


@pytest.mark.parametrize("rule", RULES)
def test_usage_and_time_of_writing_have_no_gradient(rule: str) -> None:
    memory = small(evict=rule, surprise=0.5)
    features, codes = draw()
    features.requires_grad_()
    for scan in (memory.scan, lambda *sequence: Memory.scan(memory, *sequence)):
        _, state = scan(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, full_mask(features))
        assert state.keys.requires_grad
        assert not state.usage.requires_grad
        assert not state.written_at.requires_grad


# the rest of what pairs promise


def test_reads_are_invariant_to_a_permutation_of_the_slots(make_memory: Make) -> None:
    memory = make_memory("keyvalue_bounded", hops=2)
    features, codes = draw()
    state = after_writing(memory, features, codes)
    other = BoundedState(*(tensor[:, [2, 0, 3, 1]] for tensor in state))
    torch.testing.assert_close(memory.read(other, features), memory.read(state, features), rtol=1e-12, atol=1e-14)


def test_trace_weights_are_those_of_the_reads() -> None:
    memory = small(slots=STEPS + 2)
    features, codes = draw()
    fresh = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, final = memory.scan(fresh, features, codes, full_mask(features))
    weights = memory.trace(fresh, features, codes, full_mask(features)).read_weights[:, 0]
    assert weights.shape == (BATCH, STEPS, STEPS + 3)
    torch.testing.assert_close(torch.cat([weights[..., :-1] @ final.values, weights[..., -1:]], -1), reads)


@pytest.mark.parametrize("rule", RULES)
def test_a_read_is_as_wide_as_the_code_of_its_step(rule: str) -> None:
    memory, (features, codes) = small(evict=rule), draw(steps=3)
    later, wide = draw(steps=6, classes=CODE_WIDTH + 2, seed=4)
    state = after_writing(memory, features, codes)
    read, _ = memory.step(state, later[:, 0], wide[:, 0], full_mask(later)[:, 0])
    assert read.shape == (BATCH, CODE_WIDTH + 3)

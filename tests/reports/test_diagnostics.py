"""Numbers of what a memory did, on weights whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from metamann.memory.interface import Memory, Trace
from metamann.reports.diagnostics import memory_statistics

EVERY_STEP = torch.ones(2, 3, dtype=torch.bool)


@pytest.mark.parametrize("slots", [1, 4, 10])
def test_read_entropy_is_that_of_the_weights(slots: int) -> None:
    even = torch.full((2, 2, 3, slots), 1 / slots)
    assert memory_statistics(Trace(even, "slot"), EVERY_STEP)["read_entropy"] == pytest.approx(math.log(slots))
    one = torch.zeros(2, 2, 3, slots)
    one[..., 0] = 1
    assert memory_statistics(Trace(one, "slot"), EVERY_STEP)["read_entropy"] == 0


def test_steps_without_an_item_do_not_count() -> None:
    reads = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]).expand(2, 1, 3, 2)
    writes = torch.eye(3).expand(2, 1, 3, 3)
    mask = torch.tensor([[True, False, False]]).expand(2, 3)
    assert memory_statistics(Trace(reads, "slot", writes), mask) == {"read_entropy": 0, "slots_in_use": 1}


def test_slots_in_use_are_those_that_were_written_to_in_all() -> None:
    writes = torch.tensor([[0.3, 0.7, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 0.4]]).expand(2, 1, 3, 3)
    found = memory_statistics(Trace(torch.zeros(2, 0, 3, 0), "slot", writes), EVERY_STEP)
    assert found == {"slots_in_use": 2}


def test_every_memory_gives_what_it_has(make_memory: Callable[..., Memory[Any]], memory_kind: str) -> None:
    torch.manual_seed(0)  # fast weights may by chance have no negative share
    no_shares = ("none", "none_beside", "delta", "delta_gated", "ridge", "ridge_features")
    memory = make_memory(memory_kind, 5, 3)
    features, codes = torch.randn(2, 3, 5, dtype=torch.float64), torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    trace = memory.trace(memory.initial_state(2, 3, features), features, codes, EVERY_STEP)
    found = memory_statistics(trace, EVERY_STEP)
    assert ("read_entropy" in found) == (memory_kind not in no_shares)
    assert all(math.isfinite(value) and value >= 0 for value in found.values())
    if trace.write_weights is not None:
        assert trace.write_weights.shape[0::2] == (2, 3)
        assert found["slots_in_use"] <= trace.write_weights.shape[-1]
    if trace.usage is not None:
        assert trace.usage.shape[:2] == (2, 3)


def test_key_value_writes_one_slot_a_step(make_memory: Callable[..., Memory[Any]]) -> None:
    memory = make_memory("keyvalue", 5, 3)
    features, codes = torch.randn(2, 3, 5, dtype=torch.float64), torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    before = memory.write(memory.initial_state(2, 3, features), features, codes, EVERY_STEP)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    trace = memory.trace(before, features, codes, mask)
    assert trace.write_weights is not None
    expected = torch.eye(6)[3:]
    assert torch.equal(trace.write_weights[1, 0], expected)
    assert torch.equal(trace.write_weights[0, 0], expected * torch.tensor([[1.0], [1.0], [0.0]]))

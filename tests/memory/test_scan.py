"""The faster form of every memory is its chained step: reads, all gradients, final state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract import CODE_WIDTH, Make, assert_scan_is_the_chained_step, labelled_sequence, random_mask

from metamann.memory import interface
from metamann.memory.interface import Memory

BATCH = 3


def compare(memory: Memory[Any], before: int, steps: int) -> None:
    """From a state in which some items were written before."""
    features, codes, _ = labelled_sequence(steps, BATCH, seed=1)
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    if before:
        earlier, earlier_codes, _ = labelled_sequence(before, BATCH, seed=2)
        state = Memory.scan(memory, state, earlier, earlier_codes, random_mask(BATCH, before, 0.8, seed=2))[1]
    mask = random_mask(BATCH, steps, 0.8, seed=1)
    assert_scan_is_the_chained_step(memory, state, features, codes, mask, outputs=(0, 1e-10), gradients=(1e-7, 1e-9))


@pytest.mark.parametrize("before", [0, 4])
@pytest.mark.parametrize("steps", [1, 7, 70])
def test_scan_equals_the_chained_step(make_memory: Make, memory_kind: str, steps: int, before: int) -> None:
    memory = make_memory(memory_kind)
    if type(memory).scan is Memory.scan:
        pytest.skip("it has no faster form")
    compare(memory, before, steps)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("kind", ["delta", "delta_gated", "ntm_input"])
@pytest.mark.parametrize("items", [1, 15])
def test_scan_by_groups_of_episodes_equals_the_chained_step(
    make_memory: Make, kind: str, items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "ITEMS", items)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    compare(make_memory(kind), before=4, steps=7)

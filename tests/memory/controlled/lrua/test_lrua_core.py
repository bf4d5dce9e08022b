"""The cores of LRUA: which slots are used least."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from metamann.memory.controlled.lrua.core import Rules, _least_used
from metamann.memory.native.compiled import load_library
from metamann.memory.native.lrua.lrua import CompiledCore

USAGES = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=3, max_size=40)


def ranked(usage: list[float], heads: int) -> list[int]:
    return sorted(range(len(usage)), key=lambda slot: (usage[slot], slot))[:heads]


@given(USAGES, st.integers(1, 3))
def test_slots_used_least_come_first_and_of_equals_the_lowest(usage: list[float], heads: int) -> None:
    assert _least_used(torch.tensor([usage]), heads).tolist() == [ranked(usage, heads)]


@given(USAGES, st.integers(1, 3))
def test_slots_are_ranked_alike_in_c(usage: list[float], heads: int) -> None:
    library = load_library("lrua", torch.device("cpu"), torch.float64, heads)
    if library is None:
        pytest.skip("there is no compiler")
    rules = Rules(
        cell=nn.Identity(),
        heads=heads,
        width=1,
        key_written=True,
        shared=False,
        zeroed=1,
        address_after=True,
        usage_decay=0.95,
        epsilon_in_root=True,
    )
    core = CompiledCore(library, rules, torch.ones(heads, dtype=torch.float64))
    used = torch.tensor([usage], dtype=torch.float64)
    reads = used.new_zeros(1, heads, len(usage))
    memory, output = used.new_zeros(1, 1, len(usage)), used.new_zeros(1, heads)
    found = core.step(used.new_zeros(1, 2 * heads), used, reads, memory, output)
    assert found.slots.tolist() == [ranked(usage, heads)]

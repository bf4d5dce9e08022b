"""The core in PyTorch: which slots are used least."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from metamann.memory.lrua_core import _least_used


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=3, max_size=9), st.integers(1, 3))
def test_slots_used_least_come_first_and_of_equals_the_lowest(usage: list[float], heads: int) -> None:
    expected = sorted(range(len(usage)), key=lambda slot: (usage[slot], slot))[:heads]
    assert _least_used(torch.tensor([usage]), heads).tolist() == [expected]

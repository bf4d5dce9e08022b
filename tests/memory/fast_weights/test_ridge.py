"""Ridge regression as a memory: equal to solving from scratch, in any order, after adding and after forgetting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from metamann.errors import ConfigError
from metamann.memory.fast_weights.ridge import RidgeMemory, RidgeState

FEATURES, CODE_WIDTH, BATCH = 5, 3, 2
Make = Callable[..., RidgeMemory]


def pairs(steps: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(BATCH, steps, FEATURES, generator=generator, dtype=torch.float64)
    return features, torch.randn(BATCH, steps, CODE_WIDTH, generator=generator, dtype=torch.float64)


def written(memory: RidgeMemory, features: Tensor, codes: Tensor, mask: Tensor | None = None) -> RidgeState:
    mask = torch.ones(features.shape[:2], dtype=torch.bool) if mask is None else mask
    return memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, mask)


def from_scratch(memory: RidgeMemory, features: Tensor, codes: Tensor, queries: Tensor) -> np.ndarray:
    """The least squares of the pairs with lambda |S|^2, as an ordinary least-squares problem of more rows."""
    keys, of_queries = (F.normalize(memory.key(items), dim=-1).detach().numpy() for items in (features, queries))
    root = np.sqrt(memory.log_penalty.exp().item())
    reads = []
    for key, code, query in zip(keys, codes.numpy(), of_queries, strict=True):
        rows = np.concatenate([key, root * np.eye(key.shape[1])])
        targets = np.concatenate([code, np.zeros((key.shape[1], code.shape[1]))])
        reads.append(query @ np.linalg.lstsq(rows, targets, rcond=None)[0])
    return np.stack(reads)


@pytest.mark.parametrize("kind", ["ridge", "ridge_features"])
@pytest.mark.parametrize("steps", [1, 3, 4, 5, 30])
def test_a_read_is_the_least_squares_fit(make_memory: Make, kind: str, steps: int) -> None:
    """With fewer slots than the keys are wide, and with more."""
    memory = make_memory(kind, FEATURES, CODE_WIDTH)
    features, codes = pairs(steps)
    queries = pairs(4, seed=1)[0]
    reads = memory.read(written(memory, features, codes), queries).detach().numpy()
    np.testing.assert_allclose(reads, from_scratch(memory, features, codes, queries), rtol=0, atol=1e-10)


def test_nothing_written_reads_zeros(make_memory: Make) -> None:
    memory = make_memory("ridge", FEATURES, CODE_WIDTH)
    features, codes = pairs(3)
    assert not memory.read(written(memory, features[:, :0], codes[:, :0]), features).any()


@given(
    order=st.permutations(range(9)),
    cut=st.integers(0, 9),
    gone=st.sets(st.integers(0, 8)),
    empty=st.sets(st.integers(0, 8)),
)
def test_adding_and_forgetting_in_any_order_is_solving_from_scratch(
    make_memory: Make, order: list[int], cut: int, gone: set[int], empty: set[int]
) -> None:
    """`gone` are numbers of the pairs that are there, those of masked steps not counted."""
    memory = make_memory("ridge", FEATURES, CODE_WIDTH)
    features, codes = (part[:, order] for part in pairs(9))
    queries = pairs(4, seed=1)[0]
    mask = torch.tensor([number not in empty for number in range(9)]).expand(BATCH, -1)
    state = written(memory, features[:, :cut], codes[:, :cut], mask[:, :cut])
    state = memory.write(state, features[:, cut:], codes[:, cut:], mask[:, cut:])
    there = [number for number in range(9) if number not in empty]
    taken = torch.tensor([[place in gone for place in range(len(there))]] * BATCH, dtype=torch.bool).view(BATCH, -1)
    stays = [number for place, number in enumerate(there) if place not in gone]
    reads = memory.read(memory.forget(state, taken), queries).detach().numpy()
    expected = from_scratch(memory, features[:, stays], codes[:, stays], queries)
    np.testing.assert_allclose(reads, expected, rtol=0, atol=1e-10)


def test_forgetting_leaves_the_sums_of_what_stays(make_memory: Make) -> None:
    memory = make_memory("ridge", FEATURES, CODE_WIDTH)
    features, codes = pairs(6)
    taken = torch.tensor([[True, False, False, True, False, False]] * BATCH)
    after = memory.forget(written(memory, features, codes), taken)
    alone = written(memory, features[:, [1, 2, 4, 5]], codes[:, [1, 2, 4, 5]])
    torch.testing.assert_close(after.gram, alone.gram, rtol=0, atol=1e-12)
    torch.testing.assert_close(after.cross, alone.cross, rtol=0, atol=1e-12)
    assert not after.keys[:, [0, 3]].any()


def test_a_step_is_the_delta_rule_with_a_matrix_as_its_gate(make_memory: Make) -> None:
    """Recursive least squares: the map is corrected towards the code of the new key, along (A + lambda I)^-1 k."""
    memory = make_memory("ridge", FEATURES, CODE_WIDTH)
    features, codes = pairs(7)
    identity = torch.eye(memory.key_width, dtype=torch.float64)
    fitted = torch.zeros(BATCH, memory.key_width, CODE_WIDTH, dtype=torch.float64)
    for step in range(7):
        state = written(memory, features[:, : step + 1], codes[:, : step + 1])
        key = memory.keys_of(features[:, step]).unsqueeze(-1)
        gain = torch.linalg.solve(state.gram + memory.log_penalty.exp() * identity, key)
        fitted = fitted + gain * (codes[:, step].unsqueeze(1) - key.transpose(1, 2) @ fitted)
        torch.testing.assert_close(memory.read(state, features), memory.keys_of(features) @ fitted, rtol=0, atol=1e-10)


def test_read_weights_are_the_factors_of_the_values(make_memory: Make) -> None:
    memory = make_memory("ridge", FEATURES, CODE_WIDTH)
    features, codes = pairs(6)
    state = written(memory, features, codes)
    queries = pairs(4, seed=1)[0]
    weights = memory.read_weights(state, queries)
    torch.testing.assert_close(weights @ codes, memory.read(state, queries), rtol=0, atol=1e-10)


def test_orthogonal_keys_are_read_shrunk_by_the_penalty() -> None:
    memory = RidgeMemory(4, 4, key_width=None, penalty=0.25)
    items = torch.eye(4).unsqueeze(0)
    state = memory.write(memory.initial_state(1, 4, items), items, torch.eye(4).unsqueeze(0), torch.ones(1, 4) > 0)
    torch.testing.assert_close(memory.read(state, items)[0], torch.eye(4) / 1.25)


@pytest.mark.parametrize(
    ("options", "named"), [({"penalty": 0}, r"memory\.penalty=0"), ({"key_width": 0}, r"memory\.key_width=0")]
)
def test_options_out_of_range_are_refused_by_name(options: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RidgeMemory(FEATURES, CODE_WIDTH, **options)  # type: ignore[arg-type]


@given(groups=st.lists(st.integers(0, 3), min_size=9, max_size=9), empty=st.sets(st.integers(0, 8)))
def test_leaving_a_group_out_is_solving_without_it(make_memory: Make, groups: list[int], empty: set[int]) -> None:
    memory = make_memory("ridge", FEATURES, CODE_WIDTH)
    features, codes = pairs(9)
    mask = torch.tensor([number not in empty for number in range(9)]).expand(BATCH, -1)
    state = written(memory, features, codes, mask)
    left_out = memory.left_out(state, torch.tensor([groups] * BATCH)).detach().numpy()
    for number in set(range(9)) - empty:
        others = [other for other in range(9) if groups[other] != groups[number] and other not in empty]
        alone = [number]
        expected = from_scratch(memory, features[:, others], codes[:, others], features[:, alone])
        np.testing.assert_allclose(left_out[:, alone], expected, rtol=0, atol=1e-10)


def test_a_weight_is_a_number_of_copies(make_memory: Make) -> None:
    memory = make_memory("ridge", FEATURES, CODE_WIDTH)
    features, codes = pairs(4)
    queries = pairs(3, seed=1)[0]
    copies, mask = [0, 1, 1, 2, 3, 3, 3], torch.ones(BATCH, 4, dtype=torch.bool)
    weights = torch.tensor([[1.0, 2.0, 1.0, 3.0]] * BATCH, dtype=torch.float64)
    state = memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, mask, weights)
    copied = written(memory, features[:, copies], codes[:, copies])
    torch.testing.assert_close(memory.read(state, queries), memory.read(copied, queries), rtol=0, atol=1e-10)


def test_without_a_width_pairs_are_as_wide_as_their_codes() -> None:
    memory = RidgeMemory(4, None, key_width=None)
    items = torch.eye(4).unsqueeze(0)
    state = memory.write(memory.initial_state(1, 2, items), items, torch.eye(4, 2).unsqueeze(0), torch.ones(1, 4) > 0)
    assert memory.read(state, items).shape == (1, 4, 2)

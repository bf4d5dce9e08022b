"""Fast weights: the delta rule in loops over plain NumPy, what it promises in closed form, and chunks against steps."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from contract import (
    CODE_WIDTH,
    FEATURES,
    Arrays,
    Make,
    Results,
    assert_scan_is_the_chained_step,
    assert_step_equals,
    parameter_arrays,
    random_mask,
)
from dialects import Options, option_id
from torch import Tensor, nn

from metamann.memory.fast_weights.delta import DeltaMemory, DeltaState, delta_scan
from metamann.memory.interface import Memory

BATCH = 2
OPTIONS: list[Options] = [
    {"key_width": 4, "heads": 1, "gated": False},
    {"key_width": 4, "heads": 2, "gated": True},
    {"key_width": None, "heads": 1, "gated": True},
    {"key_width": 37, "heads": 1, "gated": True},
]
SURE = 1000.0  # a gate with this logit is 1, with its negative 0, exactly


@pytest.fixture(params=OPTIONS, ids=option_id)
def options(request: pytest.FixtureRequest) -> Options:
    return dict(request.param)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(steps: int, code_width: int = CODE_WIDTH) -> tuple[Tensor, Tensor, Tensor]:
    """Features, codes and a mask with holes."""
    return (
        randn(BATCH, steps, FEATURES),
        randn(BATCH, steps, code_width, seed=1),
        random_mask(BATCH, steps, 0.7, seed=2),
    )


def earlier_state(memory: DeltaMemory) -> DeltaState:
    return DeltaState(randn(BATCH, memory.heads, memory.key_width, CODE_WIDTH, seed=3))


def fix_gate(gate: nn.Module, logit: float) -> None:
    assert isinstance(gate, nn.Linear)
    nn.init.zeros_(gate.weight)
    nn.init.constant_(gate.bias, logit)


def plain_memory(features: int, code_width: int = CODE_WIDTH, **options: Any) -> DeltaMemory:
    """The features are the keys, a new value replaces the old one, and nothing decays."""
    memory = DeltaMemory(features, code_width, key_width=None, **options).double()
    fix_gate(memory.write_gate, SURE)
    return memory


# the rule


def reference_step(
    p: Arrays, options: Options, state: Arrays, x: np.ndarray, code: np.ndarray
) -> tuple[np.ndarray, Arrays]:
    """One episode, one step: what is read, and the next fast weights."""
    weights = state["fast_weights"]
    reads, new = [], np.empty_like(weights)
    for head, old in enumerate(weights):
        key = x
        if options["key_width"] is not None:
            rows = slice(head * options["key_width"], (head + 1) * options["key_width"])
            key = p["key.weight"][rows] @ x + p["key.bias"][rows]
        key = key / np.sqrt((key**2).sum())
        beta = 1 / (1 + np.exp(-(p["write_gate.weight"][head] @ x + p["write_gate.bias"][head])))
        alpha = 1.0
        if options["gated"]:
            alpha = 1 / (1 + np.exp(-(p["keep_gate.weight"][head] @ x + p["keep_gate.bias"][head])))
        reads.append([sum(old[i, j] * key[i] for i in range(len(key))) for j in range(CODE_WIDTH)])
        value = [*code, *[0.0] * (CODE_WIDTH - len(code))]
        # S = alpha (I - beta k k^T) S + beta k v^T
        new[head] = alpha * (np.eye(len(key)) - beta * np.outer(key, key)) @ old + beta * np.outer(key, value)
    return np.concatenate(reads), {"fast_weights": new}


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
def test_step_equals_the_formulas(make_memory: Make, options: Options, code_width: int) -> None:
    memory = make_memory("delta", FEATURES, CODE_WIDTH, **options)
    reference = partial(reference_step, parameter_arrays(memory), options)
    assert_step_equals(reference, memory, earlier_state(memory), *draw(6, code_width), atol=1e-12)


@pytest.mark.parametrize("chained", [False, True], ids=["scan", "step"])
def test_orthonormal_keys_recall_exactly_and_overwrite_only_their_own_value(chained: bool) -> None:
    scan = Memory.scan if chained else DeltaMemory.scan
    memory = plain_memory(6, chunk=4)
    keys = torch.linalg.qr(randn(6, 6)).Q.unsqueeze(0)
    first, second = randn(1, 6, CODE_WIDTH, seed=1), randn(1, 6, CODE_WIDTH, seed=2)
    mask = torch.ones(1, 6, dtype=torch.bool)
    reads, state = scan(memory, memory.initial_state(1, CODE_WIDTH, keys), keys, first, mask)
    torch.testing.assert_close(reads, torch.zeros_like(first), rtol=0, atol=1e-12)
    torch.testing.assert_close(memory.read(state, keys), first, rtol=0, atol=1e-12)

    again = torch.tensor([4, 1])
    reads, state = scan(memory, state, keys[:, again], second[:, again], mask[:, again])
    torch.testing.assert_close(reads, first[:, again], rtol=0, atol=1e-12)
    expected = first.clone()
    expected[:, again] = second[:, again]
    torch.testing.assert_close(memory.read(state, keys), expected, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("chained", [False, True], ids=["scan", "step"])
def test_keep_gate_of_zero_forgets_all_earlier_items(make_memory: Make, chained: bool) -> None:
    scan = Memory.scan if chained else DeltaMemory.scan
    memory = make_memory("delta", FEATURES, CODE_WIDTH, gated=True)
    fix_gate(memory.keep_gate, -SURE)
    features, codes, _ = draw(6)
    mask = torch.ones(BATCH, 6, dtype=torch.bool)
    _, state = scan(memory, earlier_state(memory), features, codes, mask)
    _, only_last = scan(
        memory, memory.initial_state(BATCH, CODE_WIDTH, features), features[:, 5:], codes[:, 5:], mask[:, 5:]
    )
    torch.testing.assert_close(state.fast_weights, only_last.fast_weights, rtol=0, atol=1e-12)
    assert only_last.fast_weights.any()


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("chained", [False, True], ids=["scan", "step"])
def test_keep_gate_of_one_is_the_ungated_rule(make_memory: Make, chained: bool) -> None:
    scan = Memory.scan if chained else DeltaMemory.scan
    plain, gated = (make_memory("delta", FEATURES, CODE_WIDTH, gated=gated) for gated in (False, True))
    fix_gate(gated.keep_gate, SURE)
    outcomes = [scan(memory, earlier_state(memory), *draw(6)) for memory in (plain, gated)]
    for one, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


# the chunks


@pytest.fixture(scope="module")
def chained_results() -> dict[tuple[str, int], Results]:
    """Results of the chained step, which depend neither on the core nor on the chunk."""
    return {}


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("chunk", [1, 4, 16])
@pytest.mark.parametrize("steps", [0, 1, 4, 11])
def test_scan_equals_the_chained_step(
    make_memory: Make, chained_results: dict[tuple[str, int], Results], options: Options, steps: int, chunk: int
) -> None:
    memory = make_memory("delta", FEATURES, CODE_WIDTH, **options, chunk=chunk)
    case, within = (repr(options), steps), (1e-9, 1e-11)
    chained_results[case] = assert_scan_is_the_chained_step(
        memory, earlier_state(memory), *draw(steps), within, within, chained_results.get(case)
    )


@pytest.mark.usefixtures("core")
def test_masked_sequence_leaves_the_state_unchanged(make_memory: Make, options: Options) -> None:
    memory = make_memory("delta", FEATURES, CODE_WIDTH, **options, chunk=4)
    state, (features, codes, mask) = earlier_state(memory), draw(11)
    reads, after = memory.scan(state, features, codes, torch.zeros_like(mask))
    torch.testing.assert_close(after.fast_weights, state.fast_weights, rtol=0, atol=1e-12)
    torch.testing.assert_close(reads, memory.read(state, features), rtol=0, atol=1e-12)


def test_a_large_decay_does_not_round_off_the_small_ones_after_it() -> None:
    """In float32 a running sum that has passed -1e5 knows nothing of hundredths any more."""
    keys = nn.functional.normalize(randn(1, 1, 12, 4), dim=-1)
    values, start, beta = randn(1, 1, 12, 3, seed=1), randn(1, 1, 4, 3, seed=2), torch.full((1, 1, 12), 0.5).double()
    log_alpha = torch.full((1, 1, 12), -0.01).double()
    log_alpha[..., 1] = -1e5
    inputs = (keys, values, beta, log_alpha, start)
    exact, exact_final = delta_scan(*inputs, chunk=1)
    reads, final = delta_scan(*(tensor.float() for tensor in inputs), chunk=12)
    assert exact[..., 2:, :].abs().min() > 1e-3
    torch.testing.assert_close(reads.double(), exact, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(final.double(), exact_final, rtol=1e-4, atol=1e-6)


def test_reads_depend_on_the_angles_between_keys_alone() -> None:
    keys, rotation = nn.functional.normalize(randn(1, 2, 7, 4), dim=-1), torch.linalg.qr(randn(4, 4, seed=4)).Q
    values, start = randn(1, 2, 7, 3, seed=1), randn(1, 2, 4, 3, seed=2)
    beta, log_alpha = randn(1, 2, 7, seed=3).sigmoid(), nn.functional.logsigmoid(randn(1, 2, 7, seed=5))
    reads, final = delta_scan(keys, values, beta, log_alpha, start, 3)
    turned, turned_final = delta_scan(keys @ rotation, values, beta, log_alpha, rotation.T @ start, 3)
    torch.testing.assert_close(turned, reads, rtol=0, atol=1e-12)
    torch.testing.assert_close(turned_final, rotation.T @ final, rtol=0, atol=1e-12)


def test_saved_tensors_grow_linearly_with_the_steps() -> None:
    def saved(steps: int) -> int:
        memory = DeltaMemory(FEATURES, CODE_WIDTH, key_width=4, gated=True, chunk=8)
        sizes: dict[int, int] = {}

        def count(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        features, codes = torch.randn(1, steps, FEATURES), torch.randn(1, steps, CODE_WIDTH)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            state = memory.initial_state(1, CODE_WIDTH, features)
            graph = memory.scan(state, features, codes, torch.ones(1, steps, dtype=torch.bool))
        assert graph[0].requires_grad
        return sum(sizes.values())

    assert saved(640) < 11 * saved(64)


# gradients


def test_gradients_of_delta_scan() -> None:
    keys, values, start = randn(1, 1, 3, 2), randn(1, 1, 3, 2, seed=1), randn(1, 1, 2, 2, seed=2)
    beta, log_alpha = randn(1, 1, 3, seed=3).sigmoid(), nn.functional.logsigmoid(randn(1, 1, 3, seed=4))
    inputs = [tensor.requires_grad_() for tensor in (0.5 * keys, values, beta, log_alpha, start)]
    assert torch.autograd.gradcheck(lambda *tensors: delta_scan(*tensors, chunk=2), inputs)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("chained", [False, True], ids=["scan", "step"])
def test_features_of_zero_have_finite_reads_and_gradients(chained: bool) -> None:
    scan = Memory.scan if chained else DeltaMemory.scan
    memory = plain_memory(FEATURES, gated=True)
    features, codes, mask = draw(6)
    features[:, ::2] = 0
    features.requires_grad_()
    reads, state = scan(memory, earlier_state(memory), features, codes, mask)
    (reads.square().sum() + state.fast_weights.square().sum()).backward()
    assert not reads[:, ::2].any()
    for tensor in (reads, state.fast_weights, features.grad):
        assert tensor is not None
        assert tensor.isfinite().all()


# trace


def test_trace_weights_are_those_of_the_reads(make_memory: Make, options: Options) -> None:
    memory = make_memory("delta", FEATURES, CODE_WIDTH, **options, chunk=4)
    features, codes, mask = draw(7)
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, _ = memory.scan(state, features, codes, mask)
    shares = memory.trace(state, features, codes, mask).read_weights
    assert shares.shape == (BATCH, memory.heads, 7, 8)
    assert not shares[..., :-1].triu().any()
    assert not shares[..., :-1][~mask[:, None, None].expand(-1, memory.heads, 7, -1)].any()
    weighted = shares[..., :-1] @ codes.unsqueeze(1)
    torch.testing.assert_close(weighted.transpose(1, 2).flatten(2), reads, rtol=0, atol=1e-12)

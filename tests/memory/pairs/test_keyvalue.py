"""Key-value memory: the parallel form against the chained step, and attention in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metamann.memory.pairs.keyvalue import KeyValueMemory, KeyValueState

FEATURES, CODE_WIDTH, BATCH, STEPS = 5, 3, 2, 6
OPTIONS: list[dict[str, Any]] = [
    *({"hops": hops, "key_width": key_width, "strength": 8.0} for hops in (1, 3) for key_width in (None, 4)),
    {"top_k": 2},
]
Make = Callable[..., KeyValueMemory]


def _id(options: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in options.items())


def draw(steps: int = STEPS, batch: int = BATCH, classes: int = CODE_WIDTH, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features and one-hot codes."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.eye(classes, dtype=torch.float64)[torch.randint(classes, (batch, steps), generator=generator)]
    return features, codes


def all_shown(features: Tensor) -> Tensor:
    return torch.ones(features.shape[:2], dtype=torch.bool)


def earlier_state(memory: KeyValueMemory) -> KeyValueState:
    features, codes = draw(steps=3, seed=1)
    mask = torch.tensor([[True, True, False], [False, True, True]])
    return memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, mask)


@pytest.mark.parametrize("options", OPTIONS, ids=_id)
@pytest.mark.parametrize("continued", [False, True], ids=["fresh", "continued"])
def test_scan_equals_the_chained_step(make_memory: Make, options: dict[str, Any], continued: bool) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH, **options)
    features, codes = draw()
    mask = torch.tensor([[True, False, True, True, True, False], [False, True, True, False, True, True]])
    weights = torch.randn(BATCH, STEPS, CODE_WIDTH + 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    outcomes = []
    for chained in (True, False):
        inputs = features.clone().requires_grad_(), codes.clone().requires_grad_()
        memory.zero_grad()
        state = earlier_state(memory) if continued else memory.initial_state(BATCH, CODE_WIDTH, features)
        if chained:
            steps = []
            for t in range(STEPS):
                read, state = memory.step(state, inputs[0][:, t], inputs[1][:, t], mask[:, t])
                steps.append(read)
            reads = torch.stack(steps, 1)
        else:
            reads, state = memory.scan(state, *inputs, mask)
        ((reads * weights).sum() + (state.keys**3).sum() + (state.values**3).sum()).backward()
        gradients = [tensor.grad for tensor in (*inputs, *memory.parameters())]
        outcomes.append([reads, *state, *gradients])
    for step, scan in zip(*outcomes, strict=True):
        assert step is not None
        torch.testing.assert_close(scan, step, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=_id)
def test_masses_of_one_hot_codes_sum_to_one(make_memory: Make, options: dict[str, Any]) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH, **options)
    features, codes = draw()
    reads, state = memory.scan(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, all_shown(features))
    for masses in (reads, memory.read(state, features)):
        assert (masses >= 0).all()
        torch.testing.assert_close(masses.sum(-1), torch.ones(BATCH, STEPS, dtype=torch.float64))


def test_empty_memory_gives_all_mass_to_never_seen(make_memory: Make) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH)
    features, _ = draw()
    masses = memory.read(memory.initial_state(BATCH, CODE_WIDTH, features), features)
    assert torch.equal(masses, torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64).expand(BATCH, STEPS, 4))


@pytest.mark.parametrize("strength", [0.5, 10.0])
def test_read_is_attention_by_cosine(strength: float) -> None:
    memory = KeyValueMemory(FEATURES, CODE_WIDTH, strength=strength, never_seen=0.3).double()
    features, codes = draw()
    queries, _ = draw(steps=4, seed=3)
    state = memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, all_shown(features))
    reads = memory.read(state, queries).detach().numpy()
    for episode in range(BATCH):
        for q, query in enumerate(queries[episode].numpy()):
            expected = np.zeros(CODE_WIDTH + 1)
            expected[-1] = np.exp(strength * 0.3)
            for key, code in zip(features[episode].numpy(), codes[episode].numpy(), strict=True):
                cosine = query @ key / (np.linalg.norm(query) * np.linalg.norm(key))
                expected[:-1] += np.exp(strength * cosine) * code
            np.testing.assert_allclose(reads[episode, q], expected / expected.sum(), rtol=1e-6)


def test_the_margin_moves_the_threshold_of_evaluation_alone(make_memory: Make) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH)
    assert isinstance(memory, KeyValueMemory)
    features, codes = draw()
    fresh = memory.initial_state(BATCH, CODE_WIDTH, features)

    def reads() -> Tensor:
        return memory.scan(fresh, features, codes, all_shown(features))[0]

    before = reads()
    memory.novelty_margin().fill_(0.2)
    assert torch.equal(reads(), before)  # in training
    memory.eval()
    raised = reads()
    memory.novelty_margin().zero_()
    assert torch.equal(reads(), before)
    memory.never_seen.data.add_(0.2)
    torch.testing.assert_close(reads(), raised)


def test_two_hops_ask_again_with_what_was_found() -> None:
    memory = KeyValueMemory(FEATURES, CODE_WIDTH, hops=2, never_seen=0.3).double()
    features, codes = draw(batch=1)
    query, _ = draw(steps=1, batch=1, seed=3)
    state = memory.write(memory.initial_state(1, CODE_WIDTH, features), features, codes, all_shown(features))

    def attend(query: Tensor) -> Tensor:
        unit = query / query.norm()
        scores = [unit @ key / key.norm() for key in features[0]]
        return torch.stack([*scores, torch.tensor(0.3)]).mul(10.0).softmax(0)

    first = query[0, 0] / query[0, 0].norm()
    found = sum(weight * key / key.norm() for weight, key in zip(attend(first)[:-1], features[0], strict=True))
    weights = attend(memory.query_update(found.unsqueeze(0), first.unsqueeze(0))[0])
    expected = torch.cat([weights[:-1] @ codes[0], weights[-1:]])
    torch.testing.assert_close(memory.read(state, query)[0, 0], expected, rtol=1e-5, atol=1e-7)


def test_wider_codes_may_come_later(make_memory: Make) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH)
    features, codes = draw()
    later, wide = draw(classes=CODE_WIDTH + 2, seed=4)
    shown = all_shown(features)
    state = memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, shown)
    grown = memory.write(memory.write(state, later, wide, shown), features, codes, shown)
    padded = torch.nn.functional.pad(codes, (0, 2))
    at_once = memory.write(
        memory.initial_state(BATCH, CODE_WIDTH + 2, features),
        torch.cat([features, later, features], 1),
        torch.cat([padded, wide, padded], 1),
        torch.cat([shown, shown, shown], 1),
    )
    for one, other in zip(grown, at_once, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("options", OPTIONS, ids=_id)
def test_masked_items_are_never_read(make_memory: Make, options: dict[str, Any]) -> None:
    """The masked item is the query itself with a code of its own: read at all, it would be seen."""
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH, **options)
    features, codes = draw()
    codes[..., 2] = 0
    features[:, 2], codes[:, 2] = features[:, 5], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    mask = all_shown(features)
    mask[:, 2] = False
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, final = memory.scan(state, features, codes, mask)
    assert (reads[..., 2] == 0).all()
    assert (memory.read(final, features)[..., 2] == 0).all()
    others = [0, 1, 3, 4, 5]
    without, _ = memory.scan(state, features[:, others], codes[:, others], mask[:, others])
    torch.testing.assert_close(reads[:, others], without, rtol=1e-12, atol=1e-14)


def test_a_masked_step_appends_an_empty_slot(make_memory: Make) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH)
    state = earlier_state(memory)
    assert state.filled.tolist() == [[True, True, False], [False, True, True]]
    assert not state.keys[~state.filled].any()
    assert not state.values[~state.filled].any()
    torch.testing.assert_close(state.keys[state.filled].norm(dim=-1), torch.ones(4, dtype=torch.float64))


def test_features_of_zero_give_finite_reads_and_gradients(make_memory: Make) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH)
    features, codes = draw()
    features[:, ::2] = 0
    features.requires_grad_()
    reads, _ = memory.scan(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, all_shown(features))
    reads.square().sum().backward()
    assert reads.isfinite().all()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("options", OPTIONS, ids=_id)
def test_trace_holds_the_weights_that_were_read_with(make_memory: Make, options: dict[str, Any]) -> None:
    memory = make_memory("keyvalue", FEATURES, CODE_WIDTH, **options)
    features, codes = draw()
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, _ = memory.scan(state, features, codes, all_shown(features))
    weights = memory.trace(state, features, codes, all_shown(features)).read_weights
    assert weights.shape == (BATCH, 1, STEPS, STEPS + 1)
    assert (weights[:, 0, :, :-1].triu() == 0).all()
    torch.testing.assert_close(torch.cat([weights[:, 0, :, :-1] @ codes, weights[:, 0, :, -1:]], -1), reads)

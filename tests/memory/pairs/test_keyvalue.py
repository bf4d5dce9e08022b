"""Key-value memory: the parallel form against the chained step, and attention in closed form."""

from __future__ import annotations

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
)
from dialects import Options, option_id
from torch import Tensor

from metamann.memory.pairs.keyvalue import KeyValueMemory, KeyValueState

BATCH, STEPS = 2, 6
OPTIONS: list[Options] = [
    *({"hops": hops, "key_width": key_width, "strength": 8.0} for hops in (1, 3) for key_width in (None, 4)),
    {"top_k": 2},
]


def draw(steps: int = STEPS, batch: int = BATCH, classes: int = CODE_WIDTH, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features and one-hot codes."""
    return labelled_sequence(steps, batch, classes, seed)[:2]


def earlier_state(memory: KeyValueMemory) -> KeyValueState:
    features, codes = draw(steps=3, seed=1)
    mask = torch.tensor([[True, True, False], [False, True, True]])
    return memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, mask)


@pytest.mark.parametrize("options", OPTIONS, ids=option_id)
@pytest.mark.parametrize("continued", [False, True], ids=["fresh", "continued"])
def test_scan_equals_the_chained_step(make_memory: Make, options: Options, continued: bool) -> None:
    memory, within = make_memory("keyvalue", **options), (1e-9, 1e-12)
    features, codes = draw()
    mask = torch.tensor([[True, False, True, True, True, False], [False, True, True, False, True, True]])
    state = earlier_state(memory) if continued else memory.initial_state(BATCH, CODE_WIDTH, features)
    chained = assert_scan_is_the_chained_step(memory, state, features, codes, mask, within, within)
    assert all(gradient.any() for gradient in chained.gradients[: 2 + len(list(memory.parameters()))])


@pytest.mark.parametrize("options", OPTIONS, ids=option_id)
def test_masses_of_one_hot_codes_sum_to_one(make_memory: Make, options: Options) -> None:
    memory = make_memory("keyvalue", **options)
    features, codes = draw()
    reads, state = memory.scan(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, full_mask(features))
    for masses in (reads, memory.read(state, features)):
        assert (masses >= 0).all()
        torch.testing.assert_close(masses.sum(-1), torch.ones(BATCH, STEPS, dtype=torch.float64))


@pytest.mark.parametrize("strength", [0.5, 10.0])
def test_read_is_attention_by_cosine(strength: float) -> None:
    memory = KeyValueMemory(FEATURES, CODE_WIDTH, strength=strength, never_seen=0.3).double()
    features, codes = draw()
    queries, _ = draw(steps=4, seed=3)
    state = after_writing(memory, features, codes)
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
    memory = make_memory("keyvalue")
    assert isinstance(memory, KeyValueMemory)
    features, codes = draw()
    fresh = memory.initial_state(BATCH, CODE_WIDTH, features)

    def reads() -> Tensor:
        return memory.scan(fresh, features, codes, full_mask(features))[0]

    before = reads()
    memory.novelty_margin().fill_(0.2)
    assert torch.equal(reads(), before)  # in training
    memory.eval()
    raised = reads()
    memory.novelty_margin().zero_()
    assert torch.equal(reads(), before)
    memory.never_seen.data.add_(0.2)
    torch.testing.assert_close(reads(), raised)


def test_second_hop_attends_with_the_query_updated_by_the_first_read() -> None:
    memory = KeyValueMemory(FEATURES, CODE_WIDTH, hops=2, never_seen=0.3).double()
    features, codes = draw(batch=1)
    query, _ = draw(steps=1, batch=1, seed=3)
    state = after_writing(memory, features, codes)

    def attend(query: Tensor) -> Tensor:
        unit = query / query.norm()
        scores = [unit @ key / key.norm() for key in features[0]]
        return torch.stack([*scores, torch.tensor(0.3)]).mul(10.0).softmax(0)

    first = query[0, 0] / query[0, 0].norm()
    read = sum(weight * key / key.norm() for weight, key in zip(attend(first)[:-1], features[0], strict=True))
    weights = attend(memory.query_update(read.unsqueeze(0), first.unsqueeze(0))[0])
    expected = torch.cat([weights[:-1] @ codes[0], weights[-1:]])
    torch.testing.assert_close(memory.read(state, query)[0, 0], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("options", OPTIONS, ids=option_id)
def test_masked_items_are_never_read(make_memory: Make, options: Options) -> None:
    """The masked item is the query itself with a code of its own: read at all, it would be seen."""
    memory = make_memory("keyvalue", **options)
    features, codes = draw()
    codes[..., 2] = 0
    features[:, 2], codes[:, 2] = features[:, 5], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    mask = full_mask(features)
    mask[:, 2] = False
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, final = memory.scan(state, features, codes, mask)
    assert (reads[..., 2] == 0).all()
    assert (memory.read(final, features)[..., 2] == 0).all()
    others = [0, 1, 3, 4, 5]
    without, _ = memory.scan(state, features[:, others], codes[:, others], mask[:, others])
    torch.testing.assert_close(reads[:, others], without, rtol=1e-12, atol=1e-14)


def test_a_masked_step_appends_an_empty_slot(make_memory: Make) -> None:
    memory = make_memory("keyvalue")
    state = earlier_state(memory)
    assert state.filled.tolist() == [[True, True, False], [False, True, True]]
    assert not state.keys[~state.filled].any()
    assert not state.values[~state.filled].any()
    torch.testing.assert_close(state.keys[state.filled].norm(dim=-1), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("options", OPTIONS, ids=option_id)
def test_trace_weights_are_those_of_the_reads(make_memory: Make, options: Options) -> None:
    memory = make_memory("keyvalue", **options)
    features, codes = draw()
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, _ = memory.scan(state, features, codes, full_mask(features))
    weights = memory.trace(state, features, codes, full_mask(features)).read_weights
    assert weights.shape == (BATCH, 1, STEPS, STEPS + 1)
    assert (weights[:, 0, :, :-1].triu() == 0).all()
    torch.testing.assert_close(torch.cat([weights[:, 0, :, :-1] @ codes, weights[:, 0, :, -1:]], -1), reads)

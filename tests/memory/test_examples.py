"""Single examples of a memory: taken out again, and named in a read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract import FEATURES, Make, labelled_sequence
from torch import Tensor
from torch.nn import functional as F

from metamann.errors import ConfigError
from metamann.memory.interface import Memory

LABELS, BATCH, STEPS = 3, 2, 8
SINGLE = pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("keyvalue", {}),
        ("keyvalue", {"hops": 3}),
        ("keyvalue", {"top_k": 2}),
        ("nearest", {}),
        ("prototypes", {}),
        ("prototypes", {"key_width": 4}),
    ],
)
PAIRS = pytest.mark.parametrize("kind", ["keyvalue", "keyvalue_bounded", "nearest", "prototypes"])
CODES = pytest.mark.parametrize("random_codes", [False, True], ids=["onehot", "random"])


def draw(steps: int = STEPS, seed: int = 0, random_codes: bool = False) -> tuple[Tensor, Tensor]:
    """Features and codes."""
    return labelled_sequence(steps, BATCH, LABELS, seed, random_codes)[:2]


def mask() -> Tensor:
    """Two episodes with 7 and 5 examples."""
    written = torch.ones(BATCH, STEPS, dtype=torch.bool)
    written[0, 2] = written[1, 0] = written[1, 5] = written[1, 6] = False
    return written


def fresh(memory: Memory[Any], features: Tensor, codes: Tensor) -> Any:
    return memory.initial_state(BATCH, codes.shape[-1], features)


@SINGLE
@CODES
def test_what_is_taken_out_was_never_written(
    make_memory: Make, kind: str, options: dict[str, Any], random_codes: bool
) -> None:
    memory = make_memory(kind, FEATURES, LABELS, **options)
    (features, codes), (queries, _) = draw(random_codes=random_codes), draw(4, seed=1)
    more, more_codes = draw(3, seed=2, random_codes=random_codes)
    written, every = mask(), torch.ones(BATCH, 3, dtype=torch.bool)
    # examples 0, 2 and 6 of the first episode stand at steps 0, 3 and 7; 1 and 2 of the second one at 2 and 3
    taken = torch.zeros(BATCH, 7, dtype=torch.bool)
    taken[0, [0, 2, 6]] = taken[1, [1, 2]] = True
    stays = written.clone()
    stays[0, [0, 3, 7]] = stays[1, [2, 3]] = False

    state = memory.forget(memory.write(fresh(memory, features, codes), features, codes, written), taken)
    anew = memory.write(fresh(memory, features, codes), features, codes, stays)
    torch.testing.assert_close(memory.read(state, queries), memory.read(anew, queries), rtol=0, atol=1e-12)
    # the examples that stay are numbered anew, and further ones come behind them
    again = torch.zeros(BATCH, 6, dtype=torch.bool)
    again[:, [0, 5]] = True
    lasting = memory.forget(memory.write(state, more, more_codes, every), again)
    lasting_anew = memory.forget(memory.write(anew, more, more_codes, every), again)
    torch.testing.assert_close(memory.read(lasting, queries), memory.read(lasting_anew, queries), rtol=0, atol=1e-12)
    assert not torch.allclose(memory.read(lasting, queries), memory.read(state, queries))


@SINGLE
def test_nothing_of_what_is_taken_out_is_left_and_the_old_state_stays(
    make_memory: Make, kind: str, options: dict[str, Any]
) -> None:
    memory = make_memory(kind, FEATURES, LABELS, **options)
    features, codes = draw()
    before = memory.write(fresh(memory, features, codes), features, codes, mask())
    kept = [tensor.clone() for tensor in before]
    after = memory.forget(before, torch.ones(BATCH, STEPS, dtype=torch.bool))
    assert not any(tensor.any() for tensor in after)
    assert all(torch.equal(one, other) for one, other in zip(kept, before, strict=True))
    none = memory.forget(before, torch.zeros(BATCH, 0, dtype=torch.bool))
    assert torch.equal(memory.read(none, features), memory.read(before, features))


@SINGLE
@CODES
def test_weights_of_the_examples_are_what_a_read_is_made_of(
    make_memory: Make, kind: str, options: dict[str, Any], random_codes: bool
) -> None:
    memory = make_memory(kind, FEATURES, LABELS, **options)
    (features, codes), (queries, _) = draw(random_codes=random_codes), draw(4, seed=1)
    written, taken = mask(), torch.zeros(BATCH, 7, dtype=torch.bool)
    state = memory.write(fresh(memory, features, codes), features, codes, written)
    for _ in range(2):
        weights = memory.read_weights(state, queries)
        assert weights is not None
        counts = written.sum(1).tolist()
        assert weights.shape == (BATCH, 4, max(counts))
        for episode, count in enumerate(counts):
            of_codes = weights[episode, :, :count] @ codes[episode][written[episode]]
            torch.testing.assert_close(of_codes, memory.read(state, queries)[episode, :, :-1], rtol=0, atol=1e-12)
            assert not weights[episode, :, count:].any()
        taken[0, [0, 2]] = taken[1, [1]] = True
        state = memory.forget(state, taken)
        written[0, [0, 3]] = written[1, [2]] = False


def test_a_label_of_prototypes_shares_its_weight_evenly(make_memory: Make) -> None:
    memory = make_memory("prototypes", FEATURES, LABELS)
    features, _ = draw(3)
    codes = torch.eye(LABELS, dtype=torch.float64)[torch.tensor([1, 0, 1])].expand(BATCH, -1, -1)
    state = memory.write(fresh(memory, features, codes), features, codes, torch.ones(BATCH, 3, dtype=torch.bool))
    weights, masses = memory.read_weights(state, features), memory.read(state, features)
    assert weights is not None
    expected = torch.stack([masses[..., 1] / 2, masses[..., 0], masses[..., 1] / 2], -1)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-15)


def test_an_empty_memory_has_no_weights_and_nothing_to_take_out(make_memory: Make) -> None:
    for kind in ("keyvalue", "nearest", "prototypes"):
        memory = make_memory(kind, FEATURES, LABELS)
        features, codes = draw()
        state = memory.forget(fresh(memory, features, codes), torch.ones(BATCH, 2, dtype=torch.bool))
        weights = memory.read_weights(state, features)
        assert weights is not None
        assert weights.shape == (BATCH, STEPS, 0)


def test_memories_without_single_examples_say_so(make_memory: Make, memory_kind: str) -> None:
    memory = make_memory(memory_kind, FEATURES, LABELS)
    features, codes = draw(2)
    state = memory.write(fresh(memory, features, codes), features, codes, torch.ones(BATCH, 2, dtype=torch.bool))
    assert memory.can_forget == (memory.read_weights(state, features) is not None)
    assert memory.can_forget == (memory_kind in ("keyvalue", "nearest", "prototypes", "ridge", "ridge_features"))
    if not memory.can_forget:
        with pytest.raises(ConfigError, match="memory=keyvalue, nearest, prototypes or ridge"):
            memory.forget(state, torch.ones(BATCH, 1, dtype=torch.bool))


@PAIRS
def test_wider_one_hot_codes_go_on_from_narrower_ones(make_memory: Make, kind: str) -> None:
    memory = make_memory(kind, FEATURES, LABELS)
    (features, codes), (more, _) = draw(2), draw(2, seed=2)
    wide = torch.eye(5, dtype=torch.float64)[torch.tensor([4, 0])].expand(BATCH, -1, -1)
    every = torch.ones(BATCH, 2, dtype=torch.bool)
    state = memory.write(fresh(memory, features, codes), features, codes, every)
    state = memory.write(state, more, wide, every)
    narrow = F.pad(codes, (0, 2))
    anew = memory.write(fresh(memory, features, narrow), features, narrow, every)
    anew = memory.write(anew, more, wide, every)
    assert memory.read(state, features).shape[-1] == 5 + 1
    assert torch.equal(memory.read(state, features), memory.read(anew, features))

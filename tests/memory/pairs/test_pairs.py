"""The memories of pairs: top-k reads, empty memories, zero features and codes that become wider."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contract import CODE_WIDTH, FEATURES, Make, after_writing, full_mask, labelled_sequence
from dialects import Options, option_id
from torch import Tensor
from torch.nn import functional as F

from metamann.errors import ConfigError
from metamann.memory.pairs.pairs import PairMemory

BATCH, STEPS = 2, 6
KINDS = pytest.mark.parametrize("kind", ["keyvalue", "keyvalue_bounded"])


BOUNDED = [("keyvalue_bounded", {"evict": rule}) for rule in ("age", "usage", "quota")]
RULES = pytest.mark.parametrize(("kind", "options"), [("keyvalue", {}), *BOUNDED], ids=option_id)


def draw(steps: int = STEPS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features and one-hot codes."""
    return labelled_sequence(steps, BATCH, seed=seed)[:2]


def results(memory: PairMemory, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Reads of a sequence, then of queries of which no two are alike."""
    state = memory.initial_state(len(features), codes.shape[-1], features)
    reads, state = memory.scan(state, features, codes, full_mask(features))
    return reads, memory.read(state, features.flip(1) + 0.1)


@KINDS
@pytest.mark.parametrize("top_k", [1, 3])
def test_only_the_nearest_keys_and_never_seen_get_attention(make_memory: Make, kind: str, top_k: int) -> None:
    memory = make_memory(kind, FEATURES, CODE_WIDTH, top_k=top_k)
    features, codes = draw(steps=4)
    queries, _ = draw(seed=3)
    state = after_writing(memory, features, codes)
    reads = memory.read(state, queries).detach().numpy()
    strength, never_seen = memory.log_strength.exp().item(), memory.never_seen.item()
    for episode, q in np.ndindex(BATCH, STEPS):
        query = queries[episode, q].numpy()
        cosines = [key @ query / np.linalg.norm(key) / np.linalg.norm(query) for key in features[episode].numpy()]
        expected = np.zeros(CODE_WIDTH + 1)
        expected[-1] = np.exp(strength * never_seen)
        for slot in np.argsort(cosines)[::-1][:top_k]:
            expected[:-1] += np.exp(strength * cosines[slot]) * codes[episode, slot].numpy()
        np.testing.assert_allclose(reads[episode, q], expected / expected.sum(), rtol=1e-9, atol=1e-12)


@KINDS
@pytest.mark.parametrize("hops", [1, 3])
def test_top_k_of_all_slots_is_every_slot(make_memory: Make, kind: str, hops: int) -> None:
    sequence = draw()
    everything = results(make_memory(kind, FEATURES, CODE_WIDTH, hops=hops), *sequence)
    for top_k in (STEPS, 2 * STEPS):
        most = results(make_memory(kind, FEATURES, CODE_WIDTH, hops=hops, top_k=top_k), *sequence)
        assert all(torch.equal(one, other) for one, other in zip(most, everything, strict=True))
    fewer = results(make_memory(kind, FEATURES, CODE_WIDTH, hops=hops, top_k=1), *sequence)
    assert not any(torch.allclose(one, other) for one, other in zip(fewer, everything, strict=True))


@KINDS
def test_of_slots_that_tie_the_first_are_read(make_memory: Make, kind: str) -> None:
    """All keys are the query itself, an axis, so that every cosine is exactly 1."""
    memory = make_memory(kind, FEATURES, 4, top_k=2)
    features = torch.eye(FEATURES, dtype=torch.float64)[0].expand(1, 4, -1)
    codes = torch.eye(4, dtype=torch.float64).unsqueeze(0)
    reads, state = memory.scan(memory.initial_state(1, 4, features), features, codes, full_mask(features))
    for masses in (memory.read(state, features[:, :1])[0, 0], reads[0, 3]):
        assert masses[0] == masses[1] > 0
        assert not masses[2:4].any()


def test_rounding_does_not_choose_between_equal_keys(make_memory: Make) -> None:
    """The products with equal keys need not be equal bits; of the copies of the nearest key the first is read."""
    (feature, _), (queries, _) = draw(steps=1), draw(steps=3, seed=1)
    for slots in range(2, 40):
        memory = make_memory("keyvalue", FEATURES, slots, top_k=1)
        copies, codes = feature.expand(-1, slots, -1), torch.eye(slots, dtype=torch.float64).expand(BATCH, -1, -1)
        masses = memory.read(after_writing(memory, copies, codes), queries)
        assert (masses[..., 0] > 0).all()
        assert not masses[..., 1:-1].any()


@KINDS
@pytest.mark.parametrize("top_k", [0, 1.5])
def test_no_slots_and_parts_of_a_slot_are_refused(make_memory: Make, kind: str, top_k: float) -> None:
    with pytest.raises(ConfigError, match=f"memory.top_k={top_k}"):
        make_memory(kind, FEATURES, CODE_WIDTH, top_k=top_k)


@KINDS
def test_empty_memory_gives_all_mass_to_never_seen(make_memory: Make, kind: str) -> None:
    memory, (features, _) = make_memory(kind), draw()
    masses = memory.read(memory.initial_state(BATCH, CODE_WIDTH, features), features)
    assert torch.equal(masses, torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64).expand(BATCH, STEPS, 4))


@RULES
def test_features_of_zero_have_finite_reads_and_gradients(make_memory: Make, kind: str, options: Options) -> None:
    memory, (features, codes) = make_memory(kind, **options), draw(steps=13)
    features[:, ::2] = 0
    features.requires_grad_()
    fresh = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, _ = memory.scan(fresh, features, codes, full_mask(features))
    reads.square().sum().backward()
    assert reads.isfinite().all()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@RULES
def test_later_codes_may_be_wider(make_memory: Make, kind: str, options: Options) -> None:
    memory, (features, codes) = make_memory(kind, **options), draw(steps=3)
    later, wide, _ = labelled_sequence(6, BATCH, CODE_WIDTH + 2, seed=4)
    state = after_writing(memory, features, codes)
    grown = memory.write(memory.write(state, later, wide, full_mask(later)), features, codes, full_mask(features))
    padded = F.pad(codes, (0, 2))
    at_once = after_writing(memory, torch.cat([features, later, features], 1), torch.cat([padded, wide, padded], 1))
    for one, other in zip(grown, at_once, strict=True):
        torch.testing.assert_close(one, other)

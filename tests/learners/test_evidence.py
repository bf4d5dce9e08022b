"""Evidence of the support: what each source says of left-out words, and what must not matter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from metamann.episodes.episode import PADDING
from metamann.learners.evidence import GROUPS, EvidenceState, SupportEvidence, word_groups

FEATURES, CLASSES, LENGTH = 6, 2, 4
SIZES = (4, 3, 2)  # words of the sentences of the support
Support = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def evidence() -> SupportEvidence:
    torch.manual_seed(0)
    return SupportEvidence(FEATURES, ridge_width=5, key_width=3).double().eval()


@pytest.fixture
def support() -> Support:
    """One episode: features, prior, labels and groups."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(1, len(SIZES), LENGTH, FEATURES, generator=generator, dtype=torch.float64)
    prior = torch.randn(1, len(SIZES), LENGTH, generator=generator, dtype=torch.float64)
    labels = torch.tensor([[[0, 1, 1, 0], [2, 0, 1, 0], [0, 2, 0, 0]]])
    labels[0, 1, 3:] = labels[0, 2, 2:] = PADDING
    return features, prior, labels, (labels <= 0).long()


def written(evidence: SupportEvidence, support: Support, state: EvidenceState | None = None) -> EvidenceState:
    features, prior, labels, groups = support
    if state is None:
        state = evidence.initial_state(len(labels), CLASSES, features)
    starts = torch.arange(labels.shape[-1]).expand_as(labels) == 0
    return evidence.write(state, features.flatten(1, 2), *(part.flatten(1) for part in (prior, labels, groups, starts)))


def sentences(support: Support, numbers: list[int]) -> Support:
    features, prior, labels, groups = support
    return features[:, numbers], prior[:, numbers], labels[:, numbers], groups[:, numbers]


def queries() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(1, 7, FEATURES, generator=generator, dtype=torch.float64)
    return features, torch.randn(1, 7, generator=generator, dtype=torch.float64)


class Recorder(nn.Module):
    """In place of the stacking: keeps what it is given."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.start = start

    def forward(self, evidence: Tensor, positive: Tensor, weights: Tensor, statistics: Tensor) -> Tensor:
        self.evidence, self.positive = evidence, positive
        return self.start.expand(len(evidence), -1)


def test_factors_are_fitted_on_what_a_support_without_the_sentence_says(
    evidence: SupportEvidence, support: Support
) -> None:
    recorder = Recorder(evidence.stacking.start)
    evidence.stacking = recorder  # type: ignore[assignment]
    written(evidence, support)
    left_out, positive = recorder.evidence.view(len(SIZES), LENGTH, 4), recorder.positive.view(len(SIZES), LENGTH)
    features, prior, labels, _ = support
    assert torch.equal(positive, labels[0] > 0)
    for number, size in enumerate(SIZES):
        others = [other for other in range(len(SIZES)) if other != number]
        state = written(evidence, sentences(support, others))
        for source in range(4):
            alone = state._replace(factors=torch.eye(4, dtype=torch.float64)[source : source + 1])
            expected = evidence.inside(alone, features[:, number, :size], prior[:, number, :size])[0]
            torch.testing.assert_close(left_out[number, :size, source], expected)


def test_writing_in_two_parts_is_writing_at_once(evidence: SupportEvidence, support: Support) -> None:
    parts = written(evidence, sentences(support, [1, 2]), written(evidence, sentences(support, [0])))
    once = written(evidence, support)
    torch.testing.assert_close(evidence.inside(parts, *queries()), evidence.inside(once, *queries()))


def test_forgetting_a_sentence_is_never_having_seen_it(evidence: SupportEvidence, support: Support) -> None:
    taken = torch.tensor([[False] * SIZES[0] + [True] * SIZES[1] + [False] * SIZES[2]])
    after = evidence.forget(written(evidence, support), taken)
    never = written(evidence, sentences(support, [0, 2]))
    torch.testing.assert_close(evidence.inside(after, *queries()), evidence.inside(never, *queries()))


def test_order_and_padding_do_not_matter(evidence: SupportEvidence, support: Support) -> None:
    expected = evidence.inside(written(evidence, support), *queries())
    turned = written(evidence, sentences(support, [2, 0, 1]))
    torch.testing.assert_close(evidence.inside(turned, *queries()), expected)
    features, prior, labels, groups = support
    padded = (
        torch.cat([features, torch.randn_like(features)], 1),
        torch.cat([prior, torch.randn_like(prior)], 1),
        torch.cat([labels, torch.full_like(labels, PADDING)], 1),
        torch.cat([groups, groups], 1),
    )
    torch.testing.assert_close(evidence.inside(written(evidence, padded), *queries()), expected)


def test_without_a_type_the_prior_is_all_that_speaks(evidence: SupportEvidence, support: Support) -> None:
    features, prior, labels, groups = support
    state = written(evidence, (features, prior, labels.clamp_max(0), groups))
    of_queries, of_prior = queries()
    bias, trust, *_ = state.factors[0]
    torch.testing.assert_close(evidence.inside(state, of_queries, of_prior), bias + trust * of_prior)


def test_a_word_like_those_of_entities_is_inside_and_one_like_the_others_is_not() -> None:
    torch.manual_seed(0)
    evidence = SupportEvidence(2, ridge_width=8, key_width=8).double().eval()
    like_entities, like_others = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    features = torch.stack([like_entities, like_others]).expand(1, 4, 2, 2).double()
    labels = torch.tensor([[[1, 0], [2, 0], [1, 0], [2, 0]]])
    prior = torch.zeros(1, 4, 2, dtype=torch.float64)
    state = written(evidence, (features, prior, labels, (labels <= 0).long()))
    first, second = evidence.inside(state, features[:, 0], prior[:, 0])[0]
    assert first > 1 > -1 > second


def test_attention_shares_are_of_the_words_that_are_there(evidence: SupportEvidence, support: Support) -> None:
    state = written(evidence, support)
    shares = evidence.attention(state, support[0].flatten(1, 2))
    present = state.present()[0]
    assert (shares[0][:, ~present] == 0).all()
    assert (shares.sum(-1) < 1).all()
    assert torch.equal(shares[0].argmax(-1)[1:3], torch.tensor([1, 2]))  # words of entities find themselves


def test_the_nearest_words_are_one_outside_and_one_inside(evidence: SupportEvidence, support: Support) -> None:
    state = written(evidence, support)
    slots, cosines = evidence.nearest(state, support[0].flatten(1, 2))
    present, inside = state.present()[0], state.inside()[0]
    assert state.members[0, :, 0][slots[0, :, 0]].all()
    assert inside[slots[0, :, 1]].all()
    itself = slots[0].gather(1, inside.long().unsqueeze(1)).squeeze(1)
    assert torch.equal(itself[present], torch.arange(len(present))[present])
    torch.testing.assert_close(cosines[0].max(-1).values[present], torch.ones(int(present.sum()), dtype=torch.float64))
    without = written(evidence, (*support[:2], support[2].clamp_max(0), support[3]))
    assert (evidence.nearest(without, support[0].flatten(1, 2))[0][..., 1] == -1).all()


def test_groups_of_words() -> None:
    labels = torch.tensor([[[0, 0, 1, 1, 0, 0, PADDING], [0, 2, 0, 0, 0, 0, 0]]])
    capitalised = torch.zeros_like(labels, dtype=torch.bool)
    capitalised[0, 0, [0, 2, 4]] = True
    names = [[list(GROUPS)[number] for number in row] for row in word_groups(labels, capitalised)[0]]
    assert names[0][:6] == ["capitalised", "beside", "inside", "inside", "capitalised", "outside"]
    assert names[1] == ["beside", "inside", "beside", *["outside"] * 4]

"""Viterbi: the best of all paths, legal tags whatever the scores, padding that changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import all_paths, random_emissions, random_transitions

from metamann.decoding.transitions import Transitions
from metamann.decoding.viterbi import viterbi
from metamann.episodes.episode import PADDING

schemes = pytest.mark.parametrize("scheme", ["io", "bio"])


def lengths_to_present(lengths: torch.Tensor, length: int) -> torch.Tensor:
    return torch.arange(length) < lengths.unsqueeze(-1)


@schemes
@pytest.mark.parametrize(("classes", "length"), [(1, 6), (2, 4), (10, 3)])
def test_the_path_is_the_best_of_all(scheme: Any, classes: int, length: int) -> None:
    tags = 1 + classes * (1 if scheme == "io" else 2)
    transitions = random_transitions(scheme, torch.tensor([tags]), tags)
    emissions = random_emissions(1, length, length, tags)  # sentences of every length
    present = lengths_to_present(torch.arange(1, length + 1).unsqueeze(0), length)
    found = viterbi(emissions, transitions, present)
    for sentence in range(length):
        paths = all_paths(emissions[0, sentence, : sentence + 1], transitions.start[0], transitions.matrix[0])
        best = max(paths, key=paths.__getitem__)
        assert found[0, sentence].tolist() == [*best, *[PADDING] * (length - sentence - 1)]


def legal(tags: list[int], ways: int) -> bool:
    """Every I continues a B or I of its class, and every tag is one of the episode."""
    words = [tag for tag in tags if tag != PADDING]
    before = 0
    for tag in words:
        if not 0 <= tag < ways or (tag > 0 and tag % 2 == 0 and before not in (tag - 1, tag)):
            return False
        before = tag
    return tags[: len(words)] == words


@settings(deadline=None, max_examples=100)
@given(data=st.data(), seed=st.integers(0, 10**6), spread=st.sampled_from([1, 30, 1000]))
def test_bio_tags_are_always_legal(data: st.DataObject, seed: int, spread: float) -> None:
    classes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    ways = torch.tensor([1 + 2 * number for number in classes])
    tags, length = int(ways.max()), data.draw(st.integers(1, 9))
    lengths = torch.tensor(data.draw(st.lists(st.lists(st.integers(0, length), min_size=2, max_size=2),
                                              min_size=len(ways), max_size=len(ways))))  # fmt: skip
    emissions = (spread * random_emissions(len(ways), 2, length, tags, seed=seed)).float()
    emissions = emissions.masked_fill(torch.arange(tags) >= ways.view(-1, 1, 1, 1), -torch.inf)
    transitions = Transitions("bio", spread * torch.randn(12, generator=torch.Generator().manual_seed(seed)))
    with torch.no_grad():
        found = viterbi(emissions, transitions(ways, tags), lengths_to_present(lengths, length))
    for episode, number in enumerate(ways.tolist()):
        for sentence in range(2):
            assert legal(found[episode, sentence].tolist(), number)
            assert int((found[episode, sentence] != PADDING).sum()) == lengths[episode, sentence]


@schemes
def test_company_and_padding_change_nothing(scheme: Any) -> None:
    ways = torch.tensor([3, 7])
    transitions = random_transitions(scheme, ways, 7)
    emissions = random_emissions(2, 5, 8, 7)
    emissions[0, :, :, 3:] = -torch.inf
    lengths = torch.tensor([[3, 0, 1, 6, 2], [8, 1, 5, 4, 4]])
    present = lengths_to_present(lengths, 8)
    together = viterbi(emissions, transitions, present)
    garbage = torch.where(present.unsqueeze(-1), emissions, torch.full_like(emissions, 1e9))
    assert torch.equal(viterbi(garbage, transitions, present), together)
    alone = random_transitions(scheme, ways[:1], 3)
    for sentence, length in enumerate(lengths[0].tolist()):
        mine = viterbi(emissions[:1, sentence : sentence + 1, :length, :3], alone, torch.ones(1, 1, length).bool())
        assert mine[0, 0].tolist() == together[0, sentence, :length].tolist()


def test_even_moves_leave_the_best_tag_of_each_token() -> None:
    emissions = random_emissions(2, 3, 6, 4)
    transitions = Transitions("io", torch.zeros(7, dtype=torch.float64))
    flat = transitions(torch.tensor([4, 4]), 4)
    even = type(flat)(torch.zeros_like(flat.start), torch.zeros_like(flat.matrix))
    assert torch.equal(viterbi(emissions, even, torch.ones(2, 3, 6).bool()), emissions.argmax(-1))


def test_a_sentence_of_2000_words_is_decoded_whole() -> None:
    transitions = random_transitions("bio", torch.tensor([11]), 11)
    found = viterbi(random_emissions(1, 1, 2000, 11).float(), transitions, torch.ones(1, 1, 2000).bool())
    assert legal(found[0, 0].tolist(), 11)
    assert found.unique().numel() > 5

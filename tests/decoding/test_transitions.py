"""Collapsed transitions: probabilities stay probabilities for any number of classes, and count what sentences do."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metamann.data.sentences.columns import read_columns
from metamann.data.sentences.store import Sentence, SentenceStore, Span
from metamann.decoding.transitions import (
    MOVES,
    Transitions,
    cell_names,
    count_transitions,
    log_shares,
    tempered,
)
from metamann.episodes.sentences.table import SentenceTable

schemes = pytest.mark.parametrize("scheme", ["io", "bio"])


def random_table(scheme: Any) -> dict[str, float]:
    """Log probabilities by the name of their cell."""
    generator = torch.Generator().manual_seed(0)
    counts = 0.1 + torch.rand(len(cell_names(scheme)), generator=generator, dtype=torch.float64)
    return dict(zip(cell_names(scheme), log_shares(counts, scheme).tolist(), strict=True))


def module(scheme: Any, table: dict[str, float]) -> Transitions:
    return Transitions(scheme, torch.tensor(list(table.values()), dtype=torch.float64))


@pytest.mark.parametrize("classes", [1, 2, 5, 10])
def test_io_scores_are_those_of_structshot(classes: int) -> None:
    """The seven probabilities spread as in the paper."""
    table = {name: np.exp(value) for name, value in random_table("io").items()}
    expected = np.zeros((classes + 2, classes + 1))
    expected[0, 0], expected[0, 1:] = table["start > O"], table["start > I"] / classes
    expected[1, 0], expected[1, 1:] = table["O > O"], table["O > I"] / classes
    expected[2:, 0] = table["I > O"]
    expected[2:, 1:] = table["I > other I"] / max(1, classes - 1)
    for number in range(classes):
        expected[2 + number, 1 + number] = table["I > same I"]
    with torch.no_grad():
        start, matrix = module("io", random_table("io"))(torch.tensor([classes + 1]), classes + 1)
    np.testing.assert_allclose(torch.cat([start, matrix[0]]).exp(), expected)


def test_bio_scores_are_the_table_spread() -> None:
    table, classes = random_table("bio"), 3
    with torch.no_grad():
        start, matrix = module("bio", table)(torch.tensor([7]), 7)
    for source in range(-1, 7):
        for target in range(7):
            kind = "O" if target == 0 else "B" if target % 2 else "I"
            if source <= 0:
                name = "start" if source < 0 else "O"
                expected = table.get(f"{name} > {kind}", -np.inf) - (np.log(classes) if target else 0)
            else:
                row = "B" if source % 2 else "I"
                same = (source + 1) // 2 == (target + 1) // 2
                relation = "" if not target else "same " if same else "other "
                share = np.log(classes - 1) if target and not same else 0
                expected = table.get(f"{row} > {relation}{kind}", -np.inf) - share
            found = start[0, target] if source < 0 else matrix[0, source, target]
            assert float(found) == pytest.approx(expected), (source, target)


@schemes
@pytest.mark.parametrize("power", [1.0, 0.05])
def test_rows_sum_to_one_for_any_number_of_classes(scheme: Any, power: float) -> None:
    per_class = 1 if scheme == "io" else 2
    ways = torch.tensor([1 + per_class * classes for classes in (1, 2, 3, 10)])
    with torch.no_grad():
        plain = module(scheme, random_table(scheme))(ways, int(ways.max()))
    scores = tempered(plain, power)
    for episode, tags in enumerate(ways.tolist()):
        assert float(scores.start[episode].exp().sum()) == pytest.approx(1)
        rows = scores.matrix[episode].exp().sum(-1)
        torch.testing.assert_close(rows[:tags], torch.ones(tags, dtype=torch.float64))
        assert (rows[tags:] == 0).all()
        assert (scores.matrix[episode, :, tags:] == -torch.inf).all()
        if power == 1 and tags > 1 + per_class:
            torch.testing.assert_close(scores.matrix[episode], plain.matrix[episode])


def test_tempering_is_the_power_of_each_probability() -> None:
    with torch.no_grad():
        plain = module("io", random_table("io"))(torch.tensor([4]), 4)
    powered = plain.matrix.exp() ** 0.3
    torch.testing.assert_close(tempered(plain, 0.3).matrix.exp(), powered / powered.sum(-1, keepdim=True))


@schemes
def test_an_episode_gets_the_same_scores_in_any_company(scheme: Any) -> None:
    transitions = module(scheme, random_table(scheme))
    with torch.no_grad():
        together = transitions(torch.tensor([3, 9, 5]), 9)
        alone = transitions(torch.tensor([5]), 5)
    assert torch.equal(together.start[2, :5], alone.start[0])
    assert torch.equal(together.matrix[2, :5, :5], alone.matrix[0])


@schemes
def test_permuting_classes_leaves_scores_alone(scheme: Any) -> None:
    with torch.no_grad():
        start, matrix = module(scheme, random_table(scheme))(torch.tensor([7]), 7)
    order = torch.tensor([0, 5, 6, 1, 2, 3, 4])  # whole classes under `bio`, any tags under `io`
    assert torch.equal(start[:, order], start)
    assert torch.equal(matrix[:, order][:, :, order], matrix)


@schemes
def test_moves_start_out_even_and_every_cell_learns(scheme: Any) -> None:
    transitions = Transitions(scheme)
    start, matrix = transitions(torch.tensor([7]), 7)
    for scores in (start[0].detach(), *matrix[0].detach()):
        assert float(scores.exp().sum()) == pytest.approx(1, abs=1e-6)
    sum(scores[scores > -torch.inf].sum() for scores in (start, matrix)).backward()  # type: ignore[union-attr]
    assert (transitions.scores.grad != 0).all()  # type: ignore[union-attr]


def moves_by_hand(sentence: Sentence, scheme: str) -> list[str]:
    tags = [("O", "")] * len(sentence.tokens)
    for start, end, name in sentence.spans:
        for position in range(start, end):
            tags[position] = ("B" if scheme == "bio" and position == start else "I", name)
    moves = []
    for (kind, name), (source, before) in zip(tags, [("start", ""), *tags], strict=False):
        inside = source in ("B", "I") and kind != "O"
        relation = ("same " if name == before else "other ") if inside else ""
        moves.append(f"{source} > {relation}{kind}")
    return moves


@schemes
def test_counts_are_those_of_a_walk_through_the_sentences(scheme: Any) -> None:
    rng = np.random.default_rng(0)
    sentences = [Sentence((), ())]
    for _ in range(200):
        length, start, spans = int(rng.integers(1, 9)), 0, []
        while start < length:
            end = min(length, start + int(rng.integers(1, 4)))
            if rng.random() < 0.6:
                spans.append(Span(start, end, str(rng.choice(["a", "b"]))))
            start = end
        sentences.append(Sentence(("w",) * length, tuple(spans)))
    sentences.append(Sentence((), ()))
    store = SentenceStore("toy", tuple(sentences))
    expected = Counter(move for sentence in sentences for move in moves_by_hand(sentence, scheme))
    counts = count_transitions(SentenceTable.of(store.sentences, store.lexicon, store.types), scheme)
    assert counts.tolist() == [expected[name] for name in cell_names(scheme)]
    assert set(expected) == set(cell_names(scheme))


def test_the_tables_have_the_cells_of_the_papers() -> None:
    assert [len(cell_names(scheme)) for scheme in MOVES] == [7, 12]


def test_counts_on_fewnerd_train_types_are_those_known() -> None:
    path = Path(os.environ.get("METAMANN_DATA", "")) / "fewnerd" / "inter_train_subset" / "test.txt"
    if not path.is_file():
        reason = f"the real Few-NERD is not in METAMANN_DATA ({path})"
        if os.environ.get("METAMANN_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    store = SentenceStore("subset", read_columns(path, "tab", "IOB2").sentences)
    counts = count_transitions(SentenceTable.of(store.sentences, store.lexicon, store.types), "io")
    shares = dict(zip(cell_names("io"), log_shares(counts, "io").exp().tolist(), strict=True))
    known = {"start > I": 0.146, "O > I": 0.104, "I > O": 0.524, "I > same I": 0.475, "I > other I": 0.0016}
    for name, value in known.items():
        assert shares[name] == pytest.approx(value, abs=0.0006), name

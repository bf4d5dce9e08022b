"""Transitions between tags that know no type: a few scores shared by all types, spread over the classes of an episode.

An episode's types are new, so transitions between its tags cannot be known; that an entity goes on, ends, or is
followed by one of another type can [YK20], [H20]. The score of a move to any entity is shared evenly among the N
classes, of a move to another class among the N - 1 others; under `bio` moves to an I that continues nothing do not
exist.

References:
    [YK20] Yang and Katiyar, Simple and Effective Few-Shot Named Entity Recognition with Structured Nearest Neighbor
        Learning, 2020, section 3.3 (StructShot: the table for `io`).
    [H20] Hou et al., Few-shot Slot Tagging with Collapsed Dependency Transfer, 2020, section 4.1 (for `bio`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme, read_classes

# rows of the collapsed tables: where from, and where to. `same` and `other` are types, B and I alone are any type
MOVES: dict[TagScheme, dict[str, tuple[str, ...]]] = {
    "io": {"start": ("O", "I"), "O": ("O", "I"), "I": ("O", "same I", "other I")},
    "bio": {
        "start": ("O", "B"),
        "O": ("O", "B"),
        "B": ("O", "same B", "same I", "other B"),
        "I": ("O", "same B", "same I", "other B"),
    },
}


def cell_names(scheme: TagScheme) -> tuple[str, ...]:
    """The cells of the collapsed table, row by row, such as `I > same I`."""
    return tuple(f"{source} > {target}" for source, targets in MOVES[scheme].items() for target in targets)


class TransitionScores(NamedTuple):
    """Log scores of the moves between the tags of a batch of episodes; minus infinity where there is no such move.

    Attributes:
        start: `batch x tags`, of the first tag of a sentence.
        matrix: `batch x tags x tags`, from the tag of a row to that of a column.
    """

    start: Tensor
    matrix: Tensor


class Transitions(nn.Module):
    """A collapsed table of transitions as parameters, in log space.

    Args:
        scheme: of the tags.
        scores: `cells`, log scores to start from; None takes all moves of a row as equally likely.

    Examples:
        >>> transitions = Transitions("io")
        >>> start, matrix = transitions(ways=torch.tensor([3, 2]), tags=3)  # episodes of two classes and of one, and O
        >>> matrix.shape
        torch.Size([2, 3, 3])
    """

    def __init__(self, scheme: TagScheme, scores: Tensor | None = None) -> None:
        super().__init__()
        self.scheme: TagScheme = scheme
        self.scores = nn.Parameter(
            log_shares(torch.ones(len(cell_names(scheme))), scheme) if scores is None else scores
        )

    def forward(self, ways: Tensor, tags: int) -> TransitionScores:
        """Spread the table over the classes of each episode.

        Args:
            ways: `batch`, tags of each episode, O included.
            tags: of the largest.

        Returns:
            If the table holds probabilities, so does each row of the scores; with one class only, they lack those of
            other classes.
        """
        cells, sharing = (torch.from_numpy(array).to(ways.device) for array in _spread(self.scheme, tags))
        classes = (ways - 1) // (1 if self.scheme == "io" else 2)
        parts = torch.stack([torch.ones_like(classes), classes, classes - 1], 1).clamp_min(1)  # batch x kinds of share
        scores = self.scores[cells] - parts.to(self.scores.dtype).log()[:, sharing]
        present = torch.arange(tags, device=ways.device) < ways.unsqueeze(1)
        sources = torch.cat([torch.ones_like(present[:, :1]), present], 1)
        legal = (cells >= 0) & sources.unsqueeze(2) & present.unsqueeze(1)
        scores = scores.masked_fill(~legal, -torch.inf)
        return TransitionScores(scores[:, 0], scores[:, 1:])


def tempered(transitions: TransitionScores, power: float) -> TransitionScores:
    """Probabilities raised to a power, then brought to sum 1 again over each row [YK20]; below 1 they get more even."""
    return TransitionScores(*(_tempered(scores, power) for scores in transitions))


def count_transitions(table: SentenceTable, scheme: TagScheme) -> Tensor:
    """How often each move of the collapsed table is made in sentences, `cells`.

    Args:
        table: sentences of the source types.
        scheme: of the tags.
    """
    types = table.token_types
    kinds = np.where(types < 0, 0, 1 if scheme == "io" else np.where(table.begins, 1, 2))
    first = np.zeros(len(types), dtype=bool)
    first[table.first[:-1][table.sizes > 0]] = True
    # the start of a sentence is a source of its own, in front of the tags O, B and I
    sources = np.where(first, 0, 1 + np.roll(kinds, 1))
    counts = torch.zeros(len(cell_names(scheme)), dtype=torch.float64)
    names = ["O", "I"] if scheme == "io" else ["O", "B", "I"]
    same = types == np.roll(types, 1)
    cell = 0
    for source, targets in MOVES[scheme].items():
        of_source = sources == ["start", *names].index(source)
        for target in targets:
            relation, _, name = target.rpartition(" ")
            moves = of_source & (kinds == names.index(name))
            if relation:
                moves &= same if relation == "same" else ~same
            counts[cell] = int(moves.sum())
            cell += 1
    return counts


def log_shares(counts: Tensor, scheme: TagScheme) -> Tensor:
    """Log probabilities of the moves from each source.

    Args:
        counts: `cells`, above 0: add a little to what was counted, as what was never seen may happen.
        scheme: of the tags.
    """
    rows = torch.split(counts, [len(targets) for targets in MOVES[scheme].values()])
    return torch.cat([(row / row.sum()).log() for row in rows])


@cache
def _spread(scheme: TagScheme, tags: int) -> tuple[np.ndarray, np.ndarray]:
    """For each move, the start as row 0: its cell (-1 where none), and whether it is shared by N (1), by N - 1 (2)."""
    classes, begins = read_classes(scheme, np.arange(tags))
    kinds = ["O" if number < 0 else "B" if begin else "I" for number, begin in zip(classes, begins, strict=True)]
    number = {name: position for position, name in enumerate(cell_names(scheme))}
    cells, sharing = np.full((2, tags + 1, tags), -1)
    sharing[:] = 0
    for source in range(-1, tags):
        from_kind = "start" if source < 0 else kinds[source]
        for target in range(tags):
            relation, share = "", 0
            if target > 0:
                inside = source > 0
                same = inside and classes[source] == classes[target]
                relation = "same " if same else "other " if inside else ""
                share = 0 if same else 2 if inside else 1
            cells[source + 1, target] = number.get(f"{from_kind} > {relation}{kinds[target]}", -1)
            sharing[source + 1, target] = share
    return cells, sharing


def _tempered(scores: Tensor, power: float) -> Tensor:
    absent = scores == -torch.inf
    nowhere = absent.all(-1, keepdim=True)  # rows of tags that the episode does not have
    shares = torch.log_softmax((scores * power).masked_fill(nowhere, 0), -1)
    return shares.masked_fill(absent, -torch.inf)

"""Tables of lexicons: made once for each, never those of another."""

from __future__ import annotations

import copy

import torch

from metamann.encoders.lexicon import CAPACITY, LexiconTables

CPU = torch.device("cpu")


class Lengths:
    """Word lengths, and how often they were computed."""

    calls = 0

    def __call__(self, lexicon: tuple[str, ...], device: torch.device) -> list[int]:
        self.calls += 1
        return [len(word) for word in lexicon]


def test_a_lexicon_is_looked_at_once() -> None:
    make = Lengths()
    tables, lexicon, other = LexiconTables(make), ("a", "bc"), ("def",)
    for _ in range(3):
        assert tables(lexicon, CPU) == [1, 2]
        assert tables(other, CPU) == [3]
    assert make.calls == 2
    tables(lexicon, torch.device("meta"))
    assert make.calls == 3


def test_the_table_is_never_that_of_a_lexicon_that_is_gone() -> None:
    """Python gives the identity of what is gone to what comes next."""
    tables = LexiconTables(Lengths())
    for length in range(100):
        assert tables(tuple("x" * length for _ in range(3)), CPU) == [length] * 3


def test_only_the_last_few_are_kept_and_use_keeps_a_lexicon() -> None:
    make = Lengths()
    tables, lexicons = LexiconTables(make), [("x" * number,) for number in range(CAPACITY + 1)]
    for lexicon in lexicons[:CAPACITY]:
        tables(lexicon, CPU)
    tables(lexicons[0], CPU)
    tables(lexicons[CAPACITY], CPU)
    assert make.calls == CAPACITY + 1
    tables(lexicons[0], CPU)
    assert make.calls == CAPACITY + 1
    tables(lexicons[1], CPU)
    assert make.calls == CAPACITY + 2


def test_a_copy_goes_on_with_the_same_lexicon() -> None:
    tables, lexicon = LexiconTables(Lengths()), ("a", "bc")
    tables(lexicon, CPU)
    copied = copy.deepcopy(tables)
    assert copied(lexicon, CPU) == [1, 2]
    assert copied._make.calls == 1  # type: ignore[attr-defined]

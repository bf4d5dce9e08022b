"""What an encoder computes once for all the words of a data set."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

Table = TypeVar("Table")
Lexicon = tuple[str, ...]

CAPACITY = 8  # the splits of a data set take turns in training


class LexiconTables(Generic[Table]):
    """Tables of the last few lexicons, each made once.

    A lexicon is known by its identity, since comparing some hundred thousand words in every batch takes longer than
    encoding them. An equal lexicon that is another object costs time only. The tables follow from the lexicon, so they
    are no part of a state dict.

    Args:
        make: computes the table of a lexicon, on a device.

    Examples:
        >>> lengths = LexiconTables(lambda lexicon, device: torch.tensor([len(word) for word in lexicon]))
        >>> lexicon = ("Anna", "sings")
        >>> lengths(lexicon, torch.device("cpu"))
        tensor([4, 5])
    """

    def __init__(self, make: Callable[[Lexicon, torch.device], Table]) -> None:
        self._make = make
        # the lexicon is stored beside its table, so that no other object can take over its identity
        self._tables: OrderedDict[tuple[int, torch.device], tuple[Lexicon, Table]] = OrderedDict()

    def __call__(self, lexicon: Lexicon, device: torch.device) -> Table:
        """The table of this lexicon on this device."""
        key = (id(lexicon), device)
        if key not in self._tables:
            self._tables[key] = (lexicon, self._make(lexicon, device))
            if len(self._tables) > CAPACITY:
                self._tables.popitem(last=False)
        self._tables.move_to_end(key)
        return self._tables[key][1]

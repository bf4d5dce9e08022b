"""Several encoders side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from metamann.episodes.text import Text


class JoinedEncoder(nn.Module):
    """The features of several encoders of text behind one another.

    Args:
        encoders: at least one, by name.

    Examples:
        >>> from metamann.encoders.spelling import SpellingEncoder
        >>> from metamann.encoders.words import WordEncoder
        >>> encoder = JoinedEncoder({"words": WordEncoder(rows=64), "spelling": SpellingEncoder()})
        >>> encoder(Text.of([["Anna", "sings"]], lexicon=("Anna", "sings"))).shape
        torch.Size([1, 1, 2, 347])
    """

    def __init__(self, encoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.features = 0
        for encoder in encoders.values():
            self.features += int(encoder.features)  # type: ignore[arg-type]

    def forward(self, inputs: Text) -> Tensor:
        """Encode words, `batch x sentences x length` to `batch x sentences x length x features`; zeros at padding."""
        return torch.cat([encoder(inputs) for encoder in self.encoders.values()], -1)

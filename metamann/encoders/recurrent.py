"""Words in the context of their sentence: a bidirectional LSTM or GRU.

References:
    [GS05] Graves and Schmidhuber, Framewise phoneme classification with bidirectional LSTM, 2005.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from metamann.episodes.text import Text
from metamann.errors import check_choice, check_number, check_size
from metamann.hardware import full_precision

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentEncoder(nn.Module):
    """A bidirectional LSTM or GRU over the features of another encoder.

    Sentences are packed by their length: the backward direction starts at the last word, however long the other
    sentences are, and no sentence is cut.

    Args:
        words: encoder of the words.
        cell: `lstm` or `gru`.
        hidden: width of each direction; there are twice as many features.
        layers: one above the other.
        dropout: share dropped in training of the word features, between layers, and of the result.
        hand_on: put the features of the words themselves behind the states.

    Raises:
        ConfigError: if the cell is unknown, or a number is out of its range.

    Examples:
        >>> from metamann.encoders.words import WordEncoder
        >>> encoder = RecurrentEncoder(WordEncoder(rows=64), hidden=16)
        >>> encoder(Text.of([["Anna", "sings"]], lexicon=("Anna", "sings"))).shape
        torch.Size([1, 1, 2, 32])
    """

    def __init__(
        self,
        words: nn.Module,
        cell: Literal["lstm", "gru"] = "lstm",
        hidden: int = 200,
        layers: int = 1,
        dropout: float = 0.0,
        hand_on: bool = False,
    ) -> None:
        super().__init__()
        check_choice("encoder.cell", cell, tuple(CELLS))
        check_size("encoder.hidden", hidden)
        check_size("encoder.layers", layers)
        check_number("encoder.dropout", dropout, least=0, most=1)
        self.words = words
        self.dropout = nn.Dropout(dropout)
        self.cell = CELLS[cell](
            words.features,
            hidden,
            layers,
            batch_first=True,
            bidirectional=True,
            # torch drops between layers only, and warns where there is none between
            dropout=dropout if layers > 1 else 0.0,
        )
        self.hand_on = hand_on
        self.features = 2 * hidden + (int(words.features) if hand_on else 0)  # type: ignore[arg-type]

    def forward(self, inputs: Text) -> Tensor:
        """Encode words, `batch x sentences x length` to `batch x sentences x length x features`; zeros at padding."""
        features: Tensor = self.words(inputs)
        lengths = (inputs.words >= 0).sum(-1).flatten()
        filled = lengths > 0  # a sentence that is padding cannot be packed
        width = 2 * self.cell.hidden_size
        out = features.new_zeros(len(lengths), inputs.words.shape[-1], width, dtype=torch.float32)
        if filled.any():
            with full_precision(features.device):
                sentences = self.dropout(features.flatten(0, 1)[filled].float())
                packed = pack_padded_sequence(sentences, lengths[filled].cpu(), batch_first=True, enforce_sorted=False)
                packed_states: PackedSequence = self.cell(packed)[0]
                unpacked, _ = pad_packed_sequence(packed_states, batch_first=True, total_length=out.shape[1])
            out[filled] = self.dropout(unpacked)
        states = out.view(*inputs.words.shape, width)
        return torch.cat([states, self.dropout(features.float())], -1) if self.hand_on else states

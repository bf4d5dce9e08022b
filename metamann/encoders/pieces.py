"""The word pieces of a lexicon: every distinct word is tokenised once."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class PieceTable(NamedTuple):
    """The pieces of each word of a lexicon; every word has at least one.

    Attributes:
        ids: `all pieces`, word after word.
        first: `words`, where the pieces of each word begin.
        length: `words`, how many there are.
    """

    ids: Tensor
    first: Tensor
    length: Tensor

    def of_words(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Pieces of a run of words, `words` to `pieces`, and the place of the word of each piece, `pieces`."""
        length = self.length[words]
        place = torch.arange(len(words)).repeat_interleave(length)
        begins = length.cumsum(0) - length
        return self.ids[torch.arange(len(place)) + (self.first[words] - begins)[place]], place


class SpecialPieces(NamedTuple):
    """What a tokeniser adds to a text.

    Attributes:
        before: ids before it, such as [CLS].
        after: ids after it, such as [SEP].
        nothing: the id that stands for a word without pieces, such as [UNK].
    """

    before: list[int]
    after: list[int]
    nothing: int


def special_pieces(tokenizer: Any) -> SpecialPieces:
    """What this tokeniser of `transformers` adds to a text."""
    bare, whole = (list(tokenizer("a", add_special_tokens=special)["input_ids"]) for special in (False, True))
    start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
    known = [tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.eos_token_id, bare[0]]
    return SpecialPieces(
        whole[:start], whole[start + len(bare) :], next(number for number in known if number is not None)
    )


def piece_table(tokenizer: Any, lexicon: tuple[str, ...]) -> PieceTable:
    """Tokenise the words of a lexicon.

    Words are tokenised as they stand inside a sentence, after a space; for word-piece and byte-level models this is
    what tokenising the whole sentence gives. A word of which nothing is left, such as a combining mark or a control
    character alone, becomes the unknown piece. The text of a special piece, such as `[SEP]`, is text like any other.
    """
    # JSON can hold halves of surrogate pairs, which are no text
    texts = [" " + word.encode("utf-8", "replace").decode() for word in lexicon]
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"] if texts else []
    nothing = special_pieces(tokenizer).nothing
    pieces = [ids or [nothing] for ids in encoded]
    length = torch.tensor([len(ids) for ids in pieces], dtype=torch.int64)
    flat = torch.tensor([piece for ids in pieces for piece in ids], dtype=torch.int64)
    return PieceTable(flat, length.cumsum(0) - length, length)

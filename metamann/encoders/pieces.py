"""The word pieces of a lexicon: every distinct word is tokenised once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from unicodedata import category, name, normalize

import torch
from torch import Tensor

# WordPiece takes a longer word for unknown as a whole
LONGEST_WORD = 100  # characters, accents apart
PART = LONGEST_WORD // 4  # a character and its accents are four characters at most


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
    A word that is too long for the tokeniser is tokenised in parts.
    """
    nothing = special_pieces(tokenizer).nothing
    pieces = _tokenised(tokenizer, lexicon)
    for place, word in enumerate(lexicon):
        if nothing in pieces[place] and len(normalize("NFD", word)) > LONGEST_WORD:
            parts = [word[start : start + PART] for start in range(0, len(word), PART)]
            pieces[place] = [piece for ids in _tokenised(tokenizer, parts) for piece in ids]
    pieces = [ids or [nothing] for ids in pieces]
    length = torch.tensor([len(ids) for ids in pieces], dtype=torch.int64)
    flat = torch.tensor([piece for ids in pieces for piece in ids], dtype=torch.int64)
    return PieceTable(flat, length.cumsum(0) - length, length)


def unknown_pieces(tokenizer: Any, table: PieceTable) -> Tensor:
    """How many pieces of each word say nothing of it, `words`: unknown ones, and those of a word that is spelled out.

    A vocabulary has the letters of scripts in which it knows no word. So letters count as unknown where a word has
    two of them or more as pieces; not Latin ones, nor characters that are words or syllables.
    """
    distinct, place = torch.unique(table.ids, return_inverse=True)
    letters = [_is_foreign_letter(text) for text in tokenizer.convert_ids_to_tokens(distinct.tolist())]
    word = torch.arange(len(table.length)).repeat_interleave(table.length)

    def per_word(pieces: Tensor) -> Tensor:
        return torch.zeros_like(table.length).index_add(0, word, pieces.long())

    spelled = per_word(torch.tensor(letters, dtype=torch.bool)[place])
    return per_word(table.ids == special_pieces(tokenizer).nothing) + spelled.where(spelled > 1, 0)


def _is_foreign_letter(piece: str) -> bool:
    letter = piece.removeprefix("##").removeprefix("\u2581")  # a piece inside a word, or at its beginning
    return (
        len(letter) == 1
        and category(letter)[0] in "LM"
        and not name(letter, "").startswith(("LATIN", "CJK", "HANGUL SYLLABLE"))
    )


def _tokenised(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    # JSON can hold halves of surrogate pairs, which are no text
    texts = [" " + word.encode("utf-8", "replace").decode() for word in words]
    if not texts:
        return []
    # verbose warns of more pieces than the model has positions, which windows are for
    return list(tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"])

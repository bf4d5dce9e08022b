"""Pieces of words are those of the whole sentence."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import SENTENCES

from metamann.encoders.pieces import piece_table, special_pieces, unknown_pieces
from metamann.encoders.pretrained import PretrainedEncoder
from metamann.encoders.transformer import load_transformer

UNKNOWN = 100


def pieces_of(tokenizer: Any, words: list[str]) -> list[list[int]]:
    """Pieces of each word, by its table."""
    lexicon = tuple(sorted(set(words)))
    table = piece_table(tokenizer, lexicon)
    ids, place = table.of_words(torch.tensor([lexicon.index(word) for word in words], dtype=torch.int64))
    return [ids[place == number].tolist() for number in range(len(words))]


@settings(deadline=None, max_examples=100)
@given(SENTENCES | st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=5), min_size=1, max_size=1))
def test_words_give_the_pieces_of_the_whole_sentence(minilm: PretrainedEncoder, sentences: list[list[str]]) -> None:
    words = [word for sentence in sentences for word in sentence]
    whole = minilm.tokenizer(" ".join(words), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    alone = pieces_of(minilm.tokenizer, words)
    nothing = [not minilm.tokenizer.tokenize(word, split_special_tokens=True) for word in words]
    assert [ids == [UNKNOWN] for ids, empty in zip(alone, nothing, strict=True) if empty] == [True] * sum(nothing)
    kept = [piece for ids, empty in zip(alone, nothing, strict=True) if not empty for piece in ids]
    assert kept == whole


def test_real_words(minilm: PretrainedEncoder) -> None:
    words = ["Playing", "\u0301", "😀", "\x07", "", "[SEP]", "\ud83d", "中文"]
    pieces = [minilm.tokenizer.convert_ids_to_tokens(ids) for ids in pieces_of(minilm.tokenizer, words)]
    unknown = ["[UNK]"]
    assert pieces == [
        ["playing"], unknown, unknown, unknown, unknown, ["[", "sep", "]"], ["?"], ["中", "文"],
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["x" * 101, "ab" * 2500, "\uae40" * 40, "e\u0301" * 101, "x" * 120 + "😀"])
def test_a_word_that_is_too_long_for_the_tokeniser_is_read_to_its_end(minilm: PretrainedEncoder, word: str) -> None:
    tokenizer = minilm.tokenizer
    assert tokenizer(word, add_special_tokens=False)["input_ids"] == [UNKNOWN]
    pieces = pieces_of(tokenizer, ["a", word, "b"])
    assert [pieces[0], pieces[2]] == pieces_of(tokenizer, ["a", "b"])
    read = "".join(piece.removeprefix("##") for piece in tokenizer.convert_ids_to_tokens(pieces[1]))
    decomposed = unicodedata.normalize("NFD", word).replace("\u0301", "")
    assert read.replace("[UNK]", "") in (decomposed, decomposed[:100])  # of the last one, the part with the emoji


def test_a_long_word_of_known_parts_is_tokenised_as_ever(minilm: PretrainedEncoder) -> None:
    word = "http://" + "abc/" * 40
    assert pieces_of(minilm.tokenizer, [word]) == [minilm.tokenizer(word, add_special_tokens=False)["input_ids"]]


@pytest.mark.parametrize(
    ("word", "unknown", "pieces"),
    [
        ("playing", 0, 1), ("Schr\u00f6der", 0, 3), ("\u03b1", 0, 1), ("\u03b11", 0, 2), ("\u674e\u5c0f", 0, 2),
        ("\u9f98", 1, 1), ("😀", 1, 1), ("\u041c\u043e\u0441\u043a\u0432\u0430", 6, 6), ("\uae40", 3, 3), ("", 1, 1),
    ],
)  # fmt: skip
def test_unknown_pieces_and_spelled_out_words_are_counted(
    minilm: PretrainedEncoder, word: str, unknown: int, pieces: int
) -> None:
    table = piece_table(minilm.tokenizer, ("the", word))
    assert unknown_pieces(minilm.tokenizer, table).tolist() == [0, unknown]
    assert table.length.tolist() == [1, pieces]


def test_an_empty_lexicon_has_an_empty_table(minilm: PretrainedEncoder) -> None:
    table = piece_table(minilm.tokenizer, ())
    ids, place = table.of_words(torch.zeros(0, dtype=torch.int64))
    assert ids.shape == place.shape == (0,)
    assert unknown_pieces(minilm.tokenizer, table).shape == (0,)


def test_bytes_are_those_of_words_inside_a_sentence(tiny_roberta: Path) -> None:
    _, tokenizer = load_transformer(str(tiny_roberta))
    words = ["the", "cat", "sat", "<s>", "Zoë", "😀", "the"]
    whole = tokenizer(" " + " ".join(words), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    alone = pieces_of(tokenizer, words)
    assert [piece for ids in alone for piece in ids] == whole
    assert len(alone[0]) == 1  # one piece with the space before it
    assert alone[0] == alone[-1]


@pytest.mark.parametrize(
    ("name", "before", "after", "nothing"),
    [("tiny_bert", ["[CLS]"], ["[SEP]"], "[UNK]"), ("tiny_roberta", ["<s>"], ["</s>"], "<unk>")],
)
def test_special_pieces_are_those_of_the_tokeniser(
    name: str, before: list[str], after: list[str], nothing: str, request: pytest.FixtureRequest
) -> None:
    _, tokenizer = load_transformer(str(request.getfixturevalue(name)))
    found = special_pieces(tokenizer)
    assert tokenizer.convert_ids_to_tokens([*found.before, *found.after, found.nothing]) == [*before, *after, nothing]

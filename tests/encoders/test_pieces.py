"""Pieces of words are those of the whole sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import SENTENCES

from metamann.encoders.pieces import piece_table, special_pieces
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
    words = ["Playing", "\u0301", "😀", "\x07", "", "[SEP]", "\ud83d", "中文", "x" * 101]
    pieces = [minilm.tokenizer.convert_ids_to_tokens(ids) for ids in pieces_of(minilm.tokenizer, words)]
    unknown = ["[UNK]"]
    assert pieces == [
        ["playing"], unknown, unknown, unknown, unknown, ["[", "sep", "]"], ["?"], ["中", "文"], unknown,
    ]  # fmt: skip


def test_an_empty_lexicon_has_an_empty_table(minilm: PretrainedEncoder) -> None:
    ids, place = piece_table(minilm.tokenizer, ()).of_words(torch.zeros(0, dtype=torch.int64))
    assert ids.shape == place.shape == (0,)


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

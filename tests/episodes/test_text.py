"""Text: words by number, padding that is no word, parts that end with their longest sentence."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metamann.episodes.text import NO_WORD, Text
from metamann.errors import EpisodeError

LEXICON = ("", "É", "a", "b b", "👩‍🔬")
sentences = st.lists(st.lists(st.sampled_from(LEXICON), max_size=5), max_size=5)


def read(text: Text) -> list[list[str]]:
    (episode,) = text.words.tolist()
    return [[text.lexicon[number] for number in sentence if number != NO_WORD] for sentence in episode]


@given(sentences)
def test_words_come_back_by_their_numbers(given_words: list[list[str]]) -> None:
    text = Text.of(given_words, LEXICON)
    longest = max(map(len, given_words), default=0)
    assert text.words.shape == (1, len(given_words), longest)
    assert text.words.dtype == torch.int64
    assert read(text) == given_words
    assert text.lengths().tolist() == [[len(sentence) for sentence in given_words]]
    assert text.present().tolist() == [[[k < len(sentence) for k in range(longest)] for sentence in given_words]]


@given(sentences, st.data())
def test_a_part_is_that_of_its_sentences_alone(given_words: list[list[str]], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(given_words)))
    size = data.draw(st.integers(0, len(given_words) - start))
    part = Text.of(given_words, LEXICON).narrow(1, start, size)
    assert torch.equal(part.words, Text.of(given_words[start : start + size], LEXICON).words)
    assert part.lexicon is LEXICON


def test_chosen_sentences_keep_their_padding() -> None:
    text = Text.of([["a"], ["a", "a", "a"], []], LEXICON)
    chosen = text.index_select(1, torch.tensor([2, 0]))
    assert chosen.shape == (1, 2, 3)
    assert chosen.identities() == [["", "a"]]


def test_a_long_sentence_is_kept_whole() -> None:
    assert Text.of([["a"] * 2000], LEXICON).lengths().tolist() == [[2000]]


def test_moving_to_a_device_moves_the_words_and_keeps_the_lexicon() -> None:
    text = Text.of([["a"]], LEXICON)
    moved = text.to(torch.device("meta"))
    assert moved.words.device.type == "meta"
    assert moved.words.shape == text.words.shape
    assert moved.lexicon is LEXICON


def test_a_word_that_the_lexicon_lacks_is_named() -> None:
    with pytest.raises(EpisodeError, match="'zebra'"):
        Text.of([["a", "zebra"]], LEXICON)


def test_sentences_are_split_by_episode_as_tensors_are() -> None:
    words = torch.tensor([[[0, 1]], [[2, NO_WORD]], [[3, 4]]])
    text = Text(words, LEXICON)
    assert text.shape == words.shape
    parts = text.split(2)
    assert [part.words.tolist() for part in parts] == [part.tolist() for part in words.split(2)]
    assert all(part.lexicon is LEXICON for part in parts)

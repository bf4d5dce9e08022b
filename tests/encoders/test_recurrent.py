"""Recurrent encoders: packed by length, whatever stands beside a sentence."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import SENTENCES, text

from metamann.encoders.recurrent import RecurrentEncoder
from metamann.encoders.words import WordEncoder
from metamann.errors import ConfigError


def make(cell: str = "lstm", layers: int = 1, dropout: float = 0.0) -> RecurrentEncoder:
    torch.manual_seed(0)
    words = WordEncoder(width=4, rows=64, characters=4, character_width=4, word_dropout=0)
    return RecurrentEncoder(words, cell, hidden=5, layers=layers, dropout=dropout)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_sentence_is_encoded_as_alone(cell: str, layers: int) -> None:
    encoder = make(cell, layers).eval()
    sentences = [["a", "b", "c", "d", "e"], ["c"], [], ["b", "a"]]
    features = encoder(text(*sentences, length=9))
    assert features.shape == (1, 4, 9, encoder.features)
    for number, sentence in enumerate(sentences):
        assert not features[0, number, len(sentence) :].any()
        if sentence:
            # without packing, as torch runs one sequence
            alone, _ = encoder.cell(encoder.words(text(sentence))[0])
            torch.testing.assert_close(features[0, number, : len(sentence)], alone[0], rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(SENTENCES, st.integers(0, 20))
def test_padding_and_order_of_sentences_change_nothing(sentences: list[list[str]], length: int) -> None:
    encoder = make().eval()
    features = encoder(text(*sentences))
    longest = features.shape[2]
    padded = encoder(text(*reversed(sentences), [], length=length))
    torch.testing.assert_close(padded[:, :-1, :longest].flip(1), features, rtol=0, atol=1e-6)
    assert not padded[:, :, longest:].any()
    assert not padded[:, -1].any()


def test_a_long_sentence_is_read_to_its_end() -> None:
    encoder = make().eval()
    sentence = ["a", "b", "c", "d"] * 500
    other = [*sentence[:-1], "e"]
    features = encoder(text(["d"], sentence, other, lexicon=tuple("abcde")))[0]
    assert not torch.allclose(features[1, -1], features[2, -1], atol=1e-4)
    assert not torch.allclose(features[1, -2, 5:], features[2, -2, 5:], atol=1e-4)  # backward: the word that follows
    torch.testing.assert_close(features[1, -2, :5], features[2, -2, :5])  # forward: what came before
    alone, _ = encoder.cell(encoder.words(text(sentence))[0])
    torch.testing.assert_close(features[1], alone[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 0, 0), (1, 2, 0), (2, 2, 3)])
def test_a_batch_may_hold_no_word(shape: tuple[int, ...]) -> None:
    encoder = make()
    features = encoder(text(["a"])._replace(words=torch.full(shape, -1)))
    assert features.shape == (*shape, encoder.features)
    assert not features.any()


def test_dropout_is_for_training_only_and_one_layer_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = make(dropout=0.5)
    batch = text(["a", "b", "c"])
    assert not torch.equal(encoder(batch), encoder(batch))
    encoder.eval()
    assert torch.equal(encoder(batch), encoder(batch))
    assert make(layers=2, dropout=0.5).cell.dropout == 0.5


def test_gradients_reach_the_recurrent_cell_and_the_words() -> None:
    encoder = make("gru", layers=2)
    encoder(text(["a", "b"], ["c", "d", "e"])).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        if name != "words.unknown":
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


def test_the_cell_keeps_full_precision_under_bf16() -> None:
    encoder, batch = make().eval(), text(["a", "b", "c"])
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(batch)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, encoder(batch), rtol=0.02, atol=0.02)


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.cell=rnn is unknown; choose lstm or gru"):
        make("rnn")

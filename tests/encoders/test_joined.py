"""Encoders side by side."""

from __future__ import annotations

import torch
from texts import text

from metamann.encoders.joined import JoinedEncoder
from metamann.encoders.recurrent import RecurrentEncoder
from metamann.encoders.spelling import SpellingEncoder
from metamann.encoders.words import WordEncoder


def test_features_stand_behind_one_another() -> None:
    words, spelling = WordEncoder(width=4, rows=64, characters=4).eval(), SpellingEncoder()
    joined = JoinedEncoder({"words": words, "spelling": spelling})
    inputs = text(["London", "calls"], ["Hi"])
    assert joined.features == words.features + spelling.features
    torch.testing.assert_close(joined(inputs), torch.cat([words(inputs), spelling(inputs)], -1))


def test_a_recurrent_encoder_hands_its_words_on() -> None:
    torch.manual_seed(0)
    words = WordEncoder(width=4, rows=64, characters=4)
    encoder = RecurrentEncoder(words, hidden=3, hand_on=True).eval()
    inputs = text(["London", "calls"], ["Hi"])
    features = encoder(inputs)
    assert features.shape[-1] == encoder.features == 6 + words.features
    torch.testing.assert_close(features[..., 6:], words(inputs))
    assert features[0, 1, 1].abs().sum() == 0

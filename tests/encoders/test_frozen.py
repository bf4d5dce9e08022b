"""Frozen features: computed once, the same as those of the encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from texts import text
from torch import Tensor

from metamann.data.sentences.store import Sentence, SentenceStore
from metamann.encoders.frozen import FrozenEncoder, fingerprint
from metamann.encoders.pretrained import PretrainedEncoder
from metamann.encoders.recurrent import RecurrentEncoder
from metamann.encoders.words import WordEncoder
from metamann.episodes.text import Text

SENTENCES = [("London", "calling"), ("a", "b", "c", "d"), ("London", "calling"), (), ("b",)]


class Counted(RecurrentEncoder):
    """Counts the sentences that it encodes."""

    encoded = 0

    def forward(self, inputs: Text) -> Tensor:
        self.encoded += int((inputs.words >= 0).any(-1).sum())
        return super().forward(inputs)


def make(seed: int = 0, dropout: float = 0.0) -> Counted:
    torch.manual_seed(seed)
    return Counted(WordEncoder(width=4, rows=64, characters=4, character_width=4), hidden=5, dropout=dropout)


def store(*sentences: tuple[str, ...]) -> SentenceStore:
    return SentenceStore("some", tuple(Sentence(tokens, ()) for tokens in sentences))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path))
    return tmp_path


def test_features_are_those_of_the_encoder_rounded() -> None:
    encoder = make()
    frozen = FrozenEncoder(encoder)
    frozen.remember(store(*SENTENCES))
    assert encoder.encoded == 3  # one of the sentences twice, one empty
    batch = text(("b",), ("c", "never", "seen"), SENTENCES[1], (), SENTENCES[0], length=6)
    features = frozen(batch)
    assert encoder.encoded == 4
    assert features.dtype == torch.float32
    assert torch.equal(features, features.half().float())
    torch.testing.assert_close(features, encoder(batch), rtol=1e-3, atol=1e-5)
    assert not features[batch.words < 0].any()


def test_a_sentence_has_the_same_features_remembered_or_not() -> None:
    frozen, other = FrozenEncoder(make()), FrozenEncoder(make())
    other.remember(store(*SENTENCES))
    batch = text(*SENTENCES)
    torch.testing.assert_close(frozen(batch), other(batch), rtol=1e-3, atol=1e-6)


def test_several_stores_are_remembered_together() -> None:
    encoder = make()
    frozen = FrozenEncoder(encoder)
    frozen.remember(store(*SENTENCES))
    frozen.remember(store(("new", "words"), ("b",)))
    before, batch = encoder.encoded, text(("new", "words"), *SENTENCES)
    features = frozen(batch)
    assert encoder.encoded == before
    torch.testing.assert_close(features, encoder(batch), rtol=1e-3, atol=1e-5)


def test_the_cache_is_read_by_the_next_run(cache: Path) -> None:
    FrozenEncoder(make()).remember(store(*SENTENCES))
    again = make()
    frozen = FrozenEncoder(again)
    frozen.remember(store(*SENTENCES))
    batch = text(*SENTENCES)
    torch.testing.assert_close(frozen(batch), make().eval()(batch), rtol=1e-3, atol=1e-5)
    assert again.encoded == 0
    assert len(list(cache.glob("features-*.pt"))) == 1


def test_other_data_other_parameters_and_other_settings_are_encoded_anew(cache: Path) -> None:
    for number, (encoder, sentences) in enumerate(
        [(make(), SENTENCES), (make(), SENTENCES[:2]), (make(seed=1), SENTENCES), (make(dropout=0.5), SENTENCES)]
    ):
        FrozenEncoder(encoder).remember(store(*sentences))
        assert len(list(cache.glob("features-*.pt"))) == number + 1


def test_the_fingerprint_is_of_parameters_buffers_and_settings() -> None:
    assert fingerprint(make()) == fingerprint(make())
    met = make()
    met.words.known[3] = True
    assert len({fingerprint(each) for each in (make(), make(seed=1), make(dropout=0.5), met)}) == 4


def test_nothing_is_trained_and_nothing_is_dropped() -> None:
    torch.manual_seed(0)
    words = WordEncoder(width=4, rows=64, characters=4, character_width=4, dropout=0.5, word_dropout=0.5)
    frozen, batch = FrozenEncoder(words).train(), text(*SENTENCES)
    assert torch.equal(frozen(batch), frozen(batch))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert not frozen(batch).requires_grad


def test_bf16_leaves_the_features_as_they_are() -> None:
    frozen, batch = FrozenEncoder(make()), text(*SENTENCES)
    with torch.autocast("cpu", torch.bfloat16):
        features = frozen(batch)
    assert torch.equal(features, frozen(batch))


@pytest.mark.parametrize("shape", [(1, 0, 0), (1, 2, 0), (2, 2, 3)])
def test_a_batch_may_hold_no_word(shape: tuple[int, ...]) -> None:
    frozen = FrozenEncoder(make())
    features = frozen(text(["a"])._replace(words=torch.full(shape, -1)))
    assert features.shape == (*shape, frozen.features)
    assert not features.any()


def test_long_sentences_and_long_words_are_frozen_to_their_end(tiny_bert: Path) -> None:
    """A model of 24 positions; what is remembered has no window of its own."""
    sentences = [tuple("abcdefghij" * 20), ("x", "ab" * 200, "y"), ("short",)]
    encoder = PretrainedEncoder(str(tiny_bert), overlap=8).eval()
    frozen = FrozenEncoder(encoder)
    frozen.remember(store(*sentences))
    batch = text(*sentences)
    features = frozen(batch)
    with torch.no_grad():
        torch.testing.assert_close(features, encoder(batch), rtol=1e-3, atol=1e-3)
    assert (features[0, 0].norm(dim=-1) > 0.1).all()
    for place, word in ((0, tuple("abcdefghij" * 19 + "abcdefghix")), (1, ("x", "ab" * 199 + "ac", "y"))):
        changed = frozen(text(word))[0, 0]
        last = len(word) - 1 if place == 0 else 1
        assert not torch.equal(changed[last], features[0, place, last])


def test_a_cache_of_features_that_are_not_finite_is_made_anew(cache: Path) -> None:
    FrozenEncoder(make()).remember(store(*SENTENCES))
    (file,) = cache.glob("features-*.pt")
    features = torch.load(file, weights_only=True)["features"]
    for wrong in (features * float("nan"), features[1:], features.float(), features.tolist()):
        torch.save({"features": wrong}, file)
        encoder = make()
        with pytest.warns(UserWarning, match="made anew"):
            FrozenEncoder(encoder).remember(store(*SENTENCES))
        assert encoder.encoded == 3

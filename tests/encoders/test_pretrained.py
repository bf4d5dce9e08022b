"""Pretrained encoders: equal to running each sentence alone, whatever is beside it and however long it is."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from texts import HIDDEN, LAYERS, POSITIONS, SENTENCES, text
from torch import Tensor, nn

from metamann.encoders.pieces import piece_table
from metamann.encoders.pretrained import PretrainedEncoder
from metamann.errors import ConfigError


@pytest.fixture(scope="module")
def tiny(tiny_bert: Path) -> PretrainedEncoder:
    return PretrainedEncoder(str(tiny_bert), overlap=8).eval()


def alone(encoder: PretrainedEncoder, sentence: list[str], layer: int | None = None) -> Tensor:
    """Mean over the pieces of each word, `words x features`, of a sentence that fits one window."""
    pieces = [piece_table(encoder.tokenizer, (word,)).ids.tolist() for word in sentence]
    ids = [*encoder.special.before, *(piece for each in pieces for piece in each), *encoder.special.after]
    assert len(ids) <= encoder.window
    hidden = encoder.model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    features = torch.stack(hidden).mean(0)[0] if layer is None else hidden[layer][0]
    kept = features[len(encoder.special.before) : len(ids) - len(encoder.special.after)]
    return torch.stack([part.mean(0) for part in kept.split([len(each) for each in pieces])])


@torch.no_grad()
def test_words_are_means_of_pieces_and_layers(minilm: PretrainedEncoder) -> None:
    sentences = [["EU", "rejects", "German", "call"], ["Tchaikovsky", "\u0301", "😀", "!"], [], ["Peter", "Blackburn"]]
    batch = text(*sentences, length=7)
    features = minilm(batch)
    assert features.shape == (1, 4, 7, 384)
    assert not features[batch.words < 0].any()
    for number, sentence in enumerate(sentences):
        if sentence:
            torch.testing.assert_close(features[0, number, : len(sentence)], alone(minilm, sentence), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SENTENCES, st.integers(0, 9))
@torch.no_grad()
def test_company_padding_and_order_change_nothing(
    tiny: PretrainedEncoder, sentences: list[list[str]], length: int
) -> None:
    features = tiny(text(*reversed(sentences), [], length=length))[0].flip(0)[1:]
    for number, sentence in enumerate(sentences):
        torch.testing.assert_close(features[number, : len(sentence)], tiny(text(sentence))[0, 0], rtol=0, atol=1e-5)
        assert not features[number, len(sentence) :].any()


@pytest.mark.parametrize("shape", [(1, 0, 0), (1, 2, 0), (2, 2, 3)])
def test_a_batch_may_hold_no_word(tiny: PretrainedEncoder, shape: tuple[int, ...]) -> None:
    features = tiny(text(["a"])._replace(words=torch.full(shape, -1)))
    assert features.shape == (*shape, HIDDEN)
    assert not features.any()


@torch.no_grad()
def test_a_long_sentence_is_read_in_windows_that_overlap(tiny: PretrainedEncoder) -> None:
    """22 pieces fit: windows [0, 22), [14, 36), [18, 40) part at 18 and 27."""
    sentence = [chr(ord("a") + number % 26) for number in range(40)]
    features = tiny(text(["x"], sentence))[0, 1]
    expected = [
        alone(tiny, sentence[:22])[:18], alone(tiny, sentence[14:36])[4:13], alone(tiny, sentence[18:])[9:]
    ]  # fmt: skip
    torch.testing.assert_close(features, torch.cat(expected), rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_word_longer_than_a_window_is_the_mean_of_all_its_pieces(tiny: PretrainedEncoder) -> None:
    features = tiny(text(["a", "!?" * 30, "b"]))[0, 0]
    pieces = tiny(text(["a", *"!?" * 30, "b"]))[0, 0]
    # the same pieces, parted at other borders of words: here none, there after every piece
    assert features.isfinite().all()
    torch.testing.assert_close(features[1], pieces[1:-1].mean(0), rtol=0, atol=0.2)
    changed = tiny(text(["a", "!?" * 29 + "!!", "b"]))[0, 0]
    assert not torch.allclose(features[1], changed[1], atol=1e-4)


@torch.no_grad()
def test_a_word_of_5000_characters_counts_to_its_last(tiny: PretrainedEncoder) -> None:
    word = "ab" * 2500
    features = tiny(text(["x", word, "y"]))[0, 0]
    assert features.isfinite().all()
    for other in ("c" + word[1:], word[:2500] + "c" + word[2501:], word[:-1] + "c"):
        assert not torch.equal(tiny(text(["x", other, "y"]))[0, 0, 1], features[1])
    assert not torch.allclose(features[2], tiny(text(["y"]))[0, 0, 0], atol=1e-3)  # read beside the end of the word


@torch.no_grad()
def test_2000_words_of_the_real_model_are_all_read(minilm: PretrainedEncoder) -> None:
    words = ["London", "calling", "to", "the", "faraway", "towns"]
    sentence = [words[number % 6] for number in range(2000)]
    features = minilm(text(sentence))[0, 0]
    assert features.isfinite().all()
    assert (features.norm(dim=-1) > 1).all()
    changed = minilm(text([*sentence[:-1], "Paris"]))[0, 0]
    torch.testing.assert_close(changed[:1000], features[:1000], rtol=0, atol=1e-5)
    assert not torch.allclose(changed[-2], features[-2], atol=1e-3)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@torch.no_grad()
def test_the_mix_of_layers_is_learned(tiny_bert: Path, layer: int) -> None:
    encoder = PretrainedEncoder(str(tiny_bert), overlap=8).eval()
    encoder.mix[layer] = 50.0
    encoder.scale.fill_(2.0)
    sentence = ["to", "be", "or"]
    torch.testing.assert_close(encoder(text(sentence))[0, 0], 2 * alone(encoder, sentence, layer))


@pytest.mark.parametrize("trained", [0, 1, 2, LAYERS])
def test_the_top_layers_are_trained_and_the_others_frozen(tiny_bert: Path, trained: int) -> None:
    encoder = PretrainedEncoder(str(tiny_bert), trained_layers=trained, overlap=8)
    encoder(text(["to", "be", "or"], ["not"]))[..., 0].square().sum().backward()
    moved = {name for name, parameter in encoder.named_parameters() if parameter.grad is not None}
    top = range(LAYERS - trained, LAYERS)
    names = {name for name, _ in encoder.named_parameters()}
    assert moved == {"mix", "scale"} | {
        name for name in names if any(name.startswith(f"model.encoder.layer.{number}.") for number in top)
    }


def test_frozen_layers_have_no_dropout_in_training_and_trained_ones_have(tiny_bert: Path) -> None:
    batch = text(["to", "be", "or"])
    frozen = PretrainedEncoder(str(tiny_bert), overlap=8).train()
    assert torch.equal(frozen(batch), frozen.eval()(batch))
    tuned = PretrainedEncoder(str(tiny_bert), trained_layers=1, overlap=8).train()
    assert not torch.equal(tuned(batch), tuned(batch))
    assert torch.equal(tuned.eval()(batch), frozen(batch))
    training = {name for name, module in tuned.train().named_modules() if module.training and name.startswith("model")}
    assert training
    assert all(name.startswith("model.encoder.layer.2") for name in training)


def test_dropout_of_features_is_for_training_only(tiny_bert: Path) -> None:
    encoder, batch = PretrainedEncoder(str(tiny_bert), overlap=8, dropout=0.5), text(["to", "be"])
    assert (encoder.train()(batch) == 0).any()
    assert torch.equal(encoder.eval()(batch), encoder(batch))


def test_positions_of_roberta_start_after_padding(tiny_roberta: Path) -> None:
    encoder = PretrainedEncoder(str(tiny_roberta), overlap=8).eval()
    assert encoder.window == POSITIONS - 2
    sentence = ["the", "cat", "sat"]
    batch = text(sentence, [*sentence * 20])
    with torch.no_grad():
        features = encoder(batch)
        assert features.isfinite().all()
        torch.testing.assert_close(features[0, 0, :3], alone(encoder, sentence), rtol=0, atol=1e-5)


def test_smaller_windows_can_be_asked_for(tiny_bert: Path) -> None:
    encoder = PretrainedEncoder(str(tiny_bert), window=12, overlap=4).eval()
    sentence = list("abcdefghijkl")
    with torch.no_grad():  # windows [0, 10) and [2, 12) part at 6
        expected = torch.cat([alone(encoder, sentence[:10])[:6], alone(encoder, sentence[2:])[4:]])
        torch.testing.assert_close(encoder(text(sentence))[0, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": POSITIONS - 2}, "windows of 24 pieces that overlap by 22 do not fit"),
        ({"window": 25, "overlap": 2}, "has 24 positions"),
        ({"trained_layers": 4, "overlap": 2}, "trained_layers=4, but the model has 3"),
        ({"trained_layers": -1, "overlap": 2}, "encoder.trained_layers=-1 must be at least 0"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(tiny_bert: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PretrainedEncoder(str(tiny_bert), **options)  # type: ignore[arg-type]


def test_bf16_is_close_and_gives_gradients(tiny_bert: Path) -> None:
    encoder, batch = PretrainedEncoder(str(tiny_bert), trained_layers=1, overlap=8).eval(), text(["to", "be"], ["or"])
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(batch)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, encoder(batch), rtol=0.05, atol=0.05)
    features.square().sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in encoder.parameters())
    assert encoder.mix.grad is not None


def test_a_copy_and_a_loaded_encoder_give_the_same_features(tiny_bert: Path) -> None:
    encoder, batch = PretrainedEncoder(str(tiny_bert), trained_layers=1, overlap=8).eval(), text(["to", "be"])
    with torch.no_grad():
        for parameter in (*encoder.trained[0].parameters(), encoder.mix):
            parameter.add_(0.1)
    expected = encoder(batch)
    loaded = PretrainedEncoder(str(tiny_bert), trained_layers=1, overlap=8).eval()
    loaded.load_state_dict(encoder.state_dict())
    assert torch.equal(loaded(batch), expected)
    copied: nn.Module = copy.deepcopy(encoder)
    assert torch.equal(copied(batch), expected)


@torch.no_grad()
def test_clones_of_a_new_encoder_give_its_features(tiny_bert: Path, learn2learn: object) -> None:
    """learn2learn's clones share the forward hooks of what they were cloned from."""
    from learn2learn.utils import clone_module

    encoder, batch = PretrainedEncoder(str(tiny_bert), trained_layers=1, overlap=8).eval(), text(["a", "word"])
    clones = [clone_module(encoder) for _ in range(3)]
    found = [each(batch) for each in (*clones, encoder)]
    assert all(torch.equal(each, found[0]) for each in found)

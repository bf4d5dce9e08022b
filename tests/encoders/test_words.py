"""Words from scratch: hashed parts, characters, and words never met."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import SENTENCES, text
from torch.nn import functional as F

from metamann.encoders.words import END, GAP, START, WordEncoder, hash_part, parts, shape
from metamann.errors import ConfigError

WIDTH, FILTERS = 6, 5


def make(**options: float) -> WordEncoder:
    torch.manual_seed(0)
    return WordEncoder(**{"width": WIDTH, "rows": 64, "characters": FILTERS, "character_width": 4, **options})  # type: ignore[arg-type]


def meet(encoder: WordEncoder, *words: str) -> WordEncoder:
    """Show the words in training, then evaluate."""
    encoder.train()(text(words))
    return encoder.eval()


@settings(deadline=None, max_examples=40)
@given(SENTENCES, st.integers(0, 12))
def test_a_word_is_the_same_in_any_company_and_padding_is_zero(sentences: list[list[str]], length: int) -> None:
    encoder = meet(make(), *sentences[0])
    batch = text(*sentences, [], length=length)
    features = encoder(batch)
    assert features.shape == (*batch.words.shape, encoder.features)
    assert not features[batch.words < 0].any()
    for number, sentence in enumerate(sentences):
        for place, word in enumerate(sentence):
            torch.testing.assert_close(features[0, number, place], encoder(text([word]))[0, 0, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 0, 0), (1, 0, 0), (1, 2, 0), (1, 2, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_a_batch_may_hold_no_word(shape: tuple[int, ...], training: bool) -> None:
    encoder, batch = make().train(training), text(["a"])
    features = encoder(batch._replace(words=torch.full(shape, -1)))
    assert features.shape == (*shape, encoder.features)
    assert not features.any()


def test_hashes_are_the_same_in_every_process_and_on_every_machine() -> None:
    assert hash_part("London").tolist() == [3717631841, 37791886, 2365746594, 464398045]
    assert hash_part("").tolist() != hash_part(" ").tolist()


def test_words_that_share_a_row_of_one_function_do_not_share_the_others() -> None:
    """Of 4,000 words of one length in 1,000 rows, 8,000 pairs share a row; of these 8 share a second one by chance."""
    rows = torch.tensor([(hash_part(f"{number:05d}") % 1000).tolist() for number in range(4000)])
    same = [rows[:, [function]] == rows[:, function] for function in range(4)]
    pairs = torch.ones(4000, 4000, dtype=torch.bool).tril(-1)
    assert 7000 < int((same[0] & pairs).sum()) < 9000
    for other in same[1:]:
        assert int((same[0] & other & pairs).sum()) < 40


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("London", "Xxxxx"), ("LONDON", "XXXX"), ("iPhone7", "xXxxxxd"), ("1996-08-30", "dddd-dd-dd"), ("U.S.", "X.X."),
        ("", ""), ("Émile", "Xxxxx"), ("......", "...."), ("中文", "xx"),
    ],
)  # fmt: skip
def test_shapes(word: str, expected: str) -> None:
    assert shape(word) == expected


def test_parts_are_of_the_lower_cased_word() -> None:
    assert parts("London") == ("london", "lon", "don", "Xxxxx")
    assert parts("Of") == ("of", "of", "of", "Xx")


def test_features_are_the_sums_of_hashed_rows_and_the_maximum_of_the_convolution() -> None:
    encoder = meet(make(), "Zoë!")
    features = encoder(text(["x", "Zoë!"]))[0, 0, 1]
    for number, part in enumerate(("zoë!", "zoë", "oë!", "Xxx!")):
        table = encoder.parts[number].weight
        rows = sum(table[int(value) % len(table)] for value in hash_part(part))
        torch.testing.assert_close(features[number * WIDTH : (number + 1) * WIDTH], rows)
    outside = 128 + int(hash_part("ë")[0]) % (512 - 128)
    letters = torch.tensor([GAP, START, ord("Z"), ord("o"), outside, ord("!"), END, GAP])
    found = F.conv1d(encoder.characters(letters).T, encoder.convolution.weight, encoder.convolution.bias)
    torch.testing.assert_close(features[4 * WIDTH :], found.amax(-1))


def test_a_word_never_met_gets_the_vector_of_unknown_words_and_is_told_by_its_letters() -> None:
    encoder = make()
    with torch.no_grad():
        encoder.unknown.copy_(torch.arange(WIDTH))
    known, first, second = meet(encoder, "london", "in")(text(["LONDON", "Paris", "Garis"]))[0, 0]
    assert torch.equal(first[:WIDTH], encoder.unknown)
    assert torch.equal(second[:WIDTH], encoder.unknown)
    assert not torch.allclose(known[:WIDTH], encoder.unknown)
    assert not torch.allclose(first[4 * WIDTH :], second[4 * WIDTH :])
    assert encoder(text(["IN"]))[0, 0, 0, :WIDTH].tolist() == encoder(text(["in"]))[0, 0, 0, :WIDTH].tolist()


def test_of_the_words_never_met_next_to_none_is_taken_for_known() -> None:
    encoder = meet(make(), *(f"met{number}" for number in range(20_000)))
    features = encoder(text([f"other{number}" for number in range(2000)]))[0, 0, :, :WIDTH]
    assert (features == encoder.unknown).all(-1).float().mean() > 0.99


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_word_dropout_makes_its_share_of_words_unknown_in_training(share: float) -> None:
    encoder = make(word_dropout=share)
    features = encoder(text(["word"] * 2000))[0, 0]
    unknown = (features[:, :WIDTH] == encoder.unknown).all(-1)
    assert abs(unknown.float().mean().item() - share) < 0.05
    assert (features[:, WIDTH:] == features[0, WIDTH:]).all()
    kept = encoder.eval()(text(["word"] * 20))[0, 0]
    assert not (kept[:, :WIDTH] == encoder.unknown).all(-1).any()


def test_evaluation_meets_no_words() -> None:
    encoder = make().eval()
    encoder(text(["word"]))
    assert not encoder.known.any()


def test_a_saved_encoder_knows_the_words_it_met_and_no_vocabulary() -> None:
    encoder = meet(make(), "London", "Paris")
    sizes = {name: value.shape for name, value in make().state_dict().items()}
    assert {name: value.shape for name, value in encoder.state_dict().items()} == sizes
    loaded = WordEncoder(WIDTH, 64, FILTERS, 4).eval()
    loaded.load_state_dict(encoder.state_dict())
    batch = text(["London", "Berlin", "paris"], lexicon=("paris", "Oslo", "London", "Berlin"))
    assert torch.equal(loaded(batch), encoder(text(["London", "Berlin", "paris"])))


@pytest.mark.parametrize("word", ["x" * 5000, "", "\ud83d", "👩‍🚀", "\u0301", "\x00", "\x02\x03"])
def test_any_word_has_features(word: str) -> None:
    features = make()(text(["a", word, "b"]))
    assert features.isfinite().all()
    assert features[0, 0, 1].any()


def test_the_last_letter_of_a_long_word_counts() -> None:
    encoder = make().eval()
    first, second = encoder(text(["a" * 3000, "a" * 2999 + "€" + "a"]))[0, 0, :, 4 * WIDTH :]
    assert not torch.allclose(first, second)


def test_gradients_reach_every_parameter() -> None:
    encoder = make(word_dropout=0.5)
    encoder(text([f"word{number}" for number in range(20)])).square().sum().backward()
    with torch.no_grad():
        encoder.unknown.add_(1)  # a vector of zeros has no gradient here
    encoder(text([f"word{number}" for number in range(20)])).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_bf16_changes_the_convolution_a_little() -> None:
    encoder, batch = make().eval(), text(["London", "calling", "😀"])
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(batch)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, encoder(batch), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("options", [{"rows": 3}, {"character_rows": 128}])
def test_too_few_rows_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"encoder.{next(iter(options))}"):
        make(**options)

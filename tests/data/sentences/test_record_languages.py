"""Values of languages: rules that lead somewhere, signs that are all filled in, check digits that are right."""

from __future__ import annotations

import re
import string

import pytest

from metamann.data.sentences.record_languages import LANGUAGES, SIGNS, Language

SHARED = ("first_name", "last_name", "company", "street_address", "city", "phone_number", "license_plate", "user_name")


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_rule_is_drawn_without_a_sign_or_a_name_left(name: str) -> None:
    language = Language(name, 0)
    assert set(SHARED) <= language.rules.keys()
    for rule in language.rules.keys() - {"ascii"}:
        for _ in range(50):
            assert not set(language.draw(rule)) & {*SIGNS, "{", "}", "|", "="}


@pytest.mark.parametrize("name", LANGUAGES)
def test_choices_are_drawn_by_their_weights(name: str) -> None:
    language = Language(name, 1)
    weighted = [rule for rule in language.rules.values() if not isinstance(rule, str) and rule.weights]
    assert (len(weighted) > 0) == (name in ("en_US", "en_GB", "es_ES"))
    assert all(len(rule.choices) == len(rule.weights or ()) for rule in weighted)
    if name == "en_GB":
        drawn = [language.draw("last_name") for _ in range(20_000)]
        assert 0.024 < drawn.count("Smith") / len(drawn) < 0.032
        assert drawn.count("Savage") < drawn.count("Smith") / 5


@pytest.mark.parametrize("name", LANGUAGES)
def test_names_to_log_in_with_are_plain(name: str) -> None:
    language = Language(name, 2)
    assert all(re.fullmatch(r"[a-z0-9-]+@example\.(org|com|net)", language.email()) for _ in range(2000))


@pytest.mark.parametrize("name", LANGUAGES)
def test_check_digits_of_bank_accounts_are_right(name: str) -> None:
    language = Language(name, 3)
    for _ in range(200):
        iban = language.iban()
        moved = iban[4:] + iban[:4]
        assert int("".join(str((string.digits + string.ascii_uppercase).index(sign)) for sign in moved)) % 97 == 1


def test_a_path_is_as_deep_as_asked() -> None:
    assert [Language("en_US", 4).file_path(depth).count("/") for depth in (1, 2, 5)] == [2, 3, 6]

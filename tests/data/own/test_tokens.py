"""Tokens of a text: nothing is lost, nothing is white space, no mark is torn from its base."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.own.tokens import FIRST, tokenise

TEXTS = st.text() | st.text(st.sampled_from("ab1_ .,-é\u0301\u200d👩🔬🏽\u0939\u093f\n\u00a0"))


@given(TEXTS)
def test_tokens_are_all_of_the_text_but_its_white_space(text: str) -> None:
    tokens = tokenise(text)
    assert "".join(text[start:end] for start, end in tokens) == "".join(text.split())
    assert not any(character.isspace() for start, end in tokens for character in text[start:end])
    assert all(start < end for start, end in tokens)
    assert all(one[1] <= two[0] for one, two in pairwise(tokens))


@given(TEXTS)
def test_marks_stay_with_what_stands_before_them(text: str) -> None:
    starts = {start for start, _ in tokenise(text)}
    for position, character in enumerate(text):
        if unicodedata.category(character)[0] == "M" and position and not text[position - 1].isspace():
            assert position not in starts


@given(TEXTS)
def test_words_are_whole_and_other_signs_alone(text: str) -> None:
    starts = {start for start, _ in tokenise(text)}
    for position in range(1, len(text)):
        before, here = text[position - 1], text[position]
        if before.isalnum() and here.isalnum() and max(before, here) < FIRST[0]:
            assert position not in starts
        if before.isascii() and here.isascii() and not here.isspace() and not (before + here).isalnum():
            assert position in starts or "_" in before + here


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Dr. Müller's 3,50 €", ["Dr", ".", "Müller", "'", "s", "3", ",", "50", "€"]),
        ("a.b_1@c.com", ["a", ".", "b_1", "@", "c", ".", "com"]),
        ("Cafe\u0301s", ["Cafe\u0301s"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("👩‍🔬👍🏽!", ["👩‍🔬", "👍🏽", "!"]),
        ("❤️x", ["❤️", "x"]),
        ("東京 へ", ["東", "京", "へ"]),
        ("我在北京见到iPhone手机,5月。", [*"我在北京见到", "iPhone", *"手机,5月。"]),
        ("ガイド は ｶﾞ", ["ガ", "イ", "ド", "は", "ｶﾞ"]),
        ("か\u3099", ["か\u3099"]),
        ("น้ำ ที่นี่ ๑๒๓", ["น้ำ", "ที่", "นี่", "๑๒๓"]),
        ("ພາສາ ນ້ຳ", ["ພ", "າ", "ສ", "າ", "ນ້ຳ"]),
        ("ខ្មែរ", ["ខ្មែ", "រ"]),
        ("မြန်မာ မန္တလေး", ["မြ", "န်", "မာ", "မ", "န္တ", "လေး"]),
        ("서울에서 만나요", ["서울에서", "만나요"]),
        ("𠮷野家", ["𠮷", "野", "家"]),
        ("\uff21\uff11 村上2023年", ["\uff21\uff11", "村", "上", "2023", "年"]),
        (" \t\n\u00a0\u3000", []),
        ("", []),
    ],
)
def test_examples(text: str, tokens: list[str]) -> None:
    assert [text[start:end] for start, end in tokenise(text)] == tokens

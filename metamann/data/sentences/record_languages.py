"""Names, addresses and numbers of seven languages, drawn from the rules of `record_languages.txt`."""

from __future__ import annotations

import functools
import random
import re
import string
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

RULES = Path(__file__).with_name("record_languages.txt")
LANGUAGES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL")
SHARED = "all"  # section of the rules that every language has

# signs of a pattern are replaced in this order, all of one kind before the next
SIGNS: dict[str, Callable[[random.Random], str]] = {
    "#": lambda rng: rng.choice(string.digits),
    "%": lambda rng: rng.choice("123456789"),
    "$": lambda rng: rng.choice("23456789"),
    "!": lambda rng: rng.choice(string.digits) if rng.randrange(2) else "",
    "@": lambda rng: rng.choice("123456789") if rng.randrange(2) else "",
    "?": lambda rng: rng.choice(string.ascii_letters),
    "^": lambda rng: rng.choice(string.ascii_uppercase),
    "~": lambda rng: rng.choices(string.ascii_letters)[0].upper(),
}


class Rule(NamedTuple):
    """Patterns that one is drawn from.

    Attributes:
        choices: patterns.
        weights: of the choices, summed up to each; None where all are alike.
    """

    choices: tuple[str, ...]
    weights: tuple[float, ...] | None


class Language:
    """Draws values of one language; the same seed gives the same ones.

    Args:
        name: one of `LANGUAGES`.
        seed: of the draws.

    Examples:
        >>> Language("de_DE", seed=0).draw("city")
        'Zerbst'
    """

    def __init__(self, name: str, seed: int) -> None:
        sections = _sections()
        self.rules = {**sections[SHARED], **sections[name]}
        spelling = str(self.rules.get("ascii", ""))
        self.spelling = str.maketrans(dict(pair.split("=") for pair in spelling.split()))
        self.rng = random.Random(seed)

    def draw(self, name: str) -> str:
        """A value of a rule."""
        text = re.sub(r"\{(\w+)\}", lambda match: self.draw(match[1]), self._pattern(self.rules[name]))
        for sign, letter in SIGNS.items():
            text = "".join(letter(self.rng) if character == sign else character for character in text)
        return text

    def _pattern(self, rule: Rule | str) -> str:
        if isinstance(rule, str):
            return rule
        if rule.weights is None:
            return self.rng.choice(rule.choices)
        return self.rng.choices(rule.choices, cum_weights=rule.weights)[0]

    def user_name(self) -> str:
        """A name to log in with, in ASCII."""
        plain = self.draw("user_name").lower().translate(self.spelling)
        return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip())

    def email(self) -> str:
        """An address of a domain that is kept for examples."""
        return f"{self.user_name()}@{self.draw('domain')}"

    def iban(self) -> str:
        """A bank account; its check digits are right."""
        account, country = self.draw("bban"), self.draw("country_code")
        if country == "ES":  # two check digits of its own: of the bank with its branch, and of the number
            bank, number = account[:8], account[8:]
            account = bank + _spanish_check(f"00{bank}") + _spanish_check(number) + number
        digits = "".join(str(int(letter, 36)) for letter in f"{account}{country}00")  # ISO 13616: A is 10, Z is 35
        return f"{country}{98 - int(digits) % 97:02}{account}"

    def file_path(self, depth: int) -> str:
        """The path of a file, `depth` folders below the root."""
        ending, name = self.draw("file_extension"), self.draw("path_word")
        path = f"{name}.{ending}"
        for _ in range(depth):
            path = f"{self.draw('path_word')}/{path}"
        return f"/{path}"


def _spanish_check(number: str) -> str:
    """Sum of the digits weighted by powers of two, modulo 11."""
    rest = sum(int(digit) * 2**place for place, digit in enumerate(number)) % 11
    return str(rest if rest < 2 else 11 - rest)


@functools.cache
def _sections() -> dict[str, dict[str, Rule | str]]:
    """The rules of each language, and those that all share."""
    sections: dict[str, dict[str, Rule | str]] = {}
    rules: dict[str, Rule | str] = {}
    for line in RULES.read_text(encoding="utf-8").split("\n"):
        if line.startswith("== "):
            rules = sections.setdefault(line[3:], {})
        elif line and not line.startswith("#"):
            name, sign, text = re.split("(: | = )", line, maxsplit=1)
            rules[name] = text if sign == " = " else _rule(text.split("|"))
    return sections


def _rule(choices: list[str]) -> Rule:
    if "=" not in choices[0]:
        return Rule(tuple(choices), None)
    pairs = [choice.rpartition("=") for choice in choices]
    return Rule(tuple(text for text, _, _ in pairs), tuple(accumulate(float(weight) for _, _, weight in pairs)))

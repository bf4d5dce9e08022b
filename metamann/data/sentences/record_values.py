"""Entities of invented records: a value of every type, drawn from rules of seven languages and from lists of words."""

from __future__ import annotations

import datetime
import random
from pathlib import Path

from metamann.data.sentences.record_languages import LANGUAGES, Language

FIRST_DAY, LAST_DAY = (datetime.date(year, 1, 1).toordinal() for year in (1995, 2030))
WORD_LISTS = Path(__file__).with_name("record_words.txt")
SYMBOLS = {"#": "0123456789", "?": "ABCDEFGHJKLMNPRSTUVWXYZ"}


class Values:
    """Makes values; the same seed gives the same ones.

    There is one method a type. Each is handed the language that was drawn, and answers with text.

    Args:
        seed: of the draws.

    Examples:
        >>> Values(0).of("ip_address")
        ('248.207.155.244',)
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.languages = [Language(name, self.rng.getrandbits(32)) for name in LANGUAGES]
        self.english = self.languages[0]
        lines = WORD_LISTS.read_text(encoding="utf-8").splitlines()
        self.lists = {name: words.split(", ") for name, _, words in (line.partition(": ") for line in lines)}

    def of(self, type_: str) -> tuple[str, ...]:
        """Tokens of a new value of a type; commas are tokens of their own."""
        value: str = getattr(self, f"_{type_}")(self.rng.choice(self.languages))
        return tuple(value.replace("\n", " , ").replace(", ", " , ").split())

    def word(self, name: str) -> str:
        """A word of one of the lists."""
        return self.rng.choice(self.lists[name])

    def _pick(self, *forms: str) -> str:
        return self.rng.choice(forms)

    def _pattern(self, *patterns: str) -> str:
        """One of the patterns, its `#` made digits and its `?` capitals."""
        return "".join(self.rng.choice(SYMBOLS.get(sign, sign)) for sign in self._pick(*patterns))

    def _number(self, start: int, stop: int) -> int:
        return self.rng.randrange(start, stop)

    def _person(self, language: Language) -> str:
        first, last = language.draw("first_name"), language.draw("last_name")
        title = self._pick("Dr.", "Ms", "Mr", "Prof.")
        full = f"{first} {last}"
        return self._pick(full, full, full, first, f"{title} {last}", f"{title} {full}")

    def _company(self, language: Language) -> str:
        return language.draw("company")

    def _street(self, language: Language) -> str:
        return language.draw("street_address")

    def _city(self, language: Language) -> str:
        return language.draw("city")

    def _date(self, language: Language) -> str:
        date = datetime.date.fromordinal(self._number(FIRST_DAY, LAST_DAY))
        day, year, month = date.day, date.year, self.lists["months"][date.month - 1]
        numbers = (date.isoformat(), f"{day}.{date.month}.{year}", f"{date.month:02}/{day:02}/{year}")
        return self._pick(
            *numbers, f"{day} {month} {year}", f"{month} {day}, {year}", f"{day} {month[:3]}", f"{month} {year}"
        )

    def _amount(self, language: Language) -> str:
        number = self.rng.choice((self._number(5, 900), self._number(10, 90) * 100, self._number(1000, 90000)))
        cents = f"{self._number(0, 100):02}"
        exact = (f"$ {number:,}.{cents}", f"{number},{cents} €", f"{number:,}.{cents} CHF")
        return self._pick(*exact, f"EUR {number}", f"{number:,} dollars", f"£ {number:,}", f"${number}")

    def _email(self, language: Language) -> str:
        return language.email()

    def _order_number(self, language: Language) -> str:
        return self._pattern("ORD-#####", "PO ####/##", "#?##-##", "????##", "########")

    def _product(self, language: Language) -> str:
        name = self.word("brands") + self.word("endings").lower()
        model = self._pick("", f" {self._number(2, 99) * 10}", f" {self._pattern('?#', '?##')}")
        return name + model + self._pick("", f" {self.word('goods')}")

    def _job_title(self, language: Language) -> str:
        job = self.english.draw("job")
        return self._pick(job, job.lower())

    def _phone(self, language: Language) -> str:
        return language.draw("phone_number")

    def _ip_address(self, language: Language) -> str:
        return ".".join(str(self._number(0, 256)) for _ in range(4))

    def _university(self, language: Language) -> str:
        city = language.draw("city")
        college = f"{language.draw('last_name')} College"
        return self._pick(f"University of {city}", college, f"{city} Institute of Technology", f"{city} Academy")

    def _software(self, language: Language) -> str:
        name = self._pick(self.word("brands"), self.english.draw("last_name")) + self.word("endings")
        version = self._pick(f"{self._number(1, 15)}.{self._number(0, 10)}", str(self._number(2005, 2026)))
        return name + self._pick("", f" {version}")

    def _department(self, language: Language) -> str:
        name = f"{self.word('teams')} {self.word('duties')}"
        return self._pick(name, f"{name} team", f"the {name} unit", f"Department of {name}")

    def _event(self, language: Language) -> str:
        start = self._pick(language.draw("city"), self.word("adjectives").title(), language.draw("last_name"))
        return f"{start} {self.word('shows')}" + self._pick("", "", f" {self._number(2005, 2031)}")

    def _user_name(self, language: Language) -> str:
        return language.user_name()

    def _room(self, language: Language) -> str:
        number = self._pattern("#.##", "?-###", "###", "?##")
        return self._pick(f"room {number}", f"Hall {number[0]}", number, f"the {self.word('nouns').title()} Room")

    def _country(self, language: Language) -> str:
        return self.english.draw("country")

    def _time(self, language: Language) -> str:
        hour, minute = self._number(0, 24), f"{self._number(0, 12) * 5:02}"
        digits = (f"{hour}:{minute}", f"{hour % 12 + 1} a.m.", f"{hour % 12 + 1}.{minute} pm", f"{hour:02}{minute}h")
        return self._pick(*digits, self.word("clocks").format(hour=self.word("hours")))

    def _website(self, language: Language) -> str:
        name = self.word("nouns") + self._pick("", "-") + self.word("goods")
        domain = name + self._pick(".com", ".org", ".eu", ".io")
        return self._pick(f"www.{domain}", f"https://{domain}/{self.word('nouns')}", domain, f"http://{domain}")

    def _flight(self, language: Language) -> str:
        return self.word("carriers") + self._pattern(" ###", "###", " ####")

    def _medicine(self, language: Language) -> str:
        name = self.word("drug_starts") + self._pick("", self.word("drug_starts")) + self.word("drug_ends")
        return name.capitalize() + self._pick("", f" {self._number(1, 20) * 5} mg", " forte")

    def _book(self, language: Language) -> str:
        adjective, noun, other = (self.word(name).title() for name in ("adjectives", "nouns", "nouns"))
        longer = (f"{noun} of the {other}", f"A History of the {noun}", f"The {noun} and the {other}")
        signed = f"{language.draw('last_name')}'s {noun}"
        return self._pick(*longer, f"The {adjective} {noun}", f"{adjective} {noun}s", signed)

    def _hotel(self, language: Language) -> str:
        adjective, noun = (self.word(name).title() for name in ("adjectives", "nouns"))
        named, grand = f"Hotel {language.draw('last_name')}", f"{language.draw('city')} Grand Hotel"
        return self._pick(named, f"The {adjective} {noun} Inn", grand, f"Pension {noun}")

    def _language(self, language: Language) -> str:
        return self.english.draw("language_name")

    def _account_number(self, language: Language) -> str:
        iban = language.iban()
        return self._pick(iban, " ".join(iban[start : start + 4] for start in range(0, len(iban), 4)), iban[4:14])

    def _vehicle_plate(self, language: Language) -> str:
        return language.draw("license_plate")

    def _file_path(self, language: Language) -> str:
        path = self.english.file_path(self._number(1, 4))
        return self._pick(path, "C:" + path.replace("/", "\\"), f"~{path}", path[1:])

    def _dish(self, language: Language) -> str:
        food = self._pick(self.word("foods"), f"{self.word('cooked')} {self.word('foods')}")
        return food + self._pick("", f" with {self.word('sides')}")

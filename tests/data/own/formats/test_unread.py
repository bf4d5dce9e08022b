"""Forms that are not read are refused by name; plain texts that look a little like them are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from metamann.data.own.formats.unread import unread_form
from metamann.data.own.reader import read_sentences
from metamann.errors import DataError

BRACKETS = (
    "#begin document (bc/x); part 000\nbc/x 0 0 In IN (TOP(S(PP* - - - S1 * -\n"
    "bc/x 0 1 New NNP (NP* - - - S1 (GPE* -\nbc/x 0 2 York NNP *) - - - S1 *) -\n\n#end document\n"
)
WEBANNO = "#FORMAT=WebAnno TSV 3.3\n#T_SP=x|value\n\n\n#Text=Anna lives\n1-1\t0-4\tAnna\tPER\t\n1-2\t5-10\tlives\t_\t\n"


@pytest.mark.parametrize("name", ["own.txt", "own.conll"])
@pytest.mark.parametrize(
    ("text", "form"),
    [
        (BRACKETS, "CoNLL-2012"),
        (WEBANNO, "WebAnno"),
        ("Anna/B-PER lives/O in/O Rome/B-LOC ./O\n", "behind every word"),
        ("<PER>Anna</PER> lives in <LOC>Rome</LOC>.\nTom sleeps.\n", "angle brackets"),
    ],
)
def test_a_form_that_is_not_read_is_refused_by_its_name(text: str, form: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=rf"looks like .*{form}.*not read; export it"):
        read_sentences(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "Anna lives in Rome.\n",
        "It is <b>bold</b> and/or B-side.\n",
        "He (NASA*) said 5 * 3.\n",
        "A footnote (ABC*\nand * a star.\n",
        "either/O or\n",
        "",
    ],
)
def test_plain_texts_are_none_of_them(text: str) -> None:
    assert unread_form(text) is None

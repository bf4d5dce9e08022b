"""Column files of users: words and tags are found wherever they stand, headers are skipped, plain text stays plain."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metamann.data.own.formats.column_text import Columns, is_column_text, read_column_text
from metamann.errors import DataError

FILE = Path("file.txt")
WORDS = st.sampled_from(
    ["Alice", "flew", ".", ",", "B-52", "I", "#", "#tag", "O", "1", "北京", "New-York", "-", "é", "U.S."]
)
TAGS = st.sampled_from(["O", "O", "B-person", "I-person", "B-art-film"])

ORDERS = (("word", "tag"), ("tag", "word"), ("word", "_", "_", "tag"), ("word", "NNP", "tag"), ("word", "tag", "_"))
HEADERS = ("", "# id 1", "# sent0", "# id 5\tdomain=train", "# sent_id = 1", "###MEDLINE:95", "#begin document x")


def read(text: str, name: str = "file.txt", **options: int | str) -> Columns:
    return read_column_text(Path(name), text, **options)  # type: ignore[arg-type]


def pairs(columns: Columns) -> list[list[tuple[str, str | None]]]:
    """Words and their tags."""
    return [
        list(zip(sentence.words, sentence.tags or (None,) * len(sentence.words), strict=True))
        for sentence in columns.sentences
    ]


@st.composite
def tables(draw: st.DrawFn) -> list[list[tuple[str, str]]]:
    """Sentences of words with tags, a good part of which is a word of letters and O."""
    sentence = st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=6)
    return [[("Alice", "B-person"), ("flew", "O"), ("home", "O")], *draw(st.lists(sentence, max_size=4))]


@given(
    tables(), st.sampled_from(["\t", " ", "  "]), st.sampled_from(ORDERS), st.sampled_from(HEADERS),
    st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
def test_words_and_tags_are_found(
    table: list[list[tuple[str, str]]], separator: str, order: tuple[str, ...], header: str, ending: str
) -> None:
    lines = []
    for sentence in table:
        lines += [header] if header else []
        lines += [
            separator.join({"word": word, "tag": tag}.get(cell, cell) for cell in order) for word, tag in sentence
        ]
        lines.append("")
    text = ending.join(lines)
    assert is_column_text(FILE, text)
    columns = read(text)
    assert pairs(columns) == table
    assert len(columns.comments) == (len(table) if header else 0)


@pytest.mark.parametrize("name", ["x.conll", "x.txt"])
def test_words_one_a_line_are_words(name: str) -> None:
    text = "Dora\nlives\nin\nRome\n.\n\nBob\nsleeps\n.\n"
    assert is_column_text(Path(name), text)
    columns = read(text)
    assert [sentence.words for sentence in columns.sentences] == [
        ("Dora", "lives", "in", "Rome", "."),
        ("Bob", "sleeps", "."),
    ]
    assert all(sentence.tags is None for sentence in columns.sentences)
    assert columns.describe() == "one word a line, no tags"


@pytest.mark.parametrize(
    "text",
    [
        "Dora Schmidt moved to Rome .\nIt costs 30 euros in Oslo .\n",
        "Hepatitis B-virus",
        "I agree\nI see\nI do\n",
        "Boeing B-52\nGrumman F-14\n",
        "Dora\nBob\nCarla\n",
        "李小龙在广州。\n他去北京。\n",
        "Hello\n",
        "# Title of it\nSome text follows this.\nAnd more.\n",
        "one two\nthree four\nfive six\n",
        "",
    ],
)
def test_plain_text_is_no_column_file(text: str) -> None:
    assert not is_column_text(FILE, text)


def test_plain_text_stays_plain_beside_options_for_the_other_file() -> None:
    assert not is_column_text(FILE, "Dora moved to Rome .\nIt costs 30 euros in Oslo .\nYes .\n", tag=0)


def test_a_word_without_a_tag_has_none() -> None:
    columns = read("Alice B-person\nflew O\nto\nParis B-city\n. O\n")
    assert pairs(columns)[0][2] == ("to", None)
    assert read("a\tB-x\nb\t\nc\tO\n").sentences[0].tags == ("B-x", None, "O")
    assert columns.sentences[0].places[2] == "line 3"


def test_tags_on_few_words_alone_are_tags() -> None:
    text = "Alice B-person\nflew\nto\nthe\nold\nParis B-city\n"
    assert is_column_text(FILE, text)
    assert [tag for _, tag in pairs(read(text))[0]] == ["B-person", None, None, None, None, "B-city"]


def test_a_hash_with_its_tag_is_a_word_and_headers_are_not() -> None:
    columns = read("# O\nwins O\nBob B-per\n\n# sent 1\n#yes O\n# B-per\n# a comment here\nno O\n#end document\n")
    assert [sentence.words for sentence in columns.sentences] == [("#", "wins", "Bob"), ("#yes", "#", "no")]
    assert columns.comments == (5, 8, 10)
    assert columns.notes() == ("comment and header lines skipped: 3, the first is line 5",)


def test_a_first_line_that_names_the_columns_is_skipped() -> None:
    columns = read("word tag\nAlice B-person\nflew O\n\nword O\n")
    assert [sentence.words for sentence in columns.sentences] == [("Alice", "flew"), ("word",)]
    assert columns.comments == (1,)


@pytest.mark.parametrize(
    ("text", "options", "described"),
    [
        ("Alice B-x\nflew O\n", {}, "CoNLL, 2 columns, word first, tag last"),
        ("B-x Alice\nO flew\n", {}, "CoNLL, 2 columns, word last, tag first"),
        ("1 Alice _ B-x\n2 flew _ O\n", {}, "CoNLL, 4 columns, word in column 1, tag last"),
        ("x Alice B-x\nx flew O\n", {}, "CoNLL, 3 columns, word in column 1, tag last"),
        ("EU NNP B-NP B-ORG\nis VBZ B-VP O\n. . O O\n", {}, "CoNLL, 4 columns, word first, tag last"),
        ("Alice,B-x\nflew,O\n", {}, "CoNLL, 2 columns, word first, tag last"),
        ("Alice B-x B-y\nflew O O\n", {"tag": 1}, "CoNLL, 3 columns, word first, tag in column 1"),
        ("1;B-x;EU;_\n2;I-x;says;_\n", {"word": 2, "tag": -3}, "CoNLL, 4 columns, word in column 2, tag in column 1"),
        ("a :: B-x\nb :: O\n", {"separator": "::"}, "CoNLL, 2 columns, word first, tag last"),
        ("per Alice\nout flew\n", {"tag": 0}, "CoNLL, 2 columns, word last, tag first"),
    ],
)
def test_the_layout_is_found_or_given(text: str, options: dict[str, int | str], described: str) -> None:
    columns = read(text, **options)
    assert columns.describe() == described
    assert columns.sentences[0].words[0] in ("Alice", "EU", "a")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a B-x B-y\nb O O\n", {}, r"tags in the columns 1, 2 .*set tag_column"),
        ("B-x Alice NNP\nO flew VBD\n", {}, "set token_column"),
        ("a B-x\nb O\n", {"tag": 5}, "has 2 columns, but tag_column=5"),
        ("a B-x\nb O\n", {"word": 5}, "has 2 columns, but token_column=5"),
        ("a B-x\nb O\n", {"word": 1, "tag": 1}, "token_column=1"),
        ("a B-x\nb O O\nc O\nd O\ne O\n", {}, "line 2 has 3 columns, but most lines have 2"),
        ("a\tB-x\n\tO\nc\tO\n", {}, "line 2 has no word"),
        ("", {}, "holds no sentences"),
        ("# a\n\n# b\n", {}, "holds no sentences"),
        ("-DOCSTART- -X- O O\n", {}, "holds no sentences"),
    ],
)
def test_what_may_be_two_things_or_none_is_refused(text: str, options: dict[str, int | str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(text, **options)


@given(st.text(st.sampled_from("aB-IO #\t\n\r_京.")), st.sampled_from(["x.txt", "x.conll"]))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    assume(text.strip())
    is_column_text(Path(name), text)
    try:
        columns = read(text, name)
    except DataError as error:
        assert name in str(error)  # noqa: PT017  # both outcomes are right
    else:
        assert all(sentence.words and all(sentence.words) for sentence in columns.sentences)

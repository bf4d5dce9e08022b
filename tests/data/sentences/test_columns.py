"""Column files with known columns: what is written is read, token for token; a bad line is named with its number."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import names

from metamann.data.sentences.columns import column_splits, read_columns
from metamann.data.sentences.store import Sentence, Span
from metamann.data.sentences.tags import SCHEMES, Scheme, write_tags
from metamann.errors import DataError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
HARD_TOKENS = (
    "e\u0301",  # a letter and a combining mark
    "👩‍🔬",  # emoji joined by a zero-width joiner
    "🇩🇪",
    "\u2028",  # Unicode's line separator
    "\x85",
    "a\u00a0b",  # a space that does not break
    "\u3000",
    "#",
    "#tag",
    "-X-",
    "O",
    "B-a",
    '"',
    "नमस्ते",
    "שָׁלוֹם",
)
# what the separators and the end of a line are made of cannot be in a token
TOKENS = st.sampled_from(HARD_TOKENS) | st.text(
    st.characters(exclude_characters=" \t\r\n|\0", exclude_categories=["Cs"]), min_size=1, max_size=5
).filter(lambda token: not token.startswith(("-DOCSTART-", "\ufeff")))
TYPES = ("person", "art-film", "người")


@st.composite
def corpora(draw: st.DrawFn) -> list[Sentence]:
    sentences = []
    for _ in range(draw(st.integers(1, 4))):
        tokens = tuple(draw(st.lists(TOKENS, min_size=1, max_size=8)))
        spans, end = [], 0
        while end < len(tokens) and draw(st.booleans()):
            start = draw(st.integers(end, len(tokens) - 1))
            end = draw(st.integers(start + 1, len(tokens)))
            spans.append(Span(start, end, draw(st.sampled_from(TYPES))))
        sentences.append(Sentence(tokens, tuple(spans)))
    return sentences


def rows(sentences: Sequence[Sentence], scheme: Scheme, separator: str, middle: Sequence[str] = ()) -> list[str]:
    """Lines with the columns token, `middle` and tag; an empty one after each sentence."""
    lines = []
    for sentence in sentences:
        tags = write_tags(len(sentence.tokens), sentence.spans, scheme)
        lines += [separator.join([token, *middle, tag]) for token, tag in zip(sentence.tokens, tags, strict=True)]
        lines.append("")
    return lines


def put(folder: Path, content: str | bytes, name: str = "corpus.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@SAME_FOLDER
@given(
    sentences=corpora(),
    scheme=st.sampled_from(["IOB1", "IOB2", "IOBES"]),
    separator=st.sampled_from(["\t", " ", "|", " | "]),
    middle=st.sampled_from([(), ("NNP",), ("NNP", "I-NP")]),
    ending=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    last=st.booleans(),
)
def test_what_is_written_is_read(
    tmp_path: Path,
    sentences: list[Sentence],
    scheme: Scheme,
    separator: str,
    middle: tuple[str, ...],
    ending: str,
    mark: bytes,
    last: bool,
) -> None:
    text = ending.join(rows(sentences, scheme, separator, middle))
    path = put(tmp_path, mark + (text if last else text.rstrip("\r\n")).encode())
    given_name = {"\t": "tab", " ": "space"}.get(separator, separator)
    file = read_columns(path, given_name, scheme)
    assert list(file.sentences) == sentences
    assert len(file.notes) == 1
    if separator in "\t ":
        first_is_sure = not sentences[0].tokens[0].startswith("#")
        assert not first_is_sure or read_columns(path, scheme=scheme).sentences == file.sentences


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_scheme_is_detected_and_stated(tmp_path: Path, scheme: Scheme) -> None:
    spans = (Span(0, 1, "a"), Span(1, 3, "a"), Span(4, 5, "b"))
    path = put(tmp_path, "\n".join(rows([Sentence(tuple("uvwxyz"), spans)], scheme, " ")))
    found = f"{scheme}, 1 sentences, {2 if scheme == 'IO' else 3} entities"
    assert read_columns(path).notes == (f"corpus.txt: CoNLL, 2 columns, word first, tag last, {found}",)


def test_tokens_are_kept_as_they_are_not_normalised(tmp_path: Path) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    tokens = (composed, decomposed, *HARD_TOKENS, "\ufeffa")  # a byte order mark that is not at the start
    file = read_columns(put(tmp_path, "\n".join(f"{token}\tO" for token in tokens)))
    assert file.sentences == (Sentence(tokens, ()),)


def test_documents_comments_and_blank_lines_set_sentences_apart(tmp_path: Path) -> None:
    text = (
        "# sent_id = 1\n-DOCSTART- -X- O\n\n\nEU NNP I-ORG\n# a comment between tokens\n# NNP O\n\t\nsays VBZ O\n"
        "-DOCSTART- -X- O\nyes UH O\n \t \n\n"
    )
    file = read_columns(put(tmp_path, text))
    assert [sentence.tokens for sentence in file.sentences] == [("EU", "#"), ("says",), ("yes",)]
    assert file.sentences[0].spans == (Span(0, 1, "ORG"),)
    assert names(file.notes[1], "corpus.txt", "comment and header lines", "skipped: 2,", " line 1")


def test_blanks_in_runs_and_at_the_end_are_one_separator(tmp_path: Path) -> None:
    file = read_columns(put(tmp_path, "EU   I-x  \nsays \tO\n"))
    assert file.sentences == (Sentence(("EU", "says"), (Span(0, 1, "x"),)),)


def test_a_sentence_of_2000_tokens_stays_whole(tmp_path: Path) -> None:
    spans = tuple(Span(start, start + 3, "x") for start in range(0, 1998, 5))
    sentence = Sentence(tuple(f"w{number}" for number in range(2000)), spans)
    assert read_columns(put(tmp_path, "\n".join(rows([sentence], "IOB2", "\t")))).sentences == (sentence,)


def test_broken_tags_are_read_counted_and_the_first_is_named(tmp_path: Path) -> None:
    file = read_columns(put(tmp_path, "a B-x\nb I-x\nc O\nd I-x\n\ne I-y\nf B-x\n"))
    assert [sentence.spans for sentence in file.sentences] == [
        (Span(0, 2, "x"), Span(3, 4, "x")),
        (Span(0, 1, "y"), Span(1, 2, "x")),
    ]
    assert names(file.notes[1], "corpus.txt", "2 of 6 tags", "IOB2 would not", " line 4")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a\tO\nb\n", 2, "'b' has no tag"),
        ("a\tO\n#tag\n", 2, "'#tag' has no tag"),
        ("a\tO\tO\nb\tO\n", 2, "has 2 columns, but most lines have 3"),
        ("a\tO\nb\tO\tO\n", 2, "has 3 columns"),
        ("a\tO\n\n\tO\n", 3, "has no word"),
        ("a\tO\n \tO\n", 2, "has no word"),
        ("a\tO\nb\t\n", 2, "'b' has no tag"),
        ("a\tO\r\nb\t\r\n", 2, "'b' has no tag"),
        ("# c\n\na\tB-x\nb\tperson\n\nc\tB-x\n", 4, "tag 'person' is not of the scheme IOB2"),
        ("a\tB-x\nb\tE-x\n# c\nc\tI-x\nd\tO\n", 4, "IOBES"),
        ("a\tB-x\n\nb\tS-x\n", 1, "is the last of its sentence"),
        (b"a\tO\n\xffb\tO\n", 2, "is not UTF-8"),
    ],
)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, text: str | bytes, line: int, message: str) -> None:
    path = put(tmp_path, text)
    with pytest.raises(DataError) as error:
        read_columns(path)
    assert str(error.value).startswith(f"{path}, line {line}")
    assert message in str(error.value)


@SAME_FOLDER
@given(corpora(), st.data())
def test_a_line_that_lost_a_column_is_named_wherever_it_stands(
    tmp_path: Path, sentences: list[Sentence], data: st.DataObject
) -> None:
    lines = ["first NNP O", *rows(sentences, "IOB2", " ", ("NNP",))]
    number = data.draw(st.sampled_from([number for number, line in enumerate(lines) if number and line]))
    lines[number] = lines[number].rpartition(" ")[0]
    if lines[number].startswith("# "):
        return  # a comment
    with pytest.raises(DataError, match=f"corpus.txt, line {number + 1} has 2 columns"):
        read_columns(put(tmp_path, "\n".join(lines)))


@SAME_FOLDER
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_never_a_traceback(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path, content)
    try:
        file = read_columns(path)
    except DataError as error:
        assert path.name in str(error)  # noqa: PT017  # both outcomes are right
    else:
        assert all(sentence.tokens for sentence in file.sentences)


@pytest.mark.parametrize("text", ["", "\n\n", "-DOCSTART- -X- O O\n", "\ufeff"])
def test_a_file_without_sentences_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"corpus\.txt holds no sentences"):
        read_columns(put(tmp_path, text))


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"corpus\.txt has no column of tags"):
        read_columns(put(tmp_path, "a\nb\n"), "tab", "IOB2")


def test_a_file_a_split_has_the_notes_of_all(tmp_path: Path) -> None:
    paths = [put(tmp_path, f"{part} B-x\n", part) for part in ("train", "val", "test")]
    splits = column_splits("set", *paths, separator="space", scheme="IOB2")
    assert splits.test.sentences == (Sentence(("test",), (Span(0, 1, "x"),)),)
    assert [note.split(":")[0] for note in splits.notes] == ["train", "val", "test"]

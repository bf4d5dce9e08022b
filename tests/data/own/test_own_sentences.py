"""A user's file is read as what it holds, whatever its name; what was decided is said; a bad one is one line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import names

from metamann.data.own.reader import ReadingOptions, own_sentences, read_sentences
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import LONGEST_MESSAGE, ConfigError, DataError, MetamannError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS = "Ada B-person\nLovelace I-person\nlives O\nin O\nLondon B-city\n"
JSONL = '{"text": "Ada Lovelace lives in London", "label": [[0, 12, "person"], [22, 28, "city"]]}\n'
TOKENS = (
    '{"tokens": ["Ada", "Lovelace", "lives", "in", "London"], "ner_tags": ["B-person", "I-person", "O", "O", "B-city"]}'
)
CSV = "Sentence #,Word,Tag\nSentence: 1,Ada,B-person\n,Lovelace,I-person\n,lives,O\n,in,O\n,London,B-city\n"
SENTENCE = Sentence(("Ada", "Lovelace", "lives", "in", "London"), (Span(0, 2, "person"), Span(4, 5, "city")))
PIECES = ("", "\0", "\n", "\t", '"', "{", "]", "O", "京", "😀", "B-", " ")
FORMS = {"CoNLL": COLUMNS, "Doccano": JSONL, "Hugging Face": TOKENS, "CSV": CSV}


def put(folder: Path, content: str | bytes, name: str = "own.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", ["own.txt", "own.conll", "own.jsonl", "own.dat", "own"])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_read_as_what_it_holds_whatever_its_name(tmp_path: Path, form: str, name: str) -> None:
    file = read_sentences(put(tmp_path, FORMS[form], name))
    assert file.sentences == (SENTENCE,)
    assert file.labelled
    assert file.notes[0].startswith(f"{name} read as: {form}")
    assert file.notes[0].endswith("1 sentence, 2 entities")


def test_the_first_note_says_what_the_file_was_read_as(tmp_path: Path) -> None:
    (note,) = read_sentences(put(tmp_path, COLUMNS + "\n" + COLUMNS)).notes
    assert names(note, "own.txt ", "CoNLL", "2 columns", "word first", "tag last", "IOB2", "2 sentences", "4 entities")
    (note,) = read_sentences(put(tmp_path, "Ada sleeps.\n\nBob too.\r\n")).notes
    assert names(note, "own.txt ", "plain text", "a sentence a line", "2 sentences", "no entity")
    (note,) = read_sentences(put(tmp_path, "Ada\nsleeps\n.\n")).notes
    assert names(note, "own.txt ", "one word a line", "no tags", "1 sentence,", "no entity")


@pytest.mark.parametrize(
    "content",
    [
        "Ada sleeps.\nBob too.\n",
        "Ada\nsleeps\n.\n",
        "Ada O\nsleeps O\n",
        '{"text": "Ada sleeps."}\n',
        '{"text": "Ada sleeps.", "label": []}\n',
        '{"tokens": ["Ada", "sleeps"]}\n',
    ],
)
def test_a_file_without_an_entity_is_unlabelled(tmp_path: Path, content: str) -> None:
    path = put(tmp_path, content)
    file = read_sentences(path)
    assert not file.labelled
    assert file.sentences[0].tokens[:2] == ("Ada", "sleeps")
    with pytest.raises(DataError, match=r"own\.txt has no entity to learn from"):
        own_sentences(str(path))


def test_chinese_text_and_marks_have_the_same_words(tmp_path: Path) -> None:
    marked = read_sentences(put(tmp_path, '{"text": "我在北京。", "label": [[2, 4, "城市"]]}', "a.jsonl"))
    plain = read_sentences(put(tmp_path, "我在北京。\n", "a.txt"))
    assert marked.sentences[0].tokens == plain.sentences[0].tokens == ("我", "在", "北", "京", "。")
    assert marked.sentences[0].spans == (Span(2, 4, "城市"),)


def test_options_reach_the_readers(tmp_path: Path) -> None:
    columns = put(tmp_path, "per;Ada\nout;sleeps\nper;Bob\n", "a.conll")
    options = ReadingOptions(separator=";", token_column=1, tag_column=0, scheme="IO")
    assert read_sentences(columns, options).sentences == (
        Sentence(("Ada", "sleeps", "Bob"), (Span(0, 1, "per"), Span(2, 3, "per"))),
    )
    missing = put(tmp_path, COLUMNS.replace("lives O", "lives"), "b.conll")
    with pytest.raises(DataError, match=r"line 3: 'lives' has no tag.*untagged=outside"):
        read_sentences(missing)
    assert read_sentences(missing, ReadingOptions(untagged="outside")).sentences == (SENTENCE,)
    overlapping = put(tmp_path, '{"text": "New York", "label": [[0, 8, "a"], [0, 3, "b"], [0, 99, "c"]]}', "c.jsonl")
    assert len(read_sentences(overlapping).notes) == 3
    with pytest.raises(DataError, match="overlaps=outermost"):
        read_sentences(overlapping, ReadingOptions(overlaps="error"))
    with pytest.raises(DataError, match="spans=report"):
        read_sentences(overlapping, ReadingOptions(spans="error"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spans": "drop"}, r"data\.spans=drop .*choose report, error"),
        ({"overlaps": "all"}, r"data\.overlaps=all .*choose outermost, error"),
        ({"untagged": "O"}, r"data\.untagged=O .*choose error, outside"),
        ({"scheme": "BIO"}, r"data\.scheme=BIO .*choose auto, IO, IOB1, IOB2, IOBES"),
        ({"separator": ""}, r"data\.separator= must be"),
        ({"token_column": "first"}, r"data\.token_column=first must be"),
        ({"tag_column": 1.5}, r"data\.tag_column=1.5 must be"),
    ],
)
def test_unknown_options_are_refused_by_the_name_that_the_user_gave(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        own_sentences(str(put(tmp_path, COLUMNS)), **options)


def test_the_remedies_of_data_are_options_of_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set data\.untagged=outside"):
        own_sentences(str(put(tmp_path, COLUMNS.replace("lives O", "lives"))))
    with pytest.raises(DataError, match=r"set data\.scheme or data\.tag_column"):
        own_sentences(str(put(tmp_path, COLUMNS.replace("B-city", "city"))))


@pytest.mark.parametrize("options", [{"shares": (1, 1, 1)}, {"seed": -1}])
def test_a_split_that_is_none_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(MetamannError, match=rf"data\.{next(iter(options))}"):
        own_sentences(str(put(tmp_path, COLUMNS)), **options)


def test_types_of_a_file_are_dealt_to_the_splits(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"w{number} x", "label": [[0, 2, f"type{number}"]]}) for number in range(5)]
    path = put(tmp_path, "\n".join(lines))
    splits = own_sentences(str(path))
    assert splits.name == "own/own.txt"
    assert [len(splits.split(part).types) for part in ("train", "val", "test")] == [3, 1, 1]
    assert splits.notes[0].startswith("own.txt read as: Doccano, 5 sentences, 5 entities")
    assert len(own_sentences(str(path), shares=(0, 0, 1)).test.types) == 5


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf", b'{"text": ""}'])
def test_a_file_without_sentences_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"own\.txt"):
        read_sentences(put(tmp_path, content))


@SAME_FOLDER
@given(
    st.sampled_from([*FORMS.values(), "Ada sleeps .\nBob too .\n"]),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(PIECES))),
    st.sampled_from(["own.txt", "own.conll", "own.json"]),
)
def test_a_mutated_file_is_read_or_refused_in_one_short_line(
    tmp_path: Path, content: str, changes: list[tuple[int, str]], name: str
) -> None:
    for position, text in changes:
        content = content[:position] + text + content[position + (not text) :]
    check(put(tmp_path, content, name))


@SAME_FOLDER
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from(["own.txt", "own.conll"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    check(put(tmp_path, content, name))


@pytest.mark.slow
def test_a_thousand_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    whole = [*FORMS.values(), "Ada sleeps .\nBob too .\n", "我在北京。\n", "# id 1\nAda _ _ B-x\nis _ _ O\n" * 3]
    for seed in range(1000):
        rng = random.Random(seed)
        content = bytearray(
            (rng.choice(whole) * rng.randint(1, 3)).encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))
        )
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(content) + 1)
            piece = rng.choice(
                [rng.randbytes(rng.randint(0, 4)), rng.choice(PIECES).encode(), bytes(content[:at])[-20:]]
            )
            content[at : at + rng.randint(0, 5)] = piece
        check(put(tmp_path, bytes(content), rng.choice(["own.txt", "own.conll", "own.jsonl", "own.csv", "own.tsv"])))


def test_a_column_file_may_start_with_the_name_of_a_column(tmp_path: Path) -> None:
    file = read_sentences(put(tmp_path, "Text\tO\nmining\tO\nby\tO\nBob\tB-per\n", "own.tsv"))
    assert file.sentences == (Sentence(("Text", "mining", "by", "Bob"), (Span(3, 4, "per"),)),)


def test_words_are_never_types(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="where words should be"):
        read_sentences(put(tmp_path, COLUMNS), ReadingOptions(tag_column=0))
    inline = put(tmp_path, "Ada|NNP|B-PER sat|VBD|O\nBob|NNP|B-PER sat|VBD|O\n")
    with pytest.raises(DataError, match="a tag behind every word"):
        read_sentences(inline)


def check(path: Path) -> None:
    try:
        file = read_sentences(path)
    except MetamannError as error:
        assert len(str(error)) <= LONGEST_MESSAGE  # noqa: PT017  # both outcomes are right
        assert "\n" not in str(error)  # noqa: PT017
        assert path.name in str(error)  # noqa: PT017
    else:
        assert all(sentence.tokens and all(sentence.tokens) for sentence in file.sentences)
        assert file.labelled == any(sentence.spans for sentence in file.sentences)
        for sentence in file.sentences:
            borders = [border for span in sentence.spans for border in span[:2]]
            assert borders == sorted(borders)
            assert all(span.start < span.end <= len(sentence.tokens) and span.type for span in sentence.spans)

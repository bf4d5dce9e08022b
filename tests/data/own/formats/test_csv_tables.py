"""CSV with a header: a word a line, or a sentence a line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import marked, read

from metamann.data.own.formats import Source, known_format
from metamann.errors import DataError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Zs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6
) | st.sampled_from([",", ";", '"', '""', "'", "#", "nan", "👩‍🚀", "北京", "[", "]"])
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, st.sampled_from(["O", "B-per", "I-per"])), min_size=1, max_size=5), min_size=1
)


def table(*rows: tuple[object, ...], delimiter: str = ",", ending: str = "\n") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=ending).writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("borders", ["kaggle", "every row", "blank"])
@given(SENTENCES, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
@SAME_FOLDER
def test_words_are_read_however_their_sentences_are_set_apart(
    tmp_path: Path, borders: str, sentences: list[list[tuple[str, str]]], delimiter: str, ending: str
) -> None:
    rows: list[tuple[object, ...]] = [("word", "tag") if borders == "blank" else ("Sentence #", "Word", "Tag")]
    for number, sentence in enumerate(sentences):
        for index, (word, tag) in enumerate(sentence):
            if borders == "blank":
                rows.append((word, tag))
            else:
                rows.append((f"Sentence: {number}" if borders == "every row" or not index else "", word, tag))
        if borders == "blank":
            rows.append(())
    content = read(tmp_path, table(*rows, delimiter=delimiter, ending=ending))
    assert content.format == "CSV, a word a line"
    assert [list(zip(each.words, each.tags or (), strict=True)) for each in content.sentences] == sentences


def test_kaggle(tmp_path: Path) -> None:
    text = 'Sentence #,Word,POS,Tag\nSentence: 1,Alice,NNP,B-per\n,"""",``,O\n,",",",",O\nSentence: 2,Rome,NNP,B-geo\n'
    first, second = read(tmp_path, text).sentences
    assert (first.words, first.tags) == (("Alice", '"', ","), ("B-per", "O", "O"))
    assert first.places == ("line 2", "line 3", "line 4")
    assert (second.words, second.tags) == (("Rome",), ("B-geo",))


def test_quotes_that_stand_alone_are_words(tmp_path: Path) -> None:
    text = 'token\tner_tag\nAlice\tB-per\n"\tO\n\nBob\tB-per\n"\tO\n'
    assert [each.words for each in read(tmp_path, text).sentences] == [("Alice", '"'), ("Bob", '"')]


def test_words_without_borders_are_one_sentence_and_it_is_said(tmp_path: Path) -> None:
    content = read(tmp_path, table(("word", "label"), ("Alice", "B-per"), ("flew", "O")))
    assert [each.words for each in content.sentences] == [("Alice", "flew")]
    assert len(content.notes) == 1


def test_words_without_tags_are_unlabelled_and_single_ones_have_none(tmp_path: Path) -> None:
    content = read(tmp_path, table(("sentence_id", "words"), (0, "Alice"), (0, "flew"), (1, "It")))
    assert [(each.words, each.tags) for each in content.sentences] == [(("Alice", "flew"), None), (("It",), None)]
    (sentence,) = read(
        tmp_path, table(("sentence_id", "words", "labels"), (0, "Alice", "B-per"), (0, "flew", ""))
    ).sentences
    assert sentence.tags == ("B-per", None)


TEXT = "Alice, a pilot,\nflew to 北京"
SPANS = {
    "json": '[[0, 5, "per"], [24, 26, "城市"]]',
    "objects": '[{"start": 0, "end": 5, "label": "per"}, {"start": 24, "end": 26, "label": "城市"}]',
    "python": "[(0, 5, 'per'), (24, 26, '城市')]",
    "label studio": '[{"start":0,"end":5,"text":"Alice","labels":["per"]},{"start":24,"end":26,"labels":["城市"]}]',
}


@pytest.mark.parametrize("cell", SPANS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_text_and_its_spans_a_line(cell: str, delimiter: str, tmp_path: Path) -> None:
    text = table(("id", "text", "label"), (1, TEXT, SPANS[cell]), (2, "It rains.", "[]"), delimiter=delimiter)
    content = read(tmp_path, text)
    assert content.format.startswith("CSV, a sentence a line")
    assert [marked(document) for document in content.documents] == [[("Alice", "per"), ("北京", "城市")], []]
    assert [document.place for document in content.documents] == ["line 2", "line 4"]


def test_label_studio_leaves_the_cell_of_a_text_without_entities_blank(tmp_path: Path) -> None:
    rows = (
        ("text", "id", "label", "annotator", "annotation_id"),
        (TEXT, 1, SPANS["label studio"], 1, 1),
        ("a", 2, "", 1, 2),
    )
    assert [len(document.marks or ()) for document in read(tmp_path, table(*rows)).documents] == [2, 0]


@pytest.mark.parametrize(
    "row",
    [
        ("Alice d'Or flew", "B-per I-per O"),
        ('["Alice", "d\'Or", "flew"]', '["B-per", "I-per", "O"]'),
        ("""['Alice', "d'Or", 'flew']""", "['B-per', 'I-per', 'O']"),
        ("""[ 'Alice' "d'Or"\n 'flew']""", "['B-per' 'I-per'\n 'O']"),
        ("""['Alice', 'd\\'Or', 'flew']""", "['B-per', 'I-per', 'O']"),
        ("Alice d'Or flew", "['B-per', 'I-per', 'O']"),
    ],
)
@pytest.mark.parametrize("header", ["tokens,ner_tags", "words,labels", "sentence,tags", "Text,word_labels"])
def test_words_and_tags_of_a_sentence_in_cells(header: str, row: tuple[str, str], tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, table(tuple(header.split(",")), row)).sentences
    assert sentence.words == ("Alice", "d'Or", "flew")
    assert sentence.tags == ("B-per", "I-per", "O")


def test_numbers_of_tags_need_names(tmp_path: Path) -> None:
    rows = (("tokens", "ner_tags"), ("['Alice' 'flew']", "[1 0]"))
    with pytest.raises(DataError, match="line 2: its tags are numbers"):
        read(tmp_path, table(*rows))
    (tmp_path / "dataset_info.json").write_text('{"names": ["O", "B-per"]}')
    assert read(tmp_path, table(*rows)).sentences[0].tags == ("B-per", "O")


def test_a_column_of_texts_is_unlabelled_if_the_name_says_csv(tmp_path: Path) -> None:
    content = read(tmp_path, table(("text",), (TEXT,), ("It rains.",)), "own.csv")
    assert [(document.text, document.marks) for document in content.documents] == [(TEXT, None), ("It rains.", None)]


@pytest.mark.parametrize(
    "text", ["Text and words, a sentence.\nWords, labels\n", "word tag\nAlice B-per\n", "", "text\na\n"]
)
def test_other_texts_are_no_tables(text: str, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(text)
    assert known_format(Source(tmp_path / "own.txt")) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word,tag\nAlice,B-per\nflew\n", "line 3 has 1 columns, but the header has 2"),
        ("word,tag\nAlice,B-per\n,O\n", "line 3 has an empty word"),
        ("text,label\nAlice flew,positive\n", "line 2.*names for 2 words"),
        ('text,label\nAlice flew,"[[0, 5]]"\n', "line 2.*should be"),
        ("word,tag\n" + "x" * 200_000 + ",O\n", "line 2 is no CSV"),
    ],
)
def test_bad_rows_are_one_error_with_the_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_files_that_are_not_utf_8_are_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2 is not UTF-8"):
        read(tmp_path, "word,tag\nZoë,B-per\n".encode("latin-1"))

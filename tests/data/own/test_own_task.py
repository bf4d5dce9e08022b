"""A task from a user's own files: what people were seen to have is read right, or refused with the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from messages import names

from metamann.data.own.own_task import own_task
from metamann.data.own.reader import ReadingOptions
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError

# the same three sentences in every spelling
ALICE = (
    ("Alice", "B-person"), ("Meyer", "I-person"), ("flew", "O"), ("to", "O"), ("Paris", "B-city"), (".", "O"),
)  # fmt: skip
BOB = (("Bob", "B-person"), ("lives", "O"), ("in", "O"), ("Berlin", "B-city"), (".", "O"))
CARLA = (
    ("In", "O"), ("Madrid", "B-city"), (",", "O"), ("Carla", "B-person"), ("Diaz", "I-person"), ("paid", "O"),
    ("40", "B-price"), ("euros", "I-price"), (".", "O"),
)  # fmt: skip
LABELLED = "\n".join("".join(f"{word} {tag}\n" for word, tag in rows) for rows in (ALICE, BOB, CARLA))
SENTENCES = (
    Sentence(("Alice", "Meyer", "flew", "to", "Paris", "."), (Span(0, 2, "person"), Span(4, 5, "city"))),
    Sentence(("Bob", "lives", "in", "Berlin", "."), (Span(0, 1, "person"), Span(3, 4, "city"))),
    Sentence(
        ("In", "Madrid", ",", "Carla", "Diaz", "paid", "40", "euros", "."),
        (Span(1, 2, "city"), Span(3, 5, "person"), Span(6, 8, "price")),
    ),
)
QUERY = "Dora Schmidt moved to Rome .\nIt costs 30 euros in Oslo .\n"
BILUO = (
    "Alice B-person\nMeyer L-person\nflew O\nto O\nParis U-city\n. O\n\nBob U-person\nlives O\nin O\nBerlin U-city\n"
    ". O\n\nIn O\nMadrid U-city\n, O\nCarla B-person\nDiaz L-person\npaid O\n40 B-price\neuros L-price\n. O\n"
)
CHINESE = (
    "我 O\n在 O\n北 B-城市\n京 E-城市\n见 O\n到 O\n王 B-人物\n小 I-人物\n明 E-人物\n。 O\n\n"
    "他 O\n去 O\n上 B-城市\n海 E-城市\n。 O\n"
)
LABEL_STUDIO = (
    '[{"id": 1, "data": {"text": "Alice Meyer flew to Paris ."}, "annotations": [{"id": 1, "result": ['
    '{"value": {"start": 0, "end": 11, "text": "Alice Meyer", "labels": ["person"]}, "from_name": "label", '
    '"to_name": "text", "type": "labels"}, '
    '{"value": {"start": 20, "end": 25, "text": "Paris", "labels": ["city"]}, "from_name": "label", '
    '"to_name": "text", "type": "labels"}]}]}]'
)
LABEL_STUDIO_MIN = (
    '[{"id": 1, "text": "Alice Meyer flew to Paris .", "label": [{"start": 0, "end": 11, "text": "Alice Meyer", '
    '"labels": ["person"]}, {"start": 20, "end": 25, "text": "Paris", "labels": ["city"]}], "annotator": 1}]'
)
YESTERDAY = (
    '{"id": 1, "text": "Alice Meyer flew to Paris yesterday.", "label": [[0, 11, "person"], [20, 25, "city"]], '
    '"Comments": []}\n'
)


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def by_columns(*columns: str, header: str = "") -> str:
    """The three sentences with other columns, each under a header line of its own."""
    blocks = []
    for number, rows in enumerate((ALICE, BOB, CARLA)):
        lines = [header.format(number)] if header else []
        lines += [" ".join({"word": word, "tag": tag}.get(column, column) for column in columns) for word, tag in rows]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labelled.conll", LABELLED),
        ("train.txt", LABELLED),
        ("labelled.conll", by_columns("tag", "word").replace(" ", "\t")),
        ("labelled.conll", BILUO),
        ("labelled.conll", by_columns("word", "_", "_", "tag", header="# id 5628643{}\tdomain=train")),
        ("labelled.conll", by_columns("word", "tag", header="# sent{}")),
    ],
    ids=["base", "support-named-txt", "mit-tag-first", "spacy-biluo", "multiconer", "comment-two-columns"],
)
def test_column_files_as_people_have_them(tmp_path: Path, name: str, content: str) -> None:
    splits = own_task(write(tmp_path / name, content), write(tmp_path / "query.txt", QUERY))
    (episode,) = splits.test.episodes
    assert episode.support == SENTENCES
    assert episode.types == ("city", "person", "price")
    assert [sentence.tokens for sentence in episode.query] == [
        ("Dora", "Schmidt", "moved", "to", "Rome", "."),
        ("It", "costs", "30", "euros", "in", "Oslo", "."),
    ]
    assert not splits.test.labelled
    assert splits.train.episodes == splits.val.episodes == ()
    assert [note.partition(" read as: ")[0] for note in splits.notes if "read as" in note] == [name, "query.txt"]


def test_a_column_file_named_txt_is_a_labelled_query(tmp_path: Path) -> None:
    splits = own_task(write(tmp_path / "labelled.conll", LABELLED), write(tmp_path / "test.txt", LABELLED))
    assert splits.test.episodes[0].query == SENTENCES
    assert splits.test.labelled


@pytest.mark.parametrize("name", ["q.conll", "q.txt"])
def test_a_query_that_is_cut_into_words_keeps_them(tmp_path: Path, name: str) -> None:
    query = write(tmp_path / name, "Dora\nlives\nin\nRome\n.\n")
    splits = own_task(write(tmp_path / "labelled.conll", LABELLED), query)
    assert splits.test.episodes[0].query == (Sentence(("Dora", "lives", "in", "Rome", "."), ()),)
    assert not splits.test.labelled


def test_types_that_the_support_lacks_are_said_once(tmp_path: Path) -> None:
    support = write(tmp_path / "labelled.conll", LABELLED)
    splits = own_task(support, write(tmp_path / "q.conll", LABELLED.replace("B-city", "B-place")))
    (note,) = [note for note in splits.notes if "place" in note]
    assert names(note, "3 entities of the query", "count as O", "support lacks their types", " place (3)")
    assert splits.test.labelled


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LABELLED.replace("to O", "to"), r"line 4: 'to' .*no tag.*untagged=outside"),
        (LABELLED.replace("Madrid B-city", "Madrid city"), r"line 15: .*'city' .*scheme IOB2"),
    ],
    ids=["token-without-tag", "no-prefix-one"],
)
def test_a_tag_that_is_missing_or_wrong_is_refused_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    support, query = write(tmp_path / "labelled.conll", content), write(tmp_path / "query.txt", QUERY)
    with pytest.raises(DataError, match=message):
        own_task(support, query)
    if "untagged" in message:
        assert own_task(support, query, ReadingOptions(untagged="outside")).test.episodes[0].support == SENTENCES


@pytest.mark.parametrize(
    ("second", "tokens", "spans", "parts"),
    [
        (
            {"text": "Bob lives in Berlin.", "label": [[0, 4, "person"], [13, 19, "city"]]},
            ("Bob", "lives", "in", "Berlin", "."),
            (Span(0, 1, "person"), Span(3, 4, "city")),
            ("1 of 4 spans trimmed",),
        ),
        (
            {"text": "Take 200mg of aspirin.", "label": [[5, 8, "dose"], [8, 10, "unit"], [14, 21, "drug"]]},
            ("Take", "200", "mg", "of", "aspirin", "."),
            (Span(1, 2, "dose"), Span(2, 3, "unit"), Span(4, 5, "drug")),
            ("1 of 13 words split", "border of a span", " line 2, '200 mg'"),
        ),
        (
            {"text": "Bob lives in New York City.", "label": [[0, 3, "person"], [13, 26, "city"], [13, 21, "state"]]},
            ("Bob", "lives", "in", "New", "York", "City", "."),
            (Span(0, 1, "person"), Span(3, 6, "city")),
            ("1 of 5 spans left out", "overlap"),
        ),
    ],
    ids=["doccano-trailing-space", "doccano-sub-token", "doccano-overlap"],
)
def test_marks_of_doccano_as_people_set_them(
    tmp_path: Path, second: dict[str, object], tokens: tuple[str, ...], spans: tuple[Span, ...], parts: tuple[str, ...]
) -> None:
    support = write(tmp_path / "all.jsonl", YESTERDAY + json.dumps({"id": 2, **second}) + "\n")
    splits = own_task(support, write(tmp_path / "query.txt", QUERY))
    first = Sentence(
        ("Alice", "Meyer", "flew", "to", "Paris", "yesterday", "."), (Span(0, 2, "person"), Span(4, 5, "city"))
    )
    assert splits.test.episodes[0].support == (first, Sentence(tokens, spans))
    assert any(names(note, *parts) for note in splits.notes)


def test_chinese_is_read_in_signs(tmp_path: Path) -> None:
    marked = write(
        tmp_path / "all.jsonl",
        '{"id": 1, "text": "我在北京见到王小明。", "label": [[2, 4, "城市"], [6, 9, "人物"]]}\n',
    )
    (episode,) = own_task(marked, write(tmp_path / "query.txt", "李小龙在广州。\n")).test.episodes
    assert episode.support == (Sentence(tuple("我在北京见到王小明。"), (Span(2, 4, "城市"), Span(6, 9, "人物"))),)
    assert episode.query == (Sentence(tuple("李小龙在广州。"), ()),)
    columns = write(tmp_path / "labelled.conll", CHINESE)
    (episode,) = own_task(columns, write(tmp_path / "query.txt", "李小龙在广州见到张三。\n")).test.episodes
    assert episode.support[0] == Sentence(tuple("我在北京见到王小明。"), (Span(2, 4, "城市"), Span(6, 9, "人物")))
    assert episode.query == (Sentence(tuple("李小龙在广州见到张三。"), ()),)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("project-1.json", LABEL_STUDIO, SENTENCES[0]),
        ("project-1-min.json", LABEL_STUDIO_MIN, SENTENCES[0]),
        (
            "hf.jsonl",
            '{"tokens": ["Alice", "flew"], "ner_tags": ["B-person", "O"]}\n',
            Sentence(("Alice", "flew"), (Span(0, 1, "person"),)),
        ),
    ],
    ids=["labelstudio-json", "labelstudio-jsonmin", "hf-tokens-nertags"],
)
def test_exports_of_tools_are_read(tmp_path: Path, name: str, content: str, sentence: Sentence) -> None:
    (episode,) = own_task(write(tmp_path / name, content), write(tmp_path / "query.txt", QUERY)).test.episodes
    assert episode.support == (sentence,)


def test_brats_annotations_are_read_with_their_text(tmp_path: Path) -> None:
    ann = write(tmp_path / "doc.ann", "T1\tPerson 0 11\tAlice Meyer\nT2\tCity 20 25\tParis\n")
    query = write(tmp_path / "query.txt", QUERY)
    with pytest.raises(DataError, match=r"doc\.txt is missing"):
        own_task(ann, query)
    text = write(tmp_path / "doc.txt", "Alice Meyer flew to Paris .\n")
    spans = (Span(0, 2, "Person"), Span(4, 5, "City"))
    for path in (ann, text):
        assert own_task(path, query).test.episodes[0].support == (Sentence(SENTENCES[0].tokens, spans),)


def test_one_file_may_be_both(tmp_path: Path) -> None:
    path = write(tmp_path / "both.jsonl", YESTERDAY)
    splits = own_task(path, path)
    (episode,) = splits.test.episodes
    assert episode.support == episode.query
    assert len(splits.notes) == 1


@pytest.mark.parametrize(
    ("name", "content", "read_as"),
    [
        ("a.conll", "Hello O\nyou O\n", "CoNLL, 2 columns"),
        ("a.txt", QUERY, "plain text, a sentence a line"),
        ("a.txt", "Hello\n.\n", "one word a line"),
        ("a.conll", "Dora NNP\nlives VBZ\n", "CoNLL, 2 columns, word first, no tags"),
    ],
)
def test_a_support_that_teaches_nothing_says_what_it_was_read_as(
    tmp_path: Path, name: str, content: str, read_as: str
) -> None:
    with pytest.raises(DataError, match=rf"support=\S+ has no entity to learn from \({read_as}"):
        own_task(write(tmp_path / name, content), write(tmp_path / "query.txt", QUERY))


def test_an_empty_or_missing_query_is_refused(tmp_path: Path) -> None:
    support = write(tmp_path / "support.conll", LABELLED)
    with pytest.raises(DataError, match=r"query\.txt holds no sentences"):
        own_task(support, write(tmp_path / "query.txt", "\n \n"))
    with pytest.raises(DataError, match="cannot be read"):
        own_task(support, str(tmp_path / "missing.txt"))

"""Whatever stands in a file, it is read or refused with one DataError."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spacy.lang.en import English
from spacy.tokens import Doc, DocBin

from metamann.data.own.formats import Content, Source, known_format
from metamann.errors import DataError

TEXT = "👩‍🚀 Alice flew to 北京."
SPAN = {"start": 4, "end": 9, "label": "a"}
REGION = {"start": 4, "end": 9, "text": "Alice", "labels": ["a"]}
VALUES: list[Any] = [
    {"id": 1, "text": TEXT, "label": [[4, 9, "person"]], "Comments": []},
    {"text": TEXT, "entities": [{"label": "person", "start_offset": 4, "end_offset": 9}], "relations": []},
    {"text": TEXT, "spans": [SPAN], "tokens": [{"start": 4, "end": 9}], "answer": "accept"},
    {"text": TEXT, "ents": [SPAN], "sents": [{"start": 0, "end": 9}], "tokens": [{"start": 4, "end": 9}]},
    [TEXT, {"entities": [[4, 9, "person"]]}],
    {
        "id": 7,
        "data": {"text": TEXT},
        "annotations": [{"result": [{"type": "labels", "to_name": "text", "value": REGION}]}],
        "predictions": [],
    },
    {"text": TEXT, "label": [REGION], "annotator": 1},
    {"names": ["O", "B-a"], "tokens": ["Alice", "flew"], "ner_tags": [1, 0]},
    {"tokenized_text": ["Alice", "flew"], "ner": [[0, 0, "a"]]},
    {"paragraphs": [{"sentences": [{"tokens": [{"orth": "Alice", "ner": "U-a"}]}]}]},
    {"features": {"ner_tags": {"feature": {"names": ["O"]}}}, "rows": [{"row": {"tokens": ["a"], "ner_tags": [0]}}]},
    {"text": {"0": TEXT}, "label": {"0": [[4, 9, "a"]]}},
]  # fmt: skip
CSVS = [
    'Sentence #,Word,Tag\nSentence: 1,Alice,B-a\n,"""",O\nSentence: 2,",",O\n',
    f'text,label\n"{TEXT}","[(4, 9, \'a\')]"\n"a\nb",[]\n',
    "tokens\tner_tags\n['Alice' 'flew']\t['B-a' 'O']\n",
]
ANN = "T1\tPerson 4 9\tAlice\nT2\tCity 18 20;20 21\t北京 .\nR1\tin Arg1:T1 Arg2:T2\n"
ODD: list[Any] = [
    None, True, 0, -1, 2**63, 10**400, 0.5, float("nan"), float("inf"), 1e308, "", " ", "x", "\ud800", "\x00", "O",
    [], [[]], [None], ["x"], [3], [True], {}, {"text": 1}, {"start": 0, "end": 1}, [[0, 1, "x"]], [["x", 0, 1]],
]  # fmt: skip


def files() -> list[tuple[str, bytes]]:
    doc = Doc(English().vocab, words=["Alice", "北京"], ents=["B-a", "O"], sent_starts=[True, True])
    found = [(f"{number}.txt", json.dumps(value).encode()) for number, value in enumerate(VALUES)]
    found += [
        (f"lines{number}.jsonl", b"\n".join([json.dumps(value).encode()] * 2)) for number, value in enumerate(VALUES)
    ]
    found += [(f"python{number}.txt", f"DATA = {[value]}".encode()) for number, value in enumerate(VALUES)]
    found += [(f"table{number}.csv", text.encode()) for number, text in enumerate(CSVS)]
    return [*found, ("doc.ann", ANN.encode()), ("doc.spacy", DocBin(docs=[doc]).to_bytes())]


def read(path: Path) -> Content | None:
    source = Source(path)
    found = known_format(source)
    return found.read(source) if found else None


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, taken out, doubled, or cut off."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            data[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            data[place : place + 1] = rng.choice(
                [b'"', b"[", b"]", b"{", b"}", b",", b":", b"\n", b"\t", b"\\ud800", b"9" * 30]
            )
        elif kind == 2:
            del data[place : place + rng.randint(1, 9)]
        elif kind == 3:
            end = place + rng.randint(1, 40)
            data[place:place] = data[place:end]
        elif rng.random() < 0.2:
            del data[place:]
    return bytes(data)


@pytest.mark.parametrize("number", range(len(files())))
def test_mutated_files(number: int, tmp_path: Path) -> None:
    name, content = files()[number]
    rng = random.Random(number)
    (tmp_path / "doc.txt").write_text(TEXT)
    for _ in range(80):
        data = zlib.compress(mutated(zlib.decompress(content), rng)) if name == "doc.spacy" else mutated(content, rng)
        (tmp_path / name).write_bytes(data)
        with contextlib.suppress(DataError):
            read(tmp_path / name)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container inside a value with one of its keys."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_odd_values_in_every_place(number: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    for place in range(sum(1 for _ in places(VALUES[number]))):
        for odd in ODD:
            value = copy.deepcopy(VALUES[number])
            container, key = list(places(value))[place]
            container[key] = odd
            path.write_text(json.dumps([value, VALUES[number]]))
            with contextlib.suppress(DataError):
                read(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"text":' * 100_000, "[" * 900 + "]" * 900, '[{"data": ' + "[" * 950 + "]" * 950 + "}]"]
)
def test_deep_nesting_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text(text)
    with pytest.raises(DataError):
        read(path)


def test_deep_nesting_in_a_cell_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.csv"
    path.write_text("text,label\nAlice," + "[" * 100_000 + "\n")
    with pytest.raises(DataError, match="line 2"):
        read(path)


@pytest.mark.parametrize("text", ['{"text": "a", "text": "b"}', '[{"text": "a", "label": [], "label": [[0, 1, "x"]]}]'])
def test_a_key_that_stands_twice_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "twice.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=r"line 1 .*stands twice"):
        read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"text": "a"}\n{"text": "b"\n', "line 2 is no JSON"),
        ('[\n{"text": "a"},\n{"text" "b"}\n]', "line 3 is no JSON"),
        ('{"text": "a"}\n\n{"tokens": ["b"]}\n', "line 3: it has another form"),
        ("[]", "holds no text|no list|empty"),
        ("{}", "no text and no list"),
        ('{"train": [{"text": "a"}], "test": [{"text": "b"}]}', "several lists .train, test."),
        ('{"text": "a", "label": [[0, ' + "9" * 5000 + ', "x"]]}', "line 1 is no JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(text)
    if text == "[]":
        assert read(path) == Content("JSON")
        return
    with pytest.raises(DataError, match=message) as error:
        read(path)
    assert len(str(error.value)) <= 300


def test_a_tag_of_a_megabyte_is_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_text(json.dumps([{"text": "a", "label": [[0, "x" * 2**20, "x"]]}]))
    with pytest.raises(DataError) as error:
        read(path)
    assert len(str(error.value)) <= 300


@pytest.mark.parametrize(
    "text",
    [
        "[ O\n, O\n\nAlice B-person\n",
        "[1] Alice flew to Rome.\n[2] It rains.\n",
        "[1]\nAlice flew to Rome.\n",
        "{Alice} flew.\n",
        "[Alice B-person\nMeyer] I-person\n",
        "- T1 is a road.\n* It rains.\n* Temperatures were 20 30\n",
        "Alice\tB-person\nflew\tO\n",
        "Alice,B-person\nflew,O\n",
        "Alice flew to Rome, it rains.\n",
        "",
    ],
)
@pytest.mark.parametrize("name", ["own.txt", "own.conll"])
def test_texts_and_column_files_are_none_of_these(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert known_format(Source(tmp_path / name)) is None


@pytest.mark.parametrize("item", [b"\x90", b"\x80", b"\xa0", b"\x93\x90\x90\x90", b"\x81\xa0\x90"])
def test_a_docbin_of_many_small_values_takes_little_memory(item: bytes, tmp_path: Path) -> None:
    path = tmp_path / "many.spacy"
    count = 2**20
    for key in (b"\xa5attrs", b"\xa7strings", b"\xa4cats", b"\xa5flags", b"\xabspan_groups", b"\xa9user_data"):
        path.write_bytes(zlib.compress(b"\x81" + key + b"\xdd" + count.to_bytes(4, "big") + item * count))
        tracemalloc.start()
        with pytest.raises(DataError):
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**25

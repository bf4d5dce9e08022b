"""Damaged files: a result or one message, never a traceback, whatever was changed in them."""

from __future__ import annotations

import io
import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commandline import Ended, run
from mutations import mutated_bytes, mutated_data
from PIL import Image

from metamann.data.images.folder import folder
from metamann.data.own.own_task import own_task
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.errors import LONGEST_MESSAGE, MetamannError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
TEXTS, IMAGES, RUNS = 1000, 500, 200
WORDS = [("Alice", "B-person"), ("Meyer", "I-person"), ("flew", "O"), ("to", "O"), ("Paris", "B-city"), (".", "O")]
TEXT = "Alice Meyer \U0001f600 flew to 北京 and Paris ."
SPANS = [(0, 11, "person"), (22, 24, "city"), (29, 34, "city")]
MARKS = [{"start": start, "end": end, "label": label} for start, end, label in SPANS]


def conll(row: Callable[[str, str], str], header: str = "") -> bytes:
    return "\n\n".join(header + "\n".join(row(*pair) for pair in WORDS) for _ in range(4)).encode()


def json_lines(item: dict[str, Any]) -> bytes:
    return "".join(json.dumps({**item, "id": number}) + "\n" for number in range(4)).encode()


LABEL_STUDIO = {
    "data": {"text": TEXT},
    "annotations": [
        {"result": [
            {"value": {"start": s, "end": e, "text": TEXT[s:e], "labels": [label]}, "type": "labels"}
            for s, e, label in SPANS
        ]}
    ],
}  # fmt: skip
FILES: dict[str, bytes] = {
    "two.conll": conll(lambda word, tag: f"{word} {tag}"),
    "four.txt": conll(lambda word, tag: f"{word}\t_\t_\t{tag}", "# id 3\tdomain=x\n"),
    "first.tsv": conll(lambda word, tag: f"{tag}\t{word}"),
    "biluo.conll": conll(lambda word, tag: f"{word} {tag.replace('B-city', 'U-city').replace('I-', 'L-')}"),
    "doccano.jsonl": json_lines({"text": TEXT, "label": [list(span) for span in SPANS]}),
    "prodigy.jsonl": json_lines({"text": TEXT, "spans": MARKS, "answer": "accept"}),
    "studio.json": json.dumps([LABEL_STUDIO] * 3).encode(),
    "min.json": json.dumps([{"text": TEXT, "label": [{**m, "labels": [m["label"]]} for m in MARKS]}] * 3).encode(),
    "hf.jsonl": json_lines({"tokens": [w for w, _ in WORDS], "ner_tags": [t for _, t in WORDS]}),
    "gliner.json": json.dumps([{"tokenized_text": [w for w, _ in WORDS], "ner": [[0, 1, "person"]]}] * 3).encode(),
    "pairs.json": json.dumps([[TEXT, {"entities": SPANS}]] * 3).encode(),
    "kaggle.csv": ("Sentence #,Word,POS,Tag\n" + "".join(
        f"{f'Sentence: {number}' if not place else ''},\"{word}\",X,{tag}\n"
        for number in range(3) for place, (word, tag) in enumerate(WORDS)
    )).encode(),
    "brat.ann": "".join(f"T{n}\t{t} {s} {e}\t{TEXT[s:e]}\n" for n, (s, e, t) in enumerate(SPANS)).encode(),
    "plain.txt": "Dora Schmidt moved to Rome .\n李小龙在广州见到张三。\n\nIt costs 30 euros .\n".encode(),
}  # fmt: skip


def docbin() -> bytes:
    spacy = pytest.importorskip("spacy")
    doc = spacy.blank("en")(TEXT)
    doc.ents = [span for s, e, label in SPANS if (span := doc.char_span(s, e, label, alignment_mode="expand"))]
    from spacy.tokens import DocBin

    content: bytes = DocBin(docs=[doc] * 3).to_bytes()
    return content


def message_of(act: Callable[[], Any]) -> str | None:
    """The message of an error that a user can cause; whatever else is raised fails the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            act()
    except MetamannError as error:
        return str(error)
    return None


@pytest.mark.parametrize("part", range(10))
def test_a_mutated_text_is_read_or_refused_in_one_line(part: int, tmp_path: Path) -> None:
    files = {**FILES, "binary.spacy": docbin()}
    support, refused, number_of = tmp_path / "support.conll", 0, TEXTS // 10
    support.write_bytes(FILES["two.conll"])
    for number in range(number_of):
        rng = random.Random(part * number_of + number)
        name = rng.choice(sorted(files))
        path = tmp_path / f"{number}" / name
        path.parent.mkdir()
        path.with_name("brat.txt").write_text(TEXT)
        path.write_bytes(mutated_bytes(files[name], rng))

        def deal(path: Path = path) -> None:
            for pair in ((path, support), (support, path)):
                task = own_task(*map(str, pair))
                Sampler(task.test, FixedSentences()).batch([0])

        message = message_of(deal)
        if message is not None:
            refused += 1
            assert len(message) <= LONGEST_MESSAGE
            assert "\n" not in message
    assert 0 < refused < number_of


def picture(form: str, rng: random.Random) -> bytes:
    mode = rng.choice({"JPEG": ("L", "RGB", "CMYK"), "GIF": ("L", "P"), "PPM": ("L", "RGB"), "BMP": ("L", "RGB")}.get(
        form, ("L", "RGB", "RGBA")
    ))  # fmt: skip
    image = Image.fromarray(np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (9, 12, 3), np.uint8))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize("part", range(5))
def test_a_mutated_image_is_read_or_left_out(part: int, tmp_path: Path) -> None:
    number_of = IMAGES // 5
    clean = tmp_path / "images"
    for number in range(4):
        (clean / f"class{number}").mkdir(parents=True)
        for item in range(2):
            (clean / f"class{number}" / f"{item}.png").write_bytes(picture("PNG", random.Random(item)))
    left_out = 0
    for number in range(number_of):
        rng = random.Random(part * number_of + number)
        form = rng.choice(("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"))
        path = clean / "class0" / f"mutated.{rng.choice((form.lower(), 'png', 'jpg'))}"
        path.write_bytes(mutated_bytes(picture(form, rng), rng))
        splits = folder(str(clean), size=8, shares=(0, 0, 1))
        images = int(splits.test.class_sizes.sum())
        assert images in (8, 9)
        left_out += images == 8
        assert images == 9 or any(path.name in note for note in splits.notes)
        path.unlink()
    assert 0 < left_out < number_of


TINY = [
    "experiment=quickstart", "data.alphabets=[4,3,3]", "data.characters=8", "data.drawings=12", "data.size=16",
    "protocol.ways=3", "protocol.steps=12", "train_protocol.ways=8", "train_protocol.queries=2", "encoder.channels=8",
    "trainer.steps=2", "trainer.validate_every=2", "validation.episodes=4",
]  # fmt: skip
QUIET = ["logger.wandb=false", "logger.tensorboard=false"]


def change_bytes(names: str) -> Callable[[Path, random.Random], None]:
    def change(place: Path, rng: random.Random) -> None:
        path = rng.choice(sorted(place.glob(names)))
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))

    return change


def change_checkpoint(place: Path, rng: random.Random) -> None:
    """Whole by its checksums, other by its content."""
    path = rng.choice(sorted(place.glob("run/checkpoints/*.pt")))
    content = torch.load(path, weights_only=True)
    part = rng.choice(("config", "config", "config", "best", "fingerprints", "step", "seconds", "learner", "optimizer"))
    if part == "learner" and rng.random() < 0.8:
        name = rng.choice(list(content[part]))
        tensor = content[part][name]
        content[part][name] = rng.choice((tensor.flatten(), tensor.double(), tensor * 1e30, tensor.long(), tensor[:0]))
    elif part == "optimizer" and content[part] and rng.random() < 0.8:
        content[part]["state"] = mutated_data(content[part]["state"], rng)
    else:
        content[part] = mutated_data(content[part], rng)
    torch.save(content, path)


def change_tasks(place: Path, rng: random.Random) -> None:
    path = place / "tasks.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = rng.choice(sorted(arrays))
    if name == "header":
        arrays[name] = np.array(json.dumps(mutated_data(json.loads(str(arrays[name])), rng)))
    else:
        array = arrays[name].copy()
        array.flat[rng.randrange(array.size)] = rng.choice((-1, -100, 0, 5, 10**6, 2**62))
        arrays[name] = rng.choice((array, array, array[:1], array.astype(float), array.flatten()))
    np.savez(path, **arrays)


CHANGES: tuple[Callable[[Path, random.Random], None], ...] = (
    change_checkpoint, change_checkpoint, change_tasks, change_bytes("run/checkpoints/*.pt"),
    change_bytes("run/metrics.jsonl"), change_bytes("cache/*.pt"), change_bytes("tasks.npz"),
    change_bytes("run/.hydra/*.yaml"),
)  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, the cache it has filled, and a task list."""
    place = tmp_path_factory.mktemp("clean")
    cache = str(place / "cache")
    run("train", *TINY, *QUIET, f"hydra.run.dir={place}/run", cwd=place, METAMANN_CACHE=cache)
    evaluated = run("evaluate", f"checkpoint={place}/run", "episodes=4", *QUIET, cwd=place, METAMANN_CACHE=cache)
    shutil.copy(evaluated.run_directory / "tasks.npz", place / "tasks.npz")
    return place


@pytest.mark.parametrize("part", range(10))
def test_a_mutated_run_is_opened_or_refused_in_one_line(part: int, clean: Path, tmp_path: Path) -> None:
    number_of = RUNS // 10
    statuses = set()
    for number in range(number_of):
        rng = random.Random(part * number_of + number)
        place = tmp_path / f"{number}"
        shutil.copytree(clean, place)
        rng.choice(CHANGES)(place, rng)
        command, *arguments = rng.choice((
            ("evaluate", f"checkpoint={place}/run", "episodes=4", f"tasks={place}/tasks.npz"),
            ("evaluate", f"checkpoint={place}/run/checkpoints/last.pt", "episodes=4"),
            ("train", f"resume={place}/run", "trainer.steps=4"),
        ))  # fmt: skip
        ended: Ended = run(command, *arguments, *QUIET, cwd=place, METAMANN_CACHE=str(place / "cache"))
        statuses.add(ended.status)
        assert "Traceback" not in ended.err, (number, ended.err)
        assert ended.status in (0, 2), (number, ended.err)
        assert all(
            len(line) <= LONGEST_MESSAGE + len("error: ") for line in ended.err.splitlines() if "error: " in line
        )
        shutil.rmtree(place)
    assert statuses == {0, 2}

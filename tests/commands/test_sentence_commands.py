"""Sentences through the same commands: train, resume, evaluate, a user's own files, and what a user can do wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import At, Ended, killed, metrics, run, same_tensors

from metamann.data.columns import read_columns

SAVE = "metamann.training.checkpoint.Checkpoint.save"
SHORT = [
    "trainer.steps=4", "trainer.batch_size=2", "trainer.validate_every=2", "trainer.log_every=1",
    "trainer.save_every_seconds=0", "validation.episodes=5", "logger.wandb=false", "logger.tensorboard=false",
]  # fmt: skip
WORDS = ["encoder.words.rows=256", "encoder.words.width=8", "encoder.hidden=8"]
FEW_SHOT = ["experiment=records_5way_1shot", "data.sentences=[300,150,150]", "protocol.ways=3", *WORDS, *SHORT]
QUIET = ["episodes=6", "logger.wandb=false", "logger.tensorboard=false"]


def results(ended: Ended) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ended.run_directory / "results.json").read_text())
    return content


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A whole few-shot run on the embedded sentences."""
    return run("train", *FEW_SHOT, cwd=tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def proto(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """ProtoNet, on the same sentences."""
    options = ["learner=mann", "~learner.doubt", "memory=prototypes"]
    return run("train", *FEW_SHOT, *options, cwd=tmp_path_factory.mktemp("proto"))


@pytest.fixture(scope="module")
def conll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a CoNLL-2003 of a hundred sentences a part."""
    root = tmp_path_factory.mktemp("data")
    (root / "conll2003").mkdir()
    rng = np.random.default_rng(0)
    for name in ("eng.train", "eng.testa", "eng.testb"):
        lines = ["-DOCSTART- -X- O O", ""]
        for _ in range(100):
            for _ in range(int(rng.integers(2, 6))):
                type_ = rng.choice(["O", "I-PER", "I-LOC", "I-ORG", "I-MISC"], p=[0.6, 0.1, 0.1, 0.1, 0.1])
                lines.append(f"{type_.lower()}{rng.integers(9)} NN I-NP {type_}")
            lines.append("")
        (root / "conll2003" / name).write_text("\n".join(lines))
    return root


def test_a_run_leaves_its_whole_directory_behind(trained: Ended) -> None:
    directory = trained.run_directory
    files = {file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()}
    assert files >= {
        ".hydra/config.yaml", "metrics.jsonl", "checkpoints/last.pt", "checkpoints/best.pt", "results.json",
        "results.md", "tasks.npz", "counts.npz", "sentences.html", "plots/training.png", "plots/confusion.png",
    }  # fmt: skip
    found = results(trained)
    assert found["protocol"].items() >= {"name": "greedy_sentences", "ways": 3, "split": "val"}.items()
    assert {"f1", "precision", "recall", "span_f1", "episode_f1"} <= set(found["metrics"])
    best = [line for line in metrics(directory) if line.get("best")][-1]
    assert found["metrics"]["f1"]["mean"] == pytest.approx(best["f1"])
    with np.load(directory / "counts.npz") as counts:
        assert counts["counts"].shape == (5, len(counts["counted"]))


def test_a_run_that_was_killed_goes_on_to_the_very_same_end(trained: Ended, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    options = [*FEW_SHOT, f"hydra.run.dir={directory}"]
    assert run("train", *options, cwd=tmp_path / "first", sabotage=At(SAVE, 4, killed)).status == -9
    assert run("train", f"resume={directory}", cwd=tmp_path / "second").run_directory == directory
    assert metrics(directory) == metrics(trained.run_directory)
    assert same_tensors(directory / "checkpoints/last.pt", trained.run_directory / "checkpoints/last.pt")


def test_the_test_types_are_evaluated_and_a_saved_list_gives_the_same(trained: Ended, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={trained.run_directory}"
    first = run("evaluate", checkpoint, *QUIET, cwd=tmp_path / "first")
    assert results(first)["protocol"]["split"] == "test"
    tasks = f"tasks={first.run_directory / 'tasks.npz'}"
    again = run("evaluate", checkpoint, tasks, *QUIET, cwd=tmp_path / "again")
    assert results(again)["metrics"] == results(first)["metrics"]
    assert results(again)["tasks_sha256"] == results(first)["tasks_sha256"]
    wider = run("evaluate", checkpoint, "protocol.ways=5", "protocol.shots=2", *QUIET, cwd=tmp_path / "wider")
    assert results(wider)["protocol"]["ways"] == 5


def test_learners_of_sentences_are_compared_by_f1(trained: Ended, proto: Ended, tmp_path: Path) -> None:
    ours, theirs = trained.run_directory, proto.run_directory
    ended = run("compare", f"runs=[{ours},{theirs},{theirs}:majority]", "episodes=6", cwd=tmp_path)
    record = json.loads((ended.run_directory / "comparison.json").read_text())
    alone = results(run("evaluate", f"checkpoint={ours}", *QUIET, cwd=tmp_path / "alone"))
    assert record["metric"] == "f1"
    assert record["tasks_sha256"] == alone["tasks_sha256"]
    assert record["learners"][0]["score"]["mean"] == pytest.approx(alone["metrics"]["f1"]["mean"])
    assert record["learners"][2]["score"]["mean"] == 0


def test_learners_of_sentences_are_audited(proto: Ended, tmp_path: Path) -> None:
    ended = run("audit", f"checkpoint={proto.run_directory}", "episodes=40", "answered=20", cwd=tmp_path)
    assert ended.status == 0, ended.err + ended.out
    found = json.loads((ended.run_directory / "audit.json").read_text())["findings"]
    outcomes = {each["check"]: each["outcome"] for each in found}
    assert outcomes["entity types of the splits are disjoint"] == "pass"
    assert outcomes["queries do not see each other"] == "pass"


def test_types_of_entities_arrive_task_after_task(proto: Ended, tmp_path: Path) -> None:
    run_directory = proto.run_directory
    sizes = ["tasks=3", "classes=2", "shots=1", "queries=2", "sequences=3"]
    ended = run("continual", f"runs=[{run_directory},{run_directory}:finetuned]", *sizes, cwd=tmp_path)
    learners = json.loads((ended.run_directory / "continual.json").read_text())["learners"]
    assert list(learners) == ["Prototype", "finetuned"]
    assert all(0 <= found["average_accuracy"]["mean"] <= 1 for found in learners.values())
    assert len(learners["finetuned"]["first_task"]) == 3


def test_a_users_own_files_are_learned_from_and_tagged(trained: Ended, tmp_path: Path) -> None:
    support, query = tmp_path / "support.conll", tmp_path / "query.txt"
    support.write_text("Ada B-person\nLovelace I-person\nlives O\nin O\nLondon B-city\n")
    query.write_text("Grace Hopper lives in York.\nHello 😀 world\n")
    options = [f"checkpoint={trained.run_directory}", f"support={support}", f"query={query}", *QUIET]
    ended = run("evaluate", *options, cwd=tmp_path / "own")
    tagged = read_columns(ended.run_directory / "answers.txt", scheme="IOB2").sentences
    assert [sentence.tokens for sentence in tagged] == [
        ("Grace", "Hopper", "lives", "in", "York", "."),
        ("Hello", "😀", "world"),
    ]
    assert {span.type for sentence in tagged for span in sentence.spans} <= {"person", "city"}
    alone = run("evaluate", options[0], options[1], *QUIET, cwd=tmp_path / "alone")
    assert "query=" in alone.error


def test_the_same_files_are_data_to_sample_from(trained: Ended, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        type_ = rng.choice(["a", "b", "c"])
        lines += ["some O", f"{type_}{rng.integers(9)} B-{type_}", ""]
    (tmp_path / "own.conll").write_text("\n".join(lines))
    ended = run(
        "evaluate", f"checkpoint={trained.run_directory}", "data=columns", f"data.path={tmp_path / 'own.conll'}",
        "data.shares=[0,0,1]", *QUIET, cwd=tmp_path / "own",
    )  # fmt: skip
    assert results(ended)["protocol"]["types"] == 3


def test_frozen_features_are_kept_for_the_next_run(tmp_path: Path) -> None:
    """Untrained words stand in for a pretrained model: `encoder=frozen` is MiniLM unless told otherwise."""
    options = [
        *FEW_SHOT[:3], "encoder@encoder.words=frozen", "encoder@encoder.words.encoder=words", "encoder.hidden=8",
        "encoder.words.encoder.rows=256", "encoder.words.encoder.width=8", "learner.label_names=true", *SHORT,
    ]  # fmt: skip
    cache = str(tmp_path / "cache")
    first = run("train", *options, cwd=tmp_path / "first", METAMANN_CACHE=cache)
    kept = sorted((tmp_path / "cache").glob("features-*.pt"))
    assert len(kept) == 2  # of training and of validation
    written = [file.stat().st_mtime_ns for file in kept]
    second = run("train", *options, cwd=tmp_path / "second", METAMANN_CACHE=cache)
    assert [file.stat().st_mtime_ns for file in kept] == written
    assert metrics(second.run_directory) == metrics(first.run_directory)
    evaluated = run("evaluate", f"checkpoint={first.run_directory}", *QUIET, cwd=tmp_path / "test")
    assert "nearest inside" in (evaluated.run_directory / "sentences.html").read_text()


def test_a_tagger_of_fixed_classes_goes_the_same_way(conll: Path, tmp_path: Path) -> None:
    options = [
        "experiment=conll2003_tagger", *WORDS, "memory.slots=4", "memory.width=8", "memory.hidden=8",
        "memory.item_width=8", "learner.hidden=8", *SHORT, "trainer.batch_size=1",
    ]  # fmt: skip
    ended = run("train", *options, cwd=tmp_path / "train", METAMANN_DATA=str(conll))
    found = results(ended)
    assert (found["protocol"]["name"], found["episodes"]) == ("supervised", 4)  # 100 sentences, 32 each
    assert "strict_f1" in found["metrics"]
    evaluated = run(
        "evaluate", f"checkpoint={ended.run_directory}", *QUIET, cwd=tmp_path / "test", METAMANN_DATA=str(conll)
    )
    assert results(evaluated)["protocol"]["split"] == "test"
    own = run(
        "evaluate", f"checkpoint={ended.run_directory}", "support=a.conll", "query=b.txt", *QUIET,
        cwd=tmp_path / "own", METAMANN_DATA=str(conll),
    )  # fmt: skip
    assert "few-shot" in own.error
    few_shot = run(
        "evaluate", f"checkpoint={ended.run_directory}", "protocol=greedy_sentences", *QUIET,
        cwd=tmp_path / "few", METAMANN_DATA=str(conll),
    )  # fmt: skip
    assert "protocol=" in few_shot.error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*FEW_SHOT, "protocol.ways=30"], "Lower protocol.ways"),
        (["experiment=records_5way_1shot", "data=strokes", *SHORT], "choose data of sentences"),
        (["experiment=quickstart", "data=records", *SHORT], "choose data of images"),
        (["experiment=quickstart", "protocol=greedy_sentences", *SHORT], "deal both"),
        ([*FEW_SHOT, "learner=tagger"], "Tagger does not fit this run"),
        (["experiment=snips_xval", "data=records", *SHORT], "protocol=greedy_sentences"),
    ],
)
def test_what_does_not_fit_is_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    error = run("train", *options, cwd=tmp_path).error
    assert any(part in error for part in message.split("|")), error

"""Sentences through the same commands: train, resume, evaluate, a user's own files, and what a user can do wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import At, Ended, killed, metrics, run, same_tensors
from messages import names

from metamann.data.sentences.columns import read_columns

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
    sizes = ["tasks=3", "classes=2", "shots=1", "queries=2", "episodes=3"]
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
    notes = [line for line in ended.err.splitlines() if line.startswith("note: ")]
    of_support, of_query = notes
    assert names(of_support, "support.conll ", "CoNLL", "2 columns", "IOB2", "1 sentence,", "2 entities")
    assert names(of_query, "query.txt ", "plain text", "2 sentences", "no entity")
    alone = run("evaluate", options[0], options[1], *QUIET, cwd=tmp_path / "alone")
    assert "query=" in alone.error


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A support and a query without labels of a user's own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "support.conll").write_text("Ada B-person\nLovelace I-person\nlives O\nin O\nLondon B-city\n")
    (folder / "query.txt").write_text("Grace Hopper lives in York.\n")
    return [f"support={folder / 'support.conll'}", f"query={folder / 'query.txt'}"]


def test_a_query_without_labels_is_answered_and_not_scored(trained: Ended, own: list[str], tmp_path: Path) -> None:
    ended = run("evaluate", f"checkpoint={trained.run_directory}", *own, *QUIET, cwd=tmp_path)
    directory = ended.run_directory
    assert ended.status == 0
    assert results(ended)["metrics"] == {}
    assert ended.out.splitlines()[-2] == f"answers: {directory / 'answers.txt'}"
    assert (directory / "answers.txt").is_file()
    assert not [name for name in ("counts.npz", "plots") if (directory / name).exists()]
    everything = ended.out + ended.err + (directory / "results.md").read_text()
    assert not re.search(r"(?<![0-9a-z])f1(?![0-9a-z])", everything)  # the hash of a commit may hold these signs


def test_jobs_of_a_sweep_may_have_scores_or_answers(trained: Ended, own: list[str], tmp_path: Path) -> None:
    support, query = own
    both = f"{query},{support.removeprefix('support=')}"
    ended = run("evaluate", "-m", f"checkpoint={trained.run_directory}", support, both, *QUIET, cwd=tmp_path)
    table = (ended.run_directory / "sweep.md").read_text().splitlines()
    assert ended.status == 0
    assert "f1" in table[0]
    assert ["±" in line for line in table[2:]] == [False, True]


def test_learners_are_not_compared_without_labels(trained: Ended, proto: Ended, own: list[str], tmp_path: Path) -> None:
    ended = run("compare", f"runs=[{trained.run_directory},{proto.run_directory}]", *own, cwd=tmp_path)
    assert ended.status == 2
    assert ended.err.splitlines()[-1].startswith("error: query=")
    assert "no labels" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("type_", ["$\\foo$", "a$b$c", "\u5317\u4eac", "n" * 300])
def test_a_type_of_any_name_is_evaluated(type_: str, trained: Ended, tmp_path: Path) -> None:
    (tmp_path / "own_x.conll").write_text(
        "".join(f"a{number}\tO\nw{number}\tB-{type_}\nv{number}\tB-B\nu{number}\tB-C\n\n" for number in range(30))
    )
    ended = run(
        "evaluate", f"checkpoint={trained.run_directory}", "data=columns", f"data.path={tmp_path / 'own_x.conll'}",
        "data.shares=[0,0,1]", *QUIET, cwd=tmp_path / "run",
    )  # fmt: skip
    assert results(ended)["protocol"]["types"] == 3
    assert (ended.run_directory / "plots" / "confusion.png").is_file()
    assert "left out" not in ended.err
    assert "Warning" not in ended.err


def test_a_type_that_is_no_text_is_evaluated_or_refused_in_one_line(trained: Ended, tmp_path: Path) -> None:
    lines = [
        {"text": f"{number} cd ef", "label": [[0, 3, "\ud800"], [4, 6, "B"], [7, 9, "C"]]} for number in range(100, 130)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, lines)))
    ended = run(
        "evaluate", f"checkpoint={trained.run_directory}", "data=jsonl", f"data.path={tmp_path / 'own.jsonl'}",
        "data.shares=[0,0,1]", *QUIET, cwd=tmp_path / "run",
    )  # fmt: skip
    assert "Traceback" not in ended.err
    if ended.status == 0:
        assert results(ended)["protocol"]["types"] == 3
    else:
        assert "surrogate" in ended.error


@pytest.mark.slow
def test_sentences_that_the_encoder_cannot_read_are_said(tmp_path: Path) -> None:
    foreign = "\u9f98 B-{0}\n\u9f98 O\n{0}{1} O\n\n"
    english = "Ada{1} B-{0}\nsleeps O\nin O\nher O\nbed O\n{0} O\n\n"
    both = [each.format(type_, number) for type_ in "abcdef" for number in range(4) for each in (foreign, english)]
    (tmp_path / "own.conll").write_text("".join(both))
    options = [
        "experiment=records_5way_1shot", "data=columns", f"data.path={tmp_path / 'own.conll'}",
        "encoder@encoder.words=minilm", "encoder.hidden=8",
        "data.shares=[0.34,0.33,0.33]", "protocol.ways=2", "protocol.queries=1", "train_protocol.ways=2",
        "train_protocol.shots=1", *SHORT, "trainer.steps=1", "validation.episodes=2",
    ]  # fmt: skip
    ended = run("train", *options, cwd=tmp_path / "train")
    reads = "note: all-MiniLM-L6-v2 reads English and knows little of"
    (note,) = [line for line in ended.err.splitlines() if line.startswith(reads)]
    assert "sentences of own/own.conll" in note
    (tmp_path / "support.conll").write_text(english.format("a", 0))
    (tmp_path / "query.txt").write_text("Bob sleeps.\n\u9f98\u9f98 \u9f98.\n")
    files = [f"support={tmp_path / 'support.conll'}", f"query={tmp_path / 'query.txt'}"]
    evaluated = run("evaluate", f"checkpoint={ended.run_directory}", *files, *QUIET, cwd=tmp_path / "test")
    (note,) = [line for line in evaluated.err.splitlines() if line.startswith(reads)]
    assert "1 of 3 sentences of support.conll to query.txt" in note


def test_how_own_files_are_read_is_said_beside_them(trained: Ended, proto: Ended, tmp_path: Path) -> None:
    support, query = tmp_path / "support.conll", tmp_path / "query.jsonl"
    support.write_text("Ada B-person\nLovelace I-person\nlives\nin O\nLondon B-city\n")
    query.write_text('{"text": "Grace in New York", "label": [[0, 5, "person"], [9, 17, "city"], [9, 12, "x"]]}\n')
    runs = f"runs=[{trained.run_directory},{proto.run_directory}]"
    files = [f"support={support}", f"query={query}"]
    refused = run("compare", runs, *files, cwd=tmp_path / "refused")
    assert "line 3: 'lives' has no tag" in refused.error
    assert "set untagged=outside" in refused.error
    compared = run("compare", runs, *files, "untagged=outside", cwd=tmp_path / "compared")
    assert compared.status == 0, compared.err
    assert compared.err.count("support.conll read as: CoNLL") == 1
    assert compared.err.count("1 of 3 spans left out, since they overlap a longer one") == 1
    overlapping = run(
        "evaluate", f"checkpoint={proto.run_directory}", *files, "untagged=outside", "overlaps=error", *QUIET,
        cwd=tmp_path / "overlapping",
    )  # fmt: skip
    assert "overlaps=outermost" in overlapping.error


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_options_of_reading_without_own_files_are_refused(trained: Ended, command: str, tmp_path: Path) -> None:
    runs = f"checkpoint={trained.run_directory}" if command == "evaluate" else f"runs=[{trained.run_directory},other]"
    assert "tag_column= says how support= and query= are read" in run(command, runs, "tag_column=0", cwd=tmp_path).error


def test_the_same_files_are_data_to_sample_from(trained: Ended, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        type_ = rng.choice(["a", "b", "c"])
        lines += ["some O", f"{type_}{rng.integers(9)} B-{type_}", ""]
    (tmp_path / "own.conll").write_text("\n".join(lines))
    ended = run(
        "evaluate", f"checkpoint={trained.run_directory}", "data=jsonl", f"data.path={tmp_path / 'own.conll'}",
        "data.shares=[0,0,1]", *QUIET, cwd=tmp_path / "own",
    )  # fmt: skip
    assert results(ended)["protocol"]["types"] == 3
    assert "note: own.conll read as: CoNLL" in ended.err


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
    file = conll / "conll2003" / "eng.testb"
    own = run(
        "evaluate", f"checkpoint={ended.run_directory}", f"support={file}", f"query={file}", *QUIET,
        cwd=tmp_path / "own", METAMANN_DATA=str(conll),
    )  # fmt: skip
    assert "few-shot" in own.error
    few_shot = run(
        "evaluate", f"checkpoint={ended.run_directory}", "protocol=greedy_sentences", *QUIET,
        cwd=tmp_path / "few", METAMANN_DATA=str(conll),
    )  # fmt: skip
    assert "leave out protocol=" in few_shot.error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*FEW_SHOT, "protocol.ways=30"], "Lower protocol.ways"),
        (["experiment=records_5way_1shot", "data=strokes", *SHORT], "does not go with data=strokes (images)"),
        (["experiment=quickstart", "data=records", *SHORT], "does not go with data=records (sentences)"),
        (["experiment=quickstart", "protocol=greedy_sentences", *SHORT], "does not go with data=strokes (images)"),
        ([*FEW_SHOT, "learner=tagger"], "choose learner=sentence_mann"),
        (["experiment=snips_xval", "data=records", *SHORT], "protocol=greedy_sentences"),
    ],
)
def test_what_does_not_fit_is_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    error = run("train", *options, cwd=tmp_path).error
    assert any(part in error for part in message.split("|")), error

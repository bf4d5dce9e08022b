"""Results are safe before anything is drawn, and what cannot be drawn costs nothing but itself."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from messages import names
from toy_words import ToyEncoder, toy_store

from metamann.application import report as report_module
from metamann.application.directory import locked
from metamann.application.report import attempt, mirrors_of, report
from metamann.application.settings import LoggerSettings
from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.tasks import TaskList
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.learners.mann import MANN
from metamann.memory.pairs.nearest import NearestMemory
from metamann.modalities import sentence_findings as module
from metamann.modalities.sentences import Sentences
from metamann.training.dashboards import Mirrors, is_installed
from metamann.training.log import console
from metamann.training.loop import Interrupted

STORE = toy_store()
CONTEXT = {"checkpoint": "some.pt", "checkpoint_step": 7}


class Shown:
    """A dashboard that keeps what it is shown."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def scalars(self, step: int, values: Any) -> None:
        self.names += list(values)

    def picture(self, step: int, name: str, file: Path) -> None:
        assert file.is_file()
        self.names.append(name)

    def table(self, name: str, columns: Any, rows: Any) -> None:
        self.names.append(name)

    def page(self, name: str, file: Path) -> None:
        assert file.is_file()
        self.names.append(name)

    def close(self) -> None: ...


@pytest.fixture
def learner() -> MANN:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    return MANN(encoder, NearestMemory(encoder.features, 4), 4)


def reported(directory: Path, learner: MANN, evaluator: SentenceEvaluator, mirrors: Mirrors) -> dict[str, Any]:
    """A report into a directory that is locked, as a command does it."""
    directory.mkdir(exist_ok=True)
    with locked(directory):
        return dict(report(directory, Sentences(), learner, evaluator, CONTEXT, mirrors, None))


def sampled() -> SentenceEvaluator:
    """Twelve episodes of a data set."""
    sampler = Sampler(STORE, GreedySentences(ways=3, shots=1), seed=0)
    tasks = TaskList.draw(sampler, 12)
    return SentenceEvaluator("toy", "test", sampler, tasks, torch.device("cpu"), "fp32", 400)


def own(*, labelled: bool) -> SentenceEvaluator:
    """A user's own task, of which the query has labels or not."""
    # three types, for the label codes of the learner
    few = [sentence for sentence in STORE.sentences if {span.type for span in sentence.spans} <= {"type0", "type1"}]
    types = tuple(sorted({span.type for sentence in few for span in sentence.spans}))
    query = few[3:6] if labelled else [sentence._replace(spans=()) for sentence in few[3:6]]
    store = FixedEpisodeStore("own", (FixedEpisode(tuple(few[:3]), tuple(query), types),), labelled)
    sampler = Sampler(store, FixedSentences(scheme="io"))
    return SentenceEvaluator("own", "test", sampler, TaskList.draw(sampler, 1), torch.device("cpu"), "fp32", 400)


def files(directory: Path) -> set[str]:
    return {file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()}


def test_a_query_without_labels_is_answered_and_scored_nowhere(
    learner: MANN, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "metamann.results")
    shown = Shown()
    assert reported(tmp_path, learner, own(labelled=False), Mirrors({"shown": lambda: shown})) == {}
    assert files(tmp_path) - {".metamann.lock"} == {
        "results.json",
        "results.md",
        "tasks.npz",
        "answers.txt",
        "sentences.html",
    }
    assert shown.names == ["pages/test/sentences"]
    said = [record.getMessage() for record in caplog.records]
    assert said[-1] == f"answers: {tmp_path / 'answers.txt'}"
    written = [(tmp_path / name).read_text() for name in ("results.json", "results.md", "sentences.html")]
    everything = "".join([*said, *written]) + capsys.readouterr().err
    scores = r"(?<![0-9a-z])f1(?![0-9a-z])|precision|recall|wrong|missed"  # the hash of a commit may hold f1
    assert re.findall(scores, everything) == []


def test_the_same_answers_come_with_and_without_labels(learner: MANN, tmp_path: Path) -> None:
    metrics = reported(tmp_path / "labelled", learner, own(labelled=True), Mirrors({}))
    assert metrics["f1"].mean > 0.5
    reported(tmp_path / "plain", learner, own(labelled=False), Mirrors({}))
    answers = [(tmp_path / name / "answers.txt").read_text() for name in ("labelled", "plain")]
    assert answers[0] == answers[1]
    assert "B-type" in answers[0]
    assert {"counts.npz", "plots/confusion.png"} <= files(tmp_path / "labelled")


def test_a_picture_that_fails_is_said_and_the_rest_goes_on(
    learner: MANN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(path: Path, *_: Any) -> None:
        assert {"results.json", "results.md", "tasks.npz", "counts.npz"} <= files(tmp_path)
        raise ValueError("no such\nsymbol " + "$" * 1000)

    monkeypatch.setattr(module, "plot_confusion", fails)
    shown = Shown()
    with console():
        metrics = reported(tmp_path, learner, sampled(), Mirrors({"shown": lambda: shown}))
    assert metrics["f1"].mean > 0
    (note,) = capsys.readouterr().err.splitlines()
    assert names(note, "note: ", "confusion.png", "ValueError: no such symbol")
    assert len(note) <= 300
    assert "pictures/test/confusion" not in shown.names
    assert {"pictures/test/support_size", "pages/test/sentences", "tables/test/results"} <= set(shown.names)
    assert {"plots/support_size.png", "sentences.html"} <= files(tmp_path)


def test_a_page_that_fails_is_said_too(
    learner: MANN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(path: Path, *_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_page", fails)
    with console():
        reported(tmp_path, learner, own(labelled=False), Mirrors({}))
    assert "sentences.html" in capsys.readouterr().err
    assert "answers.txt" in files(tmp_path)


@pytest.mark.parametrize("error", [Interrupted(15), KeyboardInterrupt(), SystemExit(1)])
def test_what_stops_the_command_stops_its_pictures(error: BaseException, tmp_path: Path) -> None:
    def stopped(path: Path) -> None:
        raise error

    with pytest.raises(type(error)):
        attempt(tmp_path / "some.png", stopped)


def test_a_query_without_an_entity_has_a_score_and_no_confusion(learner: MANN, tmp_path: Path) -> None:
    task = own(labelled=False)
    store = FixedEpisodeStore("own", task.sampler.store.episodes, labelled=True)  # type: ignore[union-attr]
    sampler = Sampler(store, FixedSentences(scheme="io"))
    metrics = reported(tmp_path, learner, dataclasses.replace(task, sampler=sampler), Mirrors({}))
    assert metrics["recall"].mean == 0
    assert "plots/confusion.png" not in files(tmp_path)
    json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)


def test_a_dashboard_that_is_not_installed_is_said_once_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(report_module, "is_installed", lambda name: name == "nothing")
    mirrors = mirrors_of(LoggerSettings(), tmp_path, {})
    mirrors.scalars(1, {"train/loss": 1.0})
    mirrors.close()
    (record,) = caplog.records
    for part in ("wandb and tensorboard", 'pip install "metamann[dashboards]"', "logger.wandb=false"):
        assert part in record.getMessage()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_offline_runs_is_no_installed_dashboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "offline_runs").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed("offline_runs")
    assert is_installed("json")
    assert not is_installed("no_such_package")

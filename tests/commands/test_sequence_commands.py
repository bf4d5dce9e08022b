"""Tasks on sequences through the same commands: train, resume, evaluate, and what a user can do wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commandline import At, Ended, killed, metrics, run, same_tensors

SAVE = "metamann.training.checkpoint.Checkpoint.save"
LAST = Path("checkpoints/last.pt")
SMALL = [
    "memory=lrua", "memory.slots=6", "memory.hidden=8", "trainer.steps=4", "trainer.batch_size=2",
    "trainer.validate_every=2", "trainer.log_every=1", "trainer.save_every_seconds=0", "validation.episodes=5",
    "logger.wandb=false", "logger.tensorboard=false",
]  # fmt: skip
COPY = ["experiment=copy", "protocol.lengths=[1,3]", *SMALL]
QUIET = ["episodes=6", "logger.wandb=false", "logger.tensorboard=false"]


def results(ended: Ended) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ended.run_directory / "results.json").read_text())
    return content


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A whole run on the copy task."""
    return run("train", *COPY, cwd=tmp_path_factory.mktemp("copied"))


def test_a_run_leaves_its_whole_directory_behind(trained: Ended) -> None:
    directory = trained.run_directory
    files = {file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()}
    assert files >= {
        ".hydra/config.yaml", "metrics.jsonl", "checkpoints/last.pt", "checkpoints/best.pt", "results.json",
        "results.md", "tasks.npz", "plots/training.png", "plots/sequence.png",
    }  # fmt: skip
    lines = metrics(directory)
    assert [(line["kind"], line["step"]) for line in lines] == [
        ("train", 1), ("train", 2), ("validation", 2), ("train", 3), ("train", 4), ("validation", 4),
    ]  # fmt: skip
    best = [line for line in lines if line.get("best")][-1]
    found = results(trained)
    assert found["protocol"].items() >= {"name": "copy", "lengths": [1, 3], "split": "val"}.items()
    assert list(found["metrics"]) == ["accuracy", "sequences_right", "bits_per_sequence"]
    assert found["metrics"]["bits_per_sequence"]["mean"] == pytest.approx(best["bits_per_sequence"])
    assert "bits_per_sequence, in bits" in (directory / "results.md").read_text()


def test_a_run_that_was_killed_goes_on_to_the_very_same_end(trained: Ended, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    options = [*COPY, f"hydra.run.dir={directory}"]
    assert run("train", *options, cwd=tmp_path / "first", sabotage=At(SAVE, 4, killed)).status == -9
    assert run("train", f"resume={directory}", cwd=tmp_path / "second").run_directory == directory
    assert metrics(directory) == metrics(trained.run_directory)
    assert same_tensors(directory / LAST, trained.run_directory / LAST)


def test_it_is_evaluated_on_longer_sequences_than_it_was_trained_on(trained: Ended, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={trained.run_directory}"
    own = results(run("evaluate", checkpoint, *QUIET, cwd=tmp_path / "own"))
    longer = results(run("evaluate", checkpoint, "protocol.lengths=[7,7]", *QUIET, cwd=tmp_path / "longer"))
    assert own["protocol"].items() >= {"lengths": [1, 3], "split": "test"}.items()
    assert longer["protocol"]["lengths"] == [7, 7]
    assert longer["episodes"] == 6
    assert longer["tasks_sha256"] != own["tasks_sha256"]
    # untrained, every bit of an answer costs about one
    assert longer["metrics"]["bits_per_sequence"]["mean"] == pytest.approx(7 * 8, rel=0.2)


@pytest.mark.parametrize("task", ["repeat_copy", "associative_recall"])
def test_the_other_tasks_run_too_and_without_a_memory(task: str, tmp_path: Path) -> None:
    shared = [each for each in SMALL if not each.startswith("memory")]
    ended = run("train", f"experiment={task}", "memory=none", "memory.hidden=8", *shared, cwd=tmp_path)
    assert results(ended)["protocol"]["name"] == task
    assert (ended.run_directory / "plots" / "sequence.png").is_file()


WRONG = [
    (["experiment=copy", *SMALL, "protocol.lengths=[0,3]"], "protocol.lengths"),
    (["experiment=copy", *SMALL, "protocol.items=3"], "items"),
    (["experiment=copy", *SMALL, "train_protocol.width=3"], "width"),
    (["experiment=copy", "memory=keyvalue"], "ntm"),
    (["experiment=copy", *SMALL, "data=strokes"], "experiment=copy"),
    (["experiment=copy", *SMALL, "protocol=nway"], "choose data="),
    (
        ["experiment=copy", *SMALL, "+train_protocol._target_=metamann.episodes.items.protocols.NWayKShot"],
        "leave out train_protocol=",
    ),
    (["protocol=copy"], "experiment=copy"),
]


@pytest.mark.parametrize(("overrides", "names"), WRONG, ids=[" ".join(each[-1:]) for each, _ in WRONG])
def test_a_mistake_in_training_is_one_line_that_names_it(overrides: list[str], names: str, tmp_path: Path) -> None:
    assert names in run("train", *overrides, cwd=tmp_path).error


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["protocol=nway"], "choose one of copy"),
        (["protocol=associative_recall", "protocol.width=7"], "best.pt"),
        (["data=strokes"], "data="),
        (["data.size=3"], "data"),
        (["tasks=/some.npz"], "/some.npz"),
        (["split=nonsense"], "train, val or test"),
    ],
)
def test_a_mistake_in_evaluation_is_one_line_that_names_it(
    overrides: list[str], names: str, trained: Ended, tmp_path: Path
) -> None:
    assert names in run("evaluate", f"checkpoint={trained.run_directory}", *QUIET, *overrides, cwd=tmp_path).error

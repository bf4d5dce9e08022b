"""`metamann-compare` as its users run it: runs and sweeps on one task list, and refusals of what cannot be compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commandline import At, Ended, killed, run
from messages import names
from toy_folder import CLASSES, DRAWINGS, draw_folder

from metamann.training.checkpoint import load_checkpoint

SHORT = ["episodes=30"]


@pytest.fixture(scope="module")
def sweep(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training seeds of a learner without memory."""
    cwd = tmp_path_factory.mktemp("sweep")
    ended = run(
        "train", "-m", *tiny, "memory=none", "memory.hidden=8", "seed=0,1", f"hydra.sweep.dir={cwd}/jobs", cwd=cwd
    )
    assert ended.status == 0, ended.err
    return cwd / "jobs"


def compared(ended: Ended) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ended.run_directory / "comparison.json").read_text())
    return content


def test_runs_seeds_and_other_learners_stand_in_one_table(trained: Ended, sweep: Path, tmp_path: Path) -> None:
    ours = trained.run_directory
    ended = run("compare", f"runs=[{ours},{ours}:linear_head,{ours}:majority,{sweep}]", *SHORT, cwd=tmp_path)
    found = compared(ended)
    rows = {row["name"]: row for row in found["learners"]}
    assert list(rows) == ["KeyValue", "linear_head", "majority", "no memory, lstm"]
    assert [len(row["by_seed"]) for row in rows.values()] == [1, 1, 1, 2]
    assert rows["KeyValue"]["difference"] is None
    # ours has seed 0 alone, and is compared with that of the others
    for row in list(rows.values())[1:]:
        assert row["difference"]["mean"] == pytest.approx(row["by_seed"][0] - rows["KeyValue"]["score"]["mean"])
    assert rows["no memory, lstm"]["training episodes"] == 12
    assert rows["linear_head"]["ms to answer"] > 0
    assert (found["episodes"], found["metric"], found["protocol"]["split"]) == (30, "accuracy", "test")
    files = {file.relative_to(ended.run_directory).as_posix() for file in ended.run_directory.rglob("*.*")}
    assert files >= {"comparison.md", "comparison.csv", "comparison.tex", "plots/comparison.png", "tasks.npz"}
    assert (ended.run_directory / "comparison.md").read_text() in ended.out


def test_runs_that_were_trained_in_another_way_are_not_averaged(
    trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    other = run("train", *tiny, "seed=1", "trainer.weight_decay=0.5", cwd=tmp_path / "other").run_directory
    ended = run("compare", f"runs=[{trained.run_directory},{other}]", *SHORT, cwd=tmp_path)
    rows = compared(ended)["learners"]
    assert [row["name"] for row in rows] == [
        "KeyValue, trainer.weight_decay=0.0001",
        "KeyValue, trainer.weight_decay=0.5",
    ]
    assert [len(row["by_seed"]) for row in rows] == [1, 1]


def test_training_is_counted_to_its_end_and_no_further(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    # killed before its end: what it was given, not what was planned
    stopped = tmp_path / "stopped"
    save = At("metamann.training.checkpoint.Checkpoint.save", 6, killed)
    options = [*tiny, "memory=prototypes", f"hydra.run.dir={stopped}"]
    assert run("train", *options, cwd=tmp_path / "train", sabotage=save).status == -9
    last = load_checkpoint(stopped / "checkpoints" / "last.pt")
    assert 0 < last.step < 6
    rows = compared(run("compare", f"runs=[{trained.run_directory},{stopped}]", *SHORT, cwd=tmp_path))["learners"]
    assert [row["training episodes"] for row in rows] == [12, 2 * last.step]
    assert rows[0]["training seconds"] == round(
        load_checkpoint(trained.run_directory / "checkpoints" / "last.pt").seconds
    )


def test_a_sweep_with_a_job_that_failed_is_refused(sweep: Path, trained: Ended, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    shutil.copytree(sweep, jobs)
    shutil.rmtree(jobs / "1" / "checkpoints")
    ended = run("compare", f"runs=[{trained.run_directory},{jobs}]", *SHORT, cwd=tmp_path)
    assert ended.status == 2
    assert "1 of the sweep has no checkpoint" in ended.err.splitlines()[-1]


def test_other_data_are_refused(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    other = tmp_path / "toy" / "images"
    draw_folder(other, CLASSES, DRAWINGS, seed=5)
    options = [f"data.path={other}" if each.startswith("data.path") else each for each in tiny]
    run_directory = run("train", *options, "memory=prototypes", cwd=tmp_path / "other").run_directory
    ended = run("compare", f"runs=[{trained.run_directory},{run_directory}]", *SHORT, cwd=tmp_path)
    assert ended.status == 2
    assert "have different data or tasks; name one data= for all" in ended.err.splitlines()[-1]


def test_a_score_is_that_of_metamann_evaluate(trained: Ended, sweep: Path, tmp_path: Path) -> None:
    ended = run("compare", f"runs=[{trained.run_directory},{sweep}]", *SHORT, cwd=tmp_path / "compare")
    alone = run(
        "evaluate", f"checkpoint={trained.run_directory}", *SHORT, "logger.wandb=false", "logger.tensorboard=false",
        cwd=tmp_path / "evaluate",
    )  # fmt: skip
    results = json.loads((alone.run_directory / "results.json").read_text())
    assert compared(ended)["tasks_sha256"] == results["tasks_sha256"]
    assert compared(ended)["learners"][0]["score"]["mean"] == pytest.approx(results["metrics"]["accuracy"]["mean"])


def test_another_metric_of_a_stream(trained: Ended, sweep: Path, tmp_path: Path) -> None:
    arguments = [f"runs=[{trained.run_directory},{sweep}]", "metric=accuracy/instance_2", *SHORT]
    assert compared(run("compare", *arguments, cwd=tmp_path))["metric"] == "accuracy/instance_2"


def test_different_protocols_are_refused_and_one_for_all_is_taken(
    trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    other = run("train", *tiny, "protocol.ways=2", "memory=prototypes", cwd=tmp_path / "other").run_directory
    both = f"runs=[{trained.run_directory},{other}]"
    refused = run("compare", both, *SHORT, cwd=tmp_path / "refused")
    assert refused.status == 2
    assert "ways 3 and 2" in refused.err.splitlines()[-1]
    ended = run("compare", both, "protocol.ways=2", *SHORT, cwd=tmp_path / "one")
    assert compared(ended)["protocol"]["ways"] == 2


@pytest.mark.parametrize(
    ("runs", "parts"),
    [
        ("[{run}]", ("runs=", "two runs or more")),
        ("[{run},{run}]", ("two runs of KeyValue", "one training seed", "same settings")),
        ("[{run},{run}:best]", ("no adapter=best",)),
        ("[{run},nowhere]", ("no checkpoint nowhere",)),
        ("[{run},{run}/plots]", ("/plots", "no runs")),
    ],
)
def test_what_cannot_be_compared_is_one_line(runs: str, parts: tuple[str, ...], trained: Ended, tmp_path: Path) -> None:
    ended = run("compare", f"runs={runs.format(run=trained.run_directory)}", *SHORT, cwd=tmp_path)
    assert ended.status == 2
    assert names(ended.err.splitlines()[-1], *parts)

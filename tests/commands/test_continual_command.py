"""`metamann-continual` as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import Ended, run

SHORT = ["tasks=3", "classes=1", "shots=3", "queries=3", "episodes=4"]


def test_learners_are_taught_task_after_task(trained: Ended, tmp_path: Path) -> None:
    ours = trained.run_directory
    ended = run("continual", f"runs=[{ours},{ours}:linear_head,{ours}:finetuned]", *SHORT, cwd=tmp_path)
    record = json.loads((ended.run_directory / "continual.json").read_text())
    learners = record["learners"]
    assert list(learners) == ["KeyValue", "linear_head", "finetuned"]
    # one class alone is always right
    assert all(found["first_task"][0] == 1 for found in learners.values())
    for found in learners.values():
        assert found["backward_transfer"]["mean"] == pytest.approx(-found["forgetting_avalanche"]["mean"])
        assert len(found["first_task"]) == 3
    assert record["protocol"]["ways"] == 3
    assert (ended.run_directory / "plots" / "forgetting.png").is_file()
    assert (ended.run_directory / "plots" / "matrices.png").is_file()
    assert (ended.run_directory / "continual.md").read_text() in ended.out


def test_other_sequences_are_refused_and_one_width_of_codes_is_taken(
    trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    wider = run("train", *tiny, "memory=prototypes", "protocol.codes.width=7", cwd=tmp_path / "wider").run_directory
    runs = f"runs=[{trained.run_directory},{wider}]"
    refused = run("continual", runs, *SHORT, cwd=tmp_path / "refused")
    assert refused.status == 2
    assert "the runs are judged on different tasks (codes" in refused.err.splitlines()[-1]
    ended = run("continual", runs, "protocol.codes.width=7", *SHORT, cwd=tmp_path / "one")
    assert list(json.loads((ended.run_directory / "continual.json").read_text())["learners"]) == [
        "KeyValue",
        "Prototype",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs=[{run},{run}]", *SHORT], "two runs are called KeyValue"),
        (["runs=[{run}]", "tasks=1"], "tasks=1 must be at least 2"),
        (["runs=[{run}]", "tasks=20"], "100-way episodes need 100 classes"),
        (["runs=[]", *SHORT], "runs= needs a run or more"),
    ],
)
def test_what_cannot_be_taught_is_one_line(arguments: list[str], message: str, trained: Ended, tmp_path: Path) -> None:
    ended = run("continual", *(each.format(run=trained.run_directory) for each in arguments), cwd=tmp_path)
    assert ended.status == 2
    assert message in ended.err.splitlines()[-1]

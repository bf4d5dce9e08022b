"""The largest seed works from the data to the report, and after a resume."""

from __future__ import annotations

import json
from pathlib import Path

from commandline import run

from metamann.errors import LARGEST_SEED

SEEDS = [f"seed={LARGEST_SEED}", f"data.seed={LARGEST_SEED}"]
OPTIONS = ["episodes=5", "logger.wandb=false", "logger.tensorboard=false"]


def test_the_largest_seed_works_everywhere(tiny: list[str], tmp_path: Path) -> None:
    directory = run("train", *tiny, *SEEDS, "trainer.steps=3", cwd=tmp_path / "train").run_directory
    run("train", f"resume={directory}", "trainer.steps=6", cwd=tmp_path / "resume")
    here = {"evaluate": f"checkpoint={directory}", "compare": f"runs=[{directory},{directory}:linear_head]"}
    seeds = []
    for command, where in here.items():
        options = OPTIONS if command == "evaluate" else OPTIONS[:1]
        ended = run(command, where, SEEDS[0], *options, cwd=tmp_path / command).run_directory
        file = "results.json" if command == "evaluate" else "comparison.json"
        seeds.append(json.loads((ended / file).read_text())["seed"])
    assert seeds == [LARGEST_SEED] * 2
    saved = tmp_path / "evaluate"
    tasks = next(saved.rglob("tasks.npz"))
    again = run("evaluate", here["evaluate"], f"tasks={tasks}", *OPTIONS, cwd=tmp_path / "again").run_directory
    assert json.loads((again / "results.json").read_text())["seed"] == LARGEST_SEED

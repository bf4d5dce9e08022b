"""The example of a plug-in, installed without a change to metamann, by the commands and calls of everything else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from messages import names

ROOT = Path(__file__).parents[2]
SEARCH = "hydra.searchpath=[pkg://metamann_series.conf]"
FEW = [
    "trainer.steps=4", "trainer.batch_size=2", "trainer.validate_every=2", "validation.episodes=6",
    "logger.wandb=false", "logger.tensorboard=false",
]  # fmt: skip
WAVES = ["train", SEARCH, "experiment=waves_5way_1shot", *FEW]
PYTHON = """
import metamann
from metamann.errors import MetamannError
from metamann_series.waves import waves

changes = {"trainer.steps": 2, "logger.wandb": False, "logger.tensorboard": False, "validation.episodes": 4}
search = {"hydra.searchpath": ["pkg://metamann_series.conf"]}
run = metamann.train(metamann.settings("waves_5way_1shot", **search, **changes), "python")
assert run.evaluate(metamann.EvaluationSettings(episodes=10), "python_evaluated").score > 0.5

store = waves(noise=0.1).test
first, second = store.images_of(0), store.images_of(1)
model = metamann.load("memory")
task = model.adapt({"up": list(first[:3]), "down": second[:3].tolist()})
assert [answer.label for answer in task.predict([first[5], second[5]])] == ["up", "down"]
assert task.predict(first[6].numpy()).label == "up"
task.add({"new": store.images_of(2)[:2]})
task.forget("down")
assert task.labels == ("up", "new")
task.save("waves.task")
assert metamann.load_task("waves.task", model).predict(first[5]) == task.predict(first[5])
model.save("waves.safetensors")
again = metamann.load("waves.safetensors").adapt({"up": list(first[:3]), "down": second[:3].tolist()})
assert again.predict(first[5]).label == "up"
try:
    task.predict(first[5][:, :7])
except MetamannError as error:
    assert "a series must be 2 x 32 finite numbers" in str(error)
else:
    raise AssertionError
"""
UNFIT = """
import metamann
from metamann.errors import ConfigError

search = {"hydra.searchpath": ["pkg://metamann_series.conf"]}
try:
    metamann.train(metamann.settings("waves_5way_1shot", **search, encoder="conv", **{"encoder.size": 28}), "waves")
except ConfigError as error:
    message = str(error)
    assert "encoder=conv is for images" in message and "(time series)" in message, message
else:
    raise AssertionError
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a copy of the plug-in is installed; nothing is fetched."""
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(ROOT / "examples" / "plugin", source, ignore=shutil.ignore_patterns("__pycache__", "build"))
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", site, source], check=True)
    return site


def in_turn(site: Path, cwd: Path, entries: list[list[str] | str]) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, Path(__file__).with_name("in_turn.py"), json.dumps(entries)]
    environment = {**os.environ, "PYTHONPATH": str(site), "METAMANN_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(program, cwd=cwd, env=environment, capture_output=True, text=True)


def test_a_plugin_trains_evaluates_compares_audits_adapts_and_saves(site: Path, tmp_path: Path) -> None:
    ended = in_turn(
        site,
        tmp_path,
        [
            [*WAVES, "hydra.run.dir=memory"],
            [*WAVES, "learner=prototypical", "hydra.run.dir=learner"],
            ["train", SEARCH, *FEW, "data=waves", "encoder=conv1d", "memory=gaussian", "hydra.run.dir=stream"],
            ["train", "resume=memory", "trainer.steps=6"],
            ["evaluate", "checkpoint=memory", "episodes=10", "hydra.run.dir=evaluated"],
            ["compare", "runs=[memory,learner]", "episodes=10", "hydra.run.dir=compared"],
            ["audit", "checkpoint=memory", "episodes=40", "answered=20", "hydra.run.dir=audited"],
            PYTHON,
            UNFIT,
        ],
    )
    assert ended.returncode == 0, ended.stderr
    scores = json.loads((tmp_path / "evaluated" / "results.json").read_text())["metrics"]
    assert scores["accuracy"]["mean"] > 0.5
    findings = json.loads((tmp_path / "audited" / "audit.json").read_text())["findings"]
    assert [each for each in findings if each["outcome"] == "fail"] == []


def test_a_plugin_that_cannot_be_imported_is_named_in_one_line(tmp_path: Path) -> None:
    described = tmp_path / "broken-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[metamann.plugins]\nmodality.none = no_such_module:Nothing\n")
    ended = in_turn(tmp_path, tmp_path, [["train", *FEW]])
    (error,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert names(error, "error: ", "modality.none (no_such_module:Nothing)", "cannot be imported")
    assert "Traceback" not in ended.stderr

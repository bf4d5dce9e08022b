"""Rows of features from training to answers, by the commands and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import metamann
from metamann.application.run import Run
from metamann.errors import MetamannError

WIDTH, CLASSES, EACH = 6, 25, 8
FEW = {
    "trainer.steps": 4, "trainer.batch_size": 2, "trainer.validate_every": 2, "validation.episodes": 6,
    "data.shares": [0.4, 0.3, 0.3], "logger.wandb": False, "logger.tensorboard": False,
}  # fmt: skip


def saved_rows(path: Path, seed: int, width: int = WIDTH) -> Path:
    """Classes far apart, in columns of unlike scale."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), EACH)
    rows = rng.normal(0, 3, (CLASSES, width))[labels] + rng.normal(0, 0.3, (CLASSES * EACH, width))
    np.savez(path, X=(rows * 10.0 ** np.arange(width) + 50).astype(np.float32), y=labels)
    return path


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_rows(tmp_path_factory.mktemp("rows") / "rows.npz", 0)


@pytest.fixture(scope="module")
def run(rows_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = metamann.settings("vectors_5way_1shot", **{"data.path": str(rows_file), **FEW})
    return metamann.train(settings, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def mlp_run(rows_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    changes = {"data.path": str(rows_file), "encoder": "mlp", "memory": "keyvalue", **FEW}
    return metamann.train(metamann.settings("vectors_5way_1shot", **changes), tmp_path_factory.mktemp("mlp"))


def test_width_and_scaling_are_saved_with_the_run(run: Run, mlp_run: Run) -> None:
    assert run.parts.nodes["encoder"]["features"] == WIDTH
    assert mlp_run.parts.nodes["encoder"]["in_features"] == WIDTH
    train = run.parts.data(run.modality).train.items.double()
    for each in (run, mlp_run):
        weights = each.checkpoint.learner
        torch.testing.assert_close(weights["encoder.scaling.mean"].double(), train.mean(0))
        torch.testing.assert_close(weights["encoder.scaling.scale"].double(), train.std(0, correction=0))


def test_a_run_is_evaluated_on_its_own_and_on_other_files(run: Run, tmp_path: Path) -> None:
    assert run.evaluate(metamann.EvaluationSettings(episodes=20), tmp_path / "own").score > 0.8
    data = metamann.choice("data", "vectors", path=str(saved_rows(tmp_path / "other.npz", 1)), shares=[0, 0, 1])
    found = run.evaluate(metamann.EvaluationSettings(episodes=20, data=data), tmp_path / "other")
    assert found.score > 0.8
    assert json.loads((found.directory / "results.json").read_text())["metrics"]


def test_rows_of_another_width_are_refused(run: Run, tmp_path: Path) -> None:
    other = saved_rows(tmp_path / "wide.npz", 1, WIDTH + 1)
    settings = metamann.EvaluationSettings(episodes=20, data=metamann.choice("data", "vectors", path=str(other)))
    with pytest.raises(MetamannError, match="rows have 7 numbers, but the encoder was built for 6"):
        run.evaluate(settings, tmp_path / "refused")
    wrong = metamann.settings("vectors_5way_1shot", **{"data.path": str(other), "encoder.features": 6, **FEW})
    with pytest.raises(MetamannError, match=r"encoder\.features=6, but rows have 7 numbers"):
        metamann.train(wrong, tmp_path / "never")


def test_runs_are_compared_taught_and_audited(run: Run, mlp_run: Run, tmp_path: Path) -> None:
    rows = run.compare(mlp_run.path, settings=metamann.ComparisonSettings(episodes=20), directory=tmp_path / "compare")
    assert len(rows) == 2
    course = metamann.ContinualSettings(episodes=2, tasks=2, classes=2, shots=2, queries=2)
    assert run.continual(course, tmp_path / "continual")
    findings = run.audit(metamann.AuditSettings(episodes=40, answered=20), tmp_path / "audit")
    assert [finding for finding in findings if finding.outcome == "fail"] == []


@pytest.mark.parametrize("adapter", ["linear_head", "finetuned", "majority", "blind"])
def test_adapters_take_rows(run: Run, adapter: str, tmp_path: Path) -> None:
    settings = metamann.EvaluationSettings(episodes=4, adapter=adapter)
    assert 0 <= run.evaluate(settings, tmp_path / adapter).score <= 1


def test_a_model_of_rows_is_adapted_saved_and_opened(run: Run, rows_file: Path, tmp_path: Path) -> None:
    rows = np.load(rows_file)["X"]
    model = metamann.load(run.directory)
    task = model.adapt({"a": rows[:2], "b": rows[EACH : EACH + 2]})
    answers = task.predict(rows[[3, EACH + 3]])
    assert [answer.label for answer in answers] == ["a", "b"]
    model.save(tmp_path / "model.safetensors")
    opened = metamann.load(tmp_path / "model.safetensors").adapt({"a": rows[:2], "b": rows[EACH : EACH + 2]})
    assert opened.predict(rows[[3, EACH + 3]]) == answers


def test_what_data_say_of_a_null_counts_when_a_run_is_resumed(run: Run, tmp_path: Path) -> None:
    encoder = dict(run.checkpoint.config["encoder"])
    metamann.resume(run.directory, {"encoder": {**encoder, "features": None}}, directory=tmp_path / "same")
    protocol = {**run.checkpoint.config["protocol"], "shots": None}  # no data say how many shots
    with pytest.raises(MetamannError, match=r"protocol"):
        metamann.resume(run.directory, {"protocol": protocol}, directory=tmp_path / "other")


def test_a_run_is_resumed_by_a_path_from_here(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metamann.resume(run.directory, directory=tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    assert metamann.resume("copy", {"trainer.steps": 6}).directory == tmp_path / "copy"


def test_a_run_goes_on_when_it_is_resumed(run: Run, tmp_path: Path) -> None:
    resumed = metamann.resume(run.directory, {"trainer.steps": 6}, directory=tmp_path / "copy")
    assert resumed.checkpoint.config["encoder"]["features"] == WIDTH
    assert resumed.checkpoint.fingerprints == run.checkpoint.fingerprints

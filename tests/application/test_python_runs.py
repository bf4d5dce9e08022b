"""Runs that are trained from Python: in threads, stopped by their host, gone on with."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import metamann
from metamann.application.caller import Caller
from metamann.errors import ConfigError, MetamannError
from metamann.training.loop import Interrupted


def settings(**changes: Any) -> metamann.TrainSettings:
    small = {
        "data.alphabets": [3, 1, 1], "data.characters": 12, "data.drawings": 8, "encoder.channels": 8,
        "encoder.dropout": 0.2, "protocol": "nway", "protocol.ways": 3, "protocol.queries": 2, "trainer.steps": 4,
        "trainer.batch_size": 2, "trainer.validate_every": 2, "validation.episodes": 4, "logger.wandb": False,
        "logger.tensorboard": False,
    }  # fmt: skip
    return metamann.settings(**{**small, **changes})


def weights(directory: Path) -> dict[str, torch.Tensor]:
    content = torch.load(directory / "checkpoints" / "last.pt", weights_only=True)
    return dict(content["learner"])


def same(first: Path, second: Path) -> bool:
    ours, theirs = weights(first), weights(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def near(first: Path, second: Path) -> bool:
    """Whether two runs differ by rounding alone: threads share the cores, which changes the order of sums."""
    ours, theirs = weights(first), weights(second)
    return ours.keys() == theirs.keys() and all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped, to be left as it is."""
    return metamann.train(settings(), tmp_path_factory.mktemp("whole") / "run").directory


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_two_runs_in_two_threads_do_not_meet(tmp_path: Path) -> None:
    seeds, handlers = (1, 2), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    state, arguments = torch.random.get_rng_state(), list(sys.argv)
    for seed in seeds:
        metamann.train(settings(seed=seed), tmp_path / f"alone{seed}")
    with ThreadPoolExecutor(2) as pool:
        together = [pool.submit(metamann.train, settings(seed=seed), tmp_path / f"beside{seed}") for seed in seeds]
        assert all(run.result().score >= 0 for run in together)
    for seed in seeds:
        assert near(tmp_path / f"alone{seed}", tmp_path / f"beside{seed}")
        assert not near(tmp_path / f"alone{seed}", tmp_path / f"beside{3 - seed}")
        said = (tmp_path / f"beside{seed}" / "train.log").read_text()
        assert f"beside{seed}" in said
        assert f"beside{3 - seed}" not in said
    assert not same(tmp_path / "alone1", tmp_path / "alone2")
    # the host is as it was
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert torch.equal(torch.random.get_rng_state(), state)
    assert sys.argv == arguments


def test_a_run_that_its_host_stops_goes_on_as_if_it_never_was(whole: Path, tmp_path: Path) -> None:
    asked = itertools.count()
    with pytest.raises(Interrupted):
        metamann.train(settings(), tmp_path / "stopped", caller=Caller(should_stop=lambda: next(asked) >= 2))
    assert not same(whole, tmp_path / "stopped")
    run = metamann.resume(tmp_path / "stopped")
    assert same(whole, tmp_path / "stopped")
    assert run.directory == tmp_path / "stopped"


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"memory.hops": 3}, r"memory\.hops=1\b.*cannot change"),
        ({"seed": 5}, r"\bseed=0\b.*cannot change"),
        ({"trainer.batch_size": 4}, r"trainer\.batch_size=2\b.*cannot change"),
        ({"trainer.steps": 1}, "has done 4 already"),
    ],
)
def test_what_makes_another_run_is_refused(changes: dict[str, Any], fix: str, whole: Path, copied: Path) -> None:
    with pytest.raises(MetamannError, match=fix):
        metamann.resume(copied, changes)
    assert same(whole, copied)


def test_what_the_trainer_takes_is_saved(copied: Path) -> None:
    run = metamann.resume(copied, {"trainer.steps": 6, "trainer.weight_decay": 0.0})
    trainer = torch.load(copied / "checkpoints" / "last.pt", weights_only=True)["config"]["trainer"]
    assert (trainer["steps"], trainer["weight_decay"]) == (6, 0.0)
    assert run.score >= 0


def test_a_directory_that_holds_a_run_is_replaced_only_if_asked(copied: Path) -> None:
    with pytest.raises(ConfigError, match="holds a run already"):
        metamann.train(settings(seed=1), copied)
    metamann.train(settings(seed=1), copied, overwrite=True)
    said = (copied / "train.log").read_text()
    assert said.count("parameters,") == 1  # the lines of the run that is gone are gone


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"trainer.steps": "abc"}, r"trainer\.steps=abc .*a whole number"),
        ({"trainer.lr": 0.1}, r"use trainer\.learning_rate="),
        ({"experiment": "nonsense"}, "there is no experiment=nonsense"),
        ({"encoder": "recurrent", "data.size": None}, "recurrent"),
    ],
)
def test_settings_that_cannot_be_are_one_error(tmp_path: Path, wrong: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigError, match=fix):
        metamann.train(metamann.settings(**wrong), tmp_path / "run")


def test_settings_are_typed_and_are_changed_as_any_dataclass() -> None:
    found = settings()
    assert found.trainer.steps == 4
    other = dataclasses.replace(found, seed=7)
    assert (other.seed, found.seed) == (7, 0)
    with pytest.raises(ConfigError, match="seed="):
        dataclasses.replace(found, seed=-1)

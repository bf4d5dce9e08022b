"""`metamann-train encoder_from=RUN`: an encoder that stays as another run taught it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from commandline import At, Ended, killed, run, same_tensors, tensors
from messages import names

BEST, LAST = Path("checkpoints/best.pt"), Path("checkpoints/last.pt")


def test_the_encoder_is_that_of_the_other_run_and_nothing_else_is(
    trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    still = "trainer.learning_rate=1e-30"  # what was copied by mistake would be found as it was
    ended = run("train", *tiny, still, "seed=1", f"encoder_from={trained.run_directory}", cwd=tmp_path)
    ours, theirs = tensors(ended.run_directory / BEST), tensors(trained.run_directory / BEST)
    for name, tensor in theirs.items():
        if name.startswith("/learner/encoder."):
            assert torch.equal(ours[name], tensor)
        elif name.startswith("/learner/memory.") and tensor.dim() > 1:
            assert not torch.allclose(ours[name], tensor)


def test_the_encoder_is_trained_no_further(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    ended = run("train", *tiny, "seed=1", f"encoder_from={trained.run_directory}", cwd=tmp_path)
    ours, theirs = tensors(ended.run_directory / LAST), tensors(trained.run_directory / BEST)
    encoder = [name for name in theirs if name.startswith("/learner/encoder.")]
    assert encoder
    assert all(torch.equal(ours[name], theirs[name]) for name in encoder)


def test_a_run_that_was_killed_goes_on_without_the_other_run(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    other = shutil.copytree(trained.run_directory, tmp_path / "other")
    start, directory = [*tiny, f"encoder_from={other}"], tmp_path / "run"
    whole = run("train", *start, cwd=tmp_path / "whole").run_directory
    at = At("metamann.training.record.Record.train", 4, killed)
    run("train", *start, f"hydra.run.dir={directory}", cwd=tmp_path / "first", sabotage=at)
    shutil.rmtree(other)
    refused = run("train", f"resume={directory}", f"encoder_from={trained.run_directory}", cwd=tmp_path / "refused")
    assert re.search(r"encoder_from=/.*/other\b.*cannot change", refused.error)
    run("train", f"resume={directory}", cwd=tmp_path / "second")
    assert same_tensors(directory / LAST, whole / LAST)


def test_its_settings_are_those_of_the_other_run_which_is_said(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    options = [*tiny, "encoder.channels=4", "trainer.steps=1", f"encoder_from={trained.run_directory}"]
    ended = run("train", *options, cwd=tmp_path)
    (note,) = [line for line in ended.err.splitlines() if "encoder.channels" in line]
    assert names(note, "note: ", "encoder", str(trained.run_directory / BEST), "encoder.channels=8")
    config = torch.load(ended.run_directory / LAST, weights_only=True)["config"]
    assert config["encoder"] == torch.load(trained.run_directory / BEST, weights_only=True)["config"]["encoder"]


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["data.shares=[0.3,0.4,0.3]", "protocol.ways=2"], "was trained on other data"),
        (["learner=anil"], "encoder_from= is for learners that keep an encoder"),
        (["encoder_from=/nowhere"], "there is no checkpoint /nowhere"),
    ],
)
def test_what_may_not_be_taken_is_refused(
    overrides: list[str], names: str, trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    assert names in run("train", *tiny, f"encoder_from={trained.run_directory}", *overrides, cwd=tmp_path).error


def test_a_run_without_an_encoder_of_its_own_is_refused(tiny: list[str], tmp_path: Path) -> None:
    anil = run("train", *tiny, "learner=anil", "trainer.steps=1", cwd=tmp_path / "anil").run_directory
    assert "holds no trained encoder" in run("train", *tiny, f"encoder_from={anil}", cwd=tmp_path).error

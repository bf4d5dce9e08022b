"""`metamann-train encoder_from=RUN`: an encoder that stays as another run taught it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commandline import At, Ended, killed, run, same_tensors, tensors

BEST, LAST = Path("checkpoints/best.pt"), Path("checkpoints/last.pt")


def test_the_encoder_is_that_of_the_other_run_and_nothing_else_is(
    trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    ended = run("train", *tiny, "seed=1", f"encoder_from={trained.run_directory}", cwd=tmp_path)
    ours, theirs = tensors(ended.run_directory / BEST), tensors(trained.run_directory / BEST)
    for name, tensor in theirs.items():
        if name.startswith("/learner/encoder."):
            assert torch.equal(ours[name], tensor)
        elif name.startswith("/learner/memory.") and tensor.dim() > 1:
            assert not torch.allclose(ours[name], tensor)


def test_a_run_that_was_killed_goes_on_from_what_it_had_itself(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    start, directory = [*tiny, f"encoder_from={trained.run_directory}"], tmp_path / "run"
    whole = run("train", *start, cwd=tmp_path / "whole").run_directory
    at = At("metamann.training.record.Record.train", 4, killed)
    run("train", *start, f"hydra.run.dir={directory}", cwd=tmp_path / "first", sabotage=at)
    run("train", f"resume={directory}", cwd=tmp_path / "second")
    assert same_tensors(directory / LAST, whole / LAST)


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["encoder.channels=4"], "another encoder than this configuration builds"),
        (["data.shares=[0.3,0.4,0.3]", "protocol.ways=2"], "was trained on other data"),
        (["learner=anil"], "encoder_from= is for learners that keep an encoder"),
        (["encoder_from=/nowhere"], "there is no checkpoint /nowhere"),
    ],
)
def test_what_may_not_be_taken_is_refused(
    overrides: list[str], names: str, trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    assert names in run("train", *tiny, f"encoder_from={trained.run_directory}", *overrides, cwd=tmp_path).error

"""A learner that carries its memory from stream to stream is trained by the outer loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from metamann.data.store import ClassStore
from metamann.learners.adapters.carried import Carried
from metamann.learners.mann import MANN
from metamann.training.checkpoint import load_checkpoint


def test_a_carried_learner_is_trained_and_its_checkpoint_is_that_of_the_learner_inside(
    make_mann: Callable[..., MANN], toy_store: ClassStore, meta_trained: Callable[..., Any]
) -> None:
    carried, alone = make_mann("lrua"), make_mann("lrua")
    before = [parameter.detach().clone() for parameter in carried.parameters()]
    run = meta_trained(Carried(carried), toy_store, steps=6)
    meta_trained(alone, toy_store, steps=6)
    assert all(not torch.equal(old, new) for old, new in zip(before, carried.parameters(), strict=True))
    # what the streams before left behind takes part
    assert any(not torch.equal(*pair) for pair in zip(alone.parameters(), carried.parameters(), strict=True))

    saved = load_checkpoint(run.directory / "checkpoints" / "last.pt")
    opened = make_mann("lrua")
    opened.load_state_dict(saved.learner)
    assert all(torch.equal(*pair) for pair in zip(opened.parameters(), carried.parameters(), strict=True))

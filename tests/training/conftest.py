"""Training runs of a second: classes that can be told apart, tiny learners, one call to meta-train."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.items.protocols import EpisodeProtocol, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.learners.mann import MANN
from metamann.memory.pairs.keyvalue import KeyValueMemory
from metamann.training.checkpoint import Checkpoint
from metamann.training.dashboards import Mirrors
from metamann.training.loop import TrainerConfig
from metamann.training.record import Record
from metamann.training.session import run_session

FAST: dict[str, Any] = {
    "steps": 6, "batch_size": 4, "warmup_steps": 2, "learning_rate": 3e-3, "validate_every": 3, "log_every": 1,
    "save_every_seconds": 0.0, "device": "cpu", "precision": "fp32",
}  # fmt: skip


class Trained(NamedTuple):
    """A run that has ended.

    Attributes:
        learner: as training left it.
        directory: of the run.
    """

    learner: MANN
    directory: Path

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Lines of this kind in the record."""
        found = [json.loads(line) for line in (self.directory / "metrics.jsonl").read_text().splitlines()]
        return [line for line in found if line["kind"] == kind]


@pytest.fixture(scope="session")
def toy_store() -> ClassStore:
    """Ninety classes of ten noisy 16 x 16 images of one pattern each: the noise hides the pattern from raw features.

    With fewer classes to learn from, what training reaches depends on how the machine rounds.
    """
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2, (90, 1, 1, 8, 8)).repeat(2, -1).repeat(2, -2) * 255.0
    images = np.clip(patterns + rng.normal(0, 80, (90, 10, 1, 16, 16)), 0, 255).astype(np.uint8)
    names = [f"class{number}" for number in range(90)]
    return ClassStore.from_classes("toy", [torch.from_numpy(each) for each in images], names, ["all"] * 90)


@pytest.fixture
def make_toy_learner() -> Callable[..., MANN]:
    """A small key-value learner, the same each time."""

    def make(channels: int = 8, dropout: float = 0.0) -> MANN:
        torch.manual_seed(0)
        encoder = ConvEncoder(size=16, channels=channels, dropout=dropout)
        return MANN(encoder, KeyValueMemory(encoder.features, 5), 5)

    return make


@pytest.fixture
def meta_trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trained]:
    """Meta-train in a directory of its own, with the fast settings and the changes given."""

    def run(
        learner: MANN,
        store: ClassStore,
        protocol: EpisodeProtocol | None = None,
        *,
        validate: Callable[[], dict[str, float]] = lambda: {"accuracy": 0.5},
        seed: int = 0,
        sampler: Sampler | None = None,
        directory: Path | None = None,
        resumed: Checkpoint | None = None,
        shield: Callable[[], AbstractContextManager[None]] = nullcontext,
        should_stop: Callable[[], bool] | None = None,
        **settings: Any,
    ) -> Trained:
        config = TrainerConfig(**{**FAST, **settings})
        place = directory or tmp_path_factory.mktemp("run")
        record = Record(place, Mirrors({}), config.steps, config.batch_size)
        dealt = sampler or Sampler(store, protocol or OnlineStream(ways=5, steps=15), seed)
        identity = {"a": 1}, {"train": store.fingerprint}
        run_session(
            learner, dealt, validate, config, record, place / "checkpoints", identity, resumed, shield, should_stop,
            monitor="accuracy",
        )  # fmt: skip
        return Trained(learner, place)

    return run

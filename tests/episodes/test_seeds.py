"""Random numbers: the same for the same episode, others for everything else."""

from __future__ import annotations

import pytest

from metamann.episodes.seeds import CODES, PLAN, Seeds
from metamann.errors import ConfigError


def drawn(fingerprint: str = "data", name: str = "protocol", seed: int = 0, index: int = 0, purpose: int = PLAN) -> int:
    return int(Seeds.of([fingerprint, {"name": name, "ways": 5}], seed).rng(index, purpose).integers(2**62))


def test_the_same_episode_gets_the_same_numbers() -> None:
    assert drawn() == drawn()
    reordered = Seeds.of(["data", {"ways": 5, "name": "protocol"}], 0)
    assert int(reordered.rng(0, PLAN).integers(2**62)) == drawn()


def test_everything_that_names_an_episode_changes_its_numbers() -> None:
    others = [drawn("other"), drawn(name="other"), drawn(seed=1), drawn(index=1), drawn(purpose=CODES)]
    assert len({drawn(), *others}) == 6


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed=-2"):
        Seeds.of(["data"], -2)


def test_without_purposes_there_is_one_stream() -> None:
    seeds = Seeds.of(["data"], 3, purposes=False)
    assert seeds.rng(1, PLAN).random() == seeds.rng(1, CODES).random()

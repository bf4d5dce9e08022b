"""`metamann-audit` as its users run it: on a run, and on samplers and learners of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commandline import Ended, run

OWN = """
import torch
from metamann.data.store import ClassStore
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from torch import nn

PROTOCOL = NWayKShot(ways=5, queries=2)

def store(seed):
    images = torch.randint(0, 256, (9, 6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return ClassStore.from_classes("own", list(images), [f"class{number}" for number in range(9)], [""] * 9)

def sampler(): return Sampler(store(0), PROTOCOL)
def same(): return Sampler(store(0), PROTOCOL, seed=1)
def other(): return Sampler(store(1), PROTOCOL)

class Peeks(nn.Module):
    def forward(self, episode):
        return nn.functional.one_hot(episode.query.labels, 5).float()
"""
SHORT = ["episodes=40", "answered=20"]


def audited(ended: Ended) -> dict[str, str]:
    directory = Path(ended.out.splitlines()[-1].partition(": ")[2])
    content: list[dict[str, Any]] = json.loads((directory / "audit.json").read_text())["findings"]
    assert len((directory / "audit.md").read_text().splitlines()) == 2 + len(content)
    return {each["check"]: each["outcome"] for each in content}


def test_a_run_of_ours_passes(trained: Ended, tmp_path: Path) -> None:
    ended = run("audit", f"checkpoint={trained.run_directory}", *SHORT, cwd=tmp_path)
    assert ended.status == 0, ended.err + ended.out
    assert "fail" not in audited(ended).values()
    assert re.fullmatch(rf"0 of {len(audited(ended))} checks failed, \d+ s", ended.out.splitlines()[-2])


def test_a_run_is_audited_under_another_protocol_and_learner(trained: Ended, tmp_path: Path) -> None:
    ended = run(
        "audit", f"checkpoint={trained.run_directory}", "protocol=nway", "protocol.ways=3", "protocol.queries=3",
        "adapter=rotated", *SHORT, cwd=tmp_path,
    )  # fmt: skip
    assert ended.status == 0, ended.err + ended.out
    assert "queries do not see each other" in audited(ended)


def test_faults_of_ones_own_are_found_and_end_with_status_1(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    ended = run(
        "audit", "make_sampler=own.sampler", "make_test_sampler=own.same", "make_learner=own.Peeks", *SHORT,
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.status == 1, ended.err + ended.out
    failed = {check for check, outcome in audited(ended).items() if outcome == "fail"}
    assert {"tasks of meta-training do not reach what is tested", "labels of the query are not used"} <= failed


def test_a_sound_sampler_of_ones_own_passes(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    ended = run("audit", "make_sampler=own.sampler", "make_test_sampler=own.other", *SHORT, cwd=tmp_path)
    assert ended.status == 0, ended.err + ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either checkpoint=RUN, or make_sampler="),
        (["make_sampler=nothing.here"], "nothing.here cannot be imported"),
        (["make_sampler=own.sampler", "episodes=3"], "episodes=3 must be at least 20"),
        (["checkpoint=nowhere"], "there is no checkpoint"),
    ],
)
def test_what_cannot_be_audited_is_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    assert message in run("audit", *arguments, cwd=tmp_path).error

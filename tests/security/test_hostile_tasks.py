"""Task and model files of strangers are data: each is refused in one line or used, and nothing in it acts."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import Planted
from mutations import mutated_bytes, mutated_data
from open_tasks import models, picture
from torch import Tensor
from watch import findings

from metamann.application.tensor_archive import read_archive, write_archive
from metamann.errors import LONGEST_MESSAGE

MUTATIONS = 150
CLEAN = {
    "pictures": {"cat": [picture(0), picture(1)], "dog": [picture(2)]},
    "sentences": [("o1 Type1x3 .", [(3, 10, "song")]), ("o4 Type1x1 Type2x1", [(3, 10, "song"), (11, 18, "artist")])],
}
# what is changed in a clean file: tensors, and what is said about them
TENSORS: dict[str, dict[str, Tensor]] = {
    "pictures": {
        "examples.labels": torch.tensor([0, 0, 2**62]),
        "examples.items": torch.zeros(3, 1, 2, 2, dtype=torch.uint8),
        "state.0": torch.full((1, 3, 64), torch.inf),
        "state.1": torch.zeros(1, 3, 9),
        "state.2": torch.zeros(1, 10**6, dtype=torch.bool),
        "state.99": torch.zeros(1),
    },
    "sentences": {
        "examples.words": torch.tensor([[0, 0, 2**62], [1, -5, 3]]),
        "examples.spans": torch.tensor([[0, 0, 2**62, 0], [1, 0, 1, -1]]),
        "examples.sizes": torch.tensor([2**62, -(2**62)]),
        "examples.text": torch.full((31,), 255, dtype=torch.uint8),
        "state.0": torch.zeros(1, 0, 16),
    },
}
SAID: dict[str, Any] = {
    "labels": ["../../planted", "/etc/passwd"],
    "weights": "../../planted",
    "model": "https://example.org/x",
    "kind": "model",
    "version": 2**70,
}


def header(said: Mapping[str, Any] | str, entries: Mapping[str, Any]) -> bytes:
    """A file of the format, with whatever entries."""
    text = said if isinstance(said, str) else json.dumps(said)
    content = json.dumps({"__metadata__": {"metamann": text}, **entries}).encode()
    return len(content).to_bytes(8, "little") + content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean files, hostile ones and damaged ones."""
    folder: Path = tmp_path_factory.mktemp("files")
    rng = random.Random(0)
    for kind, (model, _) in models().items():
        clean = folder / f"clean.{kind}.task"
        model.adapt(CLEAN[kind]).save(clean)
        model.save(folder / f"clean.{kind}.model")
        tensors, about = read_archive(clean, "task")
        for name, value in TENSORS[kind].items():
            write_archive(folder / f"{name}.{kind}.task", "task", {**tensors, name: value}, about)
            write_archive(folder / f"{name} alone.{kind}.task", "task", {name: value}, about)
        for name, said in SAID.items():
            write_archive(folder / f"said {name}.{kind}.task", "task", tensors, {**about, name: said})
        for number in range(MUTATIONS):
            for suffix in ("task", "model"):
                content = mutated_bytes((folder / f"clean.{kind}.{suffix}").read_bytes(), rng)
                (folder / f"bytes{number}.{kind}.{suffix}").write_bytes(content)
            said = mutated_data({"kind": "task", "version": 1, **about}, rng)
            entry: Any = {"dtype": "F32", "shape": [1, 2, 3], "data_offsets": [0, 24]}
            content = header(json.dumps(said), {"state.0": mutated_data(entry, rng) if number % 2 else entry})
            (folder / f"data{number}.{kind}.task").write_bytes(content + bytes(24))
    for suffix in ("task", "model"):
        torch.save({"state": Planted(folder.parent / "planted")}, folder / f"pickle.pictures.{suffix}")
        (folder / f"nested.pictures.{suffix}").write_bytes(header("[" * 10**5, {}))
        entry = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}
        (folder / f"huge.pictures.{suffix}").write_bytes(header({"kind": suffix, "version": 1}, {"state.0": entry}))
        (folder / f"long header.pictures.{suffix}").write_bytes(b"\xff" * 8 + b"{}")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """What came of each file, and what was done that must not be."""
    seen = tmp_path_factory.mktemp("watch") / "seen"
    script = Path(__file__).with_name("open_tasks.py")
    command = [sys.executable, str(script), str(folder), str(seen)]
    paths = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=paths)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1]), findings(seen)


def test_every_file_is_refused_in_one_line_or_used(results: Any, folder: Path) -> None:
    found, seen = results
    assert not seen
    assert not (folder.parent / "planted").exists()
    assert found.keys() == {path.name for path in folder.iterdir()}
    assert not {name: each for name, each in found.items() if each.startswith("FAULT")}
    assert max(len(each) for each in found.values()) <= len("refused: ") + LONGEST_MESSAGE
    assert not any("\n" in each for each in found.values())


def test_hostile_files_are_refused(results: Any) -> None:
    found, _ = results
    harmless = ("said labels", "said model")  # names, which nothing looks up
    hostile = {
        name: each
        for name, each in found.items()
        if not name.startswith(("clean", "bytes", "data", *harmless)) and not name.startswith("state.2.pictures")
    }
    assert len(hostile) > 30
    assert not [name for name, each in hostile.items() if each == "used"]

"""`--help` says of every choice in one line what it is, of installed plug-ins and of the user's own folders too."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import run

from metamann.application.choices import COLUMNS, choices, description

ROOT = Path(__file__).parents[2]
FILES = [
    *(file for file in sorted((ROOT / "conf").glob("*/**/*.yaml"))),
    *(file for file in sorted((ROOT / "examples/plugin/metamann_series/conf").glob("*/**/*.yaml"))),
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(file.parts[-2:]))
def test_every_choice_begins_with_what_it_is(file: Path) -> None:
    line = description(file.read_text())
    assert line
    assert not line.startswith("metamann-")


def test_directives_of_hydra_describe_nothing() -> None:
    assert description("# @package _global_\n# a thing\nsize: 1\n") == "a thing"
    assert description("size: 1\n# a comment of a setting\n") == ""


def test_choices_of_other_folders_stand_beside_ours(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "mine.yaml").write_text(f"# {'a long line ' * 20}\nsize: 1\n")
    (tmp_path / "memory" / "plain.yaml").write_text("size: 1\n")
    own = {"schema": "file", "path": str(tmp_path), "provider": "main"}
    ours = {"schema": "pkg", "path": "metamann.conf", "provider": "main"}
    structured = {"schema": "structured", "path": "", "provider": "schema"}
    lines = choices([ours, own, structured]).splitlines()
    assert any(line.startswith("  memory=mine ") and "a long line" in line for line in lines)
    assert "  memory=plain" in [line.rstrip() for line in lines]
    assert any(line.startswith("  memory=lrua ") for line in lines)
    assert max(map(len, lines)) <= COLUMNS


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_lists_the_choices(command: str, tmp_path: Path) -> None:
    ended = run(command, "--help", cwd=tmp_path)
    assert ended.status == 0
    assert "  data=strokes " in ended.out
    assert "seed: 0" in ended.out

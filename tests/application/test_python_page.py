"""The Python of README.md and docs/guides/python.md runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import metamann
from metamann.data.images.strokes import strokes

ROOT = Path(__file__).parents[2]
LONG = "metamann.train("  # of a block that trains


def blocks_of(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def drawings(number: int) -> list[np.ndarray]:
    """Drawings of one character, ink on paper."""
    return [255 - image[0].numpy() for image in strokes((3, 1, 1), 12, 8).test.images_of(number)]


@pytest.fixture
def pictures(working_folder: Path) -> Path:
    """Two known characters of two drawings each, and one new drawing."""
    for number, name in enumerate(("first", "second")):
        for which, drawing in enumerate(drawings(number)[:2]):
            path = working_folder / "pictures" / "known" / name / f"{which}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawing).resize((60, 60)).save(path)
    (working_folder / "pictures" / "new").mkdir()
    Image.fromarray(drawings(0)[2]).save(working_folder / "pictures" / "new" / "one.png")
    return working_folder


def test_own_pictures_and_sentences_take_six_lines(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = [block for block in blocks_of("README.md") if "adapt(" in block]
    assert len(own) == 2
    for block in own:
        assert len([line for line in block.splitlines() if line.strip()]) <= 6
        exec(block, {})
    said = capsys.readouterr().out
    assert "Prediction(label=" in said
    assert "[" in said


def test_the_page_runs(working_folder: Path) -> None:
    names: dict[str, Any] = {
        "first_cat": drawings(0)[0], "second_cat": drawings(0)[1], "first_dog": drawings(1)[0],
        "first_bird": drawings(2)[0],
    }  # fmt: skip
    for block in blocks_of("docs/guides/python.md"):
        if LONG not in block:
            exec(block, names)
    assert names["task"].labels == ("cat", "bird")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/guides/python.md"])
def test_the_blocks_that_train_run(page: str, working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    long = [block for block in blocks_of(page) if LONG in block]
    assert long
    for block in long:
        exec(block, {"metamann": metamann})

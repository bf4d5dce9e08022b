"""A folder of drawings that commands take for the user's own pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16
CLASSES, DRAWINGS = 10, 8


def draw_folder(root: Path, classes: int, drawings: int, seed: int) -> Path:
    """Random classes as PNG files: one pattern a class, with noise."""
    rng = np.random.default_rng(seed)
    for number in range(classes):
        (root / f"class{number:02d}").mkdir(parents=True)
        pattern = rng.integers(0, 256, (SIDE, SIDE))
        for drawing in range(drawings):
            noisy = np.clip(pattern + rng.integers(-40, 40, pattern.shape), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(root / f"class{number:02d}" / f"{drawing}.png")
    return root

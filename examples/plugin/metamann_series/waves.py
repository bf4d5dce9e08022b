"""Made-up time series in classes, computed in place of a download."""

from __future__ import annotations

import numpy as np
import torch

from metamann.data.store import ClassStore, DataSplits
from metamann.errors import check_size

SINES = 3  # of a channel


def waves(
    classes: int = 60, items: int = 20, channels: int = 2, steps: int = 32, noise: float = 1.0, seed: int = 0
) -> DataSplits:
    """Series that are sums of sines: a class has its frequencies and phases, an item its own start and noise.

    Args:
        classes: at least 15; the first three fifths are for training, a fifth each for validation and test.
        items: of a class.
        channels: of a series.
        steps: of a series.
        noise: deviation of what is added to each value.
        seed: of all that is drawn.
    """
    for name, value, least in (
        ("classes", classes, 15),
        ("items", items, 2),
        ("channels", channels, 1),
        ("steps", steps, 8),
    ):
        check_size(f"data.{name}", value, least=least)
    rng = np.random.default_rng(seed)
    shape = (classes, 1, channels, SINES, 1)
    frequency, phase = rng.uniform(0.5, 4, shape), rng.uniform(0, 2 * np.pi, shape)
    start = rng.normal(0, 0.02, (classes, items, 1, 1, 1))
    time = np.arange(steps) / steps + start
    series = np.sin(2 * np.pi * frequency * time + phase).sum(3)
    series += rng.normal(0, noise, series.shape)
    values = torch.from_numpy(series.astype(np.float32))
    ends = (0, 3 * classes // 5, 4 * classes // 5, classes)
    stores = [
        ClassStore.from_classes(
            f"waves/{part}",
            list(values[first:last]),
            [f"wave {number}" for number in range(first, last)],
            [""] * (last - first),
            turnable=False,
        )
        for part, first, last in zip(("train", "val", "test"), ends[:-1], ends[1:], strict=True)
    ]
    return DataSplits("waves", *stores, disjoint_groups=False, notes=(f"{classes} classes of {items} made-up series",))

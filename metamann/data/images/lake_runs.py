"""The 20 official one-shot runs of Omniglot [L15]: 20 characters of one alphabet, with one drawing of each as support.

References:
    [L15] Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program
        induction, Science 350(6266), 2015.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import NamedTuple

import torch
from torch import Tensor

from metamann.data.cache import cached, expect
from metamann.data.images.omniglot import archive, ink
from metamann.errors import DataError, MetamannError

RUNS, WAYS = 20, 20


class LakeRuns(NamedTuple):
    """All runs, in their published order.

    Attributes:
        support: `runs x ways x 1 x size x size`, uint8, one drawing of each character, of one person.
        query: likewise, of another person.
        labels: `runs x ways`, which drawing of the support shows the character of each query.
    """

    support: Tensor
    query: Tensor
    labels: Tensor


def lake_runs(size: int) -> LakeRuns:
    """Read the runs from `all_runs.zip` beside the other archives of Omniglot.

    Args:
        size: height and width of the images, pixels.

    Raises:
        DataError: if the file is missing, damaged or not what was published.
    """
    path = archive("all_runs", "one-shot-classification/")

    def decode() -> dict[str, Tensor]:
        parts: dict[str, list[Tensor]] = {"support": [], "query": [], "labels": []}
        try:
            with zipfile.ZipFile(path) as opened:
                for run in range(1, RUNS + 1):
                    pairs = dict(
                        line.split()
                        for line in opened.read(f"run{run:02}/class_labels.txt").decode().split("\n")
                        if line
                    )
                    support = [f"run{run:02}/training/class{number:02}.png" for number in range(1, WAYS + 1)]
                    query = [f"run{run:02}/test/item{number:02}.png" for number in range(1, WAYS + 1)]
                    for part, names in (("support", support), ("query", query)):
                        parts[part].append(torch.stack([ink(opened.read(name), size, name) for name in names]))
                    parts["labels"].append(torch.tensor([support.index(pairs[name]) for name in query]))
        except MetamannError:  # of one image
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError) as error:
            raise DataError(f"{path} is damaged or does not hold Lake's runs ({error}); copy it again.") from error
        return {part: torch.stack(tensors) for part, tensors in parts.items()}

    def use(made: dict[str, Tensor]) -> LakeRuns:
        images = [expect(made[part], torch.uint8, RUNS, WAYS, 1, size, size) for part in ("support", "query")]
        labels = expect(made["labels"], torch.int64, RUNS, WAYS)
        if not bool(((labels >= 0) & (labels < WAYS)).all()):
            raise ValueError("a label is no class")
        return LakeRuns(images[0], images[1], labels)

    return cached(f"omniglot-runs-{size}-{path.stat().st_size}", decode, use)

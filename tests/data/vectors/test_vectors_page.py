"""Every line of Python of docs/guides/vectors.md runs, in the order of the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from metamann.application.model import Model
from metamann.encoders.identity import IdentityEncoder
from metamann.episodes.items.protocols import LabelCodes
from metamann.learners.mann import MANN
from metamann.memory.pairs.prototypes import PrototypeMemory
from metamann.modalities.item_objects import ItemObjects, Rows

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "vectors.md"


def test_the_python_of_the_page_runs() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    names: dict[str, Any] = {
        "features": rows[:50],
        "labels": np.arange(50) % 10,
        "more_features": rows[50:],
        "more_labels": np.arange(10) + 5,
        "model": Model(MANN(IdentityEncoder(4), PrototypeMemory(4, 5), 5), ItemObjects(Rows(4), LabelCodes(), 5)),
    }
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, names)
    assert names["splits"].train.items.shape == (30, 4)
    assert names["classifier"].classes_.tolist() == list(range(10))

"""Every line of code of docs/python.md runs, in the order of the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_words import ToyEncoder

from metamann.application.model import Model
from metamann.data.images.objects import Pictures
from metamann.episodes.items.protocols import LabelCodes
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.prototypes import PrototypeMemory
from metamann.modalities.item_objects import ItemObjects
from metamann.modalities.sentence_objects import SentenceObjects

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_code_of_the_page_runs(make_mann: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {
        name: np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)
        for number, name in enumerate(["first_cat", "second_cat", "first_dog", "first_bird"])
    }
    names["model"] = Model(make_mann("keyvalue"), ItemObjects(Pictures(16), LabelCodes(), 5))
    encoder = ToyEncoder()
    learner = SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12)
    names["tagger"] = Model(learner, SentenceObjects(LabelCodes("random", 12), 3))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    assert names["task"].labels == ("cat", "bird")

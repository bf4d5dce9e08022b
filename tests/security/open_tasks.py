"""Opens task and model files of strangers under a watch; run by `test_hostile_tasks.py` with folder and places."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from toy_words import ToyEncoder
from watch import Watch

from metamann.application.loading import load_task
from metamann.application.model import Model
from metamann.application.model_files import load_model_file
from metamann.data.images.objects import Pictures
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import MetamannError
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.prototypes import PrototypeMemory
from metamann.modalities.item_objects import ItemObjects
from metamann.modalities.sentence_objects import SentenceObjects

TEXT = "o1 Type1x3 ."


def picture(number: int) -> np.ndarray:
    """Noise."""
    return np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)


def models() -> dict[str, tuple[Model, Any]]:
    """The same untrained model of each kind of input every time, and a query for it."""
    torch.manual_seed(0)
    encoder, words = ConvEncoder(size=16, channels=4), ToyEncoder()
    pictures = MANN(encoder, PrototypeMemory(encoder.features, 5), 5)
    sentences = SentenceMANN(words, PrototypeMemory(words.features, 12), 12)
    return {
        "pictures": (Model(pictures, ItemObjects(Pictures(16), LabelCodes(), 5)), picture(7)),
        "sentences": (Model(sentences, SentenceObjects(LabelCodes("random", 12), 3)), TEXT),
    }


def opened(path: Path, model: Model, query: Any) -> str:
    """What came of a file and of using it: `used`, the message of its refusal, or a fault."""
    try:
        if path.suffix == ".model":
            load_model_file(path)
        else:
            task = load_task(path, model)
            task.predict([query])
            if task.examples is not None:
                task.explain(query)
                task.forget(0)
    except MetamannError as error:
        return f"refused: {error}"
    except Exception as error:  # what must not happen
        return f"FAULT {type(error).__name__}: {error}"
    return "used"


def main(folder: Path, seen: str) -> None:
    """Open every file of a folder; `NAME.KIND.task` or `.model` is of that kind."""
    of_kind = models()
    for kind, (model, query) in of_kind.items():  # what is imported late is imported before the watch
        assert opened(folder / f"clean.{kind}.task", model, query) == "used"
    assert opened(folder / "clean.pictures.model", *of_kind["pictures"]) == "used"
    Watch(seen, (), frozenset(name.partition(".")[0] for name in sys.modules))()
    found = {path.name: opened(path, *of_kind[path.suffixes[-2][1:]]) for path in sorted(folder.iterdir())}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""Explanations: the example that is shown again is read most; memories without examples say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

from metamann.application.model import Model
from metamann.data.images.objects import Pictures
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import MetamannError
from metamann.learners.mann import MANN
from metamann.memory.pairs.keyvalue import KeyValueMemory, KeyValueState
from metamann.modalities.item_objects import ItemObjects


class ReadableKeyValue(KeyValueMemory):
    """Says the weights of its slots."""

    def read_weights(self, state: KeyValueState, features: Tensor) -> Tensor:
        keys = self.keys_of(features)
        readable = self.readable(keys, state, state.filled.unsqueeze(1))
        return self.weights(keys, state.keys, readable, self.threshold())[..., : state.keys.shape[1]]


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)


def test_the_example_that_is_asked_again_is_read_most() -> None:
    encoder = ConvEncoder(size=16, channels=4)
    learner = MANN(encoder, ReadableKeyValue(encoder.features, 5), 5)
    task = Model(learner, ItemObjects(Pictures(16), LabelCodes(), 5)).adapt({"cat": [picture(0)], "dog": [picture(1)]})
    told = task.explain(picture(1))
    assert (told.examples[0].number, told.examples[0].label, told.answer.label) == (1, "dog", "dog")
    assert told.examples[0].weight > told.examples[1].weight
    assert len(told.plot().axes) == 2


def test_a_memory_without_examples_says_so(make_mann: Any) -> None:
    task = Model(make_mann("lrua"), ItemObjects(Pictures(16), LabelCodes(), 5)).adapt({"cat": [picture(0)]})
    with pytest.raises(MetamannError, match="cannot say which examples"):
        task.explain(picture(0))

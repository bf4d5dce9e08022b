"""The evaluator: every item is encoded once, and the scores are those of the episodes as they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metamann.data.store import ClassStore
from metamann.episodes.items.protocols import EpisodeProtocol, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.tasks import TaskList
from metamann.evaluation.item_evaluator import ItemEvaluator
from metamann.evaluation.metrics import score_episodes
from metamann.learners.mann import MANN

CPU = torch.device("cpu")
PROTOCOLS = [NWayKShot(ways=4, shots=(1, 2), queries=3), OnlineStream(ways=4, steps=20)]


class Counting(nn.Module):
    """An encoder that counts the images it is shown."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.shown, self.features = encoder, 0, encoder.features

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode."""
        self.shown += inputs.shape[0] * inputs.shape[1]
        features: Tensor = self.encoder(inputs)
        return features


def evaluator_of(
    store: ClassStore, protocol: EpisodeProtocol, episodes: int, images_per_batch: int = 50
) -> ItemEvaluator:
    sampler = Sampler(store, protocol)
    return ItemEvaluator("tiny", "val", sampler, TaskList.draw(sampler, episodes), CPU, "fp32", images_per_batch)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scores_are_those_of_the_episodes_with_their_images(
    protocol: EpisodeProtocol, store: ClassStore, make_mann: Callable[..., MANN], memory_kind: str
) -> None:
    learner, evaluator = make_mann(memory_kind), evaluator_of(store, protocol, 12)
    expected = score_episodes(learner, evaluator.tasks.batches(evaluator.sampler, 3), CPU, "fp32")
    scores = evaluator.scores(learner)
    assert scores.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(scores[name], values)


def test_each_item_is_encoded_once_however_many_episodes_hold_it(
    store: ClassStore, make_mann: Callable[..., MANN]
) -> None:
    learner = make_mann("keyvalue")
    learner.encoder = counting = Counting(learner.encoder)
    evaluator = evaluator_of(store, OnlineStream(ways=4, steps=20), 100)
    evaluator.scores(learner)
    assert (
        counting.shown
        == len(np.unique(evaluator.tasks.arrays["items"]))
        <= len(store.items)
        < evaluator.tasks.arrays["items"].size
    )


def test_items_of_no_task_are_not_encoded(store: ClassStore, make_mann: Callable[..., MANN]) -> None:
    learner = make_mann("keyvalue")
    evaluator = evaluator_of(store, OnlineStream(ways=4, steps=20), 2)
    encoded = evaluator.encode(learner)
    used = np.zeros(len(store.items), dtype=bool)
    used[evaluator.tasks.arrays["items"]] = True
    assert encoded[~used].abs().max() == 0
    assert encoded[used].abs().amax(1).min() > 0


def test_scores_take_what_was_encoded_before(store: ClassStore, make_mann: Callable[..., MANN]) -> None:
    learner = make_mann("keyvalue")
    learner.encoder = counting = Counting(learner.encoder)
    evaluator = evaluator_of(store, OnlineStream(ways=4, steps=20), 10)
    encoded = evaluator.encode(learner)
    shown = counting.shown
    scores = evaluator.scores(learner, encoded)
    assert counting.shown == shown
    np.testing.assert_array_equal(scores["accuracy"], evaluator.scores(learner)["accuracy"])

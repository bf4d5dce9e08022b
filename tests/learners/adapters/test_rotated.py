"""Four views of an episode: their mean, whatever way the images are held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.episode import Episode, Examples, Stream
from metamann.episodes.items.protocols import EpisodeProtocol, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.text import Text
from metamann.errors import ConfigError
from metamann.learners.adapters.rotated import Rotated
from metamann.learners.mann import MANN

PROTOCOLS = [NWayKShot(ways=3, shots=2, queries=2), OnlineStream(ways=3, steps=8)]


def rotating(upright: MANN) -> Rotated:
    learner = Rotated(MANN(ConvEncoder(size=16, channels=4), upright.memory, 5))
    learner.load_state_dict(upright.state_dict())
    return learner.eval()


def turned(images: Tensor, turns: int) -> Tensor:
    return images.rot90(turns, (-2, -1))


def turned_batch(batch: Any, turns: int) -> Any:
    if isinstance(batch, Stream):
        return batch._replace(inputs=turned(batch.inputs, turns))
    support, query = (Examples(turned(part.inputs, turns), part.labels) for part in (batch.support, batch.query))
    return Episode(support, query, batch.classes)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=["n_way", "stream"])
@pytest.mark.parametrize("kind", ["keyvalue", "lrua", "prototypes"])
def test_answers_are_the_mean_probability_of_four_rotated_episodes(
    kind: str, protocol: EpisodeProtocol, make_mann: Callable[..., MANN], store: ClassStore
) -> None:
    upright = make_mann(kind).eval()
    batch = Sampler(store, protocol).batch([0, 1])
    with torch.no_grad():
        expected = torch.stack([upright(turned_batch(batch, turns)).exp() for turns in range(4)]).mean(0)
        answers = rotating(upright)(batch).exp()
        torch.testing.assert_close(answers, expected, rtol=0, atol=1e-5)
        assert not torch.allclose(answers, upright(batch).exp(), rtol=0, atol=1e-3)


def test_a_rotated_episode_is_answered_alike(make_mann: Callable[..., MANN], store: ClassStore) -> None:
    learner = rotating(make_mann("keyvalue").eval())
    batch = Sampler(store, PROTOCOLS[0]).batch([0, 1])
    with torch.no_grad():
        torch.testing.assert_close(learner(turned_batch(batch, 1)), learner(batch), rtol=0, atol=1e-4)


def test_the_trace_is_that_of_the_upright_view(make_mann: Callable[..., MANN], store: ClassStore) -> None:
    upright = make_mann("lrua").eval()
    stream = Sampler(store, PROTOCOLS[1]).batch([0, 1])
    with torch.no_grad():
        traces = [learner.trace(stream).read_weights for learner in (rotating(upright), upright)]
    torch.testing.assert_close(*traces)


def test_sentences_are_refused(make_mann: Callable[..., MANN]) -> None:
    with pytest.raises(ConfigError, match="sentences cannot be rotated"):
        rotating(make_mann("keyvalue")).encode(Text.of([["a"]], ("a",)))

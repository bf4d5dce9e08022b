"""The bridge to learn2learn: what goes over it arrives unchanged, and its loops run on our episodes."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from metamann.checks.samplers import audit_sampler
from metamann.checks.tasks import audit_tasks_apart
from metamann.data.images.omniglot import omniglot
from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.episode import Episode
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.episodes.tasksets import SamplerTaskset, TasksetSampler
from metamann.errors import EpisodeError
from metamann.learners.mann import MANN
from metamann.memory.pairs.prototypes import PrototypeMemory

PROTOCOL = NWayKShot(ways=4, shots=2, queries=2)


def test_a_sampler_goes_over_the_bridge_and_back(store: ClassStore) -> None:
    sampler = Sampler(store, PROTOCOL, 5)
    back = TasksetSampler(SamplerTaskset(sampler, 10), ways=4, shots=2)

    def pairs(episode: Any) -> set[tuple[bytes, int]]:
        assert isinstance(episode, Episode)
        return {
            (image.numpy().tobytes(), int(label))
            for part in (episode.support, episode.query)
            for image, label in zip(part.inputs[0], part.labels[0], strict=True)
        }

    for index in range(10):
        assert pairs(sampler.batch([index])) == pairs(back.batch([index]))


def test_every_second_item_is_the_support(store: ClassStore) -> None:
    sampler = Sampler(store, PROTOCOL, 5)
    data, labels = SamplerTaskset(sampler, 10)[3]
    assert labels.tolist() == [number for number in range(4) for _ in range(4)]
    episode = sampler.batch([3])
    assert isinstance(episode, Episode)
    assert isinstance(episode.support.inputs, torch.Tensor)
    support = {image.numpy().tobytes() for image in (data[::2] * 255).round().to(torch.uint8)}
    assert support == {image.numpy().tobytes() for image in episode.support.inputs[0]}


def test_a_taskset_is_as_long_as_it_says(store: ClassStore) -> None:
    tasks = SamplerTaskset(Sampler(store, PROTOCOL), 3)
    assert len(list(tasks)) == len(tasks) == 3
    assert tasks.sample()[0].shape == (16, 1, 16, 16)
    with pytest.raises(IndexError):
        tasks[3]


@pytest.mark.parametrize("settings", [{"shots": 1, "queries": 2}, {"shots": (1, 2), "queries": 2}])
def test_halves_that_differ_are_refused(settings: dict[str, Any], store: ClassStore) -> None:
    with pytest.raises(EpisodeError, match=r"protocol\.queries to the number of protocol\.shots"):
        SamplerTaskset(Sampler(store, NWayKShot(ways=3, **settings)), 5)


def test_tasks_that_do_not_fit_are_refused() -> None:
    images = torch.zeros(4, 1, 2, 2)
    with pytest.raises(EpisodeError, match=r"classes \[0, 2\]; 2 are wanted"):
        TasksetSampler([(images, torch.tensor([0, 0, 2, 2]))], ways=2, shots=1).batch([0])
    with pytest.raises(EpisodeError, match="no query left"):
        TasksetSampler([(images, torch.tensor([0, 0, 1, 1]))], ways=2, shots=2).batch([0])


def test_our_learner_answers_a_taskset(store: ClassStore, make_mann: Callable[..., MANN]) -> None:
    tasks = SamplerTaskset(Sampler(store, PROTOCOL), 10)
    assert make_mann("keyvalue", ways=4)(TasksetSampler(tasks, ways=4, shots=2).batch([0, 1])).shape == (2, 8, 4)


def test_maml_of_learn2learn_trains_on_our_omniglot(learn2learn: Any, omniglot_data: Path) -> None:
    torch.manual_seed(0)
    tasks = SamplerTaskset(Sampler(omniglot().train, NWayKShot(ways=5, shots=1, queries=1)), 200)
    model = learn2learn.algorithms.MAML(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 5)), 0.5
    )
    optimizer, loss = torch.optim.Adam(model.parameters(), 3e-3), nn.CrossEntropyLoss()
    losses = []
    for data, labels in tasks:  # the loop of learn2learn's example
        learner = model.clone()
        learner.adapt(loss(learner(data[::2]), labels[::2]))
        error = loss(learner(data[1::2]), labels[1::2])
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        losses.append(error.item())
    assert np.mean(losses[-60:]) < np.mean(losses[:20]) - 0.1


@pytest.fixture(scope="module")
def benchmark(learn2learn: Any, omniglot_archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """learn2learn's own Omniglot benchmark on the real drawings, put where it looks for them."""
    import torchvision.datasets.omniglot as published

    root = tmp_path_factory.mktemp("benchmark")
    for name in ("images_background", "images_evaluation"):
        with zipfile.ZipFile(omniglot_archives / f"{name}.zip") as archive:
            archive.extractall(root / "omniglot-py")
    with pytest.MonkeyPatch.context() as patch:
        # it knows the checksums of the original containers; ours hold the same drawings in another one
        patch.setattr(published, "check_integrity", lambda *_: True)
        return learn2learn.vision.benchmarks.get_tasksets(
            "omniglot", train_ways=5, train_samples=2, test_ways=5, test_samples=2, num_tasks=400, root=str(root)
        )


def test_a_learner_of_ours_answers_their_omniglot(benchmark: Any) -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(size=28, channels=8)
    learner = MANN(encoder, PrototypeMemory(encoder.features, 5), 5).eval()
    episodes = TasksetSampler(benchmark.test, ways=5, shots=1).batch(range(40))
    with torch.no_grad():
        right = learner(episodes).argmax(-1) == episodes.query.labels
    # an untrained encoder tells drawings apart well above the 20 % of chance
    assert 0.35 < right.float().mean() < 0.9


def test_the_leak_of_learn2learns_omniglot_benchmark_is_found(benchmark: Any, omniglot_data: Path) -> None:
    train, test = (TasksetSampler(tasks, ways=5, shots=1) for tasks in (benchmark.train, benchmark.test))
    found = audit_tasks_apart(train, test, episodes=400)
    assert found.outcome == "fail", found
    # a test split of 523 of 1,623 classes that training never reached would share nothing
    held_out = audit_tasks_apart(
        TasksetSampler(SamplerTaskset(Sampler(omniglot().train, NWayKShot(ways=5, queries=1)), 400), 5, 1),
        TasksetSampler(SamplerTaskset(Sampler(omniglot().test, NWayKShot(ways=5, queries=1)), 400), 5, 1),
    )
    assert held_out.outcome == "pass", held_out
    # the rest of it is sound
    rest = {each.check: each.outcome for each in audit_sampler(lambda: train, 100)}
    assert "fail" not in rest.values(), rest

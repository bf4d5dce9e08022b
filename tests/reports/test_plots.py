"""Every plot draws what it says, for both protocols, padded batches, one head and several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image

from metamann.data.store import ClassStore
from metamann.episodes.episode import Episode, Stream
from metamann.episodes.items.protocols import EpisodeProtocol, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sequences.algorithmic import Copy
from metamann.episodes.sequences.source import RandomBits
from metamann.evaluation.comparison import Contestant, compare
from metamann.evaluation.metrics import Interval
from metamann.learners.mann import MANN
from metamann.memory.interface import Trace
from metamann.reports.episode_plots import plot_episode, plot_memory, plot_sequence
from metamann.reports.pictures import write_figure
from metamann.reports.plots import (
    plot_accuracy_matrices,
    plot_comparison,
    plot_curves,
    plot_error_rates,
    plot_forgetting,
    plot_instances,
)


def pixels(path: Path) -> np.ndarray:
    """A picture, after checking that it is one of a sensible size with something on it."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 300 <= image.width <= 3000
        assert 150 <= image.height <= 3000
        drawn = np.asarray(image.convert("RGB")).astype(int)
    assert (drawn < 200).any(-1).mean() > 0.005
    return drawn


def batch_of(store: ClassStore, protocol: EpisodeProtocol, indices: range) -> Episode | Stream:
    return Sampler(store, protocol, seed=0).batch(indices)


PROTOCOLS: dict[str, EpisodeProtocol] = {
    "1 shot": NWayKShot(ways=5, shots=1, queries=2),
    "padded": NWayKShot(ways=[2, 5], shots=[1, 3], queries=2),
    "large": NWayKShot(ways=12, shots=5, queries=6),
    "stream": OnlineStream(ways=5, steps=25),
    "short stream": OnlineStream(ways=2, steps=3),
    "long stream": OnlineStream(ways=10, steps=70),
    "streams of several sizes": OnlineStream(ways=[3, 5], steps=20),
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_episode_of_any_protocol_is_drawn(name: str, store: ClassStore, tmp_path: Path) -> None:
    batch = batch_of(store, PROTOCOLS[name], range(3))
    write_figure(tmp_path / "plots" / "episode.png", plot_episode(batch, batch.targets))
    pixels(tmp_path / "plots" / "episode.png")


def test_right_and_wrong_answers_can_be_told_apart(store: ClassStore, tmp_path: Path) -> None:
    batch = batch_of(store, PROTOCOLS["stream"], range(1))
    right = batch.targets
    write_figure(tmp_path / "right.png", plot_episode(batch, right))
    write_figure(tmp_path / "wrong.png", plot_episode(batch, (right + 1) % 5))
    greenish, reddish = (
        lambda image: ((image[..., 1] - image[..., 0]) > 60).sum(),
        lambda image: ((image[..., 0] - image[..., 1]) > 60).sum(),
    )
    first, second = pixels(tmp_path / "right.png"), pixels(tmp_path / "wrong.png")
    assert greenish(first) > 100
    assert reddish(first) == 0
    assert reddish(second) > 100
    assert greenish(second) == 0


def test_a_prediction_for_padding_is_not_drawn(store: ClassStore, tmp_path: Path) -> None:
    episodes = batch_of(store, PROTOCOLS["padded"], range(20))
    assert isinstance(episodes, Episode)
    number = next(i for i in range(20) if (episodes.targets[i] < 0).any())
    one = batch_of(store, PROTOCOLS["padded"], range(number, number + 1))
    for name, answer in (("zeros", 0), ("ones", 1)):
        predicted = torch.where(one.targets >= 0, one.targets, torch.tensor(answer))
        write_figure(tmp_path / f"{name}.png", plot_episode(one, predicted))
    assert np.array_equal(pixels(tmp_path / "zeros.png"), pixels(tmp_path / "ones.png"))


@pytest.mark.parametrize("ways", [5, 7])
@pytest.mark.parametrize("instances", [1, 4, 10])
def test_accuracy_by_instance_is_drawn(ways: int, instances: int, tmp_path: Path) -> None:
    metrics = {"accuracy": Interval(0.8, 0.7, 0.9)}
    metrics |= {f"accuracy/instance_{k}": Interval(1 - 0.5 / k, 0.9 - 0.5 / k, 1.0) for k in range(1, instances + 1)}
    write_figure(tmp_path / "instances.png", plot_instances(metrics, ways, "toy"))
    pixels(tmp_path / "instances.png")


def test_published_curves_stand_only_beside_their_own_protocol(tmp_path: Path) -> None:
    metrics = {f"accuracy/instance_{k}": Interval(0.5, 0.5, 0.5) for k in range(1, 11)}
    for ways in (5, 6):
        write_figure(tmp_path / f"{ways}.png", plot_instances(metrics, ways, "toy"))
    colourful = [(np.ptp(pixels(tmp_path / f"{ways}.png"), axis=-1) > 60).sum() for ways in (5, 6)]
    assert colourful[0] > 500
    assert colourful[1] == 0


def test_what_every_memory_did_is_drawn(
    memory_kind: str, make_mann: Callable[..., MANN], store: ClassStore, tmp_path: Path
) -> None:
    stream = batch_of(store, OnlineStream(ways=5, steps=20), range(2))
    assert isinstance(stream, Stream)
    with torch.no_grad():
        trace = make_mann(memory_kind).trace(stream)
    if not memory_kind.startswith("none"):
        write_figure(tmp_path / "memory.png", plot_memory(trace, stream.labels))
        pixels(tmp_path / "memory.png")


@pytest.mark.parametrize(("write_heads", "usage"), [(0, False), (1, False), (2, True)])
def test_reads_writes_and_usage_have_a_panel_each(write_heads: int, usage: bool, tmp_path: Path) -> None:
    reads, labels = torch.rand(1, 3, 9, 30), torch.zeros(1, 9)
    few = Trace(reads, "slot")
    more = Trace(
        reads,
        "slot",
        torch.rand(1, write_heads, 9, 30) if write_heads else None,
        torch.rand(1, 9, 30) if usage else None,
    )
    heights = []
    for trace in (few, more):
        write_figure(tmp_path / "memory.png", plot_memory(trace, labels))
        heights.append(len(pixels(tmp_path / "memory.png")))
    assert heights[1] - heights[0] == pytest.approx(110 * 2.2 * (write_heads + usage), abs=10)


def test_a_sequence_is_drawn_with_a_panel_for_each_head(tmp_path: Path) -> None:
    batch = Sampler(RandomBits("test"), Copy(4)).batch([0])
    heights = []
    for heads in (0, 2):
        trace = Trace(torch.rand(1, heads, 9, 30), "slot")
        write_figure(tmp_path / "sequence.png", plot_sequence(batch, torch.rand(1, 9, 8), trace, "copy"))
        heights.append(len(pixels(tmp_path / "sequence.png")))
    assert heights[1] - heights[0] > 400


def test_the_answers_of_a_sequence_are_seen_where_they_are_asked_for_and_nowhere_else(tmp_path: Path) -> None:
    batch = Sampler(RandomBits("test"), Copy(4)).batch([0])
    trace = Trace(torch.rand(1, 0, 9, 0), "slot")
    ones = torch.full((1, 9, 8), 0.2)
    elsewhere, here = ones.clone(), ones.clone()
    elsewhere[:, :5], here[:, 5:] = 0.9, 0.9
    for name, values in (("plain", ones), ("elsewhere", elsewhere), ("here", here)):
        write_figure(tmp_path / f"{name}.png", plot_sequence(batch, values, trace, "copy"))
    plain, *others = (pixels(tmp_path / f"{name}.png") for name in ("plain", "elsewhere", "here"))
    assert [np.array_equal(plain, other) for other in others] == [True, False]


def test_training_curves_are_drawn(tmp_path: Path) -> None:
    events = [{"kind": "train", "step": step, "loss": 1 / step, "accuracy": 0.5} for step in range(1, 9)]
    write_figure(tmp_path / "training.png", plot_curves([*events, {"kind": "validation", "step": 8, "accuracy": 0.6}]))
    pixels(tmp_path / "training.png")


def test_error_rates_are_drawn_beside_the_published_ones(tmp_path: Path) -> None:
    low, high = tmp_path / "low.png", tmp_path / "high.png"
    write_figure(low, plot_error_rates(Interval(0.02, 0.01, 0.03), "runs"))
    write_figure(high, plot_error_rates(Interval(0.5, 0.45, 0.55), "runs"))
    # the black bar of this run is longer against the published ones
    assert (pixels(high) == 0).all(-1).sum() > (pixels(low) == 0).all(-1).sum()


@pytest.mark.parametrize("seeds", [1, 3])
def test_compared_learners_are_drawn(seeds: int, tmp_path: Path) -> None:
    scores = np.random.default_rng(0).uniform(0.5, 1, (seeds, 30))
    each = tuple(range(seeds)), scores, np.ones_like(scores), {}
    rows = compare([Contestant(f"learner {number}", *each) for number in range(4)])
    write_figure(tmp_path / "comparison.png", plot_comparison(rows, "accuracy", "tiny"))
    pixels(tmp_path / "comparison.png")


def test_what_is_measured_can_be_read_beside_long_names() -> None:
    scores = np.random.default_rng(0).uniform(0.5, 1, (1, 30))
    names = ("no memory, gru, encoder of another run", "prototypes")
    rows = compare([Contestant(name, (0,), scores, np.ones_like(scores), {}) for name in names])
    figure = plot_comparison(rows, "accuracy/instance_2", "tiny")
    figure.draw_without_rendering()
    (label,) = (text for text in figure.findobj(Text) if "mean, 95 % interval" in text.get_text())
    assert label.get_window_extent().x0 >= 0
    assert label.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("learners", [1, 5])
def test_forgetting_is_drawn(learners: int, tmp_path: Path) -> None:
    matrix = np.where(np.tril(np.ones((6, 6), dtype=bool)), 0.7, np.nan)
    matrices = {f"learner {number}": matrix for number in range(learners)}
    write_figure(tmp_path / "matrices.png", plot_accuracy_matrices(matrices, "tiny"))
    curves = {name: each[:, 0] for name, each in matrices.items()}
    write_figure(tmp_path / "forgetting.png", plot_forgetting(curves, 5, "tiny", "accuracy"))
    for name in ("matrices", "forgetting"):
        pixels(tmp_path / f"{name}.png")

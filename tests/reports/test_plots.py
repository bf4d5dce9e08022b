"""Every plot draws what it says, for both protocols, padded batches, one head and several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from metamann.data.store import ClassStore
from metamann.episodes.episode import Episode, Stream
from metamann.episodes.items.protocols import EpisodeProtocol, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sequences.algorithmic import Copy
from metamann.episodes.sequences.source import RandomBits
from metamann.episodes.tasks import TaskList
from metamann.evaluation.comparison import Contestant, compare
from metamann.evaluation.item_evaluator import ItemEvaluator
from metamann.evaluation.metrics import Interval
from metamann.learners.mann import MANN
from metamann.memory.interface import Trace
from metamann.modalities.item_findings import published_curves
from metamann.reports.caption import caption
from metamann.reports.episode_plots import plot_episode, plot_memory, plot_sequence
from metamann.reports.pictures import DPI, SMALL, WIDTH, write_figure
from metamann.reports.plots import (
    plot_accuracy_matrices,
    plot_comparison,
    plot_curves,
    plot_error_rates,
    plot_forgetting,
    plot_instances,
)
from metamann.reports.sentence_plots import plot_confusion


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
    write_figure(tmp_path / "plots" / "episode.png", plot_episode(batch, batch.targets, "toy"))
    pixels(tmp_path / "plots" / "episode.png")


def test_right_and_wrong_answers_can_be_told_apart(store: ClassStore, tmp_path: Path) -> None:
    batch = batch_of(store, PROTOCOLS["stream"], range(1))
    right = batch.targets
    write_figure(tmp_path / "right.png", plot_episode(batch, right, "toy"))
    write_figure(tmp_path / "wrong.png", plot_episode(batch, (right + 1) % 5, "toy"))
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
        write_figure(tmp_path / f"{name}.png", plot_episode(one, predicted, "toy"))
    assert np.array_equal(pixels(tmp_path / "zeros.png"), pixels(tmp_path / "ones.png"))


@pytest.mark.parametrize("ways", [5, 7])
@pytest.mark.parametrize("instances", [1, 4, 10])
def test_accuracy_by_instance_is_drawn(ways: int, instances: int, tmp_path: Path) -> None:
    metrics = {"accuracy": Interval(0.8, 0.7, 0.9)}
    metrics |= {f"accuracy/instance_{k}": Interval(1 - 0.5 / k, 0.9 - 0.5 / k, 1.0) for k in range(1, instances + 1)}
    write_figure(tmp_path / "instances.png", plot_instances(metrics, ways, "toy", {}))
    pixels(tmp_path / "instances.png")


def texts(figure: Figure) -> set[str]:
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.parametrize(
    ("data", "protocol", "published"),
    [
        ("omniglot/vinyals", OnlineStream(ways=5, steps=50), True),
        ("strokes", OnlineStream(ways=5, steps=50), False),
        ("omniglots/mine", OnlineStream(ways=5, steps=50), False),
        ("omniglot/vinyals", OnlineStream(ways=6, steps=50), False),
        ("omniglot/vinyals", OnlineStream(ways=[5, 6], steps=50), False),
        ("omniglot/vinyals", OnlineStream(ways=5, steps=20), False),
    ],
)
def test_published_curves_stand_only_beside_their_own_data_and_protocol(
    data: str, protocol: OnlineStream, published: bool, store: ClassStore
) -> None:
    sampler = Sampler(store, protocol, seed=0)
    evaluator = ItemEvaluator(data, "test", sampler, TaskList.draw(sampler, 3), torch.device("cpu"), "fp32", 100)
    metrics = {f"accuracy/instance_{k}": Interval(0.5, 0.5, 0.5) for k in range(1, 11)}
    figure = plot_instances(metrics, protocol.max_ways, caption(evaluator), published_curves(evaluator))
    assert any("Santoro" in text for text in texts(figure)) == published
    assert figure.get_suptitle() == caption(evaluator)
    assert all(part in caption(evaluator) for part in (f"{data} test", f"{protocol.steps} steps", "3 episodes"))


def test_what_every_memory_did_is_drawn(
    memory_kind: str, make_mann: Callable[..., MANN], store: ClassStore, tmp_path: Path
) -> None:
    stream = batch_of(store, OnlineStream(ways=5, steps=20), range(2))
    assert isinstance(stream, Stream)
    with torch.no_grad():
        trace = make_mann(memory_kind).trace(stream)
    if not memory_kind.startswith("none"):
        write_figure(tmp_path / "memory.png", plot_memory(trace, stream.labels, "toy"))
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
        write_figure(tmp_path / "memory.png", plot_memory(trace, labels, "toy"))
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


def curves(losses: Sequence[float], score: str = "accuracy") -> Figure:
    events = [{"kind": "train", "step": step, "loss": loss, "accuracy": 0.5} for step, loss in enumerate(losses, 1)]
    return plot_curves([*events, {"kind": "validation", "step": 8, score: 0.6}], "toy", "5-way, 96 episodes", "3-way")


@pytest.mark.parametrize("score", ["accuracy", "f1"])
def test_training_and_validation_have_axes_of_their_own(score: str, tmp_path: Path) -> None:
    figure = curves([1 / step for step in range(1, 9)], score)
    write_figure(tmp_path / "training.png", figure)
    pixels(tmp_path / "training.png")
    titles = {axis.get_title(): [len(line.get_xdata()) for line in axis.lines] for axis in figure.axes}
    assert titles == {
        "training episodes\n5-way, 96 episodes": [8],
        "validation episodes\n3-way": [1],
        "": [8],
    }
    assert figure.get_suptitle() == "toy"
    assert ("F1, %" in texts(figure)) == (score == "f1")


@pytest.mark.parametrize(
    ("losses", "shown"),
    [
        ([2.0, 0.8, 0.11], {"0.2", "0.5", "1", "2"}),
        ([1.62, 1.58, 1.61], {"1.6"}),
        ([100.0, 1.0, 0.0002], {"0.01", "1", "100"}),
    ],
)
def test_ticks_of_the_loss_are_plain_numbers(losses: list[float], shown: set[str]) -> None:
    figure = curves(losses)
    figure.draw_without_rendering()
    ticks = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert {float(text) for text in shown} <= {float(text) for text in ticks}
    assert not any(character in "".join(ticks) for character in "e$^")


def test_every_figure_fits_a_page(store: ClassStore) -> None:
    batch = batch_of(store, PROTOCOLS["large"], range(1))
    matrices = {f"learner {number}": np.full((20, 20), 0.5) for number in range(5)}
    trace = Trace(torch.rand(1, 2, 100, 30), "slot")
    figures = [
        plot_episode(batch, batch.targets, "toy"),
        plot_memory(trace, torch.zeros(1, 100), "toy"),
        plot_accuracy_matrices(matrices, "toy"),
        plot_confusion(np.ones((31, 31), dtype=int), [f"type {number}" for number in range(30)], "toy"),
        curves([2.0, 1.0]),
    ]
    assert {figure.get_figwidth() * DPI for figure in figures} == {WIDTH * DPI}
    assert WIDTH * DPI < 800
    assert all(text.get_fontsize() >= SMALL for figure in figures for text in figure.findobj(Text) if text.get_text())


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

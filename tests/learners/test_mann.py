"""The memory-augmented learner: episodes are blind to each other, labels come late, padding is nothing."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metamann.data.store import ClassStore
from metamann.episodes.episode import PADDING, Classes, Episode, Examples, Stream, instances
from metamann.episodes.items.protocols import LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.errors import ConfigError
from metamann.learners.learner import negative_log_likelihood
from metamann.learners.mann import MANN
from metamann.learners.streaming import StreamingLearner

WAYS, STEPS = 5, 12
PROTOCOLS = {
    "nway": NWayKShot(ways=[2, WAYS], shots=[1, 3], queries=2),
    "stream": OnlineStream(ways=[2, WAYS], steps=STEPS),
}
Draw = Callable[..., Episode | Stream]


@pytest.fixture
def mann(make_mann: Callable[..., MANN], memory_kind: str) -> MANN:
    return make_mann(memory_kind, WAYS)


@pytest.fixture(params=sorted(PROTOCOLS))
def draw(request: pytest.FixtureRequest, store: ClassStore) -> Draw:
    """Episodes of these indices, under either protocol."""
    return Sampler(store, PROTOCOLS[request.param]).batch


@pytest.fixture
def stream(store: ClassStore) -> Stream:
    return Sampler(store, OnlineStream(ways=WAYS, steps=STEPS)).batch(range(3))


@pytest.fixture
def episode(store: ClassStore) -> Episode:
    return Sampler(store, NWayKShot(ways=WAYS, shots=2, queries=2)).batch(range(3))


@torch.no_grad()
def answers(mann: MANN, episodes: Episode | Stream) -> Tensor:
    return mann(episodes)


def assert_rounding(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_an_episode_is_blind_to_what_ran_before(mann: MANN, draw: Draw) -> None:
    expected = answers(mann, draw([0, 1]))
    for other in ([2, 3], [4]):
        answers(mann, draw(other))
        assert torch.equal(answers(mann, draw([0, 1])), expected)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_an_episode_is_blind_to_the_others_of_its_batch(mann: MANN, draw: Draw, mode: str) -> None:
    mann.train(mode == "train")
    expected = answers(mann, draw([0, 1, 2]))
    company = answers(mann, draw([7, 1, 9]))
    assert torch.equal(company[1], expected[1])
    assert not torch.equal(company[0], expected[0])


def in_doubles(mann: MANN, episodes: Episode | Stream) -> Episode | Stream:
    """Features and label codes in double precision; each image is encoded alone, to the same bits in any company."""

    def encoded(images: Tensor) -> Tensor:
        rows = [torch.cat([mann.encode(item.view(1, 1, *item.shape)) for item in row], 1) for row in images]
        return torch.cat(rows).double()

    classes = episodes.classes._replace(codes=episodes.classes.codes.double())
    if isinstance(episodes, Stream):
        return episodes._replace(inputs=encoded(episodes.inputs), classes=classes)
    support, query = (part._replace(inputs=encoded(part.inputs)) for part in (episodes.support, episodes.query))
    return Episode(support, query, classes)


@torch.no_grad()
def test_an_episode_alone_is_as_in_a_batch(mann: MANN, draw: Draw) -> None:
    """In double precision: what is rounded, a memory may make a thousand times as much of within a dozen steps."""
    mann.memory.double()
    mann.head.double()
    together = answers(mann.on_features(), in_doubles(mann, draw([0, 1, 2])))
    for position in range(3):
        alone = answers(mann.on_features(), in_doubles(mann, draw([position])))[0]
        torch.testing.assert_close(alone, together[position], rtol=1e-9, atol=1e-9)


def test_an_episode_alone_is_as_in_a_batch_in_single_precision(mann: MANN, draw: Draw) -> None:
    """Of a stream the first half, before what is rounded has grown; see the test above."""
    batch = draw([0, 1, 2])
    together, kept = answers(mann, batch), STEPS // 2 if isinstance(batch, Stream) else None
    for position in range(3):
        assert_rounding(answers(mann, draw([position]))[0, :kept], together[position, :kept])


def test_answers_are_probabilities_of_the_classes_of_the_episode(mann: MANN, draw: Draw) -> None:
    episodes = draw(range(8))
    log_probs = answers(mann, episodes)
    present = episodes.classes.present().unsqueeze(1).expand_as(log_probs)
    assert not present.all()
    assert (log_probs[~present] == -torch.inf).all()
    assert log_probs[present].isfinite().all()
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:2]))


@torch.no_grad()
def test_on_features_it_answers_the_same_and_shares_all_parameters(mann: MANN, draw: Draw) -> None:
    episodes, view, names = draw([0, 1]), mann.on_features(), list(mann.state_dict())
    if isinstance(episodes, Stream):
        encoded: Any = episodes._replace(inputs=mann.encode(episodes.inputs))
    else:
        parts = (part._replace(inputs=mann.encode(part.inputs)) for part in (episodes.support, episodes.query))
        encoded = Episode(*parts, episodes.classes)
    assert torch.equal(answers(view, encoded), answers(mann, episodes))
    assert list(mann.state_dict()) == names
    assert view.memory is mann.memory


def test_forward_leaves_the_module_alone(mann: MANN, draw: Draw) -> None:
    before = {name: tensor.clone() for name, tensor in mann.state_dict().items()}
    answers(mann, draw([0, 1]))
    after = mann.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_every_parameter_learns_from_an_episode(mann: MANN, draw: Draw) -> None:
    episodes = draw(range(4))
    log_probs = mann(episodes)
    real = episodes.targets >= 0
    torch.nn.functional.nll_loss(log_probs[real], episodes.targets[real]).backward()
    for name, parameter in mann.named_parameters():
        if name == "memory.never_seen" and isinstance(episodes, Episode):
            assert parameter.grad is None  # a complete support says nothing of novelty
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_label_changes_only_later_answers(mann: MANN, stream: Stream) -> None:
    for t in range(STEPS):
        inputs, labels = stream.inputs.clone(), stream.labels.clone()
        inputs[:, t + 1 : t + 2] = inputs[:, t : t + 1]  # seen again, for memories that read the nearest alone
        shown = stream._replace(inputs=inputs)
        labels[:, t] = (labels[:, t] + 1) % WAYS
        expected, told = answers(mann, shown), answers(mann, shown._replace(labels=labels))
        assert torch.equal(told[:, : t + 1], expected[:, : t + 1])
        if t + 1 < STEPS:
            assert not torch.equal(told[:, t + 1], expected[:, t + 1])


def test_later_inputs_do_not_change_earlier_answers(mann: MANN, stream: Stream, store: ClassStore) -> None:
    other = Sampler(store, OnlineStream(ways=WAYS, steps=STEPS), seed=1).batch(range(3))
    expected = answers(mann, stream)
    for t in range(STEPS - 1):
        inputs = torch.cat([stream.inputs[:, : t + 1], other.inputs[:, t + 1 :]], 1)
        changed = answers(mann, stream._replace(inputs=inputs))
        assert torch.equal(changed[:, : t + 1], expected[:, : t + 1])
        assert not torch.equal(changed[:, t + 1], expected[:, t + 1])


def test_what_stands_in_padding_does_not_matter(mann: MANN, draw: Draw) -> None:
    """Streams are given padding in their midst: the protocol itself leaves none."""
    episodes = draw(range(6))
    if isinstance(episodes, Stream):
        labels = episodes.labels.clone()
        labels[:, [3, 4, 9]] = PADDING
        episodes = episodes._replace(labels=labels)
        noisy = episodes._replace(inputs=noise_in_padding(episodes.inputs, labels))
    else:
        noisy = episodes._replace(
            support=episodes.support._replace(inputs=noise_in_padding(*episodes.support)),
            query=episodes.query._replace(inputs=noise_in_padding(*episodes.query)),
        )
    real = episodes.targets >= 0
    assert not real.all()
    assert torch.equal(answers(mann, noisy)[real], answers(mann, episodes)[real])


def noise_in_padding(inputs: Tensor, labels: Tensor) -> Tensor:
    noise = torch.randint(0, 256, inputs.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return torch.where((labels >= 0).view(*labels.shape, 1, 1, 1), inputs, noise)


def test_padded_episodes_are_answered_as_without_padding(mann: MANN, store: ClassStore) -> None:
    padded = Sampler(store, PROTOCOLS["nway"]).batch(range(6))
    log_probs = answers(mann, padded)
    for i in range(6):
        ways = int(padded.classes.ways[i])
        support, query = (
            Examples(part.inputs[i : i + 1, part.labels[i] >= 0], part.labels[i : i + 1, part.labels[i] >= 0])
            for part in (padded.support, padded.query)
        )
        alone = answers(mann, Episode(support, query, Classes.one_hot(1, ways)))
        assert_rounding(alone[0], log_probs[i, padded.query.labels[i] >= 0, :ways])


def test_padded_steps_are_as_if_they_were_not_there(mann: MANN, stream: Stream) -> None:
    labels = stream.labels.clone()
    labels[:, [0, 5, 6]] = PADDING
    kept = [1, 2, 3, 4, 7, 8, 9, 10, 11]
    expected = answers(mann, Stream(stream.inputs[:, kept], stream.labels[:, kept], stream.classes))
    assert_rounding(answers(mann, stream._replace(labels=labels))[:, kept], expected)


def test_queries_do_not_see_each_other(mann: MANN, episode: Episode, store: ClassStore) -> None:
    other = Sampler(store, NWayKShot(ways=WAYS, shots=2, queries=2), seed=1).batch(range(3)).query.inputs
    queries = episode.query.inputs
    with torch.no_grad():
        state = mann.adapt(episode.support, episode.classes)
        expected = mann.predict(state, queries)
        for q in range(queries.shape[1]):
            company = other.clone()
            company[:, q] = queries[:, q]
            assert torch.equal(mann.predict(state, company)[:, q], expected[:, q])
            assert_rounding(mann.predict(state, queries[:, q : q + 1])[:, 0], expected[:, q])
        assert_rounding(mann.predict(state, queries.flip(1)), expected.flip(1))


def test_predict_leaves_the_state_alone(mann: MANN, episode: Episode) -> None:
    with torch.no_grad():
        state = mann.adapt(episode.support, episode.classes)
        before = copy.deepcopy(state)
        first = mann.predict(state, episode.query.inputs)
        assert torch.equal(mann.predict(state, episode.query.inputs), first)
    unchanged = [*before.memory, *before.classes[:2], before.observed]
    for old, new in zip(unchanged, [*state.memory, *state.classes[:2], state.observed], strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_adapting_in_two_parts_is_adapting_at_once(mann: MANN, episode: Episode, cut: int) -> None:
    inputs, labels = episode.support
    with torch.no_grad():
        first = mann.adapt(Examples(inputs[:, :cut], labels[:, :cut]), episode.classes)
        second = mann.adapt(Examples(inputs[:, cut:], labels[:, cut:]), episode.classes, first)
        expected = answers(mann, episode)
        assert_rounding(mann.predict(second, episode.query.inputs), expected)
        assert not torch.allclose(mann.predict(first, episode.query.inputs), expected)


def test_classes_can_be_added_later(mann: MANN, episode: Episode) -> None:
    support = episode.support
    few, all_classes = Classes.one_hot(3, 3), Classes.one_hot(3, WAYS)
    order = support.labels.argsort(1)  # all items of classes 0, 1 and 2 first
    inputs = torch.stack([each[rows] for each, rows in zip(support.inputs, order, strict=True)])
    labels = support.labels.gather(1, order)
    with torch.no_grad():
        state = mann.adapt(Examples(inputs[:, :6], labels[:, :6]), few)
        assert mann.predict(state, episode.query.inputs).shape[-1] == 3
        state = mann.adapt(Examples(inputs[:, 6:], labels[:, 6:]), all_classes, state)
        at_once = mann.adapt(Examples(inputs, labels), all_classes)
        assert torch.equal(state.observed, at_once.observed)
        assert_rounding(mann.predict(state, episode.query.inputs), mann.predict(at_once, episode.query.inputs))


def test_without_support_every_answer_is_a_guess(mann: MANN, episode: Episode) -> None:
    nothing = Examples(episode.support.inputs[:, :0], episode.support.labels[:, :0])
    with torch.no_grad():
        log_probs = mann.predict(mann.adapt(nothing, episode.classes), episode.query.inputs)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:2]))
    if mann.memory.reads_label_mass:
        torch.testing.assert_close(log_probs.exp(), torch.full_like(log_probs, 1 / WAYS))


def test_keyvalue_takes_more_classes_than_it_was_built_for(make_mann: Callable[..., MANN], episode: Episode) -> None:
    assert torch.equal(
        answers(make_mann("keyvalue", 2), episode),
        answers(make_mann("keyvalue", WAYS), episode),
    )


@pytest.mark.parametrize("continued", [False, True], ids=["at_once", "later"])
def test_lrua_refuses_more_classes_than_it_was_built_for(
    make_mann: Callable[..., MANN], episode: Episode, continued: bool
) -> None:
    """Labels that have no code would be written as nothing at all, and answered at random."""
    mann = make_mann("lrua", 3)
    state = None
    if continued:
        known = Examples(episode.support.inputs, episode.support.labels % 3)
        state = mann.adapt(known, Classes.one_hot(3, 3))
    with pytest.raises(ConfigError, match=f"width 3.*{WAYS}"):
        mann.adapt(episode.support, Classes.one_hot(3, WAYS), state)


def test_a_stream_is_predict_then_be_told(mann: MANN, stream: Stream) -> None:
    with torch.no_grad():
        at_once = mann.stream(stream)
        nothing = stream.labels.new_full((3, 1), PADDING)
        state = mann.adapt(Examples(stream.inputs[:, :1], nothing), stream.classes)
        for t in range(STEPS):
            now = slice(t, t + 1)
            assert_rounding(mann.predict(state, stream.inputs[:, now]), at_once[:, now])
            state = mann.adapt(Examples(stream.inputs[:, now], stream.labels[:, now]), stream.classes, state)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_keyvalue_does_not_care_how_classes_are_numbered(
    make_mann: Callable[..., MANN], episode: Episode, stream: Stream, protocol: str
) -> None:
    mann, number = make_mann("keyvalue", WAYS), torch.tensor([3, 0, 4, 1, 2])
    if protocol == "nway":
        support = episode.support._replace(labels=number[episode.support.labels])
        one, other = answers(mann, episode), answers(mann, episode._replace(support=support))
    else:
        one, other = answers(mann, stream), answers(mann, stream._replace(labels=number[stream.labels]))
    assert_rounding(other[..., number], one)


def test_keyvalue_answers_alike_for_one_hot_and_orthonormal_codes(
    make_mann: Callable[..., MANN], stream: Stream
) -> None:
    mann = make_mann("keyvalue", WAYS)
    rotation = torch.linalg.qr(torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0)))[0][:, :WAYS]
    rotated = answers(mann, stream._replace(classes=Classes(stream.classes.ways, rotation)))
    torch.testing.assert_close(rotated.exp(), answers(mann, stream).exp(), rtol=0, atol=1e-5)


def test_keyvalue_never_beats_the_best_guess_on_a_first_instance(
    make_mann: Callable[..., MANN], store: ClassStore
) -> None:
    stream = Sampler(store, OnlineStream(ways=[2, WAYS], steps=STEPS)).batch(range(16))
    probability = answers(make_mann("keyvalue", WAYS), stream).exp().gather(-1, stream.labels.unsqueeze(-1))[..., 0]
    first = instances(stream.labels) == 1
    unused = stream.classes.ways.unsqueeze(1) - first.cumsum(1) + 1
    assert (probability[first] <= 1 / unused[first] + 1e-6).all()
    assert probability[~first].mean() > probability[first].mean()


def test_random_codes_wider_than_the_classes_work(mann: MANN, store: ClassStore) -> None:
    codes = LabelCodes("random", width=WAYS)
    stream = Sampler(store, OnlineStream(ways=[2, 4], steps=STEPS, codes=codes)).batch(range(4))
    log_probs = answers(mann, stream)
    assert log_probs.shape == (4, STEPS, 4)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(4, STEPS))


def test_trace_follows_the_stream(mann: MANN, stream: Stream) -> None:
    with torch.no_grad():
        weights = mann.trace(stream).read_weights
    assert weights.shape[0] == 3
    assert weights.shape[2] == STEPS
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@pytest.mark.parametrize("kind", ["keyvalue", "prototypes", "lrua", "delta"])
def test_a_stream_at_once_is_predict_and_be_told_step_by_step(
    kind: str, make_mann: Callable[..., MANN], store: ClassStore
) -> None:
    learner = make_mann(kind).eval()
    stream = Sampler(store, OnlineStream(ways=5, steps=12)).batch([0, 1])
    assert isinstance(stream, Stream)
    assert torch.allclose(learner.stream(stream), StreamingLearner.stream(learner, stream), atol=1e-4)


def test_smoothed_loss_by_hand() -> None:
    """Two answers of three classes, one of which the second episode does not have; the third answer is padding."""
    probabilities = torch.tensor([[[0.5, 0.2, 0.3]], [[0.25, 0.75, 0.0]], [[0.1, 0.1, 0.8]]])
    targets = torch.tensor([[0], [1], [PADDING]])
    loss = negative_log_likelihood(probabilities.log(), targets, smoothing=0.3)
    first = 0.7 * math.log(0.5) + 0.1 * (math.log(0.5) + math.log(0.2) + math.log(0.3))
    second = 0.7 * math.log(0.75) + 0.15 * (math.log(0.25) + math.log(0.75))
    torch.testing.assert_close(loss.total, torch.tensor(-first - second))
    assert loss.right == 2


def test_gradients_stay_finite_where_an_episode_lacks_classes(make_mann: Callable[..., MANN], draw: Draw) -> None:
    mann = make_mann("prototypes", WAYS, learner={"label_smoothing": 0.2, "both_ways": True})
    mann.loss(draw([0, 1, 2])).total.backward()
    assert all(each.grad is None or each.grad.isfinite().all() for each in mann.parameters())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_asked_both_ways_an_episode_is_two(
    make_mann: Callable[..., MANN], memory_kind: str, store: ClassStore, smoothing: float
) -> None:
    """Queries and support in each other's place; each answer counts as much as any other."""
    options = {"label_smoothing": smoothing}
    both = make_mann(memory_kind, WAYS, learner={**options, "both_ways": True})
    one = make_mann(memory_kind, WAYS, learner=options)
    episode = Sampler(store, NWayKShot(ways=[2, WAYS], shots=1, queries=2)).batch(range(3))
    there, back = one.loss(episode), one.loss(Episode(episode.query, episode.support, episode.classes))
    loss = both.loss(episode)
    torch.testing.assert_close(loss.total, (there.total + back.total) * 2 / 3)
    assert loss.right == there.right


def test_a_stream_has_one_way(make_mann: Callable[..., MANN], stream: Stream) -> None:
    both, one = make_mann("keyvalue", WAYS, learner={"both_ways": True}), make_mann("keyvalue", WAYS)
    assert torch.equal(both.loss(stream).total, one.loss(stream).total)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, "much"])
def test_smoothing_that_leaves_no_label_is_refused(make_mann: Callable[..., MANN], smoothing: object) -> None:
    with pytest.raises(ConfigError, match=r"learner\.label_smoothing"):
        make_mann("keyvalue", WAYS, learner={"label_smoothing": smoothing})

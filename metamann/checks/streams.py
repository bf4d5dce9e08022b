"""Do answers in a stream follow from earlier steps alone?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from metamann.checks.changes import ROUNDING, TOGETHER, AnyLearner, in_words, largest_change, percent
from metamann.checks.episodes import encoded
from metamann.checks.finding import TOO_MANY_ERRORS, Finding, errors_above, passes
from metamann.checks.samplers import AnySampler
from metamann.episodes.episode import PADDING, Stream, first_instance_ceiling, instances


def audit_streaming(learner: AnyLearner, sampler: AnySampler, batch: Stream, episodes: int) -> list[Finding]:
    """Check the answers to streams, and the accuracy where nothing can be known.

    Args:
        learner: see `metamann.checks.learners.audit_learner`.
        sampler: draws the streams.
        batch: of the sampler.
        episodes: number of streams to answer where a share is compared with chance.
    """
    return [
        _label_late(learner, batch),
        _later_inputs_unseen(learner, batch),
        _padded_step_inert(learner, batch),
        *_chance_in_streams(learner, sampler, episodes),
    ]


def _label_late(learner: AnyLearner, stream: Stream) -> Finding:
    """Another label at step t must not change the answers up to step t."""
    first, changes = learner(stream), []
    for step in _some_steps(stream):
        labels = stream.labels.clone()
        labels[:, step] = (labels[:, step] + 1) % stream.classes.ways
        changes.append(largest_change(first[:, : step + 1], learner(stream._replace(labels=labels))[:, : step + 1]))
    evidence = f"another label at {len(changes)} steps: {in_words(max(changes))}"
    return passes("the label of a step is not visible at that step", max(changes) < ROUNDING, evidence)


def _later_inputs_unseen(learner: AnyLearner, stream: Stream) -> Finding:
    """Other items and labels after step t must not change the answers up to step t."""
    first, changes = learner(stream), []
    for step in _some_steps(stream):
        inputs, labels = stream.inputs.clone(), stream.labels.clone()
        inputs[:, step + 1 :] = inputs.roll(1, 0)[:, step + 1 :]  # of the next stream
        labels[:, step + 1 :] = labels.roll(1, 0)[:, step + 1 :]
        other = learner(stream._replace(inputs=inputs, labels=labels))
        changes.append(largest_change(first[:, : step + 1], other[:, : step + 1]))
    evidence = f"other items behind {len(changes)} steps: {in_words(max(changes))}"
    return passes("later items are not visible earlier", max(changes) < ROUNDING, evidence)


def _padded_step_inert(learner: AnyLearner, stream: Stream) -> Finding:
    """The streams with one more step in the middle, which is marked as padding."""
    middle = stream.labels.shape[1] // 2
    inputs = torch.cat([stream.inputs[:, :middle], stream.inputs[:, :1], stream.inputs[:, middle:]], 1)
    padding = stream.labels.new_full((len(stream.labels), 1), PADDING)
    labels = torch.cat([stream.labels[:, :middle], padding, stream.labels[:, middle:]], 1)
    answers = learner(stream._replace(inputs=inputs, labels=labels))
    change = largest_change(learner(stream), torch.cat([answers[:, :middle], answers[:, middle + 1 :]], 1))
    return passes("a padded step changes nothing", change < ROUNDING, in_words(change))


def _chance_in_streams(learner: AnyLearner, sampler: AnySampler, episodes: int) -> list[Finding]:
    """First instances cannot be known, and with shuffled labels no instance can."""
    rng, first, shuffled, true, ceilings, chance = np.random.default_rng(0), [], [], [], [], []
    for start in range(0, episodes, TOGETHER):
        of_features, stream = encoded(learner, sampler.batch(range(start, min(start + TOGETHER, episodes))))
        assert isinstance(stream, Stream)
        labels = stream.labels.clone()
        for row in labels:
            mask = row != PADDING
            row[mask] = row[mask][torch.from_numpy(rng.permutation(int(mask.sum())))]
        right = of_features(stream).argmax(-1) == stream.labels
        misled = of_features(stream._replace(labels=labels)).argmax(-1) == stream.labels
        mask = stream.labels != PADDING
        first += _shares(right, instances(stream.labels) == 1)
        true += _shares(right, mask)
        shuffled += _shares(misled, mask)
        ceilings += [first_instance_ceiling(ways) for ways in stream.classes.ways.tolist()]
        chance += [1 / ways for ways in stream.classes.ways.tolist()]
    return [
        passes(
            "first instances stay under their ceiling",
            errors_above(np.array(first), np.array(ceilings)) < TOO_MANY_ERRORS,
            f"{percent(first)} right over {episodes} episodes, ceiling {100 * np.mean(ceilings):.1f} %",
        ),
        passes(
            "shuffled labels fall to chance",
            errors_above(np.array(shuffled), np.array(chance)) < TOO_MANY_ERRORS,
            f"{percent(shuffled)} right over {episodes} episodes, {100 * np.mean(chance):.1f} % by chance, "
            f"{percent(true)} with the true labels",
        ),
    ]


def _shares(right: Tensor, mask: Tensor) -> list[float]:
    return ((right & mask).sum(1) / mask.sum(1)).tolist()


def _some_steps(stream: Stream) -> Sequence[int]:
    steps = stream.labels.shape[1]
    return sorted({0, steps // 4, steps // 2, max(0, steps - 2)})

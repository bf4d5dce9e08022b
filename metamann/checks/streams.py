"""Checks that the answer at a step of a stream depends on this item and earlier steps alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from metamann.checks.changes import BATCH_SIZE, ROUNDING, AnyLearner, in_words, largest_change, percent
from metamann.checks.episodes import encoded
from metamann.checks.finding import TOO_MANY_ERRORS, Finding, errors_above, passes
from metamann.checks.samplers import AnySampler
from metamann.episodes.episode import PADDING, Stream, first_instance_ceiling, instances


def audit_streaming(learner: AnyLearner, sampler: AnySampler, batch: Stream, episodes: int) -> list[Finding]:
    """Check the answers to streams, and the accuracy on labels that cannot be known.

    Args:
        learner: see `metamann.checks.learners.audit_learner`.
        sampler: of the streams.
        batch: of the sampler.
        episodes: number of streams for the checks that compare an accuracy with chance.
    """
    return [
        _label_hidden(learner, batch),
        _later_steps_hidden(learner, batch),
        _padded_step_inert(learner, batch),
        *_chance_in_streams(learner, sampler, episodes),
    ]


def _label_hidden(learner: AnyLearner, stream: Stream) -> Finding:
    """Check that another label at step t does not change the answers up to step t."""
    first, changes = learner(stream), []
    for step in _some_steps(stream):
        labels = stream.labels.clone()
        labels[:, step] = (labels[:, step] + 1) % stream.classes.ways
        changes.append(largest_change(first[:, : step + 1], learner(stream._replace(labels=labels))[:, : step + 1]))
    evidence = f"another label at {len(changes)} steps: {in_words(max(changes))}"
    return passes("the label of a step is not visible at that step", max(changes) < ROUNDING, evidence)


def _later_steps_hidden(learner: AnyLearner, stream: Stream) -> Finding:
    """Check that other items and labels after step t do not change the answers up to step t."""
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
    """Compare the answers with those to streams with one more step in the middle, which is marked as padding."""
    middle = stream.labels.shape[1] // 2
    inputs = torch.cat([stream.inputs[:, :middle], stream.inputs[:, :1], stream.inputs[:, middle:]], 1)
    padding = stream.labels.new_full((len(stream.labels), 1), PADDING)
    labels = torch.cat([stream.labels[:, :middle], padding, stream.labels[:, middle:]], 1)
    answers = learner(stream._replace(inputs=inputs, labels=labels))
    change = largest_change(learner(stream), torch.cat([answers[:, :middle], answers[:, middle + 1 :]], 1))
    return passes("a padded step changes nothing", change < ROUNDING, in_words(change))


def _chance_in_streams(learner: AnyLearner, sampler: AnySampler, episodes: int) -> list[Finding]:
    """Check that the accuracy on first instances is at most its ceiling, and with shuffled labels at chance."""
    rng, on_first, with_shuffled, with_true, ceilings, chance = np.random.default_rng(0), [], [], [], [], []
    for start in range(0, episodes, BATCH_SIZE):
        of_features, stream = encoded(learner, sampler.batch(range(start, min(start + BATCH_SIZE, episodes))))
        assert isinstance(stream, Stream)
        labels = stream.labels.clone()
        for row in labels:
            mask = row != PADDING
            row[mask] = row[mask][torch.from_numpy(rng.permutation(int(mask.sum())))]
        correct = of_features(stream).argmax(-1) == stream.labels
        correct_shuffled = of_features(stream._replace(labels=labels)).argmax(-1) == stream.labels
        mask = stream.labels != PADDING
        on_first += _shares(correct, instances(stream.labels) == 1)
        with_true += _shares(correct, mask)
        with_shuffled += _shares(correct_shuffled, mask)
        ceilings += [first_instance_ceiling(ways) for ways in stream.classes.ways.tolist()]
        chance += [1 / ways for ways in stream.classes.ways.tolist()]
    return [
        passes(
            "first instances stay under their ceiling",
            errors_above(np.array(on_first), np.array(ceilings)) < TOO_MANY_ERRORS,
            f"{percent(on_first)} right over {episodes} episodes, ceiling {100 * np.mean(ceilings):.1f} %",
        ),
        passes(
            "shuffled labels fall to chance",
            errors_above(np.array(with_shuffled), np.array(chance)) < TOO_MANY_ERRORS,
            f"{percent(with_shuffled)} right over {episodes} episodes, {100 * np.mean(chance):.1f} % by chance, "
            f"{percent(with_true)} with the true labels",
        ),
    ]


def _shares(correct: Tensor, mask: Tensor) -> list[float]:
    return ((correct & mask).sum(1) / mask.sum(1)).tolist()


def _some_steps(stream: Stream) -> Sequence[int]:
    steps = stream.labels.shape[1]
    return sorted({0, steps // 4, steps // 2, max(0, steps - 2)})

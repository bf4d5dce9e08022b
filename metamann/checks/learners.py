"""Does a learner answer from the support alone? Checks of any learner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.checks.finding import TOO_MANY_ERRORS, Finding, errors_above, passes
from metamann.checks.samplers import AnySampler, scheme_of
from metamann.episodes.episode import PADDING, Episode, Examples, Stream, first_instance_ceiling, instances
from metamann.episodes.tagging import TagScheme, n_tags, read_classes
from metamann.learners.learner import Learner

ROUNDING = 1e-4  # of a probability: float32 summed in another order
TOGETHER = 4  # episodes of a batch

AnyLearner = Callable[[Any], Tensor]


def audit_learner(learner: AnyLearner, sampler: AnySampler, episodes: int = 100) -> list[Finding]:
    """Check that an answer follows from the support set, the query and nothing else.

    Args:
        learner: a module that gives log-probabilities of a batch of episodes, `metamann.learners.learner.Learner` or a
            user's own; it is put into evaluation mode. With an attribute `transductive`, true, it declares that its
            queries see one another.
        sampler: deals episodes; of images, sentences, or streams.
        episodes: how many are answered where a share is compared with chance.
    """
    if isinstance(learner, nn.Module):
        learner.eval()
    batch = sampler.batch(range(TOGETHER))
    with torch.no_grad():
        findings = [*_reset(learner, sampler, batch), _state_dict_kept(learner, batch)]
        if isinstance(batch, Stream):
            findings += [_label_late(learner, batch), _later_inputs_unseen(learner, batch)]
            findings += [_padded_step_inert(learner, batch), *_chance_in_streams(learner, sampler, episodes)]
        else:
            findings += [_query_labels_unused(learner, batch), *_queries_isolated(learner, batch)]
            findings += [_padding_inert(learner, batch), _shuffled_support(learner, sampler, episodes)]
    return findings


def _reset(learner: AnyLearner, sampler: AnySampler, batch: Episode | Stream) -> list[Finding]:
    """The same episodes again after others, beside others, and alone."""
    others = sampler.batch(range(TOGETHER, 2 * TOGETHER))
    first = learner(batch)
    learner(others)
    after = learner(batch)
    findings = [
        passes("memory is reset: the same bits after other episodes", torch.equal(first, after), _changes(first, after))
    ]
    beside = learner(sampler.batch([0, *range(TOGETHER, 2 * TOGETHER - 1)]))[0]
    alone = learner(sampler.batch([0]))[0]
    for check, answers in (("beside other episodes", beside), ("alone, within rounding", alone)):
        change = _change(*_common(first[0], answers))
        # the padding of sentences, and so the order of sums, goes with the company
        exact = first[0].shape == answers.shape and "beside" in check and first.dim() == 3
        findings.append(
            passes(
                f"memory is reset: the same answer {check}", change == 0 if exact else change < ROUNDING, _said(change)
            )
        )
    return findings


def _state_dict_kept(learner: AnyLearner, batch: Episode | Stream) -> Finding:
    check = "answering changes no parameter and no buffer"
    if not isinstance(learner, nn.Module):
        return Finding(check, "skipped", "the learner is no module")
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    learner(batch)
    changed = [name for name, tensor in learner.state_dict().items() if not torch.equal(tensor, before[name])]
    return passes(check, not changed, ", ".join(changed) or f"{len(before)} tensors")


def _query_labels_unused(learner: AnyLearner, batch: Episode) -> Finding:
    labels = batch.query.labels
    ways = batch.classes.ways.view(-1, *[1] * (labels.dim() - 1))
    garbled = torch.where(labels == PADDING, labels, (labels + 1) % ways)
    first, second = learner(batch), learner(batch._replace(query=Examples(batch.query.inputs, garbled)))
    return passes("labels of the query are not used", torch.equal(first, second), _changes(first, second))


def _queries_isolated(learner: AnyLearner, batch: Episode) -> list[Finding]:
    """The first query in the company of all others, and by itself."""
    check = "queries do not see each other"
    together, alone = learner(batch)[:, :1], learner(batch._replace(query=batch.query.part(0, 1)))
    change = _change(*_common(together, alone))
    declared = bool(getattr(learner, "transductive", False))
    isolated = passes(check, change < ROUNDING, f"the first one alone: {_said(change)}")
    if declared and isolated.outcome == "fail":
        isolated = Finding(check, "declared", f"the learner says that it is transductive; {isolated.evidence}")
    return [isolated, _no_batch_statistics(learner, declared)]


def _no_batch_statistics(learner: AnyLearner, declared: bool) -> Finding:
    check = "no statistics are taken over a batch (no transduction)"
    if not isinstance(learner, nn.Module):
        return Finding(check, "skipped", "the learner is no module")
    norms = {name: each for name, each in learner.named_modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)}
    of_batch = [name for name, norm in norms.items() if norm.training or norm.running_mean is None]
    if of_batch and declared:
        return Finding(check, "declared", f"the learner says that it is transductive; {', '.join(of_batch)}")
    return passes(check, not of_batch, ", ".join(of_batch) or f"{len(norms)} batch normalisations, none of a batch")


def _padding_inert(learner: AnyLearner, batch: Episode) -> Finding:
    """One episode with an item of the support that is marked as padding."""
    check = "padding of the support changes nothing"
    (inputs, labels), queries = batch.support, batch.query.inputs
    if not isinstance(inputs, Tensor) or not isinstance(queries, Tensor):
        return Finding(check, "skipped", "sentences are padded with no words; see 'alone'")
    first = learner(batch)
    more = Examples(torch.cat([inputs, queries[:, :1]], 1), F.pad(labels, (0, 1), value=PADDING))
    change = _change(first, learner(batch._replace(support=more)))
    return passes(check, change < ROUNDING, _said(change))


def _shuffled_support(learner: AnyLearner, sampler: AnySampler, episodes: int) -> Finding:
    """Where the labels of the support say nothing, answers must be right by chance alone."""
    rng, scheme = np.random.default_rng(0), scheme_of(sampler)
    right: list[float] = []
    true: list[float] = []
    chance: list[float] = []
    for start in range(0, episodes, TOGETHER):
        batch = _encoded(learner, sampler.batch(range(start, min(start + TOGETHER, episodes))))
        assert isinstance(batch, Episode)
        labels = batch.support.labels.clone()
        for row, ways in zip(labels, batch.classes.ways.tolist(), strict=True):
            if row.dim() == 1:
                told = row != PADDING
                row[told] = row[told][torch.from_numpy(rng.permutation(int(told.sum())))]
            else:
                row.copy_(_other_types(row, ways, scheme, rng))
        shuffled = batch._replace(support=Examples(batch.support.inputs, labels))
        for each, found in ((shuffled, right), (batch, true)):
            found += _right_classes(learner(each), batch.query.labels, scheme)
        chance += [1 / _n_classes(ways, batch.query.labels.dim(), scheme) for ways in batch.classes.ways.tolist()]
    errors = errors_above(np.array(right), np.array(chance))
    evidence = (
        f"{_percent(right)} right over {episodes} episodes, {100 * np.mean(chance):.1f} % by chance, "
        f"{_percent(true)} with the true labels"
    )
    return passes("shuffled labels of the support fall to chance", errors < TOO_MANY_ERRORS, evidence)


def _encoded(learner: AnyLearner, batch: Episode | Stream) -> Episode | Stream:
    """Images encoded once, where they are answered twice and the learner can do so."""
    if not isinstance(learner, Learner):
        return batch
    if isinstance(batch, Stream):
        return batch._replace(inputs=learner.encode(batch.inputs))
    if not isinstance(batch.support.inputs, Tensor):
        return batch
    support, query = (part._replace(inputs=learner.encode(part.inputs)) for part in (batch.support, batch.query))
    return batch._replace(support=support, query=query)


def _n_classes(ways: int, dims: int, scheme: TagScheme) -> int:
    """Classes of an episode; for sentences types of entities, `ways` being tags."""
    if dims == 2:
        return ways
    return (ways - 1) // (n_tags(scheme, 1) - 1)


def _other_types(tags: Tensor, ways: int, scheme: TagScheme, rng: np.random.Generator) -> Tensor:
    """Tags with all types renumbered by one rotation drawn at random."""
    each = n_tags(scheme, 1) - 1  # tags of a type
    types = (ways - 1) // each
    turned = (tags - 1 + each * int(rng.integers(types))) % (types * each) + 1
    return torch.where(tags > 0, turned, tags)


def _right_classes(log_probs: Tensor, labels: Tensor, scheme: TagScheme) -> list[float]:
    """Share of right answers in each episode; for sentences among words that are in an entity and taken to be."""
    answers, asked = log_probs.argmax(-1).numpy(), labels.numpy()
    if labels.dim() == 2:
        return [float(np.mean(a[q != PADDING] == q[q != PADDING])) for a, q in zip(answers, asked, strict=True)]
    found = []
    for given, wanted in zip(answers, asked, strict=True):
        ours, theirs = read_classes(scheme, given)[0], read_classes(scheme, wanted)[0]
        both = (ours >= 0) & (theirs >= 0)
        found.append(float(np.mean(ours[both] == theirs[both])) if both.any() else float("nan"))
    return found


def _label_late(learner: AnyLearner, stream: Stream) -> Finding:
    """Another label at step t, and the answers up to and with t."""
    first, changes = learner(stream), []
    for step in _some_steps(stream):
        labels = stream.labels.clone()
        labels[:, step] = (labels[:, step] + 1) % stream.classes.ways
        changes.append(_change(first[:, : step + 1], learner(stream._replace(labels=labels))[:, : step + 1]))
    evidence = f"another label at {len(changes)} steps: {_said(max(changes))}"
    return passes("the label of a step is not visible at that step", max(changes) < ROUNDING, evidence)


def _later_inputs_unseen(learner: AnyLearner, stream: Stream) -> Finding:
    """Other items and labels behind step t, and the answers up to and with t."""
    first, changes = learner(stream), []
    for step in _some_steps(stream):
        inputs, labels = stream.inputs.clone(), stream.labels.clone()
        inputs[:, step + 1 :] = inputs.roll(1, 0)[:, step + 1 :]  # of the next stream
        labels[:, step + 1 :] = labels.roll(1, 0)[:, step + 1 :]
        other = learner(stream._replace(inputs=inputs, labels=labels))
        changes.append(_change(first[:, : step + 1], other[:, : step + 1]))
    evidence = f"other items behind {len(changes)} steps: {_said(max(changes))}"
    return passes("later items are not visible earlier", max(changes) < ROUNDING, evidence)


def _padded_step_inert(learner: AnyLearner, stream: Stream) -> Finding:
    """The streams with a step in their middle that is marked as padding."""
    middle = stream.labels.shape[1] // 2
    inputs = torch.cat([stream.inputs[:, :middle], stream.inputs[:, :1], stream.inputs[:, middle:]], 1)
    padding = stream.labels.new_full((len(stream.labels), 1), PADDING)
    labels = torch.cat([stream.labels[:, :middle], padding, stream.labels[:, middle:]], 1)
    answers = learner(stream._replace(inputs=inputs, labels=labels))
    change = _change(learner(stream), torch.cat([answers[:, :middle], answers[:, middle + 1 :]], 1))
    return passes("a padded step changes nothing", change < ROUNDING, _said(change))


def _chance_in_streams(learner: AnyLearner, sampler: AnySampler, episodes: int) -> list[Finding]:
    """First instances cannot be known, and nothing can be where the labels told say nothing."""
    rng, first, shuffled, true, ceilings, chance = np.random.default_rng(0), [], [], [], [], []
    for start in range(0, episodes, TOGETHER):
        stream = _encoded(learner, sampler.batch(range(start, min(start + TOGETHER, episodes))))
        assert isinstance(stream, Stream)
        labels = stream.labels.clone()
        for row in labels:
            told = row != PADDING
            row[told] = row[told][torch.from_numpy(rng.permutation(int(told.sum())))]
        right = learner(stream).argmax(-1) == stream.labels
        misled = learner(stream._replace(labels=labels)).argmax(-1) == stream.labels
        which, told = instances(stream.labels), stream.labels != PADDING
        first += _shares(right, which == 1)
        true += _shares(right, told)
        shuffled += _shares(misled, told)
        ceilings += [first_instance_ceiling(ways) for ways in stream.classes.ways.tolist()]
        chance += [1 / ways for ways in stream.classes.ways.tolist()]
    return [
        passes(
            "first instances stay under their ceiling",
            errors_above(np.array(first), np.array(ceilings)) < TOO_MANY_ERRORS,
            f"{_percent(first)} right over {episodes} episodes, ceiling {100 * np.mean(ceilings):.1f} %",
        ),
        passes(
            "shuffled labels fall to chance",
            errors_above(np.array(shuffled), np.array(chance)) < TOO_MANY_ERRORS,
            f"{_percent(shuffled)} right over {episodes} episodes, {100 * np.mean(chance):.1f} % by chance, "
            f"{_percent(true)} with the true labels",
        ),
    ]


def _shares(right: Tensor, where: Tensor) -> list[float]:
    return ((right & where).sum(1) / where.sum(1)).tolist()


def _some_steps(stream: Stream) -> Sequence[int]:
    steps = stream.labels.shape[1]
    return sorted({0, steps // 4, steps // 2, max(0, steps - 2)})


def _common(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Cut to what both answer: the padding of sentences goes with the company."""
    shape = [slice(min(sizes)) for sizes in zip(first.shape, second.shape, strict=True)]
    return first[tuple(shape)], second[tuple(shape)]


def _change(first: Tensor, second: Tensor) -> float:
    """Largest change of a probability."""
    change = float((first.exp() - second.exp()).abs().max()) if first.numel() else 0.0
    return change if np.isfinite(change) else float("inf")


def _changes(first: Tensor, second: Tensor) -> str:
    return _said(_change(first, second))


def _said(change: float) -> str:
    return "the same bits" if change == 0 else f"a probability changes by {change:.1e} at most"


def _percent(values: Sequence[float]) -> str:
    return f"{100 * float(np.nanmean(values)):.1f} %"

"""Checks that the answers to a query depend on the support and the query item alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.checks.changes import (
    BATCH_SIZE,
    ROUNDING,
    AnyLearner,
    change_in_words,
    common,
    in_words,
    largest_change,
    percent,
)
from metamann.checks.finding import TOO_MANY_ERRORS, Finding, errors_above, passes
from metamann.checks.samplers import AnySampler, scheme_of
from metamann.episodes.episode import PADDING, Episode, Examples, Stream
from metamann.episodes.sentences.tagging import TagScheme, n_tags, read_classes
from metamann.learners.learner import Learner


def audit_answers(learner: AnyLearner, sampler: AnySampler, batch: Episode, episodes: int) -> list[Finding]:
    """Check the answers to a batch, and the accuracy with a misleading support.

    Args:
        learner: see `metamann.checks.learners.audit_learner`.
        sampler: of the episodes.
        batch: of the sampler.
        episodes: number of episodes for the checks that compare an accuracy with chance.
    """
    return [
        _query_labels_unused(learner, batch),
        *_queries_isolated(learner, batch),
        _padding_inert(learner, batch),
        _shuffled_support(learner, sampler, episodes),
    ]


def _query_labels_unused(learner: AnyLearner, batch: Episode) -> Finding:
    labels = batch.query.labels
    ways = batch.classes.ways.view(-1, *[1] * (labels.dim() - 1))
    changed = torch.where(labels == PADDING, labels, (labels + 1) % ways)
    first, second = learner(batch), learner(batch._replace(query=Examples(batch.query.inputs, changed)))
    return passes("labels of the query are not used", torch.equal(first, second), change_in_words(first, second))


def _queries_isolated(learner: AnyLearner, batch: Episode) -> list[Finding]:
    """Compare the answers to the first and the last query among all others with those to the query alone.

    If a learner writes to its memory while it answers, only the answer to the last query changes.
    """
    check, joint, changes = "queries do not see each other", learner(batch), []
    for number in (0, batch.query.labels.shape[1] - 1):
        query = batch.query.part(number, number + 1)
        among_others, alone = common(joint[:, number : number + 1], learner(batch._replace(query=query)))
        mask = query.labels != PADDING  # an episode can have fewer queries, a sentence fewer words
        changes.append(largest_change(among_others[mask], alone[mask]))
    transductive = bool(getattr(learner, "transductive", False))
    isolated = passes(check, max(changes) < ROUNDING, f"the first and the last one alone: {in_words(max(changes))}")
    if transductive and isolated.outcome == "fail":
        isolated = Finding(check, "declared", f"the learner says that it is transductive; {isolated.evidence}")
    return [isolated, _no_batch_statistics(learner, transductive), *_labels_isolated(learner, batch)]


def _labels_isolated(learner: AnyLearner, batch: Episode) -> list[Finding]:
    """The same check for the labels that an evaluation scores, if these are not the most probable ones."""
    if not isinstance(learner, Learner) or type(learner).answer is Learner.answer:
        return []
    state = learner.adapt(batch.support, batch.classes)
    joint, n_changed = learner.answer(state, batch.query.inputs), 0
    for number in (0, batch.query.labels.shape[1] - 1):
        query = batch.query.part(number, number + 1)
        among_others, alone = common(joint[:, number : number + 1], learner.answer(state, query.inputs))
        n_changed += int(((among_others != alone) & (query.labels != PADDING)).sum())
    return [passes("answers, as they are counted, do not see each other", not n_changed, f"{n_changed} labels differ")]


def _no_batch_statistics(learner: AnyLearner, transductive: bool) -> Finding:
    check = "no statistics are taken over a batch (no transduction)"
    if not isinstance(learner, nn.Module):
        return Finding(check, "skipped", "the learner is no module")
    batch_norm = nn.modules.batchnorm._BatchNorm
    norms = {name: module for name, module in learner.named_modules() if isinstance(module, batch_norm)}
    of_batch = [name for name, norm in norms.items() if norm.training or norm.running_mean is None]
    if of_batch and transductive:
        return Finding(check, "declared", f"the learner says that it is transductive; {', '.join(of_batch)}")
    return passes(check, not of_batch, ", ".join(of_batch) or f"{len(norms)} batch normalisations, none of a batch")


def _padding_inert(learner: AnyLearner, batch: Episode) -> Finding:
    """Compare the answers with those after one more item in the support, which is marked as padding."""
    check = "padding of the support changes nothing"
    inputs: Any = batch.support.inputs
    queries: Any = batch.query.inputs
    labels = batch.support.labels
    if batch.support.tagged:
        return Finding(check, "skipped", "sentences are padded with no words; see 'alone'")
    first = learner(batch)
    more = Examples(torch.cat([inputs, queries.narrow(1, 0, 1)], 1), F.pad(labels, (0, 1), value=PADDING))
    change = largest_change(first, learner(batch._replace(support=more)))
    return passes(check, change < ROUNDING, in_words(change))


def _shuffled_support(learner: AnyLearner, sampler: AnySampler, episodes: int) -> Finding:
    """Check that with shuffled labels in the support, the accuracy is at chance."""
    rng, scheme = np.random.default_rng(0), scheme_of(sampler)
    with_shuffled: list[float] = []
    with_true: list[float] = []
    chance: list[float] = []
    for start in range(0, episodes, BATCH_SIZE):
        of_features, batch = encoded(learner, sampler.batch(range(start, min(start + BATCH_SIZE, episodes))))
        assert isinstance(batch, Episode)
        labels = batch.support.labels.clone()
        for row, ways in zip(labels, batch.classes.ways.tolist(), strict=True):
            if row.dim() == 1:
                mask = row != PADDING
                row[mask] = row[mask][torch.from_numpy(rng.permutation(int(mask.sum())))]
            else:
                row.copy_(_other_types(row, ways, scheme, rng))
        shuffled = batch._replace(support=Examples(batch.support.inputs, labels))
        with_shuffled += _accuracies(of_features(shuffled), batch.query.labels, scheme)
        with_true += _accuracies(of_features(batch), batch.query.labels, scheme)
        chance += [1 / _n_classes(ways, batch.query.labels.dim(), scheme) for ways in batch.classes.ways.tolist()]
    errors = errors_above(np.array(with_shuffled), np.array(chance))
    evidence = (
        f"{percent(with_shuffled)} right over {episodes} episodes, {100 * np.mean(chance):.1f} % by chance, "
        f"{percent(with_true)} with the true labels"
    )
    return passes("shuffled labels of the support fall to chance", errors < TOO_MANY_ERRORS, evidence)


def encoded(learner: AnyLearner, batch: Episode | Stream) -> tuple[AnyLearner, Episode | Stream]:
    """The learner on features and the encoded batch, to answer it several times; other modules are unchanged."""
    if not isinstance(learner, Learner):
        return learner, batch
    if isinstance(batch, Stream):
        return learner.on_features(), batch._replace(inputs=learner.encode(batch.inputs))
    support, query = (part._replace(inputs=learner.encode(part.inputs)) for part in (batch.support, batch.query))
    return learner.on_features(), batch._replace(support=support, query=query)


def _n_classes(ways: int, dims: int, scheme: TagScheme) -> int:
    """The number of classes of an episode; for sentences, whose `ways` count tags, the number of entity types."""
    if dims == 2:
        return ways
    return (ways - 1) // (n_tags(scheme, 1) - 1)


def _other_types(tags: Tensor, ways: int, scheme: TagScheme, rng: np.random.Generator) -> Tensor:
    """Tags with the types renumbered by one random rotation."""
    per_type = n_tags(scheme, 1) - 1
    types = (ways - 1) // per_type
    rotated = (tags - 1 + per_type * int(rng.integers(types))) % (types * per_type) + 1
    return torch.where(tags > 0, rotated, tags)


def _accuracies(log_probs: Tensor, labels: Tensor, scheme: TagScheme) -> list[float]:
    """Accuracy of each episode; for sentences that of the types, at words in both a true and a predicted entity."""
    pairs = list(zip(log_probs.argmax(-1).numpy(), labels.numpy(), strict=True))
    if labels.dim() == 2:
        return [float(np.mean(answers[gold != PADDING] == gold[gold != PADDING])) for answers, gold in pairs]
    shares = []
    for answers, gold in pairs:
        predicted, true = read_classes(scheme, answers)[0], read_classes(scheme, gold)[0]
        both = (predicted >= 0) & (true >= 0)
        shares.append(float(np.mean(predicted[both] == true[both])) if both.any() else float("nan"))
    return shares

"""Checks that the answers of any learner depend on the support and the query item alone."""

from __future__ import annotations

import torch
from torch import nn

from metamann.checks.changes import (
    BATCH_SIZE,
    ROUNDING,
    AnyLearner,
    change_in_words,
    common,
    in_words,
    largest_change,
)
from metamann.checks.episodes import audit_answers
from metamann.checks.finding import Finding, passes
from metamann.checks.samplers import AnySampler
from metamann.checks.streams import audit_streaming
from metamann.episodes.episode import Episode, Stream


def audit_learner(learner: AnyLearner, sampler: AnySampler, episodes: int = 100) -> list[Finding]:
    """Check that an answer depends on the support and the query item alone.

    Args:
        learner: a module that returns log-probabilities for a batch of episodes, `metamann.learners.learner.Learner` or
            a user's own; it is put into evaluation mode. If its attribute `transductive` is true, it declares that its
            answers depend on the other queries.
        sampler: of the episodes, of images or sentences, or of streams.
        episodes: number of episodes for the checks that compare an accuracy with chance.

    Examples:
        >>> from metamann.data.store import ClassStore
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> from metamann.episodes.sampler import Sampler
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.prototypes import PrototypeMemory
        >>> store = ClassStore.from_classes("rows", list(torch.rand(6, 3, 8)), list("abcdef"), groups=[""] * 6)
        >>> learner = MANN(IdentityEncoder(8), PrototypeMemory(features=8, code_width=5), code_width=5)
        >>> findings = audit_learner(learner, Sampler(store, NWayKShot(ways=5, queries=2)), episodes=20)
        >>> {finding.outcome for finding in findings}
        {'pass'}
    """
    if isinstance(learner, nn.Module):
        learner.eval()
    batch = sampler.batch(range(BATCH_SIZE))
    with torch.no_grad():
        findings = [*_reset(learner, sampler, batch), _state_dict_unchanged(learner, batch)]
        if isinstance(batch, Stream):
            return [*findings, *audit_streaming(learner, sampler, batch, episodes)]
        return [*findings, *audit_answers(learner, sampler, batch, episodes)]


def _reset(learner: AnyLearner, sampler: AnySampler, batch: Episode | Stream) -> list[Finding]:
    """Answer the same episodes again after others, and the first and the last of them beside others and alone."""
    others = list(range(BATCH_SIZE, 2 * BATCH_SIZE - 1))
    first = learner(batch)
    learner(sampler.batch(range(BATCH_SIZE, 2 * BATCH_SIZE)))
    again = learner(batch)
    check = "memory is reset: the same bits after other episodes"
    findings = [passes(check, torch.equal(first, again), change_in_words(first, again))]
    batches = [(0, sampler.batch([0, *others])), (BATCH_SIZE - 1, sampler.batch([*others, BATCH_SIZE - 1]))]
    beside = [(first[row], learner(mixed)[row]) for row, mixed in batches]
    # the padding of sentences, and with it the order of sums, depends on the batch
    exact = first.dim() == 3 and all(before.shape == after.shape for before, after in beside)
    change = max(largest_change(*common(*pair)) for pair in beside)
    check = "memory is reset: the same answer beside other episodes"
    findings.append(passes(check, change == 0 if exact else change < ROUNDING, in_words(change)))
    alone = [common(first[row], learner(sampler.batch([row]))[0]) for row in (0, BATCH_SIZE - 1)]
    change = max(largest_change(*pair) for pair in alone)
    check = "memory is reset: the same answer alone, within rounding"
    return [*findings, passes(check, change < ROUNDING, in_words(change))]


def _state_dict_unchanged(learner: AnyLearner, batch: Episode | Stream) -> Finding:
    check = "answering changes no parameter and no buffer"
    if not isinstance(learner, nn.Module):
        return Finding(check, "skipped", "the learner is no module")
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    learner(batch)
    changed = [name for name, tensor in learner.state_dict().items() if not torch.equal(tensor, before[name])]
    return passes(check, not changed, ", ".join(changed) or f"{len(before)} tensors")

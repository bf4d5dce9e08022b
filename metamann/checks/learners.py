"""Does a learner answer from the support alone? Checks of any learner."""

from __future__ import annotations

import torch
from torch import nn

from metamann.checks.changes import (
    ROUNDING,
    TOGETHER,
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
    """Check that an answer follows from the support set, the query and nothing else.

    Args:
        learner: a module that returns log-probabilities for a batch of episodes, `metamann.learners.learner.Learner` or
            a user's own; it is put into evaluation mode. An attribute `transductive`, true, declares that its queries
            see one another.
        sampler: draws the episodes, of images, sentences, or streams.
        episodes: number of episodes to answer where a share is compared with chance.
    """
    if isinstance(learner, nn.Module):
        learner.eval()
    batch = sampler.batch(range(TOGETHER))
    with torch.no_grad():
        findings = [*_reset(learner, sampler, batch), _state_dict_unchanged(learner, batch)]
        if isinstance(batch, Stream):
            return [*findings, *audit_streaming(learner, sampler, batch, episodes)]
        return [*findings, *audit_answers(learner, sampler, batch, episodes)]


def _reset(learner: AnyLearner, sampler: AnySampler, batch: Episode | Stream) -> list[Finding]:
    """The same episodes after others; the first and the last of them in a batch with others, and alone."""
    others = list(range(TOGETHER, 2 * TOGETHER - 1))
    first = learner(batch)
    learner(sampler.batch(range(TOGETHER, 2 * TOGETHER)))
    after = learner(batch)
    check = "memory is reset: the same bits after other episodes"
    findings = [passes(check, torch.equal(first, after), change_in_words(first, after))]
    batches = [(0, sampler.batch([0, *others])), (TOGETHER - 1, sampler.batch([*others, TOGETHER - 1]))]
    beside = [(first[row], learner(mixed)[row]) for row, mixed in batches]
    # the padding of sentences, and with it the order of sums, depends on the batch
    exact = first.dim() == 3 and all(ours.shape == theirs.shape for ours, theirs in beside)
    change = max(largest_change(*common(*pair)) for pair in beside)
    check = "memory is reset: the same answer beside other episodes"
    findings.append(passes(check, change == 0 if exact else change < ROUNDING, in_words(change)))
    alone = [common(first[row], learner(sampler.batch([row]))[0]) for row in (0, TOGETHER - 1)]
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

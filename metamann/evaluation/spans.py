"""Scores of entities: counts of each episode, from which follow F1 and related scores with 95 % bootstrap intervals.

An entity is right if its first token, its last token and its class are right. Counts of episodes are added up before F1
is computed (pooled, as Few-NERD reports it [D21]); the mean of the F1 of each episode, as for SNIPS, is a score of its
own. Under `bio` tags are read as the scorer of CoNLL reads them, and for `strict_f1` as strict IOB2.

References:
    [D21] Ding et al., Few-NERD: A Few-shot Named Entity Recognition Dataset, 2021, section 6.
    [ET93] Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3 (percentile intervals).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from metamann.decoding.tag_spans import FoundSpans, find_spans
from metamann.episodes.episode import PADDING
from metamann.episodes.sentences.tagging import OUTSIDE, TagScheme
from metamann.errors import EpisodeError
from metamann.evaluation.metrics import Interval

COUNTED = (
    "gold",  # labelled entities
    "predicted",  # predicted entities
    "correct",  # of these, right in start, end and class
    "bounded",  # right in start and end
    "strict_predicted",  # those that start with B under `bio`, all of them under `io`
    "strict_correct",
    "tokens",
    "false_positives",  # tokens outside of entities, predicted inside
    "false_negatives",  # tokens inside of entities, predicted outside
)
RESAMPLES = 2000
WEIGHTS_AT_ONCE = 2**22  # of resampled episodes, for less memory


def count_spans(predicted: Tensor, gold: Tensor, scheme: TagScheme) -> np.ndarray:
    """The counts from which all scores are computed: sum rows to pool episodes, concatenate rows to add episodes.

    Args:
        predicted: `batch x sentences x length`, tag numbers; ignored where there is no word.
        gold: `batch x sentences x length`, tag numbers, `PADDING` where there is no word.
        scheme: of the tags.

    Returns:
        `batch x COUNTED`.
    """
    truth, answers = _tags(predicted, gold)
    batch, sentences, length = truth.shape
    labelled, answered, strict = (
        find_spans(tags.reshape(batch * sentences, length), scheme, strict=only_legal)
        for tags, only_legal in ((truth, False), (answers, False), (answers, True))
    )
    tags = 1 + max(int(truth.max(initial=0)), int(answers.max(initial=0)))

    def per_episode(spans: FoundSpans, mask: np.ndarray | None = None) -> np.ndarray:
        rows = spans.sentence if mask is None else spans.sentence[mask]
        return np.bincount(rows // max(1, sentences), minlength=batch)

    def among_true(spans: FoundSpans, typed: bool) -> np.ndarray:
        classes = tags if typed else 0
        return np.isin(_keys(spans, length, classes), _keys(labelled, length, classes))

    of_tokens = (truth >= 0, (truth == OUTSIDE) & (answers > OUTSIDE), (truth > OUTSIDE) & (answers == OUTSIDE))
    counts = [
        per_episode(labelled),
        per_episode(answered),
        per_episode(answered, among_true(answered, typed=True)),
        per_episode(answered, among_true(answered, typed=False)),
        per_episode(strict),
        per_episode(strict, among_true(strict, typed=True)),
        *(mask.sum((1, 2)) for mask in of_tokens),
    ]
    return np.stack(counts, 1)


def span_scores(counts: np.ndarray, scheme: TagScheme) -> dict[str, np.ndarray]:
    """Scores of each row of counts.

    Args:
        counts: `... x COUNTED`.
        scheme: of the tags; `strict_f1` is for `bio` alone.

    Returns:
        `precision`, `recall` and `f1` of entities; `span_f1`, which ignores their class; `typing_accuracy`, right
        classes among the entities whose start and end are right; `false_positive_rate` and `false_negative_rate`,
        tokens wrongly predicted inside or outside among all tokens, as the code of [D21] has them. Where the
        denominator is 0, scores are 0, as in seqeval, but `typing_accuracy` and the rates are NaN.
    """
    of = dict(zip(COUNTED, np.moveaxis(counts, -1, 0), strict=True))
    both = of["gold"] + of["predicted"]
    scores = {
        "f1": _share(2 * of["correct"], both),
        "precision": _share(of["correct"], of["predicted"]),
        "recall": _share(of["correct"], of["gold"]),
        "span_f1": _share(2 * of["bounded"], both),
        "typing_accuracy": _share(of["correct"], of["bounded"], math.nan),
        "false_positive_rate": _share(of["false_positives"], of["tokens"], math.nan),
        "false_negative_rate": _share(of["false_negatives"], of["tokens"], math.nan),
    }
    if scheme == "bio":
        scores["strict_f1"] = _share(2 * of["strict_correct"], of["gold"] + of["strict_predicted"])
    return scores


def span_intervals(counts: np.ndarray, scheme: TagScheme, seed: int = 0) -> dict[str, Interval]:
    """Pooled scores, and `episode_f1`, the mean over episodes, with 95 % percentile intervals [ET93].

    Args:
        counts: `episodes x COUNTED`, at least one episode; for a single one the interval is the whole range.
        scheme: of the tags.
        seed: of the bootstrap.
    """
    scores = _bootstrap(counts, scheme, seed)
    return {name: _interval(values, len(counts), 0.0) for name, values in scores.items()}


def paired_difference(counts: np.ndarray, other: np.ndarray, scheme: TagScheme, seed: int = 0) -> dict[str, Interval]:
    """The scores of `counts` minus those of `other`, paired by episode and resampled together.

    Args:
        counts: `episodes x COUNTED`.
        other: `episodes x COUNTED`, of the same episodes in the same order.
        scheme: of the tags.
        seed: of the bootstrap.

    Raises:
        EpisodeError: if the numbers of episodes differ.
    """
    if len(counts) != len(other):
        raise EpisodeError(
            f"{len(counts)} and {len(other)} episodes cannot be compared in pairs; evaluate both on one task list."
        )
    ours, theirs = _bootstrap(counts, scheme, seed), _bootstrap(other, scheme, seed)
    return {name: _interval(ours[name] - theirs[name], len(counts), -1.0) for name in ours}


def type_confusion(
    predicted: Tensor, gold: Tensor, types: Sequence[np.ndarray], n_types: int, scheme: TagScheme
) -> np.ndarray:
    """Confusion of entity types; sum the tables of batches.

    Args:
        predicted: `batch x sentences x length`, tag numbers; ignored where there is no word.
        gold: `batch x sentences x length`, tag numbers, `PADDING` where there is no word.
        types: type numbers of each episode's classes, in the order of the classes.
        n_types: number of types.
        scheme: of the tags.

    Returns:
        `types + 1 x types + 1`: rows are true types, columns predicted types, of entities right in start and end. The
        last column counts labelled entities that were not predicted, the last row predicted ones that are not
        labelled.
    """
    truth, answers = _tags(predicted, gold)
    batch, sentences, length = truth.shape
    labelled, answered = (find_spans(tags.reshape(batch * sentences, length), scheme) for tags in (truth, answers))
    class_of = np.full((len(types), max(map(len, types), default=0)), -1)
    for episode, numbers in enumerate(types):
        class_of[episode, : len(numbers)] = numbers
    true_types, answered_types = (class_of[spans.sentence // sentences, spans.number] for spans in (labelled, answered))
    _, true_rows, answered_rows = np.intersect1d(_keys(labelled, length), _keys(answered, length), return_indices=True)
    table = np.zeros((n_types + 1, n_types + 1), dtype=np.int64)
    np.add.at(table, (true_types[true_rows], answered_types[answered_rows]), 1)
    table[:, n_types] += np.bincount(np.delete(true_types, true_rows), minlength=n_types + 1)
    table[n_types] += np.bincount(np.delete(answered_types, answered_rows), minlength=n_types + 1)
    return table


def _tags(predicted: Tensor, gold: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted tags, both padded where there is no word."""
    truth = gold.cpu().numpy()
    return truth, np.where(truth == PADDING, PADDING, predicted.cpu().numpy())


def _keys(spans: FoundSpans, length: int, classes: int = 0) -> np.ndarray:
    """One number for each entity that encodes sentence, start and end; with a number of classes also the class."""
    keys = (spans.sentence * length + spans.start) * (length + 1) + spans.end
    return np.asarray(keys * classes + spans.number if classes else keys)


def _share(part: np.ndarray, whole: np.ndarray, of_nothing: float = 0.0) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), of_nothing)


def _bootstrap(counts: np.ndarray, scheme: TagScheme, seed: int) -> dict[str, np.ndarray]:
    """Scores of the episodes, followed by those of `RESAMPLES` samples drawn with replacement.

    The same samples are drawn for all counts of the same number of episodes.
    """
    episodes = len(counts)
    columns = np.concatenate([counts, span_scores(counts, scheme)["f1"][:, None]], 1)
    rng, even = np.random.default_rng(seed), np.full(episodes, 1 / episodes)
    at_once = max(1, WEIGHTS_AT_ONCE // episodes)
    sums = [columns.sum(0, keepdims=True)]
    for done in range(0, RESAMPLES, at_once):
        sums.append(rng.multinomial(episodes, even, min(at_once, RESAMPLES - done)) @ columns)
    pooled = np.concatenate(sums)
    return {**span_scores(pooled[:, :-1], scheme), "episode_f1": pooled[:, -1] / episodes}


def _interval(values: np.ndarray, episodes: int, lowest: float) -> Interval:
    """The first value, and the interval of the others; from `lowest` to 1 if there is only one episode."""
    mean = float(values[0])
    if math.isnan(mean):
        return Interval(math.nan, math.nan, math.nan)
    if episodes == 1:
        return Interval(mean, lowest, 1.0)
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Interval(mean, float(low), float(high))

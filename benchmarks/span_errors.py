"""Where a few-shot tagger loses span F1: on validation types, what each predicted and each true entity came to.

python benchmarks/span_errors.py RUN [protocol.NAME=VALUE ...] [episodes=100]
    # a run of metamann-train; prints a Markdown table, counts of 100 true entities
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterable

import numpy as np
import torch
import yaml

from metamann.application.parts import Parts
from metamann.decoding.tag_spans import named_spans
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.table import SentenceTable
from metamann.hardware import autocast, choose_precision
from metamann.training.checkpoint import find_checkpoint, load_checkpoint

Borders = set[tuple[int, int]]
PREDICTED = (
    "right border",
    "entity of another type",
    "wrong border",
    "capitalised words outside of entities",
    "other words",
)
TRUE = ("found", "found with a wrong border", "missed")


def overlaps(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    """Whether a span shares a word with another."""
    return any(start < span[1] and span[0] < end for start, end in others)


def judge(predicted: Borders, true: Borders, of_other_types: Borders, words: list[str]) -> Counter[str]:
    """What each entity of a sentence came to."""
    found: Counter[str] = Counter()
    for span in predicted:
        if span in true:
            found["right border"] += 1
        elif overlaps(span, true):
            found["wrong border"] += 1
        elif overlaps(span, of_other_types):
            found["entity of another type"] += 1
        elif any(word[:1].isupper() for word in words[slice(*span)]):
            found["capitalised words outside of entities"] += 1
        else:
            found["other words"] += 1
    for span in true:
        found["found" if span in predicted else TRUE[1] if overlaps(span, predicted) else "missed"] += 1
    return found


def borders(tags: np.ndarray, names: list[str], scheme: str) -> Borders:
    """Borders of the entities that tags name."""
    return {(span.start, span.end) for span in named_spans(tags.tolist(), names, scheme)}  # type: ignore[arg-type]


def of_sentence(table: SentenceTable, row: int, types: np.ndarray, tags: np.ndarray, scheme: str) -> Counter[str]:
    """Judge one answered sentence."""
    size = int(table.sizes[row])
    names = [table.types[number] for number in types]
    others = np.setdiff1d(np.arange(len(table.types)), types)

    def true(of_types: np.ndarray) -> Borders:
        labels = table.tags([np.array([row])], [of_types], scheme)[0, 0].numpy()[:size]  # type: ignore[arg-type]
        return borders(labels, [table.types[number] for number in of_types], scheme)

    words = [table.lexicon[number] for number in table.words[table.first[row] : table.first[row] + size]]
    return judge(borders(tags[:size], names, scheme), true(types), true(others), words)


@torch.no_grad()
def main(run: str, changes: list[str]) -> None:
    """Answer validation episodes, and print the table."""
    settings = {name: yaml.safe_load(value) for name, value in (change.split("=") for change in changes)}
    episodes = settings.pop("episodes", 100)
    path = find_checkpoint(run)
    checkpoint = load_checkpoint(path)
    parts = Parts(checkpoint.config)
    protocols = parts.protocols()
    protocol = dataclasses.replace(
        protocols[0], **{name.removeprefix("protocol."): value for name, value in settings.items()}
    )
    sampler = Sampler(parts.data(parts.modality).val, protocol, 0)
    learner = parts.modality.learner(parts.build, protocols, None).eval()
    checkpoint.load_into(learner, path)
    device = torch.device("cpu")
    total: Counter[str] = Counter()
    for index in range(episodes):
        plan, episode = sampler.plan(index), sampler.batch([index])
        with autocast(device, choose_precision("auto", device)):
            state = learner.adapt(episode.support, episode.classes)
            answers = learner.answer(state, episode.query.inputs)[0].numpy()
        for row, tags in zip(plan.query, answers, strict=True):
            total += of_sentence(sampler.source.table, int(row), plan.types, tags, protocol.scheme)
    entities = sum(total[name] for name in TRUE)
    lines = ["| | of 100 entities |", "| --- | --- |"]
    for side, names in (("predicted", PREDICTED), ("true", TRUE)):
        lines += [f"| {side}: {name} | {100 * total[name] / entities:.1f} |" for name in names]
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])

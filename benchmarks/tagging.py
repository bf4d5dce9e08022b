"""CPU time of a few-shot tagger: to learn 5 classes from their support, and to tag 100 sentences.

python benchmarks/tagging.py RUN      # a run of metamann-train; writes benchmarks/results/tagging.json and .md
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from metamann.application.parts import Parts
from metamann.episodes.sampler import Sampler
from metamann.hardware import autocast, choose_precision, describe_machine
from metamann.training.checkpoint import find_checkpoint, load_checkpoint

RESULT = Path(__file__).parent / "results" / "tagging.json"
REPEATS, SENTENCES = 7, 100


def seconds(act: Callable[[], object]) -> float:
    """Median over repeats, the first one left out."""
    times = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


@torch.no_grad()
def main(run: str) -> None:
    """Measure on validation sentences, and write the file."""
    path = find_checkpoint(run)
    checkpoint = load_checkpoint(path)
    parts = Parts(checkpoint.config)
    protocols = parts.protocols()
    sampler = Sampler(parts.data(parts.modality).val, protocols[0], 0)
    learner = parts.modality.learner(parts.build, protocols, None).eval()
    checkpoint.load_into(learner, path)
    plan = sampler.plan(0)
    rows = np.random.default_rng(0).choice(len(sampler.source.table), SENTENCES, replace=False)
    episode = sampler.fetch([plan._replace(query=rows)], [sampler.codes(0)])
    device = torch.device("cpu")
    precision = choose_precision("auto", device)
    with autocast(device, precision):
        state = learner.adapt(episode.support, episode.classes)
        found = {
            "adapt, ms": seconds(lambda: learner.adapt(episode.support, episode.classes)),
            "tag 100 sentences, ms": seconds(lambda: learner.answer(state, episode.query.inputs)),
            "of it the encoder, ms": seconds(lambda: learner.encoder(episode.query.inputs)),
        }
    content = {
        "classes": len(plan.types),
        "support sentences": len(plan.support),
        **{name: round(1000 * value, 1) for name, value in found.items()},
        "precision": precision,
        "machine": describe_machine(),
        "command": "python benchmarks/tagging.py RUN",
    }
    RESULT.write_text(json.dumps(content, indent=2) + "\n")
    lines = ["| what | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in content.items())]
    RESULT.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

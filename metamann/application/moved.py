"""Class names of earlier versions, so that their checkpoints can be opened."""

from __future__ import annotations

from typing import Any

# modules of version 0.1.0 and the present modules of their classes
MODULES = {
    "metamann.data.omniglot": "metamann.data.images.omniglot",
    "metamann.data.strokes": "metamann.data.images.strokes",
    "metamann.data.folder": "metamann.data.images.folder",
    "metamann.data.records": "metamann.data.sentences.records",
    "metamann.data.conll2003": "metamann.data.sentences.conll2003",
    "metamann.data.crossner": "metamann.data.sentences.crossner",
    "metamann.data.fewnerd": "metamann.data.sentences.fewnerd",
    "metamann.data.gum": "metamann.data.sentences.gum",
    "metamann.data.snips": "metamann.data.sentences.snips",
    "metamann.data.support_sets": "metamann.data.sentences.support_sets",
    "metamann.data.wnut17": "metamann.data.sentences.wnut17",
    "metamann.data.own_sentences": "metamann.data.own.reader",
    "metamann.episodes.protocols": "metamann.episodes.items.protocols",
    "metamann.episodes.one_shot_runs": "metamann.episodes.items.one_shot_runs",
    "metamann.episodes.greedy": "metamann.episodes.sentences.greedy",
    "metamann.episodes.fixed_sentences": "metamann.episodes.sentences.fixed_sentences",
    "metamann.episodes.supervised": "metamann.episodes.sentences.supervised",
    "metamann.episodes.algorithmic": "metamann.episodes.sequences.algorithmic",
    "metamann.memory.keyvalue": "metamann.memory.pairs.keyvalue",
    "metamann.memory.bounded": "metamann.memory.pairs.bounded",
    "metamann.memory.nearest": "metamann.memory.pairs.nearest",
    "metamann.memory.prototypes": "metamann.memory.pairs.prototypes",
    "metamann.memory.ntm": "metamann.memory.controlled.ntm",
    "metamann.memory.input_addressed": "metamann.memory.controlled.input_addressed",
    "metamann.memory.dnc": "metamann.memory.controlled.dnc",
    "metamann.memory.additive": "metamann.memory.controlled.additive",
    "metamann.memory.none": "metamann.memory.controlled.none",
    "metamann.memory.lrua": "metamann.memory.controlled.lrua.lrua",
    "metamann.memory.delta": "metamann.memory.fast_weights.delta",
    "metamann.memory.snail": "metamann.memory.attention.snail",
}
# readers of earlier development versions; one of their options was renamed
READERS = ("metamann.data.columns.columns", "metamann.data.jsonl.jsonl")
READER = "metamann.data.own.reader.own_sentences"


# former learners that are adapters now
ADAPTERS = {
    "metamann.learners.rotated.RotatedMANN": "metamann.learners.adapters.rotated.Rotated",
    "metamann.learners.carried.CarriedMANN": "metamann.learners.adapters.carried.Carried",
    "metamann.learners.blind.BlindMANN": "metamann.learners.adapters.blind.Blind",
    "metamann.learners.majority.Majority": "metamann.learners.adapters.majority.Majority",
    "metamann.learners.linear_head.FineTunedHead": "metamann.learners.adapters.linear_head.LinearHead",
    "metamann.learners.structshot.StructShot": "metamann.learners.adapters.structshot.StructShot",
}
MANN = "metamann.learners.mann.MANN"


def renewed(config: dict[str, Any]) -> dict[str, Any]:
    """The plain configuration of a run of any version, with the names of this version."""
    renamed = {part: _renamed(node) for part, node in config.items()}
    learner = renamed.get("learner")
    target = learner.get("_target_") if isinstance(learner, dict) else None
    if isinstance(learner, dict) and isinstance(target, str) and target in ADAPTERS:
        renamed["learner"] = {"_target_": MANN}
        renamed["adapter"] = {**learner, "_target_": ADAPTERS[target]}
    return renamed


def _renamed(node: Any) -> Any:
    if isinstance(node, list):
        return [_renamed(value) for value in node]
    if not isinstance(node, dict):
        return node
    named = {key: _renamed(value) for key, value in node.items()}
    target = named.get("_target_")
    if isinstance(target, str) and target in READERS:
        return {"spans" if key == "misaligned" else key: value for key, value in named.items()} | {"_target_": READER}
    if isinstance(target, str):
        module, _, name = target.rpartition(".")
        named["_target_"] = f"{MODULES.get(module, module)}.{name}" if module else name
    return named

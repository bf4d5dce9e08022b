"""Checkpoints of version 0.1.0 name classes as they were called there."""

from __future__ import annotations

import importlib
import inspect

import pytest

from metamann.application.moved import ADAPTERS, renewed
from metamann.application.trust import trusted_class

# all that its conf/ could build
BEFORE = (
    "metamann.data.conll2003.conll2003",
    "metamann.data.crossner.crossner",
    "metamann.data.fewnerd.fewnerd",
    "metamann.data.fewnerd.fewnerd_episodes",
    "metamann.data.folder.folder",
    "metamann.data.gum.gum",
    "metamann.data.omniglot.omniglot",
    "metamann.data.own_sentences.own_sentences",
    "metamann.data.records.records",
    "metamann.data.snips.snips",
    "metamann.data.strokes.strokes",
    "metamann.data.support_sets.support_sets",
    "metamann.data.wnut17.wnut17",
    "metamann.encoders.conv.ConvEncoder",
    "metamann.encoders.frozen.FrozenEncoder",
    "metamann.encoders.joined.JoinedEncoder",
    "metamann.encoders.pixels.PixelEncoder",
    "metamann.encoders.pretrained.PretrainedEncoder",
    "metamann.encoders.recurrent.RecurrentEncoder",
    "metamann.encoders.spelling.SpellingEncoder",
    "metamann.encoders.words.WordEncoder",
    "metamann.episodes.algorithmic.AssociativeRecall",
    "metamann.episodes.algorithmic.Copy",
    "metamann.episodes.algorithmic.RepeatCopy",
    "metamann.episodes.fixed_sentences.FixedSentences",
    "metamann.episodes.greedy.GreedySentences",
    "metamann.episodes.one_shot_runs.LakeOneShotRuns",
    "metamann.episodes.protocols.LabelCodes",
    "metamann.episodes.protocols.NWayKShot",
    "metamann.episodes.protocols.OnlineStream",
    "metamann.episodes.supervised.Supervised",
    "metamann.learners.blind.BlindMANN",
    "metamann.learners.carried.CarriedMANN",
    "metamann.learners.gradient_based.GradientLearner",
    "metamann.learners.linear_head.FineTunedHead",
    "metamann.learners.majority.Majority",
    "metamann.learners.mann.MANN",
    "metamann.learners.rotated.RotatedMANN",
    "metamann.learners.sentence_mann.SentenceMANN",
    "metamann.learners.sequence.SequenceLearner",
    "metamann.learners.structshot.StructShot",
    "metamann.learners.tagger.Tagger",
    "metamann.memory.additive.AdditiveMemory",
    "metamann.memory.bounded.BoundedKeyValueMemory",
    "metamann.memory.delta.DeltaMemory",
    "metamann.memory.dnc.DNCMemory",
    "metamann.memory.input_addressed.InputAddressedNTM",
    "metamann.memory.keyvalue.KeyValueMemory",
    "metamann.memory.lrua.LRUAMemory",
    "metamann.memory.nearest.NearestMemory",
    "metamann.memory.none.ControllerOnly",
    "metamann.memory.ntm.NTMMemory",
    "metamann.memory.prototypes.PrototypeMemory",
    "metamann.memory.snail.SnailMemory",
)
GROUPS = ("data", "protocol", "encoder", "memory", "learner")


@pytest.mark.parametrize("target", [name for name in BEFORE if name not in ADAPTERS])
def test_what_a_checkpoint_could_name_is_found_under_its_name_of_today(target: str) -> None:
    group = next(
        group for group in GROUPS if target.split(".")[1].startswith({"protocol": "episodes"}.get(group, group))
    )
    found = trusted_class(renewed({group: {"_target_": target}})[group]["_target_"], group, [])
    assert found.__name__ == target.rpartition(".")[2]


@pytest.mark.parametrize("target", sorted(ADAPTERS))
def test_learners_that_only_answered_in_another_way_are_adapters(target: str) -> None:
    config = renewed({"learner": {"_target_": target, "decay": 0.5}, "seed": 0})
    assert config["learner"] == {"_target_": "metamann.learners.mann.MANN"}
    assert config["adapter"]["decay"] == 0.5
    module, _, name = config["adapter"]["_target_"].rpartition(".")
    assert inspect.isclass(getattr(importlib.import_module(module), name))


def test_nested_parts_and_lists_are_renamed_and_everything_else_stays() -> None:
    inner = {"_target_": "metamann.episodes.protocols.LabelCodes", "width": 3}
    config = renewed({"protocol": {"_target_": "metamann.episodes.protocols.NWayKShot", "codes": inner}, "seed": 1})
    assert config["protocol"]["codes"] == {"_target_": "metamann.episodes.items.protocols.LabelCodes", "width": 3}
    assert config["seed"] == 1
    assert renewed({"data": {"_target_": 3}, "trust": ["a"]}) == {"data": {"_target_": 3}, "trust": ["a"]}

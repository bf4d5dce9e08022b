"""StructShot: nearest neighbours and Viterbi with the transitions of other types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from toy_words import ToyEncoder, toy_store

from metamann.data.sentences.store import SentenceSplits
from metamann.decoding.transitions import cell_names, count_transitions, log_shares
from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.table import SentenceTable
from metamann.errors import ConfigError
from metamann.learners.adapters.structshot import StructShot
from metamann.learners.mann import MANN
from metamann.memory.pairs.nearest import NearestMemory

CONF = Path(__file__).parents[3] / "conf" / "adapter" / "structshot.yaml"
EVEN = dict.fromkeys(cell_names("io"), 1.0)


def learners(counts: dict[str, float], power: float) -> tuple[MANN, StructShot]:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    memory = NearestMemory(encoder.features, 4)
    return MANN(encoder, memory, 4), StructShot(MANN(encoder, memory, 4), "io", counts, power)


def episode() -> Any:
    return Sampler(toy_store(), GreedySentences(ways=3, shots=1), seed=0).batch(range(4))


def test_a_nearest_neighbour_tagger_is_a_mann_over_words() -> None:
    plain, _ = learners(EVEN, 1.0)
    dealt = episode()
    present = dealt.query.labels != PADDING
    tags = plain.answer(plain.adapt(dealt.support, dealt.classes), dealt.query.inputs)
    assert (tags == dealt.query.labels)[present].float().mean() > 0.9


def test_transitions_of_no_power_change_nothing_and_strong_ones_do() -> None:
    dealt = episode()
    plain, without = learners(EVEN, 0.0)
    state = plain.adapt(dealt.support, dealt.classes)
    present = dealt.query.labels != PADDING
    assert torch.equal(
        without.answer(state, dealt.query.inputs)[present], plain.answer(state, dealt.query.inputs)[present]
    )
    never = {**EVEN, "start > I": 1e-12, "O > I": 1e-12}
    _, strict = learners(never, 50.0)
    assert (strict.answer(state, dealt.query.inputs) <= 0).all()


def test_it_takes_the_checkpoint_of_the_learner_that_was_trained() -> None:
    plain, structured = learners(EVEN, 1.0)
    structured.load_state_dict(plain.state_dict())


def test_transitions_move_with_the_learner() -> None:
    _, structured = learners(EVEN, 1.0)
    assert structured.to(torch.float64).transitions.scores.dtype is torch.float64


def test_counts_that_are_missing_are_named() -> None:
    with pytest.raises(ConfigError, match="start > O"):
        learners({"O > I": 1.0}, 1.0)


def test_the_counts_in_conf_are_those_of_the_training_types(fewnerd_splits: SentenceSplits) -> None:
    train = fewnerd_splits.train
    shares = log_shares(count_transitions(SentenceTable.of(train.sentences, train.lexicon, train.types), "io"), "io")
    written: Any = OmegaConf.to_container(OmegaConf.load(CONF))
    for name, share in zip(cell_names("io"), shares.exp().tolist(), strict=True):
        assert written["counts"][name] == pytest.approx(share, rel=0.05)

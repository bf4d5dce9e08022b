"""The tagger of fixed classes: it learns, its tags are legal, sentences do not see each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_words import ToyEncoder, toy_store, train

from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.supervised import Supervised
from metamann.errors import ConfigError
from metamann.learners.tagger import Tagger
from metamann.memory.controlled.additive import AdditiveMemory
from metamann.memory.controlled.none import ControllerOnly
from metamann.memory.controlled.ntm import NTMMemory
from metamann.memory.pairs.keyvalue import KeyValueMemory

STORE = toy_store()
TAGS = 1 + 2 * len(STORE.types)
SMALL: dict[str, Any] = {"item_width": 8, "hidden": 12}
MEMORIES = {
    **{
        score: (AdditiveMemory, {**SMALL, "score": score, "slots": 6, "width": 8, "shortcut": False})
        for score in ("dot", "additive", "multiplicative")
    },
    "none": (ControllerOnly, SMALL),
    "ntm": (NTMMemory, {**SMALL, "slots": 6, "width": 4, "heads": 1, "shortcut": False}),
}


def sampler(shuffled: bool = True) -> Sampler:
    return Sampler(STORE, Supervised(types=STORE.types, sentences=8, shuffled=shuffled), seed=0)


def make(kind: str) -> Tagger:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    memory, options = MEMORIES[kind]
    return Tagger(encoder, memory(encoder.features, 0, **options), TAGS, hidden=16, dropout=0.0)


@pytest.mark.parametrize("kind", sorted(MEMORIES))
def test_it_learns_to_tag_with_every_kind_of_memory(kind: str) -> None:
    learner = train(make(kind), sampler(), 40)
    episode = sampler(shuffled=False).batch(range(8))
    present = episode.query.labels != PADDING
    tags = learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs)
    assert (tags == episode.query.labels)[present].float().mean() > 0.9
    inside = (tags > 0) & (tags % 2 == 0)
    before = torch.nn.functional.pad(tags[..., :-1], (1, 0), value=0)
    assert ((before == tags) | (before == tags - 1))[inside].all()


def test_sentences_do_not_see_each_other_nor_padding() -> None:
    learner = make("dot").eval()
    together = sampler(shuffled=False).batch([0])
    log_probs = learner(together)[0]
    for row in range(8):
        length = int((together.query.labels[0, row] != PADDING).sum())
        alone = together._replace(query=together.query.part(row, row + 1))
        torch.testing.assert_close(learner(alone)[0, 0, :length], log_probs[row, :length], atol=1e-5, rtol=0)


def test_what_a_tagger_cannot_take_is_refused_with_what_to_change() -> None:
    encoder = ToyEncoder()
    with pytest.raises(ConfigError, match="memory=additive"):
        Tagger(encoder, KeyValueMemory(encoder.features, 0), TAGS)
    with pytest.raises(ConfigError, match=r"learner\.decoder"):
        Tagger(encoder, ControllerOnly(encoder.features, 0), TAGS, decoder="rnn")  # type: ignore[arg-type]
    few_shot = Sampler(STORE, GreedySentences(ways=3)).batch([0])
    with pytest.raises(ConfigError, match="protocol=supervised"):
        make("none")(few_shot)

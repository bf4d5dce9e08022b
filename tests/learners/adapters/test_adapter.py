"""What adapters share: the checkpoint of the learner inside, and one refusal of a learner that does not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from metamann.errors import ConfigError
from metamann.learners.adapters.blind import Blind
from metamann.learners.adapters.carried import Carried
from metamann.learners.adapters.linear_head import LinearHead
from metamann.learners.adapters.majority import Majority
from metamann.learners.adapters.rotated import Rotated
from metamann.learners.adapters.structshot import StructShot
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.learners.tagger import Tagger


@pytest.mark.parametrize("adapter", [Blind, Carried, LinearHead, Majority, Rotated])
def test_a_checkpoint_is_that_of_the_learner_inside(adapter: type, make_mann: Callable[..., MANN]) -> None:
    mann, other = make_mann("lrua"), make_mann("lrua")
    for parameter in other.parameters():
        torch.nn.init.ones_(parameter)
    adapter(mann).load_state_dict(other.state_dict())
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(mann.parameters(), other.parameters(), strict=True))
    assert adapter.trainable is (adapter is Carried)


@pytest.mark.parametrize("adapter", [Blind, Carried, LinearHead])
def test_what_is_needed_is_named(adapter: type, make_mann: Callable[..., MANN]) -> None:
    with pytest.raises(ConfigError, match="learner=mann, not Majority"):
        adapter(Majority(make_mann("lrua")))


def test_a_learner_says_what_may_be_asked_of_it(make_mann: Callable[..., MANN]) -> None:
    sound = make_mann("lrua")
    assert sound.takes_support
    assert all(learner.answers_streams for learner in (sound, *(each(sound) for each in (Blind, Carried, Rotated))))
    assert not StructShot.answers_streams
    assert not Tagger.takes_support
    assert not SentenceMANN.answers_streams

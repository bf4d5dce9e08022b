"""Mistakes in settings are answered in words of the settings, not of the libraries that read them."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metamann.application.compose import register, settings
from metamann.application.setting_errors import setting_error
from metamann.errors import LONGEST_MESSAGE, ConfigError, shorten


def said(command: str, *arguments: str) -> str:
    """What is said of a mistake."""
    register()
    with (
        initialize_config_module("metamann.conf", version_base="1.3"),
        pytest.raises((HydraException, OmegaConfBaseException, ValueError)) as raised,
    ):
        OmegaConf.to_object(compose(command, overrides=list(arguments)))
    return setting_error(raised.value)


@pytest.mark.parametrize(
    ("command", "argument", "right"),
    [
        ("train", "trainer.lr=0.1", "trainer.learning_rate"),
        ("train", "lr=0.1", "trainer.learning_rate"),
        ("train", "trainer.num_workers=2", "trainer.workers"),
        ("train", "trainer.epochs=3", "trainer.steps"),
        ("train", "epochs=3", "trainer.steps"),
        ("train", "trainer.batchsize=3", "trainer.batch_size"),
        ("train", "batch_size=3", "trainer.batch_size"),
        ("train", "device=cpu", "trainer.device"),
        ("train", "precision=fp32", "trainer.precision"),
        ("train", "model=ntm", "memory"),
        ("train", "dataset=omniglot", "data"),
        ("train", "num_episodes=3", "validation.episodes"),
        ("train", "ways=5", "protocol.ways"),
        ("train", "output_dir=runs", "hydra.run.dir"),
        ("train", "trainer.stepz=3", "trainer.steps"),
        ("train", "sed=3", "seed"),
        ("evaluate", "num_episodes=3", "episodes"),
        ("evaluate", "batch_size=3", "images_per_batch"),
        ("evaluate", "model=run", "checkpoint"),
        ("compare", "model=run", "runs"),
    ],
)
def test_names_of_other_libraries_are_answered_with_ours(command: str, argument: str, right: str) -> None:
    key = argument.partition("=")[0]
    assert said(command, argument) == f"there is no setting {key}; use {right}=."


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("trainer.steps=abc", "trainer.steps=abc must be a whole number."),
        ("trainer.steps=null", "trainer.steps=null must be a whole number."),
        ("seed=1.5", "seed=1.5 must be a whole number."),
        ("trainer.learning_rate=fast", "trainer.learning_rate=fast must be a number."),
        ("logger.wandb=maybe", "logger.wandb=maybe must be true or false."),
        ("encoder_from=[1]", "encoder_from=[1] must be a text."),
        ("trust=torch", "trust=torch must be a list of texts: trust=[ONE,TWO]."),
        ("validation=3", "validation=3 must be settings: validation.NAME=VALUE."),
        ("learner=rotated", "learner=rotated is an adapter of a trained learner now; evaluate with adapter=rotated."),
        ("memory=nonsense", "there is no memory=nonsense; choose additive, "),
        ("memory=null", "a group of settings cannot be null here"),
        ("trainer.steps", "trainer.steps is no setting; write NAME=VALUE."),
        ("data.size=a=b", "quote the value: 'data.size="),
        ("logger.project=a,b", "has a comma in its value; quote it: 'logger.project="),
        ("memory.controller=lstm", "there is no setting memory.controller; choose one of key_width"),
    ],
)
def test_a_mistake_is_answered_in_plain_words(argument: str, words: str) -> None:
    message = shorten(said("train", argument), LONGEST_MESSAGE)
    assert words in message
    for foreign in ("Config", "full_key", "+trainer", "append", "override", "Integer", "read-only", "\n"):
        assert foreign not in message


def test_from_python_the_words_are_the_same() -> None:
    with pytest.raises(ConfigError, match=r"^there is no setting trainer\.lr; use trainer\.learning_rate=\.$"):
        settings(**{"trainer.lr": 0.1})


def test_settings_of_the_trainer_can_be_set() -> None:
    assert settings(**{"trainer.steps": 7}).trainer.steps == 7

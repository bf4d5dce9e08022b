"""Mistakes in settings are answered in words of the settings, not of the libraries that read them."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from messages import names
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
    assert names(said(command, argument), f" {key};", f"use {right}=")


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("trainer.steps=abc", ("trainer.steps=abc", "a whole number")),
        ("trainer.steps=null", ("trainer.steps=null", "a whole number")),
        ("seed=1.5", ("seed=1.5", "a whole number")),
        ("trainer.learning_rate=fast", ("trainer.learning_rate=fast", "a number")),
        ("logger.wandb=maybe", ("logger.wandb=maybe", "true or false")),
        ("encoder_from=[1]", ("encoder_from=[1]", "a text")),
        ("trust=torch", ("trust=torch", "a list", "trust=[ONE,TWO]")),
        ("validation=3", ("validation=3", "validation.NAME=VALUE")),
        ("learner=rotated", ("learner=rotated", "adapter=rotated")),
        ("memory=nonsense", ("memory=nonsense", "choose additive, ")),
        ("memory=null", ("group of settings", "null")),
        ("trainer.steps", ("trainer.steps", "NAME=VALUE")),
        ("data.size=a=b", ("quote", "'data.size=")),
        ("logger.project=a,b", ("comma", "quote", "'logger.project=")),
        ("memory.controller=lstm", ("memory.controller", "choose", " key_width")),
    ],
)
def test_a_mistake_is_answered_in_plain_words(argument: str, parts: tuple[str, ...]) -> None:
    message = shorten(said("train", argument), LONGEST_MESSAGE)
    assert names(message, *parts)
    for foreign in ("Config", "full_key", "+trainer", "append", "override", "Integer", "read-only", "\n"):
        assert foreign not in message


def test_from_python_the_words_are_the_same() -> None:
    with pytest.raises(ConfigError, match=r" trainer\.lr;.*use trainer\.learning_rate="):
        settings(**{"trainer.lr": 0.1})


def test_settings_of_the_trainer_can_be_set() -> None:
    assert settings(**{"trainer.steps": 7}).trainer.steps == 7

"""Every number of conf/: what it cannot be is refused in one line that names it, and nothing else happens."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from metamann.commands.build import build, build_learner, build_sequence_learner, build_tagger
from omegaconf import DictConfig, OmegaConf

from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.data.sentences.store import Sentence, SentenceStore, Span
from metamann.data.store import ClassStore
from metamann.encoders import pretrained
from metamann.encoders.pretrained import load_transformer
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.episodes.sequences.source import RandomBits
from metamann.errors import LONGEST_MESSAGE, DataError, MetamannError

CONF = Path(__file__).parents[2] / "conf"
BAD = (0, -1, 1.5, "abc", "", True, None, math.nan, math.inf, 1e30, -1e30, 10**12, 10**30, 10**400, [1], [-1, 2])
# numbers that are null in the files
OPTIONAL = (
    "item_width", "key_width", "top_k", "surprise", "strength", "first_channels", "window", "groups", "queries",
    "width",
)  # fmt: skip
OWN_FILES = ("folder", "columns", "jsonl", "vectors")  # need files of the user
CODES = 5
TAGGED = tuple(Sentence((f"w{n}", "x"), (Span(0, 1, f"type{n % 8}"),)) for n in range(200))
EPISODES = FixedEpisodeStore("toy", (FixedEpisode(TAGGED[:8], TAGGED[8:16], tuple(f"type{n}" for n in range(8))),))


@functools.cache
def chosen(group: str, name: str) -> DictConfig:
    """The configuration of a run with this choice."""
    texts = ["data=records", "protocol=greedy_sentences", "encoder=words"]
    other = texts if name in ("sentence_mann", "structshot", "tagger") else ["data=strokes", "protocol=nway"]
    if name in ("supervised", "tagger"):
        other = ["data=records", "protocol=supervised", "encoder=words", "memory=additive"]
    if name in ("sequence",):
        other = ["~data", "protocol=copy", "encoder=conv", "encoder.size=28", "memory=ntm"]
    overrides = [each for each in other if not each.startswith(f"{group}=")]
    with initialize_config_module("metamann.conf", version_base="1.3"):
        config = compose("train", [*overrides, f"{group}={name}"])
    OmegaConf.set_struct(config, False)
    if group == "data":  # little of them
        few = {"strokes": {"alphabets": [1, 1, 1], "characters": 2, "drawings": 2}, "records": {"sentences": [2, 2, 2]}}
        config.data.update(few.get(name, {}))
    return config


def numbers(node: Any, prefix: str) -> list[str]:
    """Keys of all numbers of a node, and of lists of them."""
    found = []
    for key in node:
        name, value = f"{prefix}.{key}", OmegaConf.select(node, key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if OmegaConf.is_dict(value):
            found += numbers(value, name)
        elif number or OmegaConf.is_list(value) or (value is None and key in OPTIONAL):
            found.append(name)
    return found


def choices() -> list[tuple[str, str, str]]:
    every = []
    for group in ("memory", "encoder", "learner", "protocol", "trainer", "data"):
        for path in sorted((CONF / group).glob("*.yaml")):
            if path.stem in OWN_FILES:
                continue
            every += [(group, path.stem, key) for key in numbers(chosen(group, path.stem)[group], group)]
    return every


@pytest.fixture(scope="module", autouse=True)
def one_model() -> Any:
    """The pretrained model is read once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(pretrained, "load_transformer", functools.cache(load_transformer))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def images() -> ClassStore:
    """Forty classes of twenty images in two groups."""
    pixels = list(torch.zeros(40, 20, 1, 28, 28, dtype=torch.uint8))
    pixels = [each + number for number, each in enumerate(pixels)]
    return ClassStore.from_classes("toy", pixels, [f"c{n}" for n in range(40)], [f"g{n % 2}" for n in range(40)])


@pytest.fixture(scope="module")
def sentences() -> SentenceStore:
    """Sentences of eight types."""
    return SentenceStore("toy", TAGGED)


def build_choice(group: str, config: DictConfig, images: ClassStore, sentences: SentenceStore) -> None:
    """Build what a group configures, as a run would, up to its first episode."""
    if group == "memory":
        build(config, "memory", features=16, code_width=CODES)
    elif group in ("encoder", "trainer", "data"):
        build(config, group)
    elif group == "protocol":
        protocol: Any = build(config, "protocol")
        if isinstance(protocol, SequenceTask):
            Sampler(RandomBits("train"), protocol)
        elif isinstance(protocol, SentenceProtocol):
            protocol = protocol.with_types(sentences.types)
            Sampler(EPISODES if config.protocol._target_.endswith("FixedSentences") else sentences, protocol)
        else:
            Sampler(images, protocol)
    elif config.learner._target_.endswith("Tagger"):
        build_tagger(config, Supervised(types=("a", "b")))
    elif config.learner._target_.endswith("SequenceLearner"):
        build_sequence_learner(config, build(config, "protocol"))
    else:
        build_learner(config, CODES)


@pytest.mark.parametrize(("group", "name", "key"), choices())
def test_a_number_works_or_is_refused_by_its_name(
    group: str, name: str, key: str, images: ClassStore, sentences: SentenceStore,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path))
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path))
    config = chosen(group, name).copy()
    refusals = []
    for bad in BAD:
        OmegaConf.update(config, key, bad)
        try:
            build_choice(group, config, images, sentences)
        except MetamannError as error:
            if not (isinstance(error, DataError) and "METAMANN_DATA" in str(error)):  # the data are not here
                refusals.append(str(error))
    assert len(refusals) >= 5
    assert [each for each in refusals if key not in each or len(each) > LONGEST_MESSAGE] == []

"""Every number of conf/: what it cannot be is refused in one line that names it, and nothing else happens."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from metamann.application.compose import settings
from metamann.application.parts import Parts
from metamann.application.settings import plain
from metamann.application.trust import TRAINER, conf_choices
from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.data.sentences.store import Sentence, SentenceStore, Span
from metamann.data.store import ClassStore
from metamann.encoders import pretrained
from metamann.encoders.pretrained import load_transformer
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.episodes.sequences.source import RandomBits
from metamann.errors import LONGEST_MESSAGE, DataError, MetamannError

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
def chosen(group: str, name: str) -> dict[str, Any]:
    """The parts of a run with this choice, as plain data."""
    if name in ("sequence", "copy", "repeat_copy", "associative_recall"):
        return plain(settings("copy", **{group: name}))
    parts = {"data": "strokes", "protocol": "nway", "encoder": "words" if group in ("data", "protocol") else "conv"}
    if name in ("sentence_mann", "structshot"):
        parts = {"data": "records", "protocol": "greedy_sentences", "encoder": "words"}
    if name in ("supervised", "tagger"):
        parts = {"data": "records", "protocol": "supervised", "encoder": "words", "memory": "additive"}
    width = {"identity": {"encoder.features": 4}, "mlp": {"encoder.in_features": 4}}.get(name, {})  # of a user's rows
    run = plain(settings(**{**parts, **({} if group == "trainer" else {group: name}), **width}))
    if group == "data":  # little of them
        few = {"strokes": {"alphabets": [1, 1, 1], "characters": 2, "drawings": 2}, "records": {"sentences": [2, 2, 2]}}
        run["data"].update(few.get(name, {}))
    return {**run, "trainer": {**run["trainer"], "_target_": TRAINER}}


def numbers(node: dict[str, Any], prefix: str) -> list[str]:
    """Keys of all numbers of a node, and of lists of them."""
    found = []
    for key, value in node.items():
        name = f"{prefix}.{key}"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, dict):
            found += numbers(value, name)
        elif number or isinstance(value, list) or (value is None and key in OPTIONAL):
            found.append(name)
    return found


def choices() -> list[tuple[str, str, str]]:
    every = []
    for group, names in {**conf_choices(), "trainer": ["trainer"]}.items():
        for name in names:
            if name not in OWN_FILES:
                every += [(group, name, key) for key in numbers(chosen(group, name)[group], group)]
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


def build_choice(group: str, parts: Parts, images: ClassStore, sentences: SentenceStore) -> None:
    """Build what a group describes, as a run would, up to its first episode."""
    if group == "memory":
        parts.build("memory", features=16, code_width=CODES)
    elif group == "adapter":
        parts.build("adapter", learner=_trained(parts))
    elif group in ("encoder", "trainer", "data"):
        parts.build(group)
    elif group == "protocol":
        protocol: Any = parts.build("protocol")
        if isinstance(protocol, SequenceTask):
            Sampler(RandomBits("train"), protocol)
        elif isinstance(protocol, SentenceProtocol):
            protocol = protocol.with_types(sentences.types)
            Sampler(EPISODES if isinstance(protocol, FixedSentences) else sentences, protocol)
        else:
            Sampler(images, protocol)
    else:
        modality = parts.modality
        protocols = [Supervised(types=("a", "b"))] if modality.name == "supervised sentences" else parts.protocols()
        modality.learner(parts.build, protocols, None)


def _trained(parts: Parts) -> Any:
    """A learner for an adapter, whose own settings are not asked here."""
    return parts.modality.learner(parts.build, parts.protocols(), None)


def changed_at(parts: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Parts with one value changed, wherever it lies."""
    first, _, rest = key.partition(".")
    return {**parts, first: changed_at(parts[first], rest, value) if rest else value}


@pytest.mark.parametrize(("group", "name", "key"), choices())
def test_a_number_works_or_is_refused_by_its_name(
    group: str, name: str, key: str, images: ClassStore, sentences: SentenceStore,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path))
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path))
    refusals = []
    for bad in BAD:
        parts = Parts({**changed_at(chosen(group, name), key, bad), "train_protocol": {}})
        try:
            build_choice(group, parts, images, sentences)
        except MetamannError as error:
            if not (isinstance(error, DataError) and "METAMANN_DATA" in str(error)):  # the data are not here
                refusals.append(str(error))
    assert len(refusals) >= 5
    assert [each for each in refusals if key not in each or len(each) > LONGEST_MESSAGE] == []

"""Adapted tasks of sentences: spans of characters in, entities with spans of characters out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_words import ToyEncoder, toy_store, train

from metamann.application.model import Model
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.errors import MetamannError
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.prototypes import PrototypeMemory
from metamann.modalities.sentence_objects import SentenceObjects

CODES = LabelCodes("random", 12)
SHOWN = [("o1 o2 Type1x3 .", [(6, 13, "song")]), ("o4 Type2x1 o5 .", [(3, 10, "artist")])]


@pytest.fixture(scope="module", params=["io", "bio"])
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    encoder, scheme = ToyEncoder(), request.param
    protocol = GreedySentences(ways=3, shots=1, scheme=scheme, codes=CODES)
    learner = SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12, scheme)
    trained = train(learner, Sampler(toy_store(), protocol, seed=1))
    return Model(trained, SentenceObjects(CODES, 3, scheme))


def test_entities_have_the_places_of_their_characters(model: Model) -> None:
    task = model.adapt(SHOWN)
    assert task.labels == ("song", "artist")
    text = "o7   Type2x4, o3 Type1x1."
    found = task.predict(text)
    assert [(entity.text, entity.label) for entity in found] == [("Type2x4", "artist"), ("Type1x1", "song")]
    assert all(text[entity.start : entity.end] == entity.text and 0 < entity.score <= 1 for entity in found)
    assert task.predict([text, "", "o1 o2"]) == [found, [], []]
    assert task.predict([["o7", "Type1x1"]])[0][0].start == 3
    for least in (0.5, *(entity.score for entity in found), 1):
        assert task.predict(text, threshold=least) == [entity for entity in found if entity.score >= least]


def test_spacy_pairs_and_files_are_read_alike(model: Model, tmp_path: Path) -> None:
    task = model.adapt([(text, {"entities": spans}) for text, spans in SHOWN])
    path = tmp_path / "shown.txt"
    path.write_text("o1 O\no2 O\nType1x3 B-song\n. O\n\no4 O\nType2x1 B-artist\no5 O\n. O\n")
    asked = "o3 Type1x1 Type2x2 o9"
    assert task.predict(asked) == model.adapt(path).predict(asked) == model.adapt(SHOWN).predict(asked)


def test_a_sentence_task_adds_and_forgets(model: Model) -> None:
    task = model.adapt(SHOWN[:1])
    task.add(SHOWN[1:])
    asked = "o3 Type1x1 o4 Type2x2 o9"
    whole = [(entity.text, entity.label) for entity in model.adapt(SHOWN).predict(asked)]
    assert [(entity.text, entity.label) for entity in task.predict(asked)] == whole
    task.forget("song")
    assert task.predict(asked) == model.adapt(SHOWN[1:]).predict(asked)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([("o1 Type1x1", [(3, 99, "song")])], "outside of its text"),
        ([("o1 Type1x1", [(4, 10, "song")])], "not cover whole words"),
        ([("o1 Type1x1", [(0, 10, "song"), (3, 10, "artist")])], "overlap"),
        ([("o1 Type1x1", [])], "no labelled example"),
        ([("o1 Type1x1", [(3, 10, "")])], "a name"),
        ([(" ", [])], "no words"),
        (["text alone"], "pair"),
        ([("o1", {"spans": []})], "must be a list"),
    ],
)
def test_wrong_sentences_are_refused_with_the_fix(model: Model, examples: Any, message: str) -> None:
    with pytest.raises(MetamannError, match=message):
        model.adapt(examples)

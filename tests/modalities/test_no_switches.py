"""Which kind of input a run has is asked in `metamann/modalities/` alone; elsewhere objects answer for themselves."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import metamann
from metamann.data.images import objects as picture_objects
from metamann.data.sentences import fixed_episodes
from metamann.data.sentences import store as sentence_store
from metamann.data.store import ClassStore, DataSplits
from metamann.episodes import text
from metamann.episodes.items import episode_protocol, nway_kshot, one_shot_runs, online_stream
from metamann.episodes.items import source as item_source
from metamann.episodes.sentences import fixed_sentences, greedy, supervised, table
from metamann.episodes.sentences import protocols as sentence_protocols
from metamann.episodes.sequences import algorithmic
from metamann.episodes.sequences import source as sequence_source
from metamann.evaluation import evaluator, item_evaluator, sentence_evaluator, sequence_evaluator
from metamann.learners import sentence_mann, sequence, tagger
from metamann.modalities import images, item_objects, items, sentence_objects, sentences, sequences, vectors
from metamann.modalities import supervised as supervised_sentences
from metamann.modalities.choosing import modalities
from metamann.modalities.modality import Modality

ROOT = Path(metamann.__file__).parent
# every class that these modules define belongs to one kind of input
MODULES = (
    picture_objects, fixed_episodes, sentence_store, text, one_shot_runs, episode_protocol, nway_kshot, online_stream,
    item_source, fixed_sentences, greedy, supervised, table, sentence_protocols, algorithmic, sequence_source,
    evaluator, item_evaluator, sentence_evaluator, sequence_evaluator, sentence_mann, sequence, tagger, images,
    item_objects, items, sentence_objects, sentences, sequences, supervised_sentences, vectors,
)  # fmt: skip
OWN = {
    name
    for module in MODULES
    for name, kind in vars(module).items()
    if inspect.isclass(kind) and kind.__module__ == module.__name__
} | {ClassStore.__name__, DataSplits.__name__, Modality.__name__}
NAMES = {each.name for each in modalities()} | {"vectors"}
# a class that checks its own input, with the reason
ALLOWED: dict[str, str] = {}


def switches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and what is asked there: the class or the name of a kind of input."""
    for node in ast.walk(tree):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("isinstance", "issubclass") and len(node.args) == 2:
                asked = [node.args[1]]
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_is_type_of(side) for side in sides):
                asked = list(sides)
            for constant in (each for side in sides for each in ast.walk(side) if isinstance(each, ast.Constant)):
                if isinstance(constant.value, str) and constant.value in NAMES:
                    yield node.lineno, repr(constant.value)
        elif isinstance(node, ast.MatchClass):
            asked = [node.cls]
        for each in asked:
            for name in ast.walk(each):
                found = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
                if found in OWN:
                    yield node.lineno, found


def _is_type_of(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "__class__":
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def test_nobody_asks_which_kind_of_input_it_has() -> None:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith("modalities/"):
            continue
        for line, asked in switches(ast.parse(path.read_text())):
            if f"{place} {asked}" not in ALLOWED:
                found[f"{place}:{line}"] = asked
    assert found == {}


def test_what_is_allowed_is_there() -> None:
    there = {
        f"{path.relative_to(ROOT).as_posix()} {asked}"
        for path in ROOT.rglob("*.py")
        for _, asked in switches(ast.parse(path.read_text()))
    }
    assert set(ALLOWED) <= there


def test_the_search_finds_every_way_of_asking() -> None:
    code = """
isinstance(x, Text)
isinstance(x, (int, text.Text))
isinstance(x, SentenceStore | FixedEpisodeStore)
issubclass(kind, SequenceTask)
type(x) is NWayKShot
type(x) == Tagger
x.__class__ in (Copy, int)
modality.name == "images"
modality.name in ("sentences", "vectors")
match x:
    case OnlineStream():
        pass
isinstance(x, Tensor)
name = "images"
"""
    lines = sorted({line for line, _ in switches(ast.parse(code))})
    assert lines == [*range(2, 11), 12]


def test_the_lists_hold_what_they_are_for() -> None:
    assert {
        "Text", "SentenceStore", "FixedEpisodeStore", "SentenceSplits", "FixedEpisodeSplits", "ClassStore",
        "DataSplits", "SequenceTask", "SentenceProtocol", "EpisodeProtocol", "GreedySentences", "FixedSentences",
        "Supervised", "NWayKShot", "OnlineStream", "LakeOneShotRuns", "Sequences", "RandomBits", "Evaluator",
        "SentenceEvaluator", "SequenceEvaluator", "Tagger", "SentenceMANN", "SequenceLearner", "Images", "Sentences",
    } <= OWN  # fmt: skip

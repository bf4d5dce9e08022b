"""From plain data to objects: what is built, and what a wrong configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from metamann.application.compose import settings
from metamann.application.parts import Parts, changed, choice
from metamann.episodes.items.protocols import LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.text import Text
from metamann.errors import ConfigError, EpisodeError

NWAY = "metamann.episodes.items.protocols.NWayKShot"
CODES = "metamann.episodes.items.protocols.LabelCodes"


def built(part: str = "protocol", trust: Sequence[str] = (), **values: Any) -> Any:
    """What a part of a run's configuration builds."""
    return Parts({part: values}, trust).build(part)


def test_a_node_becomes_the_object_it_names_nested_ones_included() -> None:
    protocol = built(_target_=NWAY, ways=[2, 4], codes={"_target_": CODES, "kind": "random", "width": 7})
    assert protocol == NWayKShot(ways=[2, 4], codes=LabelCodes("random", 7))
    assert isinstance(protocol.ways, list)


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(ConfigError, match="wayz") as caught:
        built(_target_=NWAY, wayz=3)
    assert NWAY in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_part_without_a_class_says_how_to_choose_one() -> None:
    with pytest.raises(ConfigError, match=r"protocol names no class.*protocol=NAME"):
        built(ways=3)
    with pytest.raises(ConfigError, match=r"there is no protocol.*protocol=NAME"):
        Parts({"protocol": None}).build("protocol")


def test_what_the_object_refuses_comes_through_as_its_own_error() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.steps=0"):
        built("trainer", _target_="metamann.training.loop.TrainerConfig", steps=0)


def test_a_change_keeps_the_rest_and_refuses_new_keys() -> None:
    before = {"_target_": NWAY, "ways": 5, "shots": 1}
    assert changed(before, {"ways": 20}, "train_protocol") == {"_target_": NWAY, "ways": 20, "shots": 1}
    assert before["ways"] == 5
    with pytest.raises(ConfigError, match=r"train_protocol.*wayz.*ways, shots"):
        changed(before, {"wayz": 20}, "train_protocol")


def test_a_change_reaches_into_nested_parts_and_leaves_what_it_does_not_name() -> None:
    before = {"_target_": NWAY, "codes": {"_target_": CODES, "kind": "random", "width": 7}}
    after = changed(before, {"codes": {"width": 9}}, "protocol")
    assert after["codes"] == {"_target_": CODES, "kind": "random", "width": 9}
    assert before["codes"] == {"_target_": CODES, "kind": "random", "width": 7}
    with pytest.raises(ConfigError, match=r"protocol\.codes\.wodth is no setting"):
        changed(before, {"codes": {"wodth": 9}}, "protocol")


def test_a_part_is_replaced_by_a_choice_or_a_class_and_else_changed() -> None:
    parts = Parts({"protocol": choice("protocol", "nway", ways=5), "adapter": None})
    assert parts.replaced({"protocol": {"ways": 7}}).build("protocol").ways == 7
    assert isinstance(parts.replaced({"protocol": "stream"}).build("protocol"), OnlineStream)
    assert parts.replaced({"protocol": {"_target_": NWAY, "ways": 9}}).nodes["protocol"] == {
        "_target_": NWAY, "ways": 9,
    }  # fmt: skip
    assert parts.replaced({"protocol": None}).nodes == parts.nodes
    assert parts.build("protocol").ways == 5
    with pytest.raises(ConfigError, match=r"there is no adapter=rotates; choose .*rotated"):
        parts.replaced({"adapter": "rotates"})


def test_training_differs_from_the_protocol_only_where_it_says_so() -> None:
    parts = Parts({"protocol": {"_target_": NWAY, "ways": 5, "queries": 15}, "train_protocol": {"ways": 20}})
    assert parts.protocols() == (NWayKShot(ways=5, queries=15), NWayKShot(ways=20, queries=15))
    own = Parts({"protocol": {"_target_": NWAY, "ways": 5}, "train_protocol": choice("protocol", "stream", ways=3)})
    assert own.protocols() == (NWayKShot(ways=5), own.protocols()[1])
    assert isinstance(own.protocols()[1], OnlineStream)


@pytest.mark.parametrize(
    ("protocols", "width"),
    [
        ((OnlineStream(ways=[2, 5]), OnlineStream(ways=3)), 5),
        ((OnlineStream(ways=5), OnlineStream(ways=3, codes=LabelCodes("random", 9))), 9),
    ],
)
def test_codes_are_as_wide_as_the_largest_episode_of_all_protocols(protocols: Any, width: int) -> None:
    run = settings(data="strokes", memory="ntm", **{"encoder.channels": 4})
    parts = Parts({"data": run.data, "protocol": run.protocol, "encoder": run.encoder, "memory": run.memory,
                   "learner": run.learner})  # fmt: skip
    assert parts.modality.learner(parts.build, protocols, None).memory.code_width == width


def test_label_codes_are_wide_enough_for_the_tags_of_sentences() -> None:
    assert GreedySentences(ways=[2, 4], scheme="bio").code_width() == 9
    assert max(each.code_width() for each in (GreedySentences(), FixedSentences(codes=LabelCodes("random", 64)))) == 64
    assert Supervised(types=["a", "b"]).code_width() == 5
    with pytest.raises(ConfigError, match=r"protocol\.codes\.width"):
        FixedSentences().code_width()


def test_an_impossible_request_is_not_the_builders_to_refuse() -> None:
    protocol = built(_target_=NWAY, ways=0)
    with pytest.raises(EpisodeError):
        protocol.check(None)


@pytest.mark.parametrize(
    ("chosen", "features"),
    [({"encoder": "words"}, 320), ({"encoder": "recurrent"}, 400),
     ({"encoder": "recurrent", "encoder.words.width": 8}, 400), ({"encoder": "minilm"}, 384),
     ({"encoder": "recurrent", "encoder@encoder.words": "minilm"}, 400)],
)  # fmt: skip
def test_every_encoder_of_text_is_built_from_its_configuration(chosen: dict[str, Any], features: int) -> None:
    encoder = built("encoder", **settings(data="records", **chosen).encoder)
    words = torch.tensor([[[0, 1], [1, -1]]])
    assert encoder(Text(words, ("a", "b"))).shape == (1, 2, 2, features) == (1, 2, 2, encoder.features)


@pytest.mark.parametrize(
    ("part", "name", "changes", "message"),
    [
        ("encoder", "recurrent", {"words": {"width": 0}}, r"^encoder\.words\.width=0 must be at least 1\.$"),
        ("encoder", "recurrent", {"words": {"width": "x"}}, r"^encoder\.words\.width=x must be"),
        ("encoder", "recurrent", {"hidden": 0}, r"^encoder\.hidden=0 must be at least 1\.$"),
        ("encoder", "joined", {"encoders": {"words": {"rows": 1}}}, r"^encoder\.encoders\.words\.rows=1 "),
        ("memory", "ntm", {"hidden": 10**6}, r"memory needs more memory .*GiB.*lower memory\.hidden=1000000"),
    ],
)
def test_a_setting_is_named_by_its_whole_key(part: str, name: str, changes: dict[str, Any], message: str) -> None:
    node = getattr(settings(data="strokes", **{part: name}), part)
    parts = Parts({part: changed(node, changes, part)})
    with pytest.raises(ConfigError, match=message):
        parts.build(part, **({"features": 16, "code_width": 5} if part == "memory" else {}))


def test_a_changed_part_knows_its_key() -> None:
    parts = Parts({"protocol": {"_target_": NWAY, "ways": 5}, "train_protocol": {"ways": "x"}})
    with pytest.raises(ConfigError, match=r"^train_protocol\.ways=x must be"):
        parts.protocols()


class Raises:
    """Raises what it is told."""

    def __init__(self, error: str, number: int = 3) -> None:
        raise {"value": ValueError("a bug"), "os": PermissionError(13, "Permission denied", "/x")}[error]


def test_whatever_a_class_raises_names_the_settings() -> None:
    target = f"{__name__}.Raises"
    with pytest.raises(ConfigError, match=r"ValueError: a bug.*error=value, number=7"):
        built(trust=[__name__], _target_=target, error="value", number=7)
    with pytest.raises(PermissionError):
        built(trust=[__name__], _target_=target, error="os")

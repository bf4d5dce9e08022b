"""From configuration to objects: what is trusted, and what a wrong configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from metamann.commands.build import (
    build,
    build_data,
    build_protocols,
    build_sentences,
    code_width,
    plain_config,
    update,
)
from metamann.data.sentences.store import SentenceSplits
from metamann.episodes.items.protocols import LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.text import Text
from metamann.errors import ConfigError, EpisodeError
from metamann.hardware import TensorsFit

NWAY = "metamann.episodes.items.protocols.NWayKShot"
CODES = "metamann.episodes.items.protocols.LabelCodes"


def node(**values: Any) -> Any:
    return OmegaConf.create(values)


def built(part: str = "protocol", trust: Sequence[str] = (), **values: Any) -> Any:
    """What a part of a run's configuration builds."""
    return build(OmegaConf.create({part: values, "trust": list(trust)}), part)


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


def test_what_the_object_refuses_comes_through_as_its_own_error() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.steps=0"):
        built("trainer", _target_="metamann.training.loop.TrainerConfig", steps=0)


@pytest.mark.parametrize(
    "value",
    [r"\${oc.env:HOME}", r"\${oc.create:{_target_: os.mkdir}}", {"_partial_": True}, {"_args_": [1]}, {r"\${a}": 1}],
    ids=str,
)
def test_what_would_be_resolved_or_built_in_another_way_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"no plain data"):
        built(_target_=NWAY, ways=[{"a": value}])


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"set path"):
        plain_config(node(_target_="metamann.data.images.folder.folder", path="???"))


def test_an_update_keeps_the_rest_and_refuses_new_keys() -> None:
    before = node(_target_=NWAY, ways=5, shots=1)
    assert update(before, {"ways": 20}, "train_protocol") == {"_target_": NWAY, "ways": 20, "shots": 1}
    assert before.ways == 5
    with pytest.raises(ConfigError, match=r"train_protocol.*wayz.*ways, shots"):
        update(before, {"wayz": 20}, "train_protocol")


def test_training_differs_from_the_protocol_only_where_it_says_so() -> None:
    config = node(protocol={"_target_": NWAY, "ways": 5, "queries": 15}, train_protocol={"ways": 20}, trust=[])
    assert build_protocols(config) == (NWayKShot(ways=5, queries=15), NWayKShot(ways=20, queries=15))


def test_codes_are_as_wide_as_the_largest_episode_of_all_protocols() -> None:
    assert code_width(OnlineStream(ways=[2, 5]), OnlineStream(ways=3)) == 5
    assert code_width(OnlineStream(ways=5), OnlineStream(ways=3, codes=LabelCodes("random", 9))) == 9


def test_an_impossible_request_is_not_the_builders_to_refuse() -> None:
    protocol = built(_target_=NWAY, ways=0)
    with pytest.raises(EpisodeError):
        protocol.check(None)


@pytest.mark.parametrize(
    ("choice", "features"),
    [(["encoder=words"], 320), (["encoder=recurrent"], 400), (["encoder=recurrent", "encoder.words.width=8"], 400),
     (["encoder=minilm"], 384), (["encoder=recurrent", "encoder@encoder.words=minilm"], 400)],
)  # fmt: skip
def test_every_encoder_of_text_is_built_from_its_configuration(choice: list[str], features: int) -> None:
    with initialize_config_module("metamann.conf", version_base="1.3"):
        encoder = build(compose("train", [*choice, "data=strokes"]), "encoder")
    words = torch.tensor([[[0, 1], [1, -1]]])
    assert encoder(Text(words, ("a", "b"))).shape == (1, 2, 2, features) == (1, 2, 2, encoder.features)


def test_data_of_another_kind_are_refused_before_an_episode_is_planned() -> None:
    sentences = {"_target_": "metamann.data.sentences.records.records", "sentences": [4, 4, 4]}
    config = OmegaConf.create({"data": sentences, "protocol": {"_target_": NWAY}, "trust": []})
    with pytest.raises(ConfigError, match=r"records\.records reads sentences.*NWayKShot deals images"):
        build_data(config)
    assert isinstance(build_sentences(config), SentenceSplits)


def test_label_codes_are_wide_enough_for_the_tags_of_sentences() -> None:
    assert code_width(GreedySentences(ways=[2, 4], scheme="bio")) == 9
    assert code_width(GreedySentences(ways=5), FixedSentences(codes=LabelCodes("random", 64))) == 64
    assert code_width(Supervised(types=["a", "b"])) == 5
    with pytest.raises(ConfigError, match=r"protocol\.codes\.width"):
        code_width(FixedSentences())


@pytest.mark.parametrize(
    ("group", "choice", "changes", "message"),
    [
        ("encoder", ["encoder=recurrent"], {"words": {"width": 0}}, r"^encoder\.words\.width=0 must be at least 1\.$"),
        (
            "encoder",
            ["encoder=recurrent"],
            {"words": {"width": "x"}},
            r"^encoder\.words\.width=x must be",
        ),
        ("encoder", ["encoder=recurrent"], {"hidden": 0}, r"^encoder\.hidden=0 must be at least 1\.$"),
        (
            "encoder",
            ["encoder=joined"],
            {"encoders": {"words": {"rows": 1}}},
            r"^encoder\.encoders\.words\.rows=1 ",
        ),
        ("memory", ["memory=ntm"], {"hidden": 10**6}, r"memory needs more memory .*GiB.*lower memory\.hidden=1000000"),
        ("trainer", [], {"steps": None}, r"^trainer\.steps=null must be a whole number"),
    ],
)
def test_a_setting_is_named_by_its_whole_key(
    group: str, choice: list[str], changes: dict[str, Any], message: str
) -> None:
    with initialize_config_module("metamann.conf", version_base="1.3"):
        config = compose("train", [*choice, "data=strokes"])
    config[group] = update(config[group], changes, group)
    with TensorsFit(), pytest.raises(ConfigError, match=message):
        build(config, group, **({"features": 16, "code_width": 5} if group == "memory" else {}))


def test_a_changed_node_knows_its_key() -> None:
    node_of_training = update(node(_target_=NWAY, ways=5), {"ways": "x"}, "train_protocol")
    with pytest.raises(ConfigError, match=r"^train_protocol\.ways=x must be"):
        build(node(train_protocol=node_of_training, trust=[]), "train_protocol")


class Raises:
    """Raises what it is told."""

    def __init__(self, error: str, number: int = 3) -> None:
        raise {"value": ValueError("a bug"), "os": PermissionError(13, "Permission denied", "/x")}[error]


def test_whatever_a_class_raises_names_the_settings() -> None:
    target = f"{__name__}.Raises"
    with pytest.raises(ConfigError, match=r"cannot be built \(ValueError: a bug\).*error=value, number=7"):
        built(trust=[__name__], _target_=target, error="value", number=7)
    with pytest.raises(PermissionError):
        built(trust=[__name__], _target_=target, error="os")

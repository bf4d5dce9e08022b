"""What a configuration may build: the list of conf/, plug-ins, and what the user names; nothing else is called."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from metamann.application import trust
from metamann.application.trust import (
    GROUP_OF,
    check_trusted,
    conf_choices,
    conf_classes,
    open_checkpoint,
    trusted_class,
)
from metamann.episodes.items.protocols import LabelCodes, NWayKShot
from metamann.errors import CheckpointError, ConfigError
from metamann.memory.controlled.ntm import NTMMemory
from metamann.training.checkpoint import Checkpoint

NWAY = "metamann.episodes.items.protocols.NWayKShot"


def test_the_list_is_what_conf_offers_by_group() -> None:
    groups = {"data", "protocol", "encoder", "memory", "learner", "adapter"}
    assert set(conf_choices()) == groups
    assert {NWAY, "metamann.episodes.items.protocols.LabelCodes"} < conf_classes("protocol")
    assert "metamann.memory.controlled.ntm.NTMMemory" in conf_classes("memory")
    assert "metamann.learners.adapters.rotated.Rotated" in conf_classes("adapter") - conf_classes("learner")
    assert conf_classes("trainer") == {"metamann.training.loop.TrainerConfig"}
    targets = {target for group in groups for target in conf_classes(group)}
    assert not any("application" in each or "commands" in each or "download" in each for each in targets)


def test_every_class_of_the_list_is_there() -> None:
    for part, group in GROUP_OF.items():
        for target in conf_classes(group):
            assert trusted_class(target, part, ()).__name__ == target.rpartition(".")[2]


@pytest.mark.parametrize(
    ("part", "target", "found"),
    [
        ("protocol", NWAY, NWayKShot),
        ("train_protocol", NWAY, NWayKShot),
        ("protocol", "metamann.episodes.items.protocols.LabelCodes", LabelCodes),
        ("memory", "metamann.memory.controlled.ntm.NTMMemory", NTMMemory),
    ],
)
def test_a_listed_class_is_found(part: str, target: str, found: type) -> None:
    assert trusted_class(target, part, ()) is found


@pytest.mark.parametrize("part", GROUP_OF)
@pytest.mark.parametrize(
    "target",
    [
        "os.mkdir",
        "builtins.exec",
        "metamann",
        "metamann_evil.mkdir",
        "metamann.data.download.fetch",
        "metamann.commands.audit._named",
        "metamann.application.train.train",
        "metamann.application.report.logging.sys.exit",
        "metamann.data.cache.write_atomically",
        "metamann.data.cache.os.mkdir",
        "metamann.training.record.Path.mkdir",
        "metamann.application.origin.subprocess.os.mkdir",
        "metamann.commands.sweep.SweepTable",
        "torch.hub.load",
        "numpy.savetxt",
        "",
        "x",
        " metamann.episodes.items.protocols.NWayKShot",
        3,
        None,
        ["os.mkdir"],
    ],
    ids=str,
)
def test_what_is_not_on_the_list_is_refused(part: str, target: object) -> None:
    with pytest.raises(ConfigError, match=part):
        trusted_class(target, part, ())


def test_a_class_of_another_part_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"encoder wants to build metamann\.memory\.controlled\.ntm\.NTMMemory.*conf/encoder/"
    ):
        trusted_class("metamann.memory.controlled.ntm.NTMMemory", "encoder", ())


@pytest.mark.parametrize("named", ["fractions", "fractions.Fraction"])
def test_what_the_user_names_is_trusted(named: str) -> None:
    assert trusted_class("fractions.Fraction", "encoder", [named]) is Fraction


@pytest.mark.parametrize("named", ["fraction", "fractions.Frac", "fractions.Fraction.limit_denominator", ""])
def test_trust_in_one_name_is_none_in_another_that_looks_like_it(named: str) -> None:
    with pytest.raises(ConfigError, match=r"trust=\[fractions\]"):
        trusted_class("fractions.Fraction", "encoder", [named])


def test_a_path_through_a_trusted_package_leads_nowhere_else() -> None:
    with pytest.raises(ConfigError, match="only passes through"):
        trusted_class("fractions.Decimal", "encoder", ["fractions"])
    with pytest.raises(ConfigError, match="cannot be imported"):
        trusted_class("fractions.sys.exit", "encoder", ["fractions"])


@pytest.mark.parametrize("target", ["fractions.Nonsense", "fractions.nonsense.Thing", "fractions._PyHASH_MODULUS"])
def test_a_trusted_name_that_is_no_class_is_named(target: str) -> None:
    with pytest.raises(ConfigError, match=target):
        trusted_class(target, "encoder", ["fractions"])


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that registers a class."""
    entry = importlib.metadata.EntryPoint("fraction", "fractions:Fraction", "metamann.plugins")

    def entry_points(group: str) -> list[importlib.metadata.EntryPoint]:
        return [entry] if group == "metamann.plugins" else []

    monkeypatch.setattr(trust, "entry_points", entry_points)
    trust.plugin_classes.cache_clear()
    yield
    trust.plugin_classes.cache_clear()


@pytest.mark.usefixtures("plug_in")
def test_what_an_installed_plug_in_registers_is_trusted_and_nothing_beside_it() -> None:
    assert trusted_class("fractions.Fraction", "memory", ()) is Fraction
    with pytest.raises(ConfigError, match=r"fractions\.Decimal"):
        trusted_class("fractions.Decimal", "memory", ())


@pytest.mark.parametrize("part", GROUP_OF)
@pytest.mark.parametrize(
    "bury", [lambda t: t, lambda t: {"a": {"b": t}}, lambda t: {"a": [1, [t]]}], ids=["top", "in a node", "in a list"]
)
def test_a_foreign_class_is_refused_wherever_it_stands(
    part: str, bury: Callable[[object], object], tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    target = {"_target_": "os.mkdir", "path": str(planted)}
    with pytest.raises(ConfigError, match=r"os\.mkdir.*trust=\[os\]"):
        check_trusted({part: bury(target)}, ())
    assert not planted.exists()


def saved(path: Path, **parts: object) -> Path:
    """A checkpoint with these parts of its configuration."""
    config = {
        "protocol": {"_target_": NWAY}, "memory": {"_target_": "metamann.memory.controlled.ntm.NTMMemory"},
        "trainer": {},
        "learner": {"_target_": "metamann.learners.mann.MANN"}, **parts,
    }  # fmt: skip
    Checkpoint(config, {}, {}, {}, 0, {}, 0.0).save(path)
    return path


@pytest.mark.parametrize("reader", ["columns", "jsonl"])
def test_a_run_on_own_files_of_before_is_read_by_the_one_reader(reader: str, tmp_path: Path) -> None:
    data = {"_target_": f"metamann.data.{reader}.{reader}", "path": "x.jsonl", "misaligned": "error", "seed": 3}
    opened = open_checkpoint(saved(tmp_path / "run.pt", data=data), ())
    assert opened.config["data"] == {
        "_target_": "metamann.data.own.reader.own_sentences", "path": "x.jsonl", "spans": "error", "seed": 3,
    }  # fmt: skip


@pytest.mark.parametrize("parts", [{"protocol": None}, {"memory": [1]}, {"data": "x"}, {"encoder": 3}])
def test_a_part_of_another_kind_is_named(parts: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"wrong part '{next(iter(parts))}'"):
        open_checkpoint(saved(tmp_path / "run.pt", **parts), ())

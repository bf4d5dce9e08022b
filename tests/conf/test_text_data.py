"""The data configurations of text: each builds what its reader gives, and writes down every option with its default."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

import hydra.utils
import pytest
from omegaconf import OmegaConf

from metamann.application.parts import Parts, choice
from metamann.checks.splits import audit_splits
from metamann.data.sentences.fixed_episodes import FixedEpisodeSplits
from metamann.data.sentences.store import SentenceSplits
from metamann.errors import DataError

CONF = Path(__file__).parents[2] / "conf" / "data"
SENTENCES = ("columns", "conll2003", "crossner", "fewnerd", "gum", "jsonl", "records", "wnut17")
EPISODES = ("fewnerd_episodes", "snips", "support_sets")
COLUMNS = "".join(f"w{number} B-type{number % 5}\nx O\n\n" for number in range(10))
JSONL = "".join(f'{{"text": "w{number} x", "label": [[0, 2, "type{number % 5}"]]}}\n' for number in range(10))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path))


def built(name: str, **options: Any) -> Any:
    return Parts({"data": choice("data", name, **options)}).build("data")


@pytest.mark.parametrize("name", SENTENCES + EPISODES)
def test_a_configuration_has_the_options_and_defaults_of_its_reader(name: str) -> None:
    node = OmegaConf.load(CONF / f"{name}.yaml")
    parameters = inspect.signature(hydra.utils.get_method(node._target_)).parameters
    written = {key: None if OmegaConf.is_missing(node, key) else node[key] for key in node if key != "_target_"}
    defaults = {
        key: None if parameter.default is parameter.empty else parameter.default
        for key, parameter in parameters.items()
    }
    assert {key: tuple(value) if OmegaConf.is_list(value) else value for key, value in written.items()} == defaults


@pytest.mark.parametrize("content", [COLUMNS, JSONL])
@pytest.mark.parametrize("name", ["columns", "jsonl"])
def test_a_file_of_ones_own_is_split_by_type(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / f"own.{name}"
    path.write_text(content)
    splits = built(name, path=str(path))
    assert isinstance(splits, SentenceSplits)
    assert [len(splits.split(part).types) for part in ("train", "val", "test")] == [3, 1, 1]
    assert len(built(name, path=str(path), shares=[0, 0, 1]).test.types) == 5
    with pytest.raises(DataError, match=r"nowhere cannot be read"):
        built(name, path=str(tmp_path / "nowhere"))


def test_records_are_built_without_any_data(no_network: None) -> None:
    splits = built("records", sentences=[30, 20, 20])
    assert isinstance(splits, SentenceSplits)
    assert [len(splits.split(part).sentences) for part in ("train", "val", "test")] == [30, 20, 20]


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither data nor a way to them."""
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path / "nothing"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


PUBLISHED = [name for name in (*SENTENCES, *EPISODES, "mixture") if name not in ("columns", "jsonl", "records")]


@pytest.mark.parametrize("name", PUBLISHED)
def test_data_sets_that_are_absent_say_which_file_to_put_where(no_network: None, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"^\S+\.\S+ .*[Pp]ut \S+ .*in {tmp_path}/nothing/.*METAMANN_DATA"):
        built(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("wnut17", SentenceSplits), ("snips", FixedEpisodeSplits), ("fewnerd_episodes", FixedEpisodeSplits)],
)
def test_published_data_sets_are_built(name: str, kind: type, real_data: None) -> None:
    assert isinstance(built(name), kind)


@pytest.mark.parametrize("name", ["snips", "crossner", "conll2003", "wnut17", "gum", "records"])
def test_the_audit_gives_no_false_alarm_on_any_data_set(name: str, real_data: None) -> None:
    assert "fail" not in {found.outcome for found in audit_splits(built(name))}


def test_the_audit_gives_no_false_alarm_on_fewnerd(fewnerd_splits: SentenceSplits) -> None:
    assert "fail" not in {found.outcome for found in audit_splits(fewnerd_splits)}


@pytest.fixture
def real_data() -> None:
    """The published data sets, where they are."""
    if not (Path(os.environ.get("METAMANN_DATA", "")) / "wnut17").is_dir():
        if os.environ.get("METAMANN_REQUIRE_DATA") == "1":
            pytest.fail("the published data sets of text are not in METAMANN_DATA")
        pytest.skip("the published data sets of text are not in METAMANN_DATA")

"""Paths and texts reach a command as they were typed, whatever Hydra's grammar makes of their characters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given
from hypothesis import strategies as st

from metamann.application.setting_errors import in_shell, quoted
from metamann.commands.overrides import readable

KEYS = ("checkpoint", "resume", "encoder_from", "support", "query", "data.path", "++data.path",
        "encoder.model", "encoder.encoders.pretrained.model", "hydra.run.dir")  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)


def value(argument: str) -> Any:
    """What Hydra takes an argument for."""
    return OverridesParser.create().parse_override(argument).value()


def as_text(found: Any) -> str:
    return getattr(found, "text", found)  # of a sweep


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "path",
    ["/runs/seed=0,lr=1/run", "/a b/c", "/a(1)/b", "/a[1]", "[a,b]", "{a:b}", "~/runs", "/müller/läufe", "/日本/走",
     "it's", 'say "so"', """both ' and " """.strip(), "a&b;c#d!e<f>g|h^i`j",
     "$HOME/x", "2024", "1e3", "true", "nan", "0_1",
     "a\\", "C:\\runs\\1",
     "back\\'quote", "glob(*)", "a=b", "=", ",", "%41", "@x", "a:b", "x,y,z", "📈/1"],
)  # fmt: skip
def test_a_path_is_a_text_whatever_it_holds(key: str, path: str) -> None:
    (argument,) = readable([f"{key}={path}"])
    assert as_text(value(argument)) == path
    assert argument.startswith(f"{key}=")
    assert readable([argument]) == [argument]  # and once it is readable it stays as it is


@given(texts)
def test_any_text_in_quotes_is_read_back(text: str) -> None:
    assume("${" not in text)
    assert value(f"key={quoted(text)}") == text


@pytest.mark.parametrize("plain", ["null", "/plain/path", "outputs/${now:%Y}/x", "'/a=b'", '"/a,b"', "/a\\,b", ""])
def test_what_hydra_reads_as_meant_is_left_alone(plain: str) -> None:
    assert readable([f"checkpoint={plain}"]) == [f"checkpoint={plain}"]


@pytest.mark.parametrize(
    "argument",
    ["trainer.steps=3", "data.shares=[0,0,1]", "train_protocol={ways: 3}", "~logger", "+data.x=1", "tasks=3",
     "memory=ntm", "hydra.sweep.subdir=lr_${trainer.learning_rate}", "trainer.steps", "memory.item_width=null"],
)  # fmt: skip
def test_other_settings_are_left_alone(argument: str) -> None:
    assert readable([argument]) == [argument]


@pytest.mark.parametrize("text", ["a=b", "a(b", "münchen", 'a"b', "a & b", "[1,2", "#1"])
def test_what_hydra_cannot_read_is_a_text(text: str) -> None:
    (argument,) = readable([f"logger.project={text}"])
    assert value(argument) == text


@pytest.mark.parametrize(
    ("typed", "paths"),
    [("[/a/x=1,/b(2)]", ["/a/x=1", "/b(2)"]), ("[3,4]", ["3", "4"]), ("/a", ["/a"]), ("a,b", ["a", "b"]),
     ("[/a:linear_head,/b=1:linear_head]", ["/a:linear_head", "/b=1:linear_head"]), ("['/a,b','/c']", ["/a,b", "/c"]),
     ("[/müller]", ["/müller"]), ("2024", ["2024"]), ("[/a[1],/b]", ["/a[1]", "/b"]), ("[]", [])],
)  # fmt: skip
def test_runs_are_a_list_of_paths(typed: str, paths: list[str]) -> None:
    (argument,) = readable([f"runs={typed}"])
    assert [as_text(each) for each in value(argument)] == paths


def test_a_comma_is_part_of_a_path_that_exists(tmp_path: Path) -> None:
    run = tmp_path / "seed=0,lr=1" / "run"
    run.mkdir(parents=True)
    (argument,) = readable([f"runs=[{run},{run}:linear_head,/other]"])
    assert [as_text(each) for each in value(argument)] == [str(run), f"{run}:linear_head", "/other"]
    plain = tmp_path / "a,b"
    plain.mkdir()
    (argument,) = readable([f"runs=[{plain},/other]"])
    assert value(argument) == [str(plain), "/other"]
    swept = readable(["-m", f"checkpoint={run},/other=1"])[1]
    assert [as_text(each) for each in value(swept).list] == [str(run), "/other=1"]


def test_sweeps_are_left_to_hydra() -> None:
    arguments = ["seed=0,1", "checkpoint=choice(a,b)", "checkpoint=glob(*)", "runs=a,b", "hydra.sweep.subdir=a=1,b"]
    assert readable([*arguments, "-m"]) == ["-m", *arguments[:-1], "hydra.sweep.subdir='a=1,b'"]
    assert readable(["seed=0,1"]) == ["seed=0,1"]


@pytest.mark.parametrize("argument", ["-m", "--multirun"])
def test_the_option_of_a_sweep_may_stand_between_settings(argument: str) -> None:
    assert readable(["experiment=copy", argument, "seed=0,1"]) == [argument, "experiment=copy", "seed=0,1"]


@pytest.mark.parametrize("group", ["memory", "encoder", "experiment"])
def test_a_choice_of_a_group_is_a_name(group: str) -> None:
    assert readable([f"{group}=3", f"{group}=true"]) == [f"{group}='3'", f"{group}='true'"]


@pytest.mark.parametrize("name", ["seed=0,lr=1", "a b", "it's (1)", "[x]", 'say "so"', "$x", "müller"])
def test_the_advice_of_an_error_works_verbatim_in_a_shell(name: str) -> None:
    typed = in_shell("logger.project", name)
    echo = "import sys; print(sys.argv[1], end='')"
    argument = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "{echo}" {typed}'], capture_output=True, text=True, check=True
    ).stdout
    assert value(argument) == name

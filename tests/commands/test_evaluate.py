"""`metamann-evaluate` as its users run it, on a run of `metamann-train`."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from commandline import Ended, run
from PIL import Image
from torch import nn

from metamann.application.parts import Parts
from metamann.application.run import Opened
from metamann.application.settings import EvaluationSettings

QUIET = ["episodes=20", "logger.wandb=false", "logger.tensorboard=false"]


def results(ended: Ended) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ended.run_directory / "results.json").read_text())
    return content


@pytest.fixture(scope="module")
def evaluated(trained: Ended, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The run, evaluated with the defaults."""
    return run("evaluate", f"checkpoint={trained.run_directory}", *QUIET, cwd=tmp_path_factory.mktemp("evaluated"))


def test_a_run_is_evaluated_on_its_test_classes_under_its_own_protocol(trained: Ended, evaluated: Ended) -> None:
    found = results(evaluated)
    assert found["protocol"]["split"] == "test"
    assert found["protocol"]["name"] == "online_stream"
    assert (found["protocol"]["ways"], found["protocol"]["steps"], found["protocol"]["classes"]) == (3, 12, 3)
    assert (found["episodes"], found["seed"]) == (20, 0)
    assert set(found["metrics"]) == {"accuracy", *(f"accuracy/instance_{k}" for k in range(1, 5))}
    assert found["checkpoint"] == str(trained.run_directory / "checkpoints" / "best.pt")
    files = {file.relative_to(evaluated.run_directory).as_posix() for file in evaluated.run_directory.rglob("*")}
    assert files >= {"results.json", "results.md", "tasks.npz", "plots/episode.png", "plots/memory.png"}


def test_the_task_list_that_is_hashed_is_the_one_that_is_saved(evaluated: Ended) -> None:
    with np.load(evaluated.run_directory / "tasks.npz") as tasks:
        assert tasks["items"].shape == (20, 12)
    assert len(results(evaluated)["tasks_sha256"]) == 64


def test_evaluating_changes_nothing_in_the_run(trained: Ended, tmp_path: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {file: file.read_bytes() for file in trained.run_directory.rglob("*") if file.is_file()}

    before = content()
    run("evaluate", f"checkpoint={trained.run_directory}", *QUIET, cwd=tmp_path)
    assert content() == before


def test_a_checkpoint_file_is_as_good_as_its_directory(trained: Ended, evaluated: Ended, tmp_path: Path) -> None:
    best = trained.run_directory / "checkpoints" / "best.pt"
    assert results(run("evaluate", f"checkpoint={best}", *QUIET, cwd=tmp_path)) == {
        **results(evaluated),
        "command": results(evaluated)["command"].replace(str(trained.run_directory), str(best)),
    }


def test_a_relative_checkpoint_is_relative_to_where_the_user_stands(trained: Ended, tmp_path: Path) -> None:
    place = trained.run_directory.parent
    ended = run("evaluate", f"checkpoint={trained.run_directory.name}", *QUIET, cwd=place, METAMANN_CACHE=str(tmp_path))
    assert results(ended)["episodes"] == 20


def test_the_size_of_a_batch_does_not_change_the_scores(trained: Ended, evaluated: Ended, tmp_path: Path) -> None:
    one_by_one = run("evaluate", f"checkpoint={trained.run_directory}", "images_per_batch=1", *QUIET, cwd=tmp_path)
    for name, interval in results(one_by_one)["metrics"].items():
        assert interval == pytest.approx(results(evaluated)["metrics"][name], abs=1e-6)


def test_a_seed_is_a_task_list(trained: Ended, evaluated: Ended, tmp_path: Path) -> None:
    other = results(run("evaluate", f"checkpoint={trained.run_directory}", "seed=1", *QUIET, cwd=tmp_path))
    assert other["seed"] == 1
    assert other["tasks_sha256"] != results(evaluated)["tasks_sha256"]


def test_a_saved_task_list_reproduces_the_results_bit_for_bit(trained: Ended, evaluated: Ended, tmp_path: Path) -> None:
    tasks = evaluated.run_directory / "tasks.npz"
    # the list has its own seed and number of episodes
    again = results(run("evaluate", f"checkpoint={trained.run_directory}", f"tasks={tasks}", "episodes=7", "seed=9",
                        *QUIET[1:], cwd=tmp_path))  # fmt: skip
    for part in ("metrics", "episodes", "seed", "tasks_sha256", "protocol"):
        assert again[part] == results(evaluated)[part]


def test_fewer_ways_by_override(trained: Ended, tmp_path: Path) -> None:
    found = results(run("evaluate", f"checkpoint={trained.run_directory}", "protocol.ways=2", *QUIET, cwd=tmp_path))
    assert found["protocol"]["ways"] == 2
    assert found["protocol"]["steps"] == 12


def test_another_protocol(trained: Ended, tmp_path: Path) -> None:
    options = ["protocol=nway", "protocol.ways=3", "protocol.shots=2", "protocol.queries=2"]
    found = results(run("evaluate", f"checkpoint={trained.run_directory}", *options, *QUIET, cwd=tmp_path))
    wanted = {"name": "nway_kshot", "ways": 3, "shots": 2, "queries": 2, "split": "test"}
    assert found["protocol"].items() >= wanted.items()
    assert list(found["metrics"]) == ["accuracy"]


def test_other_data_all_of_them_for_test_and_more_ways_than_in_training(
    trained: Ended, other_toy: Path, tmp_path: Path
) -> None:
    data = ["data=folder", f"data.path={other_toy}", "data.size=16", "data.shares=[0,0,1]", "protocol.ways=5"]
    found = results(run("evaluate", f"checkpoint={trained.run_directory}", *data, *QUIET, cwd=tmp_path))
    assert (found["protocol"]["classes"], found["protocol"]["ways"]) == (5, 5)


def test_the_split_can_be_chosen(trained: Ended, tmp_path: Path) -> None:
    found = results(run("evaluate", f"checkpoint={trained.run_directory}", "split=train", *QUIET, cwd=tmp_path))
    assert (found["protocol"]["split"], found["protocol"]["classes"]) == ("train", 4)


def test_several_checkpoints_are_one_table(trained: Ended, tmp_path: Path) -> None:
    checkpoints = trained.run_directory / "checkpoints"
    directory = run(
        "evaluate", "-m", f"checkpoint={checkpoints / 'best.pt'},{checkpoints / 'last.pt'}", *QUIET, cwd=tmp_path
    ).run_directory
    table = (directory / "sweep.md").read_text().splitlines()
    assert [("best.pt" in line, "last.pt" in line) for line in table[2:]] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("support", "data", "own"),
    [("a.conll", {}, True), (None, {"path": "a.conll"}, True), (None, {"seed": 0}, False), (None, None, False)],
)
def test_a_users_own_sentences_are_checked_for_words_that_the_encoder_does_not_know(
    support: str | None, data: dict[str, Any] | None, own: bool
) -> None:
    """What is said of them is tested with the encoders."""
    modality = SimpleNamespace(unknown=lambda learner, name, stores: (f"{name} {stores}",))
    files = {} if support is None else {"support": support, "query": "b.txt"}
    run: Any = SimpleNamespace(modality=modality)
    opened = Opened(run, Parts({"data": data}), False, EvaluationSettings(**files))
    evaluator = SimpleNamespace(data="own", sampler=SimpleNamespace(store="store", loads=lambda: ()))
    notes = opened.notes(nn.Linear(1, 1), evaluator)
    assert notes == (("own ('store',)",) if own else ())


# what a user can do wrong


WRONG = [
    (["checkpoint=/nowhere"], "/nowhere"),
    (["protocol.wayz=3"], "ways"),
    (["data.sizes=3"], "size"),
    (["protocol=nonsense"], "nway"),
    (["protocol.ways=4"], "at most 3"),
    (["protocol.steps=40"], "protocol.steps"),
    (["split=nonsense"], "train, val or test"),
    (["episodes=1"], "episodes"),
    (["episodes=many"], "episodes"),
    (["seed=-1"], "seed"),
    (["tasks=/nowhere.npz"], "/nowhere.npz"),
    (["data=folder"], "data.path"),
    (["data=folder", "data.path=/nowhere"], "/nowhere"),
    (["epizodes=3"], "epizodes"),
    (["images_per_batch=abc"], "images_per_batch"),
]


@pytest.mark.parametrize(("overrides", "names"), WRONG, ids=[" ".join(overrides) for overrides, _ in WRONG])
def test_a_mistake_is_one_line_that_names_it(overrides: list[str], names: str, trained: Ended, tmp_path: Path) -> None:
    assert names in run("evaluate", f"checkpoint={trained.run_directory}", *QUIET, *overrides, cwd=tmp_path).error


def test_a_checkpoint_must_be_named(tmp_path: Path) -> None:
    assert "checkpoint" in run("evaluate", *QUIET, cwd=tmp_path).error


def test_a_task_list_of_another_protocol_is_refused(trained: Ended, evaluated: Ended, tmp_path: Path) -> None:
    tasks = evaluated.run_directory / "tasks.npz"
    options = [f"tasks={tasks}", "protocol.ways=2"]
    assert "protocol" in run("evaluate", f"checkpoint={trained.run_directory}", *options, *QUIET, cwd=tmp_path).error


def test_a_directory_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    assert "best.pt" in run("evaluate", f"checkpoint={tmp_path}", *QUIET, cwd=tmp_path).error


@pytest.mark.parametrize("content", ["garbage", "half", "foreign", "state_dict"])
def test_what_is_no_checkpoint_is_refused(content: str, trained: Ended, tmp_path: Path) -> None:
    file = tmp_path / "some.pt"
    whole = (trained.run_directory / "checkpoints" / "best.pt").read_bytes()
    if content in ("garbage", "half"):
        file.write_bytes(b"garbage" if content == "garbage" else whole[: len(whole) // 2])
    else:
        torch.save({"weights": torch.zeros(3)} if content == "foreign" else torch.nn.Linear(2, 2).state_dict(), file)
    assert str(file) in run("evaluate", f"checkpoint={file}", *QUIET, cwd=tmp_path).error


class Planted:
    """A pickle that makes a directory when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """What pickle is to call."""
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    file, planted = tmp_path / "evil.pt", tmp_path / "planted"
    file.write_bytes(pickle.dumps({"format": "metamann-checkpoint/1", "config": Planted(planted)}, protocol=2))
    assert str(file) in run("evaluate", f"checkpoint={file}", *QUIET, cwd=tmp_path).error
    assert not planted.exists()
    torch.save({"format": "metamann-checkpoint/1", "config": Planted(planted)}, file)
    assert str(file) in run("evaluate", f"checkpoint={file}", *QUIET, cwd=tmp_path).error
    assert not planted.exists()


@pytest.mark.parametrize(
    "target", ["os.mkdir", "metamann.application.origin.subprocess.os.mkdir", "metamann.data.cache.os.mkdir"]
)
def test_a_checkpoint_whose_configuration_calls_foreign_code_is_refused(
    target: str, trained: Ended, tmp_path: Path
) -> None:
    file, planted = tmp_path / "evil.pt", tmp_path / "planted"
    content = torch.load(trained.run_directory / "checkpoints" / "best.pt", weights_only=True)
    content["config"]["data"] = {"_target_": target, "path": str(planted)}
    content["config"]["trust"] = ["os", "posix"]  # trust is the user's to give, not the file's to bring
    torch.save(content, file)
    ended = run("evaluate", f"checkpoint={file}", *QUIET, cwd=tmp_path)
    assert not planted.exists()
    assert target in ended.error


def test_data_that_changed_since_training_are_refused_unless_named(
    trained: Ended, toy: Path, tiny: list[str], tmp_path: Path
) -> None:
    own = Path(shutil.copytree(toy, tmp_path / "images"))
    directory = run("train", *tiny, f"data.path={own}", "trainer.steps=1", cwd=tmp_path / "train").run_directory
    changed = 0
    for file in own.rglob("0.png"):
        Image.new("L", (16, 16), 7).save(file)
        changed += 1
    assert changed == 10
    refused = run("evaluate", f"checkpoint={directory}", *QUIET, cwd=tmp_path)
    assert "data of" in refused.error
    assert "data=" in refused.error
    named = ["data=folder", f"data.path={own}", "data.size=16", "data.shares=[0.4,0.3,0.3]"]
    assert results(run("evaluate", f"checkpoint={directory}", *named, *QUIET, cwd=tmp_path))["episodes"] == 20


def test_an_adapter_over_the_same_parameters_measures_what_the_memory_is_worth(trained: Ended, tmp_path: Path) -> None:
    sighted, blind = (
        results(run("evaluate", f"checkpoint={trained.run_directory}", *QUIET, *adapter, cwd=tmp_path / name))
        for name, adapter in (("sighted", []), ("blind", ["adapter=blind"]))
    )
    assert sighted["tasks_sha256"] == blind["tasks_sha256"]
    # without reads, every answer is the first class
    assert blind["metrics"]["accuracy"]["mean"] == pytest.approx(1 / 3, abs=0.1)
    assert sighted["metrics"]["accuracy/instance_3"]["mean"] > blind["metrics"]["accuracy/instance_3"]["mean"]


def test_lakes_runs_are_an_evaluation_of_a_run_on_the_background_alphabets(
    omniglot_data: Path, omniglot_cache: Path, tmp_path: Path
) -> None:
    real = {"METAMANN_DATA": str(omniglot_data.parent), "METAMANN_CACHE": str(omniglot_cache)}
    short = [
        "trainer.steps=2", "trainer.batch_size=1", "train_protocol.ways=14", "encoder.channels=4",
        "validation.episodes=2", "logger.wandb=false", "logger.tensorboard=false",
    ]  # fmt: skip
    trained = run("train", "experiment=omniglot_lake", *short, cwd=tmp_path / "train", **real)
    ended = run(
        "evaluate", f"checkpoint={trained.run_directory}", "protocol=lake_runs", *QUIET, cwd=tmp_path / "lake", **real
    )
    found = results(ended)
    assert (found["episodes"], found["protocol"]["name"]) == (20, "lake_runs")
    metrics = found["metrics"]
    assert metrics["error_rate"]["mean"] == pytest.approx(1 - metrics["accuracy"]["mean"])
    assert metrics["error_rate"]["low"] == pytest.approx(1 - metrics["accuracy"]["high"])
    assert (ended.run_directory / "plots" / "error_rates.png").is_file()
    # the drawings are those of the evaluation alphabets
    refused = run(
        "evaluate",
        f"checkpoint={trained.run_directory}",
        "protocol=lake_runs",
        "split=val",
        cwd=tmp_path / "val",
        **real,
    )
    assert "drawings of Lake's runs are not in 'omniglot/lake/val'" in refused.error

"""Checkpoints: whole or not at all, and never code."""

from __future__ import annotations

import os
import pickle
import re
import resource
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from messages import names

from metamann.errors import CheckpointError, TrainingError
from metamann.learners.mann import MANN
from metamann.training.checkpoint import Checkpoint, find_checkpoint, has_checkpoint, load_checkpoint, save_error


@pytest.fixture
def checkpoint(make_mann: Callable[..., MANN]) -> Checkpoint:
    """Of a tiny learner, with an optimizer that has stepped once."""
    learner = make_mann("keyvalue")
    optimizer = torch.optim.AdamW(learner.parameters())
    sum(parameter.sum() for parameter in learner.parameters()).backward()
    optimizer.step()
    margin = learner.memory.novelty_margin()
    assert margin is not None
    margin.fill_(0.1)
    config = {"seed": 3, "protocol": {"ways": [2, 5]}, "resume": None, "logger": {"wandb": False}}
    best = {"accuracy": 0.25, "step": 1.0}
    return Checkpoint(config, {"train": "abc"}, learner.state_dict(), optimizer.state_dict(), 7, best, 1.5)


@pytest.fixture
def saved(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """It, written."""
    path = tmp_path / "run" / "checkpoints" / "last.pt"
    checkpoint.save(path)
    return path


def refused(path: Path) -> str:
    """The one line that refuses a file, which it names."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(path) in message
    return message


def test_what_was_saved_comes_back(checkpoint: Checkpoint, saved: Path) -> None:
    loaded = load_checkpoint(saved)
    assert loaded._replace(learner={}, optimizer={}) == checkpoint._replace(learner={}, optimizer={})
    assert loaded.learner.keys() == checkpoint.learner.keys()
    assert all(torch.equal(loaded.learner[name], checkpoint.learner[name]) for name in checkpoint.learner)
    assert loaded.optimizer["param_groups"] == checkpoint.optimizer["param_groups"]
    for number, state in checkpoint.optimizer["state"].items():
        assert all(torch.equal(loaded.optimizer["state"][number][name], state[name]) for name in state)


def test_a_learner_takes_its_parameters_back(
    checkpoint: Checkpoint, saved: Path, make_mann: Callable[..., MANN]
) -> None:
    learner = make_mann("keyvalue")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    load_checkpoint(saved).load_into(learner, saved)
    for name, value in learner.state_dict().items():
        assert torch.equal(value, checkpoint.learner[name])
        assert not torch.equal(value, before[name])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(share: float, saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    assert "corrupt" in refused(saved)


def test_a_file_with_a_damaged_tensor_is_refused(saved: Path, checkpoint: Checkpoint) -> None:
    damaged = bytearray(saved.read_bytes())
    largest = max(checkpoint.learner.values(), key=torch.Tensor.numel)
    where = bytes(damaged).find(bytes(largest.untyped_storage())[:64])
    assert where > 0
    damaged[where + 8] ^= 0xFF
    saved.write_bytes(damaged)
    refused(saved)


@pytest.mark.parametrize("content", [b"garbage", b"\x80\x02}q\x00.", b"PK\x03\x04 no zip at all"])
def test_garbage_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.pt"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize(
    "content",
    [{"weights": torch.zeros(2)}, {}, [1, 2], torch.zeros(2), "text", None, {"format": "metamann-checkpoint/2"}],
    ids=str,
)
def test_what_torch_saved_for_others_is_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "foreign.pt"
    torch.save(content, path)
    refused(path)


def test_a_checkpoint_that_lacks_a_part_says_which(tmp_path: Path) -> None:
    path = tmp_path / "part.pt"
    torch.save({"format": "metamann-checkpoint/1", "config": {}}, path)
    assert "fingerprints" in refused(path)


class Planted:
    """A pickle that makes a directory when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """What pickle is to call."""
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(how: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    path, planted = tmp_path / "evil.pt", tmp_path / "planted"
    content = {"format": "metamann-checkpoint/1", **checkpoint._asdict(), "config": Planted(planted)}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    message = refused(path)
    assert not planted.exists()
    # torch would advise the user to load it with all its code
    assert "weights_only" not in message
    pickle.loads(pickle.dumps(Planted(planted)))
    assert planted.exists()


def test_parameters_of_another_learner_are_refused_and_leave_this_one_alone(
    saved: Path, make_mann: Callable[..., MANN]
) -> None:
    learner = make_mann("lrua")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(saved).load_into(learner, saved)
    assert str(saved) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_run_directory_stands_for_its_best_checkpoint_else_its_last(saved: Path, checkpoint: Checkpoint) -> None:
    directory = saved.parent.parent
    assert find_checkpoint(str(directory)) == saved
    best = saved.parent / "best.pt"
    checkpoint.save(best)
    assert find_checkpoint(str(directory)) == best
    assert find_checkpoint(str(directory), "last.pt") == saved
    assert find_checkpoint(str(saved)) == saved


def test_a_missing_checkpoint_is_one_line_with_the_path(tmp_path: Path) -> None:
    for where in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere.pt"):
        with pytest.raises(CheckpointError) as caught:
            find_checkpoint(str(where))
        assert str(where) in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    refused(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("begun", ["checkpoints", "metrics.jsonl"])
def test_a_run_that_ended_before_its_first_checkpoint_is_to_be_begun_anew(begun: str, tmp_path: Path) -> None:
    (tmp_path / begun).mkdir()
    assert not has_checkpoint(tmp_path)
    for name in ("best.pt", "last.pt"):
        with pytest.raises(CheckpointError, match=r"before its first checkpoint.*same command.*anew"):
            find_checkpoint(str(tmp_path), name)


def test_a_run_has_a_checkpoint_once_one_is_written(saved: Path) -> None:
    assert has_checkpoint(saved.parent.parent)
    assert not has_checkpoint(saved.parent)


def test_an_error_of_saving_names_the_file_that_is_left_or_says_that_there_is_none(saved: Path) -> None:
    error = OSError(28, "No space left on device")
    assert f"{saved} is intact" in str(save_error(saved, error))
    assert f"{saved} is intact" in str(save_error(saved.with_name("best.pt"), error))
    saved.unlink()
    message = str(save_error(saved, error))
    assert "has no checkpoint yet" in message
    assert "resume=" not in message


def test_calibration_is_kept_and_earlier_files_have_none(checkpoint: Checkpoint, saved: Path) -> None:
    assert load_checkpoint(saved).calibration == {}
    changed(saved, lambda content: content.pop("calibration"))
    assert load_checkpoint(saved).calibration == {}
    checkpoint._replace(calibration={"temperature": 1.5}).save(saved)
    assert load_checkpoint(saved).calibration == {"temperature": 1.5}


@pytest.mark.parametrize(
    "value", [None, "text", [1], {"a": "text"}, {"a": True}, {"a": 10**600}, {"a": float("nan")}], ids=str
)
def test_a_calibration_that_is_none_is_refused(saved: Path, value: Any) -> None:
    assert "calibration" in refused(changed(saved, lambda content: content.update(calibration=value)))


def test_best_alone_is_no_checkpoint_to_go_on_from(saved: Path) -> None:
    saved.rename(saved.parent / "best.pt")
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        find_checkpoint(str(saved.parent.parent), "last.pt")


def in_a_process_of_its_own(act: Callable[[], None]) -> str:
    """Error message of what a forked process does; empty if it raises none."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            act()
            os.write(writer, b"")
        except TrainingError as error:
            os.write(writer, str(error).encode())
        except BaseException as error:
            os.write(writer, f"not a TrainingError: {error!r}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read().decode()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(checkpoint: Checkpoint, saved: Path) -> None:
    old = saved.read_bytes()

    def save_on_a_full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, len(old) // 2))
        checkpoint._replace(step=8).save(saved)

    message = in_a_process_of_its_own(save_on_a_full_disk)
    assert "cannot be saved" in message
    assert f"resume={saved.parent.parent}" in message
    assert "not a TrainingError" not in message
    assert saved.read_bytes() == old
    assert load_checkpoint(saved).step == 7
    assert list(saved.parent.iterdir()) == [saved]


def test_a_folder_that_cannot_be_made_is_a_training_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be saved"):
        checkpoint.save(tmp_path / "file" / "checkpoints" / "last.pt")


def test_loading_a_good_checkpoint_warns_of_nothing(saved: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_checkpoint(saved)


def changed(saved: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The file, with its content changed."""
    content = torch.load(saved, weights_only=True)
    change(content)
    torch.save(content, saved)
    return saved


@pytest.mark.parametrize("part", ["config", "fingerprints", "learner", "optimizer", "step", "best", "seconds"])
@pytest.mark.parametrize("value", ["missing", None, "text", [1], -1, float("nan"), True, 10**600], ids=str)
def test_a_part_that_is_missing_or_wrong_is_named(saved: Path, part: str, value: Any) -> None:
    changed(saved, lambda content: content.pop(part) if value == "missing" else content.update({part: value}))
    message = refused(saved)
    assert part in message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_parameters_that_are_not_finite_are_refused_and_named(saved: Path, number: float) -> None:
    def spoil(content: dict[str, Any]) -> None:
        name = next(name for name in content["learner"] if name.endswith("weight"))
        content["learner"][name].view(-1)[0] = number

    assert re.search(r"\w+\.weight' .*'learner' .*not finite", refused(changed(saved, spoil)))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("${oc.env:HOME}", "encoder.jitter is an interpolation"),
        (r"\${oc.create:{_target_: os.mkdir}}", "encoder.jitter is an interpolation"),
        ([1, {"a": "x${y}"}], r"encoder.jitter[1].a is an interpolation"),
        ({"${a}": 1}, "encoder.jitter has the key"),
        ({"_partial_": True}, "encoder.jitter has the key '_partial_'"),
        ({"_args_": [1]}, "_args_"),
        ({1: 2}, "encoder.jitter has the key 1"),
        (torch.zeros(1), "encoder.jitter is of the kind Tensor"),
        ((1, 2), "encoder.jitter is of the kind tuple"),
    ],
    ids=str,
)
def test_a_configuration_that_is_no_plain_data_is_refused(saved: Path, value: Any, named: str) -> None:
    changed(saved, lambda content: content["config"].update(encoder={"jitter": value}))
    assert named in refused(saved)


def test_a_configuration_without_end_is_refused(saved: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    doubled: list[Any] = ["x"]
    for _ in range(20):
        doubled = [doubled, doubled]
    for value in (loop, doubled):
        changed(saved, lambda content, value=value: content["config"].update(encoder=value))  # type: ignore[misc]
        assert "nests deeper" in refused(saved)


def test_another_version_is_named(saved: Path) -> None:
    changed(saved, lambda content: content.update(version="0.0.7"))
    assert load_checkpoint(saved).written_by() == " (written by metamann 0.0.7)"
    changed(saved, lambda content: content.pop("best"))
    assert "written by metamann 0.0.7" in refused(saved)
    changed(saved, lambda content: content.update(format="metamann-checkpoint/9"))
    message = refused(saved)
    assert names(message, "metamann 0.0.7", "metamann-checkpoint/9", "metamann-checkpoint/1")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("state"),
        lambda state: state.update(extra=1),
        lambda state: state.update(param_groups=[1]),
        lambda state: state["param_groups"][0].pop("params"),
        lambda state: state["state"].update({0: "x"}),
        lambda state: state["state"][0].update(exp_avg=torch.tensor(float("nan"))),
        lambda state: state["state"][0].update(exp_avg=torch.zeros(1).expand(10**15)),
        lambda state: state["state"][0].update(exp_avg=[1]),
    ],
)
def test_the_state_of_an_optimizer_is_one_or_is_refused(saved: Path, change: Callable[[dict[str, Any]], None]) -> None:
    assert "optimizer" in refused(changed(saved, lambda content: change(content["optimizer"])))


def test_parameters_that_are_finite_in_the_file_alone_are_refused(saved: Path, make_mann: Callable[..., MANN]) -> None:
    def widen(content: dict[str, Any]) -> None:
        name = next(name for name in content["learner"] if name.endswith("weight"))
        content["learner"][name] = content["learner"][name].double() + 1e39

    changed(saved, widen)
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(saved).load_into(make_mann("keyvalue"), saved)

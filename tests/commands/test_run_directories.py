"""Directories of runs: one command at a time, nothing overwritten or lost without a word, and no half results."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commandline import (
    At,
    Ended,
    deletes,
    finish,
    hung_up,
    interrupted,
    killed,
    metrics,
    run,
    same_tensors,
    stands_still,
    start,
    terminated,
    wait_for,
)
from filelock import FileLock
from messages import names

TRAIN = "metamann.training.record.Record.train"
CLOSE = "metamann.training.record.Record.close"
SAVE = "metamann.training.checkpoint.Checkpoint.save"
ENCODE = "metamann.evaluation.item_evaluator.ItemEvaluator.encode"
LAST, BEST = Path("checkpoints/last.pt"), Path("checkpoints/best.pt")
DRAWING = "metamann.episodes.tasks.TaskList.draw"  # of validation episodes, before training
VALIDATION, SETTLING, REPORT = 1, 3, 4  # calls of encode
QUIET = ["logger.wandb=false", "logger.tensorboard=false"]


def read_only() -> None:
    """As on a file system that can only be read."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    FileLock.acquire = refuse  # type: ignore[method-assign]


def content(directory: Path) -> dict[str, bytes]:
    """Every file of a directory but its lock."""
    files = [file for file in directory.rglob("*") if file.is_file() and file.name != ".metamann.lock"]
    return {str(file.relative_to(directory)): file.read_bytes() for file in files}


def notes(ended: Ended) -> list[str]:
    """What is noted of the run; what was found in its data is another matter."""
    lines = [line for line in ended.err.splitlines() if line.startswith("note: ")]
    return [line for line in lines if "classes of train" not in line]


@pytest.fixture
def done(trained: Ended, tmp_path: Path) -> Path:
    """A copy of the directory of a run of 6 steps."""
    return Path(shutil.copytree(trained.run_directory, tmp_path / "done"))


@pytest.fixture(scope="module")
def killed_run(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a run of 6 steps that was killed after the third, with a `best.pt` that may be of it."""
    place = tmp_path_factory.mktemp("killed")
    run("train", *tiny, f"hydra.run.dir={place / 'run'}", cwd=place, sabotage=At(SAVE, 5, killed))
    return place / "run"


@pytest.fixture
def stopped(killed_run: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(killed_run, tmp_path / "stopped"))


# one at a time


def test_while_a_run_goes_on_its_directory_is_refused_to_others_and_can_be_read(
    tiny: list[str], tmp_path: Path
) -> None:
    directory, reached, go_on = tmp_path / "run", tmp_path / "reached", tmp_path / "go on"
    still = At(TRAIN, 4, functools.partial(stands_still, reached, go_on))
    first = start("train", *tiny, f"hydra.run.dir={directory}", cwd=tmp_path / "1", sabotage=still)
    wait_for(reached)
    for command in (
        ["train", *tiny, "seed=1", f"hydra.run.dir={directory}"],
        ["train", *tiny, "seed=1", f"hydra.run.dir={directory}", "overwrite=true"],
        ["train", f"resume={directory}"],
        ["evaluate", f"checkpoint={directory}", *QUIET, f"hydra.run.dir={directory}"],
    ):
        message = run(*command, cwd=tmp_path / "2").error
        assert f"{directory} is in use by process {first.pid} on " in message
    read = run("evaluate", f"checkpoint={directory}", "episodes=4", *QUIET, cwd=tmp_path / "2")
    assert json.loads((read.run_directory / "results.json").read_text())["training_seed"] == 0
    go_on.touch()
    assert finish(first, tmp_path / "1").run_directory == directory
    assert torch.load(directory / BEST, weights_only=True)["config"]["seed"] == 0
    assert "seed=1" not in (directory / ".hydra" / "overrides.yaml").read_text()


def test_of_runs_started_at_once_in_one_directory_one_is_refused(tiny: list[str], tmp_path: Path) -> None:
    options = [*tiny, f"hydra.run.dir={tmp_path / 'run'}"]
    places = [tmp_path / str(seed) for seed in (0, 1)]
    running = [start("train", *options, f"seed={seed}", cwd=place) for seed, place in enumerate(places)]
    ended = [finish(process, place) for process, place in zip(running, places, strict=True)]
    assert sorted(each.status for each in ended) == [0, 2]
    seed = 0 if ended[0].status == 0 else 1
    assert f"seed={seed}" in json.loads((tmp_path / "run" / "results.json").read_text())["command"].split()
    assert torch.load(tmp_path / "run" / BEST, weights_only=True)["config"]["seed"] == seed


def test_a_directory_that_cannot_be_locked_says_why_at_the_start(stopped: Path, tmp_path: Path) -> None:
    before = content(stopped)
    message = run("train", f"resume={stopped}", cwd=tmp_path, sabotage=read_only).error
    assert f"{stopped} cannot be written (Read-only file system)" in message
    assert content(stopped) == before


# new runs and old ones


def test_a_run_is_not_overwritten_unless_it_is_asked_for(done: Path, tiny: list[str], tmp_path: Path) -> None:
    options = [*tiny, "seed=1", f"hydra.run.dir={done}"]
    foreign = ["notes.txt", "plots/mine.png", "checkpoints/mine.pt", "tensorboard/mine.txt", ".hydra/mine.yaml"]
    for name in foreign:
        (done / name).parent.mkdir(exist_ok=True)
        (done / name).write_text("mine")
    (done / "sentences.html").write_text("of another run")
    (done / "tensorboard" / "events.out.tfevents.1.host").write_text("of another run")
    before = content(done)
    message = run("train", *options, cwd=tmp_path).error
    assert "resume=" in message
    assert "overwrite=true" in message
    # neither does one that could not begin
    assert "data.path" in run("train", *options, "overwrite=true", "data.path=/nowhere", cwd=tmp_path).error
    assert "overwrite=" in run("train", *options, "overwrite=perhaps", cwd=tmp_path).error
    assert content(done) == before
    assert run("train", *options, "overwrite=true", cwd=tmp_path).run_directory == done
    after = content(done)
    assert all(after[name] == b"mine" for name in foreign)
    assert not {"sentences.html", "tensorboard/events.out.tfevents.1.host", "checkpoints/previous.pt"} & after.keys()
    assert b"seed=1" in after[".hydra/overrides.yaml"]
    assert [line["step"] for line in metrics(done) if line["kind"] == "train"] == [1, 2, 3, 4, 5, 6]
    saved = torch.load(done / LAST, weights_only=True)["config"]
    assert saved["seed"] == 1
    assert "overwrite" not in saved


def test_a_run_that_only_began_is_not_overwritten_either(stopped: Path, tiny: list[str], tmp_path: Path) -> None:
    before = content(stopped)
    assert "overwrite=true" in run("train", *tiny, f"hydra.run.dir={stopped}", cwd=tmp_path).error
    assert content(stopped) == before


def test_a_run_may_begin_among_files_that_are_no_run(tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    assert run("train", *tiny, f"hydra.run.dir={tmp_path / 'run'}", cwd=tmp_path).status == 0
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_sweep_into_the_directory_of_another_is_refused_unless_it_overwrites(tiny: list[str], tmp_path: Path) -> None:
    options = ["-m", *tiny, "trainer.steps=1", f"hydra.sweep.dir={tmp_path / 'sweep'}", "seed=0"]
    assert run("train", *options, cwd=tmp_path).status == 0
    assert "overwrite=true" in run("train", *options, cwd=tmp_path).err
    assert run("train", *options, "overwrite=true", cwd=tmp_path).status == 0


@pytest.mark.parametrize("command", ["evaluate", "audit"])
def test_other_commands_do_not_replace_the_results_of_a_run(command: str, done: Path, tmp_path: Path) -> None:
    before = content(done)
    assert "holds a training run" in run(command, f"checkpoint={done}", f"hydra.run.dir={done}", cwd=tmp_path).error
    assert content(done) == before


def test_an_evaluation_may_stand_inside_a_run_and_be_repeated(done: Path, tmp_path: Path) -> None:
    options = [f"checkpoint={done}", "episodes=4", *QUIET, f"hydra.run.dir={done / 'evaluation'}"]
    (done / "evaluation").mkdir()
    for name in ("answers.txt", "notes.txt"):
        (done / "evaluation" / name).write_text("of an earlier evaluation, of sentences")
    for seed in (0, 1):
        where = run("evaluate", *options, f"seed={seed}", cwd=tmp_path).run_directory
        assert json.loads((where / "results.json").read_text())["seed"] == seed
        assert f"seed={seed}" in (where / ".hydra" / "overrides.yaml").read_text()
        assert not (where / "answers.txt").exists()
        assert (where / "notes.txt").exists()


# the directory goes


@pytest.mark.parametrize(
    ("method", "nth"),
    [(TRAIN, 3), (ENCODE, REPORT), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((SAVE, 3), (CLOSE, 1)))],
)
def test_a_directory_that_is_deleted_in_mid_run_is_noticed_and_not_made_again(
    method: str, nth: int, tiny: list[str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    gone = At(method, nth, functools.partial(deletes, directory))
    ended = run("train", *tiny, f"hydra.run.dir={directory}", cwd=tmp_path, sabotage=gone)
    assert "was deleted" in ended.error
    assert str(directory) in ended.error
    assert not directory.exists()


# blow-ups


def test_a_run_that_blew_up_goes_on_with_a_lower_rate(tiny: list[str], tmp_path: Path) -> None:
    directory = tmp_path / "run"
    high = [*tiny, f"hydra.run.dir={directory}", "trainer.learning_rate=1e9"]
    message = run("train", *high, cwd=tmp_path).error
    assert str(directory / LAST) in message
    assert (directory / LAST).is_file()
    resumed = run("train", f"resume={directory}", "trainer.learning_rate=0.001", cwd=tmp_path)
    assert resumed.run_directory == directory
    assert any("learning rate goes on at" in note for note in notes(resumed))
    learner = torch.load(directory / BEST, weights_only=True)["learner"]
    assert all(float(value.abs().max()) < 100 for value in learner.values() if value.is_floating_point())


def test_a_blow_up_in_the_last_step_leaves_no_results(tiny: list[str], tmp_path: Path) -> None:
    options = [*tiny, "trainer.steps=2", "trainer.warmup_steps=0", "trainer.learning_rate=1e9"]
    run("train", *options, f"hydra.run.dir={tmp_path / 'run'}", cwd=tmp_path).error  # noqa: B018  # asserts status 2
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_checkpoint_that_blew_up_before_this_was_looked_at_is_refused(stopped: Path, tmp_path: Path) -> None:
    saved = torch.load(stopped / LAST, weights_only=True)
    saved["learner"]["encoder.layers.0.weight"] *= 1e12
    torch.save(saved, stopped / LAST)
    assert "encoder.layers.0.weight" in run("train", f"resume={stopped}", cwd=tmp_path).error


# requests to stop


@pytest.mark.parametrize(
    ("nth", "act", "status"),
    [(VALIDATION, terminated, 143), (SETTLING, hung_up, 129), (REPORT, interrupted, 130)],
)
def test_a_signal_in_a_validation_and_after_training_is_heard_and_the_run_can_go_on(
    nth: int, act: Callable[[], None], status: int, trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    options = [*tiny, "trainer.save_every_seconds=3600", f"hydra.run.dir={directory}"]
    ended = run("train", *options, cwd=tmp_path / "first", sabotage=At(ENCODE, nth, act))
    assert ended.status == status
    assert ended.run_directory == directory
    assert f"go on with: metamann-train resume={directory}" in ended.err
    assert "Traceback" not in ended.err
    assert not (directory / "results.json").exists()
    assert run("train", f"resume={directory}", cwd=tmp_path / "second").run_directory == directory
    assert metrics(directory) == metrics(trained.run_directory)
    assert same_tensors(directory / LAST, trained.run_directory / LAST)
    assert same_tensors(directory / BEST, trained.run_directory / BEST)
    ours, theirs = (json.loads((each / "results.json").read_text()) for each in (directory, trained.run_directory))
    assert ours["metrics"] == theirs["metrics"]


def test_a_signal_before_training_is_heard_and_leaves_nothing_in_the_way(tiny: list[str], tmp_path: Path) -> None:
    options = [*tiny, f"hydra.run.dir={tmp_path / 'run'}"]
    ended = run("train", *options, cwd=tmp_path, sabotage=At(DRAWING, 1, terminated))
    assert ended.status == 143
    assert ended.run_directory == tmp_path / "run"
    assert "resume=" not in ended.err
    assert run("train", *options, cwd=tmp_path).status == 0


@pytest.mark.parametrize("call", [VALIDATION, REPORT])
def test_a_long_validation_and_a_long_report_are_left_at_once(call: int, tiny: list[str], tmp_path: Path) -> None:
    reached = tmp_path / "reached"
    still = At(ENCODE, call, functools.partial(stands_still, reached, tmp_path / "never"))
    process = start("train", *tiny, cwd=tmp_path, sabotage=still)
    wait_for(reached)
    assert process.pid is not None
    asked = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    assert finish(process, tmp_path).status == 143
    assert time.monotonic() - asked < 20  # on a machine that is busy; 2 s are enough on one that is not


@pytest.mark.parametrize("command", ["evaluate", "audit"])
def test_other_commands_hear_signals_too(command: str, done: Path, tmp_path: Path) -> None:
    opened = At("metamann.application.run.Opened.splits", 1, terminated)
    drawn = At(DRAWING, 1, terminated)
    options = [f"checkpoint={done}", f"hydra.run.dir={tmp_path / 'ev'}"]
    ended = run(command, *options, cwd=tmp_path, sabotage=opened if command == "audit" else drawn)
    assert ended.status == 143
    assert ended.run_directory == tmp_path / "ev"


# going on


def test_a_run_goes_on_as_a_copy_in_another_directory(stopped: Path, trained: Ended, tmp_path: Path) -> None:
    before = content(stopped)
    other = tmp_path / "other"
    ended = run("train", f"resume={stopped}", f"hydra.run.dir={other}", cwd=tmp_path)
    assert ended.run_directory == other
    assert any(str(stopped) in note for note in notes(ended))
    assert content(stopped) == before
    assert metrics(other) == metrics(trained.run_directory)
    assert same_tensors(other / LAST, trained.run_directory / LAST)
    assert same_tensors(other / BEST, trained.run_directory / BEST)
    assert (other / ".hydra" / "config.yaml").is_file()
    # and not where another run is
    assert "overwrite=true" in run("train", f"resume={stopped}", f"hydra.run.dir={other}", cwd=tmp_path).error


def test_a_sweep_can_go_on_from_one_run(stopped: Path, tmp_path: Path) -> None:
    before = content(stopped)
    rates = "trainer.learning_rate=0.01,0.002"
    sweep = run("train", "-m", f"resume={stopped}", rates, f"hydra.sweep.dir={tmp_path / 'sweep'}", cwd=tmp_path)
    assert content(stopped) == before
    for job, rate in (("0", 0.01), ("1", 0.002)):
        saved = torch.load(sweep.run_directory / job / LAST, weights_only=True)
        assert saved["config"]["trainer"]["learning_rate"] == rate
        assert saved["step"] == 6
    table = (sweep.run_directory / "sweep.md").read_text().splitlines()[2:]
    assert ["0.01" in line for line in table] == [True, False]


def test_going_on_and_overwriting_at_once_is_refused(stopped: Path, tmp_path: Path) -> None:
    before = content(stopped)
    assert "overwrite=true" in run("train", f"resume={stopped}", "overwrite=true", cwd=tmp_path).error
    assert content(stopped) == before


@pytest.mark.parametrize(
    ("which", "damage"),
    [
        ("done", "missing"),
        ("stopped", "broken"),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("done", "broken"), ("stopped", "missing"))),
    ],
)
def test_a_run_without_its_best_checkpoint_goes_on_and_says_so(
    which: str, damage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    directory: Path = request.getfixturevalue(which)
    goes_on_at = torch.load(directory / LAST, weights_only=True)["step"]
    (directory / BEST).unlink()
    if damage == "broken":
        (directory / BEST).write_bytes(b"broken")
    ended = run("train", f"resume={directory}", cwd=tmp_path)
    assert any(str(directory / BEST) in note for note in notes(ended))
    results = json.loads((ended.run_directory / "results.json").read_text())
    # chosen anew: among what the run was judged by from where it goes on
    judged = {event["step"]: event["accuracy"] for event in metrics(directory) if event["kind"] == "validation"}
    reached = {step: accuracy for step, accuracy in judged.items() if step >= goes_on_at}
    best = max(reached, key=lambda step: reached[step])
    assert results["checkpoint_step"] == torch.load(directory / BEST, weights_only=True)["step"] == best


def test_a_best_checkpoint_that_last_does_not_know_of_yet_is_not_forgotten(done: Path, tmp_path: Path) -> None:
    """As where a run was stopped between the two files."""
    last, best = (torch.load(done / name, weights_only=True) for name in (LAST, BEST))
    torch.save({**last, "best": {"step": 0.0}}, done / LAST)
    run("train", f"resume={done}", "trainer.steps=8", cwd=tmp_path)
    again = torch.load(done / LAST, weights_only=True)["best"]
    assert again["accuracy"] >= best["best"]["accuracy"]


def test_a_run_without_a_best_checkpoint_is_evaluated_by_its_last_which_is_said(done: Path, tmp_path: Path) -> None:
    (done / BEST).unlink()
    ended = run("evaluate", f"checkpoint={done}", "episodes=4", *QUIET, cwd=tmp_path)
    (note,) = notes(ended)
    assert names(note, f"{done} ", "no best.pt", "last.pt is used", " 6 steps")


def test_foreign_lines_in_the_record_stop_nothing(done: Path, trained: Ended, tmp_path: Path) -> None:
    with (done / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train"}\n{"half\n\n[]\n')
    ended = run("train", f"resume={done}", cwd=tmp_path)
    assert any(str(done / "metrics.jsonl") in note for note in notes(ended))
    assert metrics(done) == metrics(trained.run_directory)


def test_what_a_killed_writer_left_is_removed_at_the_next_start(stopped: Path, tmp_path: Path) -> None:
    halves = [".metrics.jsonl.k2j4h_1x", "checkpoints/.last.pt.abcd1234", "checkpoints/.best.pt.x_y_z_12"]
    foreign = [".mine.pt.abcd1234", "checkpoints/.results.swp", ".results.json.swp"]
    for name in (*halves, *foreign):
        (stopped / name).write_text("half")
    cache = tmp_path / "cache"
    cache.mkdir()
    old, new = (cache / f".omniglot.pt.abcdefg{number}" for number in range(2))
    for file in (old, new):
        file.write_text("half")
    an_hour_ago = time.time() - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    run("train", f"resume={stopped}", cwd=tmp_path)
    assert not any((stopped / name).exists() for name in halves)
    assert all((stopped / name).exists() for name in foreign)
    assert (old.exists(), new.exists()) == (False, True)  # another command may be writing the new one


@pytest.mark.parametrize(
    ("before", "after"),
    [(0.0, 0.5), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((0.01, 0.5), (0.5, 0.0)))],
)
def test_the_weight_decay_that_is_given_on_the_way_is_taken_and_saved(
    before: float, after: float, tmp_path: Path
) -> None:
    tiny = ["experiment=copy", "memory=ntm", "trainer.steps=2", "trainer.validate_every=2", "validation.episodes=2",
            "trainer.batch_size=2", *QUIET]  # fmt: skip
    directory = tmp_path / "run"
    run("train", *tiny, f"trainer.weight_decay={before}", f"hydra.run.dir={directory}", cwd=tmp_path)
    options = ["trainer.steps=4", f"trainer.weight_decay={after}"]
    assert run("train", f"resume={directory}", *options, cwd=tmp_path).status == 0
    saved = torch.load(directory / LAST, weights_only=True)
    assert saved["config"]["trainer"]["weight_decay"] == after
    assert sorted(group["weight_decay"] for group in saved["optimizer"]["param_groups"]) == sorted([0.0, after])


@pytest.mark.parametrize(
    ("override", "names"), [("trainer.batch_size=4", "batch_size"), ("trainer.steps=2", "has done 3")]
)
def test_what_a_run_cannot_change_on_the_way_is_refused(
    override: str, names: str, stopped: Path, tmp_path: Path
) -> None:
    before = content(stopped)
    assert names in run("train", f"resume={stopped}", override, cwd=tmp_path).error
    assert content(stopped) == before


def test_more_steps_than_planned_say_what_the_learning_rate_does(done: Path, tmp_path: Path) -> None:
    said = notes(run("train", f"resume={done}", "trainer.steps=12", cwd=tmp_path))
    assert len(said) == 1
    assert "learning rate goes on at 0.005, where 0 was planned" in said[0]
    assert notes(run("train", f"resume={done}", cwd=tmp_path)) == []


def test_an_experiment_that_is_named_on_the_way_is_that_of_the_run(tmp_path: Path) -> None:
    tiny = ["experiment=copy", "trainer.steps=1", "trainer.batch_size=2", "validation.episodes=2", *QUIET]
    directory = run("train", *tiny, cwd=tmp_path).run_directory
    ended = run("train", "experiment=copy", f"resume={directory}", cwd=tmp_path)
    assert ended.run_directory == directory
    assert torch.load(directory / LAST, weights_only=True)["step"] == 1  # its trainer is not read again
    before = content(directory)
    refused = run("train", "experiment=repeat_copy", f"resume={directory}", cwd=tmp_path)
    assert f"{directory} was started with " in refused.error
    assert content(directory) == before


def test_data_that_were_moved_are_asked_for_at_the_start(stopped: Path, toy: Path, tmp_path: Path) -> None:
    saved = torch.load(stopped / LAST, weights_only=True)
    saved["config"]["data"]["path"] = str(tmp_path / "moved")
    torch.save(saved, stopped / LAST)
    before = content(stopped)
    assert f"{tmp_path / 'moved'}" in run("train", f"resume={stopped}", cwd=tmp_path).error
    assert content(stopped) == before
    assert run("train", f"resume={stopped}", "data=folder", f"data.path={toy}", cwd=tmp_path).status == 0

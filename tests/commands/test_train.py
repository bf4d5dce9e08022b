"""`metamann-train` as its users run it: whole commands in processes of their own, away from the checkout."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commandline import (
    At,
    Ended,
    finish,
    hung_up,
    interrupted,
    killed,
    metrics,
    no_file_beyond,
    run,
    same_tensors,
    start,
    terminated,
)
from messages import names
from PIL import Image

TRAIN = "metamann.training.record.Record.train"
VALIDATION = "metamann.training.record.Record.validation"
SAVE = "metamann.training.checkpoint.Checkpoint.save"
LAST = Path("checkpoints/last.pt")
BEST = Path("checkpoints/best.pt")


def test_a_run_leaves_its_whole_directory_behind_and_names_it_last(trained: Ended) -> None:
    directory = trained.run_directory
    assert directory.is_absolute()
    files = {file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()}
    assert files >= {
        ".hydra/config.yaml", ".hydra/overrides.yaml", "metrics.jsonl", "checkpoints/last.pt", "checkpoints/best.pt",
        "results.json", "results.md", "tasks.npz", "plots/training.png", "plots/episode.png", "plots/instances.png",
        "plots/memory.png",
    }  # fmt: skip
    assert [(line["kind"], line["step"]) for line in metrics(directory)] == [
        ("train", 1), ("train", 2), ("train", 3), ("validation", 3),
        ("train", 4), ("train", 5), ("train", 6), ("validation", 6),
    ]  # fmt: skip


def test_results_are_the_best_checkpoint_on_the_validation_classes(trained: Ended, tmp_path: Path) -> None:
    results = json.loads((trained.run_directory / "results.json").read_text())
    assert results["protocol"]["split"] == "val"
    assert results["episodes"] == 6
    validations = [line for line in metrics(trained.run_directory) if line["kind"] == "validation"]
    best = max(validations, key=lambda line: line["accuracy"])
    assert results["checkpoint_step"] == best["step"]
    evaluated = run(
        "evaluate",
        f"checkpoint={trained.run_directory}",
        "split=val",
        "episodes=6",
        "logger.wandb=false",
        "logger.tensorboard=false",
        cwd=tmp_path,
    )
    again = json.loads((evaluated.run_directory / "results.json").read_text())
    assert again["metrics"] == results["metrics"]
    assert again["tasks_sha256"] == results["tasks_sha256"]


def test_without_a_margin_of_novelty_results_are_those_of_the_best_validation(tiny: list[str], tmp_path: Path) -> None:
    """With one, it is set once more at the end, on more streams than those of a validation."""
    ended = run("train", *tiny, "memory=lrua", "memory.slots=16", cwd=tmp_path)
    results = json.loads((ended.run_directory / "results.json").read_text())
    validations = [line for line in metrics(ended.run_directory) if line["kind"] == "validation"]
    assert results["metrics"]["accuracy"]["mean"] == max(line["accuracy"] for line in validations)


def test_n_way_k_shot_trains_with_more_ways_than_it_is_judged_on(tiny: list[str], tmp_path: Path) -> None:
    ended = run(
        "train", *tiny[:5], *tiny[6:], "protocol=nway", "protocol.ways=2", "protocol.shots=[1,2]", "protocol.queries=2",
        "+train_protocol.ways=4", "memory=lrua", "memory.slots=16", "trainer.steps=2", cwd=tmp_path,
    )  # fmt: skip
    results = json.loads((ended.run_directory / "results.json").read_text())
    assert results["protocol"]["ways"] == 2
    assert results["protocol"]["shots"] == [1, 2]
    assert list(results["metrics"]) == ["accuracy"]


def test_the_installed_script_runs_from_any_directory(tiny: list[str], tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "metamann-train"
    environment = {**os.environ, "HOME": str(tmp_path), "METAMANN_CACHE": str(tmp_path / "cache")}
    ended = subprocess.run([script, *tiny], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    directory = Path(ended.stdout.splitlines()[-1].removeprefix("run directory: "))
    assert directory.is_relative_to(tmp_path / "outputs")
    assert (directory / "results.json").is_file()


@pytest.mark.parametrize(("chosen", "folder"), [(["experiment=quickstart"], "quickstart"), ([], "train")])
def test_embedded_data_need_no_download_and_no_choice(chosen: list[str], folder: str, tmp_path: Path) -> None:
    ended = run(
        "train", *chosen, "data.alphabets=[2,1,1]", "data.characters=6", "data.drawings=8",
        "protocol.ways=3", "protocol.steps=20", "train_protocol.ways=4", "encoder.channels=8", "trainer.steps=2",
        "trainer.batch_size=2", "trainer.validate_every=2", "validation.episodes=4",
        "logger.wandb=false", "logger.tensorboard=false", cwd=tmp_path,
    )  # fmt: skip
    assert f"outputs/{folder}/" in str(ended.run_directory)
    assert json.loads((ended.run_directory / "results.json").read_text())["protocol"]["data"].startswith("strokes")


def test_two_runs_with_one_seed_are_the_same_bit_for_bit(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    again = run("train", *tiny, cwd=tmp_path).run_directory
    assert metrics(again) == metrics(trained.run_directory)
    assert same_tensors(again / LAST, trained.run_directory / LAST)


def test_another_seed_is_another_run(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    other = run("train", *tiny, "seed=1", cwd=tmp_path).run_directory
    assert metrics(other) != metrics(trained.run_directory)
    assert not same_tensors(other / LAST, trained.run_directory / LAST)


def test_workers_do_not_change_a_run(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    several = run("train", *tiny, "trainer.workers=3", cwd=tmp_path).run_directory
    assert metrics(several) == metrics(trained.run_directory)


def test_runs_started_at_once_have_directories_of_their_own(tiny: list[str], tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(3)]
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    for place in places:
        place.mkdir()
        (place / "outputs").symlink_to(outputs)
    running = [start("train", *tiny, "trainer.steps=1", cwd=place) for place in places]
    ended = [finish(process, place) for process, place in zip(running, places, strict=True)]
    assert len({each.run_directory for each in ended}) == 3


# killed at any moment, a run goes on to the very same end


@pytest.fixture(scope="module")
def uninterrupted(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a run of 8 steps that nothing disturbs."""
    return run("train", *tiny, "trainer.steps=8", cwd=tmp_path_factory.mktemp("uninterrupted")).run_directory


MOMENTS = [
    *((TRAIN, k) for k in range(2, 9)),  # step k stands in the record, not in last.pt
    *((VALIDATION, k) for k in (1, 2, 3)),  # best.pt is written, last.pt is not
    *((SAVE, k) for k in range(1, 10)),  # last.pt, or best.pt, was just written
]
ALWAYS = [(TRAIN, 2), (TRAIN, 5), (TRAIN, 8), (VALIDATION, 1), (VALIDATION, 3), (SAVE, 1), (SAVE, 6)]


@pytest.mark.parametrize(
    ("method", "nth"),
    [pytest.param(*moment, marks=[] if moment in ALWAYS else pytest.mark.slow) for moment in MOMENTS],
)
def test_killed_and_resumed_equals_never_stopped(
    method: str, nth: int, uninterrupted: Path, tiny: list[str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    options = [*tiny, "trainer.steps=8", f"hydra.run.dir={directory}"]
    assert run("train", *options, cwd=tmp_path / "first", sabotage=At(method, nth, killed)).status == -9
    resumed = run("train", f"resume={directory}", cwd=tmp_path / "second")
    assert resumed.run_directory == directory
    assert metrics(directory) == metrics(uninterrupted)
    assert same_tensors(directory / LAST, uninterrupted / LAST)
    assert same_tensors(directory / BEST, uninterrupted / BEST)
    ours, theirs = (json.loads((each / "results.json").read_text()) for each in (directory, uninterrupted))
    assert ours["metrics"] == theirs["metrics"]


def test_killed_twice_with_a_record_ahead_of_its_checkpoint(
    uninterrupted: Path, tiny: list[str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    options = [*tiny, "trainer.steps=8", f"hydra.run.dir={directory}"]
    run("train", *options, cwd=tmp_path / "1", sabotage=At(SAVE, 2, killed))
    # no checkpoint is due for an hour: the record runs ahead of it, by one torn line too
    rare = "trainer.save_every_seconds=3600"
    assert run("train", f"resume={directory}", rare, cwd=tmp_path / "2", sabotage=At(TRAIN, 4, killed)).status == -9
    with (directory / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 7, "lo')
    assert run("train", f"resume={directory}", cwd=tmp_path / "3").run_directory == directory
    assert metrics(directory) == metrics(uninterrupted)
    assert same_tensors(directory / LAST, uninterrupted / LAST)


def test_a_run_that_died_in_its_first_step_can_be_resumed(uninterrupted: Path, tiny: list[str], tmp_path: Path) -> None:
    directory = tmp_path / "run"
    options = [*tiny, "trainer.steps=8", f"hydra.run.dir={directory}"]
    run("train", *options, cwd=tmp_path / "first", sabotage=At(TRAIN, 1, killed))
    run("train", f"resume={directory}", cwd=tmp_path / "second")
    assert metrics(directory) == metrics(uninterrupted)
    assert same_tensors(directory / LAST, uninterrupted / LAST)


def test_a_run_that_died_before_it_began_cannot_be_resumed_but_begun(tiny: list[str], tmp_path: Path) -> None:
    directory = tmp_path / "run"
    options = [*tiny, f"hydra.run.dir={directory}"]
    run("train", *options, cwd=tmp_path / "1", sabotage=At("metamann.training.record.Record.open", 1, killed))
    message = run("train", f"resume={directory}", cwd=tmp_path / "2").error
    assert f"{directory} ended before its first checkpoint" in message
    assert run("train", *options, "overwrite=true", cwd=tmp_path / "3").run_directory == directory


@pytest.mark.parametrize(("act", "status"), [(terminated, 143), (interrupted, 130), (hung_up, 129)])
def test_a_stop_signal_saves_first_and_the_run_can_go_on(
    act: object, status: int, uninterrupted: Path, tiny: list[str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    options = [*tiny, "trainer.steps=8", "trainer.save_every_seconds=3600", f"hydra.run.dir={directory}"]
    stopped = run("train", *options, cwd=tmp_path / "first", sabotage=At(TRAIN, 5, act))  # type: ignore[arg-type]
    assert stopped.status == status
    assert stopped.run_directory == directory
    assert f"resume={directory}" in stopped.err
    assert "Traceback" not in stopped.err
    assert torch.load(directory / LAST, weights_only=True)["step"] == 5
    run("train", f"resume={directory}", "trainer.save_every_seconds=0", cwd=tmp_path / "second")
    assert metrics(directory) == metrics(uninterrupted)
    assert same_tensors(directory / LAST, uninterrupted / LAST)


def test_ctrl_c_after_the_last_step_is_no_traceback(tiny: list[str], tmp_path: Path) -> None:
    ended = run("train", *tiny, cwd=tmp_path, sabotage=At("metamann.training.record.Record.close", 1, interrupted))
    assert ended.status == 130
    assert "Traceback" not in ended.err
    assert run("train", f"resume={ended.run_directory}", cwd=tmp_path / "again").status == 0


@pytest.fixture
def done(trained: Ended, tmp_path: Path) -> Path:
    """A copy of the directory of a run of 6 steps."""
    return Path(shutil.copytree(trained.run_directory, tmp_path / "done"))


def test_a_run_that_is_done_can_be_given_more_steps(trained: Ended, done: Path, tmp_path: Path) -> None:
    run("train", f"resume={done}", "trainer.steps=7", cwd=tmp_path)
    assert [line["step"] for line in metrics(done) if line["kind"] == "train"] == [1, 2, 3, 4, 5, 6, 7]
    assert metrics(done)[:8] == metrics(trained.run_directory)


def test_resuming_a_run_that_is_done_changes_nothing(trained: Ended, done: Path, tmp_path: Path) -> None:
    assert run("train", f"resume={done}", cwd=tmp_path).run_directory == done
    assert metrics(done) == metrics(trained.run_directory)
    assert same_tensors(done / LAST, trained.run_directory / LAST)


# what a user can do wrong: one line that names the fix, exit status 2

WRONG = [
    (["trainer.stepz=3"], "stepz"),
    (["nonsense=3"], "nonsense"),
    (["memory=nonsense"], "keyvalue"),
    (["experiment=nonsense"], "quickstart"),
    (["foo"], "foo"),
    (["trainer.steps=[1,"], "[1,"),
    (["trainer.steps=0"], "trainer.steps"),
    (["trainer.steps=abc"], "trainer.steps"),
    (["trainer.learning_rate=fast"], "learning_rate"),
    (["trainer.batch_size=4", "trainer.accumulate=3"], "divisor"),
    (["trainer.device=nonsense"], "trainer.device"),
    (["trainer.precision=fp8"], "fp32 or bf16"),
    (["seed=abc"], "seed"),
    (["seed=-1"], "seed"),
    (["data.path=/nowhere"], "data.path=/nowhere"),
    (["data.size=4"], "size"),
    (["data.shares=[1,0,0]"], "has no classes"),
    (["data.shares=[1,1,1]"], "data.shares"),
    (["protocol.ways=5"], "at most 4"),
    (["protocol.ways=0"], "protocol.ways"),
    (["protocol.ways=abc"], "protocol.ways"),
    (["protocol.steps=2"], "protocol.steps"),
    (["protocol.steps=30"], "protocol.steps"),
    (["train_protocol.wayz=4"], "wayz"),
    (["validation.episodes=1"], "episodes"),
    (["encoder._target_=os.system"], "trust=[os]"),
    (["encoder._target_=metamann_evil.Encoder"], "trust=[metamann_evil]"),
    (["encoder._target_=metamann.nonsense.Encoder"], "metamann.nonsense.Encoder"),
    (["trainer.learning_rate=1e30"], "learning_rate"),
    (["hydra.run.dir=/dev/null/run"], "/dev/null/run"),
]


@pytest.mark.parametrize(("overrides", "names"), WRONG, ids=[" ".join(overrides) for overrides, _ in WRONG])
def test_a_mistake_is_one_line_that_names_it(overrides: list[str], names: str, tiny: list[str], tmp_path: Path) -> None:
    assert names in run("train", *tiny, *overrides, cwd=tmp_path).error


def test_too_many_shots_are_refused_with_the_numbers(tiny: list[str], tmp_path: Path) -> None:
    nway = [each for each in tiny if not each.startswith("protocol.")]
    message = run("train", *nway, "protocol=nway", "protocol.ways=3", "protocol.shots=6", "protocol.queries=3",
                  cwd=tmp_path).error  # fmt: skip
    assert "9" in message
    assert "8" in message
    assert "protocol.shots" in message


def test_data_without_a_path_are_asked_for(tmp_path: Path) -> None:
    assert "data.path" in run("train", "data=folder", cwd=tmp_path).error


def test_data_that_are_absent_say_what_to_put_where(tmp_path: Path) -> None:
    message = run(
        "train", "data=omniglot", cwd=tmp_path, http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9"
    ).error
    assert "images_background.zip" in message
    assert str(tmp_path / "data" / "omniglot") in message


def test_an_image_that_is_none_is_named(toy: Path, tiny: list[str], tmp_path: Path) -> None:
    for kind in ("a", "b", "c", "d"):
        (tmp_path / "images" / kind).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "images" / kind / "fine.png")
    (tmp_path / "images" / "c" / "broken.png").write_bytes(b"no image")
    ended = run("train", *tiny, f"data.path={tmp_path / 'images'}", cwd=tmp_path)
    assert ended.status == 2  # there are too few classes
    assert any(names(line, "1 image ", "left out", "c/broken.png") for line in ended.err.splitlines())


# resuming what cannot be resumed


@pytest.fixture(scope="module")
def killed_run(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a run of 6 steps that was killed in the middle."""
    place = tmp_path_factory.mktemp("killed")
    run("train", *tiny, f"hydra.run.dir={place / 'run'}", cwd=place, sabotage=At(SAVE, 5, killed))
    return place / "run"


@pytest.fixture
def stopped(killed_run: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(killed_run, tmp_path / "stopped"))


def test_a_directory_that_does_not_exist_cannot_be_resumed_and_is_not_made(tmp_path: Path) -> None:
    assert str(tmp_path / "typo") in run("train", f"resume={tmp_path / 'typo'}", cwd=tmp_path).error
    assert not (tmp_path / "typo").exists()


def test_a_run_cannot_change_its_memory_on_the_way(stopped: Path, tmp_path: Path) -> None:
    message = run("train", f"resume={stopped}", "memory=lrua", cwd=tmp_path).error
    assert "memory" in message
    assert str(stopped) in message


def test_a_run_cannot_change_the_size_of_its_encoder_on_the_way(stopped: Path, tmp_path: Path) -> None:
    assert str(stopped) in run("train", f"resume={stopped}", "encoder.channels=16", cwd=tmp_path).error


def test_a_refused_resume_leaves_the_run_as_it_was(stopped: Path, tmp_path: Path) -> None:
    before = metrics(stopped), (stopped / LAST).read_bytes()
    run("train", f"resume={stopped}", "memory=lrua", cwd=tmp_path)
    assert (metrics(stopped), (stopped / LAST).read_bytes()) == before


def test_data_may_move_but_not_change(stopped: Path, toy: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(toy, tmp_path / toy.name))
    overrides = [f"resume={stopped}", "data=folder", f"data.path={moved}"]
    file = moved / "class03" / "0.png"
    original = file.read_bytes()
    with Image.open(file) as image:
        image.putpixel((0, 0), 255 - image.getpixel((0, 0)))  # type: ignore[operator]
        image.save(file)
    assert "data have changed" in run("train", *overrides, cwd=tmp_path).error
    file.write_bytes(original)
    assert run("train", *overrides, cwd=tmp_path).run_directory == stopped


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_corrupt_checkpoint_is_refused(content: bytes | None, stopped: Path, tmp_path: Path) -> None:
    whole = (stopped / LAST).read_bytes()
    (stopped / LAST).write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert str(stopped / LAST) in run("train", f"resume={stopped}", cwd=tmp_path).error


def test_resume_of_a_checkpoint_file_says_that_it_wants_the_directory(stopped: Path, tmp_path: Path) -> None:
    assert str(stopped) in run("train", f"resume={stopped / LAST}", cwd=tmp_path).error


# a full disk


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tiny: list[str], tmp_path: Path) -> None:
    directory = tmp_path / "run"
    # only checkpoints are longer than this
    full = At(TRAIN, 3, functools.partial(no_file_beyond, 8192))
    ended = run("train", *tiny, f"hydra.run.dir={directory}", cwd=tmp_path / "first", sabotage=full)
    assert f"resume={directory}" in ended.error
    assert torch.load(directory / LAST, weights_only=True)["step"] == 2
    assert {file.name for file in (directory / "checkpoints").iterdir()} == {"last.pt", "previous.pt"}
    assert run("train", f"resume={directory}", cwd=tmp_path / "second").run_directory == directory


def test_a_record_that_does_not_fit_ends_the_run_with_one_line(tiny: list[str], tmp_path: Path) -> None:
    full = At(TRAIN, 1, functools.partial(no_file_beyond, 2000))
    rare = ["trainer.steps=40", "trainer.validate_every=40", "trainer.save_every_seconds=3600"]
    assert "metrics.jsonl" in run("train", *tiny, *rare, cwd=tmp_path, sabotage=full).error


def test_a_resume_on_a_full_disk_does_not_lose_the_record(stopped: Path, tmp_path: Path) -> None:
    before = metrics(stopped)
    full = At("metamann.training.checkpoint.Checkpoint.load_into", 1, functools.partial(no_file_beyond, 500))
    run("train", f"resume={stopped}", cwd=tmp_path / "full", sabotage=full)
    assert metrics(stopped)[: len(before)] == before


def test_results_that_do_not_fit_end_the_run_with_one_line(tiny: list[str], tmp_path: Path) -> None:
    full = At("metamann.training.record.Record.close", 1, functools.partial(no_file_beyond, 1500))
    assert str(tmp_path) in run("train", *tiny, cwd=tmp_path, sabotage=full).error


# sweeps and dashboards


def test_a_sweep_ends_with_a_table_over_its_jobs(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    directory = run("train", "-m", *tiny, "seed=0,1", cwd=tmp_path).run_directory
    assert directory.is_relative_to(tmp_path / "multirun")
    assert metrics(directory / "0") == metrics(trained.run_directory)
    assert metrics(directory / "1") != metrics(trained.run_directory)
    table = (directory / "sweep.md").read_text().splitlines()
    assert [("seed=0" in line, "seed=1" in line) for line in table[2:]] == [(True, False), (False, True)]
    assert len((directory / "sweep.csv").read_text().splitlines()) == 3
    mean = json.loads((directory / "1" / "results.json").read_text())["metrics"]["accuracy"]["mean"]
    assert f"{100 * mean:.2f}" in table[3]


def test_a_job_that_fails_lets_the_others_of_its_sweep_go_on(tiny: list[str], tmp_path: Path) -> None:
    ended = run("train", "-m", *tiny, "protocol.ways=9,2", cwd=tmp_path)
    assert ended.status == 2
    assert "9-way episodes need 9 classes" in ended.err
    assert "Traceback" not in ended.err
    table = next(tmp_path.glob("multirun/**/sweep.md")).read_text()
    assert "protocol.ways=2" in table


def test_dashboards_mirror_a_run_offline(trained: Ended, tiny: list[str], tmp_path: Path) -> None:
    options = [*tiny, "logger.wandb=true", "logger.tensorboard=true"]
    ended = run("train", *options, cwd=tmp_path, WANDB_MODE="offline")
    directory = ended.run_directory
    assert len(list((directory / "wandb").glob("offline-run-*/run-*.wandb"))) == 1
    assert len(list((directory / "tensorboard").glob("events.out.tfevents.*"))) == 1
    assert metrics(directory) == metrics(trained.run_directory)
    assert "Traceback" not in ended.err
    # notes of the data and progress alone: the record is the one voice of a run
    assert all(re.match(r"step \d|[\d,]+ parameters|note: ", line) for line in ended.err.splitlines()), ended.err

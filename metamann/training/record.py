"""The record of a run: `metrics.jsonl`, one line an event, mirrored to dashboards and shown as progress."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TextIO

from tqdm import tqdm

from metamann.data.cache import write_atomically
from metamann.data.plain_files import to_json
from metamann.errors import TrainingError
from metamann.training.dashboards import Mirrors
from metamann.training.log import note, progress

PLAIN_LINE_SECONDS = 10.0
LARGEST = 1e300  # no number of a record comes near it, and one beyond cannot be drawn


class Record:
    """Writes what happens at each step, and shows it.

    Records are numbered by the training steps done. On resume, those after the resumed step are taken back, so
    that the file reads as if the run had never stopped. Only `seconds` and `episodes_per_second` depend on the
    machine.

    Args:
        run_directory: `metrics.jsonl` goes here.
        mirrors: dashboards.
        steps: of the whole run, for the time left.
        episodes_per_step: for the speed.

    Attributes:
        path: of `metrics.jsonl`.
        last_validation: step of the newest validation that `open` found in the record; 0 if there is none.

    Examples:
        >>> with Record(Path("."), Mirrors({}), steps=2, episodes_per_step=1) as record:
        ...     record.open(0, 0.0)
        ...     record.train(1, {"loss": 0.5, "accuracy": 0.9}, write=True)
        >>> record.events()[0]["loss"]
        0.5
    """

    def __init__(self, run_directory: Path, mirrors: Mirrors, steps: int, episodes_per_step: int) -> None:
        self.path = run_directory / "metrics.jsonl"
        self.mirrors = mirrors
        self.last_validation = 0
        self._steps, self._episodes_per_step = steps, episodes_per_step
        self._file: TextIO | None = None
        self._bar: tqdm[NoReturn] | None = None
        self._start, self._seconds_before = 0, 0.0
        self._began = self._last_line = time.monotonic()

    def open(self, start: int, seconds: float) -> None:
        """Begin, or go on after `start` steps that took `seconds`.

        Raises:
            TrainingError: if the file cannot be read or written.
        """
        lines: list[bytes] = []
        try:
            if start and not self.path.exists():
                note(f"there is no {self.path}; the record begins at step {start}")
            elif start:
                events, foreign = read_record(self.path)
                if foreign:
                    note(f"{foreign} lines of {self.path} are no records of training and are taken out")
                lines = [line for line, event in events if event["step"] <= start]
                validated = [event["step"] for _, event in events if event["kind"] == "validation"]
                self.last_validation = max((step for step in validated if step <= start), default=0)
            write_atomically(self.path, b"".join(line + b"\n" for line in lines))
            self._file = self.path.open("a")
        except OSError as error:
            raise self._unwritable(error) from error
        self._start, self._seconds_before = start, seconds
        self._began = self._last_line = time.monotonic()
        self._bar = tqdm(total=self._steps, initial=start, unit="step") if sys.stderr.isatty() else None

    @property
    def seconds(self) -> float:
        """Training time so far, the stretches before a resume counted; 0 before the record is opened."""
        if self._file is None:
            return 0.0
        return self._seconds_before + time.monotonic() - self._began

    def train(self, step: int, values: Mapping[str, float], *, write: bool) -> None:
        """Show a training step; write it to the record if asked to."""
        elapsed = time.monotonic() - self._began
        speed = (step - self._start) * self._episodes_per_step / max(elapsed, 1e-9)
        if write:
            self._write("train", step, {**values, "episodes_per_second": round(speed, 2)})
        summary = f"loss {values['loss']:.4f}  accuracy {values['accuracy']:.3f}  {speed:.0f} episodes/s"
        if self._bar is not None:
            self._bar.set_postfix_str(summary, refresh=False)
            self._bar.update()
        if time.monotonic() - self._last_line > PLAIN_LINE_SECONDS or step == self._steps:
            left = elapsed / (step - self._start) * (self._steps - step)
            progress(f"step {step}/{self._steps}  {summary}  {_clock(left)} left", on_bar=self._bar is not None)
            self._last_line = time.monotonic()

    def validation(self, step: int, values: Mapping[str, float], *, best: bool) -> None:
        """Write and show a validation."""
        self._write("validation", step, {**values, "best": float(best)})
        scores = "  ".join(f"{name} {value:.4f}" for name, value in values.items() if not name.endswith("_interval"))
        progress(f"step {step}/{self._steps}  validation {scores}{'  (best so far)' if best else ''}")

    def check_in_place(self) -> None:
        """Refuse to write on where the run directory was deleted, or deleted and made again by another run.

        Raises:
            TrainingError: if it was.
        """
        try:
            in_place = self._file is not None and os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            in_place = False
        if not in_place:
            raise TrainingError(
                f"{self.path} was deleted or replaced while the run wrote it: the run ends, and writes nothing more."
            )

    def events(self) -> list[dict[str, Any]]:
        """What the file says, without lines that others have put there.

        Raises:
            TrainingError: if it cannot be read.
        """
        try:
            return [event for _, event in read_record(self.path)[0]]
        except OSError as error:
            raise TrainingError(f"{self.path} cannot be read ({error.strerror}); resume= the run to go on.") from error

    def close(self) -> None:
        """End the file and the progress bar; dashboards stay open for the results."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # every line was flushed: a failure was reported then
                self._file.close()
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Record:
        """Close at the end of a `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close whatever happened."""
        self.close()

    def _write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        line = to_json({"kind": kind, "step": step, **values, "seconds": round(self.seconds, 3)})
        try:
            self.check_in_place()
            assert self._file is not None
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        self.mirrors.scalars(step, {f"{kind}/{name}": value for name, value in values.items()})

    def _unwritable(self, error: OSError) -> TrainingError:
        return TrainingError(
            f"{self.path.name} cannot be written ({error.strerror}). Mend that or make room, then go on with "
            f"resume={self.path.parent}."
        )


def read_record(path: Path) -> tuple[list[tuple[bytes, dict[str, Any]]], int]:
    """The lines of `metrics.jsonl`.

    Returns:
        Each line that a record wrote, with what it says, and how many other lines stand among them. A line that ends
        without a line break is one that a killed run has left: it is passed over, and not counted.

    Raises:
        OSError: if the file cannot be read.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file", str(path))  # a device may have no end
    lines = path.read_bytes().split(b"\n")[:-1]
    events = [(line, event) for line in lines if (event := _event(line)) is not None]
    return events, len(lines) - len(events)


def _event(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if no record wrote it."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("kind") not in ("train", "validation"):
        return None
    numbers = {name: value for name, value in event.items() if name != "kind"}
    if any(type(value) not in (int, float) or abs(value) > LARGEST for value in numbers.values()):
        return None
    needed = {"step", "loss", "accuracy"} if event["kind"] == "train" else {"step"}
    return event if needed <= numbers.keys() and type(event["step"]) is int else None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

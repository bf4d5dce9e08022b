"""The record of a run: `metrics.jsonl`, one line for each event; it is sent to dashboards and shown as progress."""

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
LARGEST = 1e300  # far above any number of a record; larger ones cannot be plotted


class Record:
    """Writes training steps and validations to `metrics.jsonl`, and shows them.

    Lines are numbered by the training steps done. When a run is resumed, lines after the step of the checkpoint are
    removed, so that the file equals that of an uninterrupted run. Only `seconds` and `episodes_per_second` depend on
    the machine.

    Args:
        run_directory: folder of `metrics.jsonl`.
        mirrors: dashboards.
        steps: of the whole run, for the remaining time.
        episodes_per_step: for the speed.

    Attributes:
        path: of `metrics.jsonl`.
        last_validation: step of the last validation in the record when it was opened; 0 if there is none.

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
        self._start_time = self._last_line = time.monotonic()

    def open(self, start: int, seconds: float) -> None:
        """Start the record, or continue it after `start` steps that took `seconds`.

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
                validations = [event["step"] for _, event in events if event["kind"] == "validation"]
                self.last_validation = max((step for step in validations if step <= start), default=0)
            write_atomically(self.path, b"".join(line + b"\n" for line in lines))
            self._file = self.path.open("a")
        except OSError as error:
            raise self._unwritable(error) from error
        self._start, self._seconds_before = start, seconds
        self._start_time = self._last_line = time.monotonic()
        self._bar = tqdm(total=self._steps, initial=start, unit="step") if sys.stderr.isatty() else None

    @property
    def seconds(self) -> float:
        """Training time so far, including the time before a resume; 0 before the record is opened."""
        if self._file is None:
            return 0.0
        return self._seconds_before + time.monotonic() - self._start_time

    def train(self, step: int, values: Mapping[str, float], *, write: bool) -> None:
        """Show a training step; if `write` is true, write it to the record."""
        elapsed = time.monotonic() - self._start_time
        speed = (step - self._start) * self._episodes_per_step / max(elapsed, 1e-9)
        if write:
            self._write("train", step, {**values, "episodes_per_second": round(speed, 2)})
        summary = f"loss {values['loss']:.4f}  accuracy {values['accuracy']:.3f}  {speed:.0f} episodes/s"
        if self._bar is not None:
            self._bar.set_postfix_str(summary, refresh=False)
            self._bar.update()
        if time.monotonic() - self._last_line > PLAIN_LINE_SECONDS or step == self._steps:
            remaining = elapsed / (step - self._start) * (self._steps - step)
            progress(f"step {step}/{self._steps}  {summary}  {_clock(remaining)} left", on_bar=self._bar is not None)
            self._last_line = time.monotonic()

    def validation(self, step: int, values: Mapping[str, float], *, best: bool) -> None:
        """Write and show a validation."""
        self._write("validation", step, {**values, "best": float(best)})
        scores = "  ".join(f"{name} {value:.4f}" for name, value in values.items() if not name.endswith("_interval"))
        progress(f"step {step}/{self._steps}  validation {scores}{'  (best so far)' if best else ''}")

    def check_in_place(self) -> None:
        """Check that the run directory was not deleted, nor deleted and created again by another run.

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
        """The events in the file, without lines that are not from a record.

        Raises:
            TrainingError: if it cannot be read.
        """
        try:
            return [event for _, event in read_record(self.path)[0]]
        except OSError as error:
            raise TrainingError(f"{self.path} cannot be read ({error.strerror}); resume= the run to go on.") from error

    def close(self) -> None:
        """Close the file and the progress bar; dashboards stay open for the results."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # every line was flushed, and a failure was reported then
                self._file.close()
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Record:
        """The record itself; it is closed at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the record, also after an exception."""
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
        The lines from a record with their events, and the number of other lines. A last line without a line break,
        from a run that was killed, is ignored and not counted.

    Raises:
        OSError: if the file cannot be read.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file", str(path))  # reading a device may not end
    lines = path.read_bytes().split(b"\n")[:-1]
    events = [(line, event) for line in lines if (event := _event(line)) is not None]
    return events, len(lines) - len(events)


def _event(line: bytes) -> dict[str, Any] | None:
    """The event of a line; None if the line is not from a record."""
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

"""The record of a run: `metrics.jsonl`, one line an event, mirrored to dashboards and shown as progress."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm

from metamann.data.cache import write_atomically
from metamann.data.plain_files import to_json
from metamann.errors import TrainingError
from metamann.training.dashboards import Mirrors

PLAIN_LINE_SECONDS = 10.0


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
    """

    def __init__(self, run_directory: Path, mirrors: Mirrors, steps: int, episodes_per_step: int) -> None:
        self.path = run_directory / "metrics.jsonl"
        self.mirrors = mirrors
        self._steps, self._episodes_per_step = steps, episodes_per_step
        self._bar: tqdm[NoReturn] | None = None

    def open(self, start: int, seconds: float) -> None:
        """Begin, or go on after `start` steps that took `seconds`."""
        kept = []
        if start and self.path.is_file():
            # the last line may be torn where the run was killed
            lines = [line for line in self.path.read_text().splitlines() if line.endswith("}")]
            kept = [line for line in lines if json.loads(line)["step"] <= start]
        write_atomically(self.path, "".join(line + "\n" for line in kept).encode())
        self._file = self.path.open("a")
        self._start, self._seconds_before = start, seconds
        self._began = self._last_line = time.monotonic()
        self._bar = tqdm(total=self._steps, initial=start, unit="step") if sys.stderr.isatty() else None

    @property
    def seconds(self) -> float:
        """Training time so far, the stretches before a resume counted."""
        return self._seconds_before + time.monotonic() - self._began

    def train(self, step: int, values: Mapping[str, float], *, write: bool) -> None:
        """Show a training step; write it to the record if asked to."""
        elapsed = time.monotonic() - self._began
        speed = (step - self._start) * self._episodes_per_step / max(elapsed, 1e-9)
        if write:
            self._write("train", step, {**values, "episodes_per_second": round(speed, 2)})
        shown = f"loss {values['loss']:.4f}  accuracy {values['accuracy']:.3f}  {speed:.0f} episodes/s"
        if self._bar is not None:
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update()
        elif time.monotonic() - self._last_line > PLAIN_LINE_SECONDS or step == self._steps:
            left = elapsed / (step - self._start) * (self._steps - step)
            self._line(f"step {step}/{self._steps}  {shown}  {_clock(left)} left")
            self._last_line = time.monotonic()

    def validation(self, step: int, values: Mapping[str, float], *, best: bool) -> None:
        """Write and show a validation."""
        self._write("validation", step, {**values, "best": float(best)})
        scores = "  ".join(f"{name} {value:.4f}" for name, value in values.items() if not name.endswith("_interval"))
        self._line(f"step {step}/{self._steps}  validation {scores}{'  (best so far)' if best else ''}")

    def note(self, text: str) -> None:
        """Show a line that is no measurement."""
        self._line(text)

    def close(self) -> None:
        """End the file and the progress bar; dashboards stay open for the results."""
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
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise TrainingError(
                f"{self.path} cannot be written ({error.strerror}). Make room, then go on with "
                f"resume={self.path.parent}."
            ) from error
        self.mirrors.scalars(step, {f"{kind}/{name}": value for name, value in values.items()})

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

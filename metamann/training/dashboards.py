"""Mirrors of the record: Weights & Biases and TensorBoard. One that fails is dropped; training goes on."""

from __future__ import annotations

import importlib.util
import netrc
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

Image.preinit()  # Pillow loads its formats with the first picture; two runs in two threads could find them half loaded


class Dashboard(Protocol):
    """What a mirror shows."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Points of curves."""

    def picture(self, step: int, name: str, file: Path) -> None:
        """A PNG file."""

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table, such as the final results."""

    def page(self, name: str, file: Path) -> None:
        """An HTML file."""

    def close(self) -> None:
        """Nothing follows."""


class WandbDashboard:
    """One Weights & Biases run; offline unless the user is logged in or sets `WANDB_MODE`.

    Args:
        run_directory: where the offline files go.
        config: shown beside the curves.
        project: of Weights & Biases.
    """

    def __init__(self, run_directory: Path, config: dict[str, Any], project: str) -> None:
        import wandb

        mode = os.environ.get("WANDB_MODE") or ("online" if _logged_in() else "offline")
        self._wandb = wandb
        self._run = wandb.init(
            project=project,
            dir=str(run_directory),
            name=run_directory.name,
            config=config,
            mode=mode,  # type: ignore[arg-type]  # a user's WANDB_MODE; wandb checks it
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Points of curves."""
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, file: Path) -> None:
        """A PNG file; without its step, for wandb drops what is older than the last curve point."""
        self._run.log({name: self._wandb.Image(str(file))})

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table, such as the final results."""
        self._run.log({name: self._wandb.Table(columns=list(columns), data=[list(row) for row in rows])})

    def page(self, name: str, file: Path) -> None:
        """An HTML file."""
        self._run.log({name: self._wandb.Html(file.read_text(encoding="utf-8"))})

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


class TensorBoardDashboard:
    """Event files in `tensorboard/` of the run directory.

    Args:
        run_directory: of the run.
    """

    def __init__(self, run_directory: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run_directory / "tensorboard"))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Points of curves."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, file: Path) -> None:
        """A PNG file."""
        import numpy as np

        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table, such as the final results, as Markdown."""
        lines = [columns, ["---"] * len(columns), *rows]
        text = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
        self._writer.add_text(name, text)

    def page(self, name: str, file: Path) -> None:
        """An HTML file, which TensorBoard cannot show: the place where it is."""
        self._writer.add_text(name, f"`{file}`")

    def close(self) -> None:
        """Write out what is pending."""
        self._writer.close()


class Mirrors:
    """Several dashboards as one; each is dropped, with one warning, when it fails.

    Pictures, tables and pages have a folder each among the names of a dashboard, so that two kinds of one name, such as
    the statistics and the picture of a memory, do not replace each other.

    Args:
        makers: name and constructor of each.

    Examples:
        >>> class Printed:
        ...     def scalars(self, step, values):
        ...         print(step, values)
        >>> Mirrors({"printed": Printed}).scalars(1, {"train/loss": 0.5})
        1 {'train/loss': 0.5}
    """

    def __init__(self, makers: Mapping[str, Callable[[], Dashboard]]) -> None:
        self._dashboards: dict[str, Dashboard] = {}
        for name, make in makers.items():
            self._guarded(name, lambda name=name, make=make: self._dashboards.update({name: make()}))  # type: ignore[misc]

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Points of curves."""
        self._each(lambda dashboard: dashboard.scalars(step, values))

    def picture(self, step: int, name: str, file: Path) -> None:
        """A PNG file."""
        self._each(lambda dashboard: dashboard.picture(step, f"pictures/{name}", file))

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table, such as the final results."""
        self._each(lambda dashboard: dashboard.table(f"tables/{name}", columns, rows))

    def page(self, name: str, file: Path) -> None:
        """An HTML file."""
        self._each(lambda dashboard: dashboard.page(f"pages/{name}", file))

    def close(self) -> None:
        """Close all."""
        self._each(lambda dashboard: dashboard.close())
        self._dashboards.clear()

    def _each(self, act: Callable[[Dashboard], None]) -> None:
        for name, dashboard in list(self._dashboards.items()):
            self._guarded(name, lambda dashboard=dashboard: act(dashboard))  # type: ignore[misc]

    def _guarded(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # a mirror may fail in any way; the record and the training must not
            self._dashboards.pop(name, None)
            warnings.warn(f"dashboard {name} failed and is switched off: {error!r}", stacklevel=3)


def installed(name: str) -> bool:
    """Whether the package of a dashboard is there; a folder of that name, such as offline runs, is none."""
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None


def _logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False

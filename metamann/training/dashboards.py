"""Dashboards: Weights & Biases and TensorBoard. A dashboard that fails is switched off, and training continues."""

from __future__ import annotations

import importlib.util
import netrc
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

Image.preinit()  # Pillow loads its formats with the first image, which is not safe in two threads at once


class Dashboard(Protocol):
    """The interface of a dashboard."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""

    def picture(self, step: int, name: str, file: Path) -> None:
        """Add a PNG file."""

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table, such as the final results."""

    def page(self, name: str, file: Path) -> None:
        """Add an HTML file."""

    def close(self) -> None:
        """End the dashboard's run."""


class WandbDashboard:
    """One Weights & Biases run; offline unless the user is logged in or sets `WANDB_MODE`.

    Args:
        run_directory: of the run; offline files are written to it, and its name is the name of the run.
        config: of the run.
        project: of Weights & Biases.

    Examples:
        >>> dashboard = WandbDashboard(Path.cwd(), config={"seed": 0}, project="metamann")
        >>> dashboard.scalars(1, {"train/loss": 0.5})
        >>> dashboard.table("results", columns=["metric", "mean %"], rows=[["accuracy", 97.5]])
        >>> dashboard.close()
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
        """Add a point to each curve."""
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, file: Path) -> None:
        """Add a PNG file without its step, because wandb drops data that are older than the last point of a curve."""
        self._run.log({name: self._wandb.Image(str(file))})

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table."""
        self._run.log({name: self._wandb.Table(columns=list(columns), data=[list(row) for row in rows])})

    def page(self, name: str, file: Path) -> None:
        """Add an HTML file."""
        self._run.log({name: self._wandb.Html(file.read_text(encoding="utf-8"))})

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


class TensorBoardDashboard:
    """TensorBoard event files in the folder `tensorboard` of the run directory.

    Args:
        run_directory: of the run.

    Examples:
        >>> dashboard = TensorBoardDashboard(Path("."))
        >>> dashboard.scalars(1, {"train/loss": 0.5})
        >>> dashboard.close()
        >>> [file.name.split(".")[0] for file in Path("tensorboard").iterdir()]
        ['events']
    """

    def __init__(self, run_directory: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run_directory / "tensorboard"))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, file: Path) -> None:
        """Add a PNG file."""
        import numpy as np

        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table as Markdown text."""
        lines = [columns, ["---"] * len(columns), *rows]
        text = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
        self._writer.add_text(name, text)

    def page(self, name: str, file: Path) -> None:
        """Add the path of an HTML file, because TensorBoard cannot show it."""
        self._writer.add_text(name, f"`{file}`")

    def close(self) -> None:
        """Write pending events to the file."""
        self._writer.close()


class Mirrors:
    """Several dashboards as one; a dashboard that fails is switched off with a warning.

    The names of pictures, tables and pages get the prefixes `pictures/`, `tables/` and `pages/`, so that a table and a
    picture of one name, such as those of a memory, do not replace each other.

    Args:
        makers: constructors of the dashboards, by name.

    Examples:
        >>> class Printer:
        ...     def scalars(self, step, values):
        ...         print(step, values)
        >>> Mirrors({"printer": Printer}).scalars(1, {"train/loss": 0.5})
        1 {'train/loss': 0.5}
    """

    def __init__(self, makers: Mapping[str, Callable[[], Dashboard]]) -> None:
        self._dashboards: dict[str, Dashboard] = {}
        for name, make in makers.items():
            self._attempt(name, lambda name=name, make=make: self._dashboards.update({name: make()}))  # type: ignore[misc]

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        self._for_each(lambda dashboard: dashboard.scalars(step, values))

    def picture(self, step: int, name: str, file: Path) -> None:
        """Add a PNG file."""
        self._for_each(lambda dashboard: dashboard.picture(step, f"pictures/{name}", file))

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table."""
        self._for_each(lambda dashboard: dashboard.table(f"tables/{name}", columns, rows))

    def page(self, name: str, file: Path) -> None:
        """Add an HTML file."""
        self._for_each(lambda dashboard: dashboard.page(f"pages/{name}", file))

    def close(self) -> None:
        """Close all dashboards."""
        self._for_each(lambda dashboard: dashboard.close())
        self._dashboards.clear()

    def _for_each(self, act: Callable[[Dashboard], None]) -> None:
        for name, dashboard in list(self._dashboards.items()):
            self._attempt(name, lambda dashboard=dashboard: act(dashboard))  # type: ignore[misc]

    def _attempt(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # whatever the failure of a dashboard, training continues
            self._dashboards.pop(name, None)
            warnings.warn(f"dashboard {name} failed and is switched off: {error!r}", stacklevel=3)


def is_installed(name: str) -> bool:
    """Whether a package is installed; a folder of its name, such as `wandb` with offline runs, is no package."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def _logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False

"""The examples in docstrings run, and every public class has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Protocol, is_typeddict

import pytest
import torch

import metamann

# folders whose classes all have an example, one a line
FOLDERS = (
    "application",
    "checks",
    "commands",
    "data",
    "decoding",
    "encoders",
    "episodes",
    "evaluation",
    "learners",
    "memory",
    "modalities",
    "reports",
    "training",
)
# packages of extras that the examples of a module import
NEEDS = {"metamann.training.dashboards": ("wandb", "tensorboard")}
MODULES = sorted(module.name for module in pkgutil.walk_packages(metamann.__path__, "metamann."))


def imported(name: str) -> ModuleType:
    """The module; the test is skipped where a package of an extra is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "metamann").startswith("metamann"):
            raise
        pytest.skip(f"{name} needs {error.name}")


def is_record(cls: type) -> bool:
    """Whether a class is a named tuple."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def public_classes(module: ModuleType) -> list[type]:
    """Documented classes of a module that can be instantiated: no exceptions, dictionaries or interfaces."""
    return [
        cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls)
        and cls.__module__ == module.__name__
        and not name.startswith("_")
        and cls.__doc__
        and not issubclass(cls, BaseException)
        and not is_typeddict(cls)
        and Protocol not in cls.__mro__
        and not any(getattr(getattr(cls, member, None), "__isabstractmethod__", False) for member in dir(cls))
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = imported(name)
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path_factory.mktemp("examples"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_public_class_has_an_example(folder: str) -> None:
    modules = [imported(name) for name in MODULES if name.startswith(f"metamann.{folder}.")]
    documented = [cls for module in modules for cls in public_classes(module)]
    # a record shows its fields without an example; in a folder of records alone it has one
    classes = [cls for cls in documented if not is_record(cls)] or documented
    assert classes
    assert [cls.__qualname__ for cls in classes if ">>>" not in (cls.__doc__ or "")] == []

"""Shared by all tests: tiny data, tiny memories and tiny learners."""

from __future__ import annotations

import os

# before torch is imported: two processes with two threads each, on two cores, are far slower than with one each
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

from metamann.data.images.omniglot import omniglot
from metamann.data.sentences.fewnerd import fewnerd
from metamann.data.sentences.store import SentenceSplits
from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.errors import ConfigError
from metamann.learners.inner_loop.learn2learn import import_learn2learn
from metamann.learners.mann import MANN
from metamann.memory.attention.snail import SnailMemory
from metamann.memory.controlled.additive import AdditiveMemory
from metamann.memory.controlled.dnc import DNCMemory
from metamann.memory.controlled.input_addressed import InputAddressedNTM
from metamann.memory.controlled.lrua.lrua import LRUAMemory
from metamann.memory.controlled.none import ControllerOnly
from metamann.memory.controlled.ntm import NTMMemory
from metamann.memory.fast_weights.delta import DeltaMemory
from metamann.memory.fast_weights.ridge import RidgeMemory
from metamann.memory.interface import Memory
from metamann.memory.pairs.bounded import BoundedKeyValueMemory
from metamann.memory.pairs.keyvalue import KeyValueMemory
from metamann.memory.pairs.nearest import NearestMemory
from metamann.memory.pairs.prototypes import PrototypeMemory

MEMORIES: dict[str, tuple[type[Memory[Any]], dict[str, Any]]] = {
    "additive": (AdditiveMemory, {"item_width": 8, "slots": 6, "width": 16, "hidden": 12}),
    "additive_additive": (
        AdditiveMemory,
        {"score": "additive", "item_width": 8, "slots": 6, "width": 16, "hidden": 12},
    ),
    "additive_multiplicative": (
        AdditiveMemory,
        {"score": "multiplicative", "item_width": 8, "slots": 6, "width": 4, "hidden": 8, "shortcut": False},
    ),
    "delta": (DeltaMemory, {"key_width": 4, "chunk": 4}),
    "delta_gated": (DeltaMemory, {"key_width": 4, "heads": 2, "gated": True, "chunk": 4}),
    "dnc": (DNCMemory, {"item_width": 4, "slots": 6, "width": 4, "heads": 2, "hidden": 5}),
    "keyvalue": (KeyValueMemory, {}),
    "keyvalue_bounded": (BoundedKeyValueMemory, {"slots": 4}),
    "keyvalue_quota": (BoundedKeyValueMemory, {"slots": 4, "evict": "quota"}),
    "keyvalue_usage": (BoundedKeyValueMemory, {"slots": 4, "evict": "usage"}),
    "lrua": (LRUAMemory, {"item_width": 4, "slots": 6, "width": 4, "heads": 2, "hidden": 5}),
    "none": (ControllerOnly, {"item_width": 4, "hidden": 5}),
    "none_beside": (ControllerOnly, {"item_width": 4, "hidden": 5, "controller": "gru", "label": "beside"}),
    "nearest": (NearestMemory, {}),
    "ntm": (NTMMemory, {"item_width": 4, "slots": 6, "width": 4, "heads": 2, "hidden": 5}),
    "prototypes": (PrototypeMemory, {}),
    "ridge": (RidgeMemory, {"key_width": 4}),
    "ridge_features": (RidgeMemory, {"key_width": None}),
    "snail": (SnailMemory, {"item_width": 4, "longest": 5, "filters": 4}),
    "ntm_input": (InputAddressedNTM, {"item_width": 4, "slots": 6, "width": 4, "heads": 2}),
}


@pytest.fixture(scope="session")
def make_store() -> Callable[..., ClassStore]:
    """Random images; classes are dealt to the groups in turn."""

    def make(
        classes: int = 12, items: int = 12, groups: int = 2, size: int = 16, seed: int = 0, name: str = "tiny"
    ) -> ClassStore:
        rng = np.random.default_rng(seed)
        pixels = torch.from_numpy(rng.integers(0, 256, (classes, items, 1, size, size), dtype=np.uint8))
        return ClassStore.from_classes(
            name,
            list(pixels),
            [f"class{number}" for number in range(classes)],
            [f"group{number % groups}" for number in range(classes)],
        )

    return make


@pytest.fixture(scope="session")
def store(make_store: Callable[..., ClassStore]) -> ClassStore:
    """Twelve classes of twelve images in two groups."""
    return make_store()


@pytest.fixture(scope="session", params=sorted(MEMORIES))
def memory_kind(request: pytest.FixtureRequest) -> str:
    """Every memory by its name."""
    return str(request.param)


@pytest.fixture(scope="session")
def make_memory() -> Callable[..., Memory[Any]]:
    """A tiny memory with every parameter drawn, none left at a special value such as zero."""

    def make(
        kind: str, features: int = 5, code_width: int = 3, dtype: torch.dtype = torch.float64, **options: Any
    ) -> Memory[Any]:
        cls, defaults = MEMORIES[kind]
        memory = cls(features, code_width, **{**defaults, **options}).to(dtype)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in memory.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        return memory

    return make


@pytest.fixture(scope="session")
def make_mann() -> Callable[..., MANN]:
    """A tiny learner of 16 x 16 images, as it is before training."""

    def make(kind: str, ways: int = 5, learner: dict[str, Any] | None = None, **options: Any) -> MANN:
        cls, defaults = MEMORIES[kind]
        with torch.random.fork_rng():
            torch.manual_seed(2)
            encoder = ConvEncoder(size=16, channels=4)
            return MANN(encoder, cls(encoder.features, ways, **{**defaults, **options}), ways, **(learner or {}))

    return make


@pytest.fixture(scope="session")
def learn2learn() -> Any:
    """The package, which needs a C compiler to be installed."""
    try:
        return import_learn2learn()
    except ConfigError as error:
        if os.environ.get("METAMANN_REQUIRE_DATA") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def omniglot_archives() -> Path:
    """Folder of the real archives."""
    folder = Path(os.environ.get("METAMANN_DATA", "")) / "omniglot"
    if not (folder / "images_background.zip").is_file():
        reason = f"the real Omniglot is not in METAMANN_DATA ({folder})"
        if os.environ.get("METAMANN_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def omniglot_cache(omniglot_archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where they are decoded, once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    cache = folder / "omniglot_cache"
    with FileLock(folder / "omniglot_cache.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("METAMANN_CACHE", str(cache))
        omniglot()
    return cache


@pytest.fixture
def omniglot_data(omniglot_archives: Path, omniglot_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the real archives, which are decoded already."""
    monkeypatch.setenv("METAMANN_CACHE", str(omniglot_cache))
    return omniglot_archives


@pytest.fixture(scope="session")
def fewnerd_splits() -> SentenceSplits:
    """The real Few-NERD, read once in each worker."""
    folder = Path(os.environ.get("METAMANN_DATA", "")) / "fewnerd"
    if not folder.is_dir():
        reason = f"the real Few-NERD is not in METAMANN_DATA ({folder})"
        if os.environ.get("METAMANN_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return fewnerd()

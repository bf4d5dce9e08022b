"""The device and the precision of computations, and the memory of the machine."""

from __future__ import annotations

import contextlib
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from metamann.errors import ConfigError, check_choice, excerpt

# messages of torch if memory is exhausted or a size overflows
NO_MEMORY = ("can't allocate memory", "not enough memory", "multiplication overflow", "out of memory")


def choose_device(name: str, key: str = "device") -> torch.device:
    """The device of this name; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Args:
        name: a device of torch, such as `cuda:1`, or `auto`.
        key: name of the setting, for the error.

    Raises:
        ConfigError: if the device is unknown or not available.

    Examples:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device("cuda" if torch.cuda.is_available() else mps)
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{key}={excerpt(name)} cannot be used ({excerpt(reason)}); set {key}=auto or cpu."
        ) from error
    return device


def choose_precision(name: str, device: torch.device, key: str = "precision") -> str:
    """`fp32` or `bf16`; `auto` takes bf16 if the hardware supports it.

    Args:
        name: `fp32`, `bf16` or `auto`.
        device: device of the products.
        key: name of the setting, for the error.

    Raises:
        ConfigError: if the name is unknown.

    Examples:
        >>> choose_precision("bf16", torch.device("cpu"))
        'bf16'
    """
    check_choice(key, name, ("auto", "fp32", "bf16"))
    if name != "auto":
        return name
    return "bf16" if _multiplies_bf16(device) else "fp32"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Compute the large products in this precision; memories and heads stay in float32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def full_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Float32 inside of `autocast`: 8 bits are too few for cosines and for sums over a long episode."""
    return torch.autocast(device.type, enabled=False)


def memory_of_machine() -> int:
    """Bytes of memory of the machine, or the limit of a container."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text().strip() if limit.is_file() else ""
    return min(machine, int(allowed)) if allowed.isdigit() else machine


class TensorsFit(TorchFunctionMode):
    """Refuses new tensors that together need more than half of the memory; the other half is for their gradients.

    An operating system may grant memory that it does not have, and end the process when the memory is used.

    Raises:
        MemoryError: with the size of the refused tensor.

    Examples:
        >>> with TensorsFit():
        ...     torch.zeros(10**7, 10**7)
        Traceback (most recent call last):
        MemoryError: a tensor of 372,529.0 GiB
    """

    MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)

    def __init__(self) -> None:
        super().__init__()
        self._left = memory_of_machine() // 2

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count the bytes of a new tensor, and create it."""
        if func in self.MAKERS and args:
            shape = args[0] if isinstance(args[0], Sequence) else [size for size in args if isinstance(size, int)]
            needed = 4 * math.prod(shape)
            self._left -= needed
            if self._left < 0:
                raise MemoryError(f"a tensor of {needed / 2**30:,.1f} GiB")
        return func(*args, **(kwargs or {}))


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of a device is exhausted."""
    message = str(error)
    known_message = isinstance(error, RuntimeError) and any(sign in message for sign in NO_MEMORY)
    return known_message or isinstance(error, MemoryError | torch.OutOfMemoryError)


def describe_machine() -> str:
    """Processor and library versions, for results files."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{processor}{gpu}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # private functions of torch; without them, fp32 is the safe answer
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, check, bool)()) for check in checks)

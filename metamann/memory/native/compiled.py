"""Cores in C, where there is a compiler, for loops over tensors so small that PyTorch is slow at them.

A source is compiled when it is first needed, which takes a second, and kept in the cache folder. Without
a compiler the loops run in PyTorch.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor

from metamann.data.cache import cache_folder

FOLDER = Path(__file__).parent
HEADER = FOLDER / "vectors.h"
REALS = {torch.float32: ("float", "sqrtf"), torch.float64: ("double", "sqrt")}
FLAGS = (
    "-std=c11",
    "-O3",
    "-fno-strict-aliasing",  # numbers in vectors are reached one by one too
    "-march=native",
    "-fno-math-errno",
    "-ffp-contract=fast",
    "-shared",
    "-fPIC",
)
# of gcc on Linux, these are the threads of PyTorch, whose library is loaded already; other compilers often lack them
THREADS = ("-fopenmp", "-fopenmp-simd") if sys.platform == "linux" else ("-fopenmp-simd",)


@functools.cache
def load_library(name: str, device: torch.device, dtype: torch.dtype, heads: int = 1) -> ctypes.CDLL | None:
    """A core compiled for one precision and number of heads; None for another device than a CPU, or without a compiler.

    The compiler is `cc`, or what `METAMANN_CC` names; with `METAMANN_CC=` none is used. One that fails gives None too,
    and a warning that says why.
    """
    compiler = shutil.which(os.environ.get("METAMANN_CC", "cc"))
    if device.type != "cpu" or compiler is None or dtype not in REALS:
        return None
    source = FOLDER / name / f"{name}.c"
    real, root = REALS[dtype]
    definitions = (f"-DREAL={real}", f"-DSQRT={root}", f"-DHEADS={heads}")
    code = (source.read_text(), HEADER.read_text(), *FLAGS, *THREADS, *definitions)
    try:
        identity = "\n".join([*code, *_machine(compiler)])
        library = cache_folder() / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:20]}.so"
        if not _own(library):
            library.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=library.parent) as folder:
                built = Path(folder) / library.name
                command = [compiler, *FLAGS, f"-I{FOLDER}", *definitions, "-o", str(built), str(source), "-lm"]
                for threads in THREADS:
                    ended = subprocess.run([*command, threads], check=False, capture_output=True)
                    if ended.returncode == 0:
                        break
                ended.check_returncode()
                built.chmod(0o755)  # whatever the umask: one that others may write to is not loaded
                built.replace(library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.CalledProcessError) as error:
        output = (
            error.stderr.decode(errors="replace").strip() if isinstance(error, subprocess.CalledProcessError) else ""
        )
        reason = output.splitlines()[0] if output else str(error)
        warnings.warn(
            f"{source.name} cannot be compiled and its loop runs slower, in PyTorch ({reason}); METAMANN_CC names "
            "another compiler, and METAMANN_CC= none.",
            stacklevel=2,
        )
        return None


def _own(library: Path) -> bool:
    """Whether a compiled core is there that no other user but root can have put there: it is code, not data."""
    if not hasattr(os, "getuid"):
        return library.is_file()
    try:
        status = library.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid in (0, os.getuid()) and not status.st_mode & 0o022


def _machine(compiler: str) -> list[str]:
    """What compiled code is good for: -march=native takes this processor, and a cache folder may be shared by many."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    cpuinfo = Path("/proc/cpuinfo")  # of Linux
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    features = [line for line in lines if line.startswith(("flags", "Features"))]
    return [compiler, version, platform.machine(), *(features[:1] if features else [platform.node()])]


def pointers(*tensors: Tensor | None) -> list[ctypes.c_void_p]:
    """Where the numbers of tensors begin, for a call of C; NULL for None. The caller keeps the tensors alive.

    Raises:
        ValueError: if a tensor is not contiguous.
    """
    if not all(tensor is None or tensor.is_contiguous() for tensor in tensors):
        raise ValueError("a core in C takes contiguous tensors")
    return [ctypes.c_void_p(None if tensor is None else tensor.data_ptr()) for tensor in tensors]

"""Random numbers that depend on a seed alone, in any thread of any program.

Torch has one global random generator for each device. Code that draws from it locks it, seeds it, and restores its
state at the end. Two runs in two threads therefore draw the same numbers as each run alone, and the random state of the
surrounding program does not change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_generators_lock = threading.RLock()


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Draw all random numbers of torch within this context from this seed.

    Other threads that enter such a context wait for the end of this one, so it has to be short, such as one training
    step or the construction of a learner. Contexts of one thread may be nested.

    Args:
        seed: of the generators.
        device: to compute on, if it is not the CPU; the generator of the CPU is seeded too.
    """
    is_cuda = device is not None and device.type == "cuda"
    with _generators_lock, torch.random.fork_rng(devices=[device] if is_cuda else [], device_type="cuda"):
        if device is None or device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        elif is_cuda:
            torch.default_generator.manual_seed(seed)
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        yield

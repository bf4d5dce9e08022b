"""Random numbers of a piece of work: a function of its seed alone, in any thread of any program.

Torch has one generator a device for a whole process. Work that draws from it holds it for itself, seeds it, and gives
it back as it was: two runs in two threads draw what each draws alone, and the program around them is not disturbed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_generators = threading.RLock()  # those of the process


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Draw all random numbers of torch in here from this seed.

    Other threads that ask for random numbers in this way wait for the end of the block, so that it has to be short:
    one training step, or the building of a learner. Blocks of one thread may be nested.

    Args:
        seed: of the generators.
        device: where the work is done, if it is not the CPU; the generator of the CPU is seeded too.
    """
    is_cuda = device is not None and device.type == "cuda"
    with _generators, torch.random.fork_rng(devices=[device] if is_cuda else [], device_type="cuda"):
        if device is None or device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        elif is_cuda:
            torch.default_generator.manual_seed(seed)
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        yield

"""Whether the memory of a learner has enough slots for an episode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from metamann.errors import ConfigError
from metamann.hardware import memory_of_machine
from metamann.memory.interface import Memory


def capacity_notes(learner: Any, loads: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """One line if the learner's memory has too few slots.

    Args:
        learner: of any kind; without a bounded memory there is no note.
        loads: numbers and units of what an episode writes; see `Sampler.loads`.
    """
    memory = getattr(learner, "memory", None)
    if not isinstance(memory, Memory) or memory.capacity is None:
        return ()
    # classes come first: a class needs its own slot, while two items of one class may share a slot
    excess = [load for load in loads if load[0] > memory.capacity]
    if not excess:
        return ()
    number, unit = max(excess, key=lambda load: (load[1] == "classes", load[0]))
    return (
        f"memory.slots={memory.capacity} is less than the {number} {unit} of an episode, so that some take "
        f"the place of others; train with memory.slots={number} or more to hold all of them.",
    )


def check_room(learner: Any, episodes: int) -> None:
    """Refuse a memory whose state for a batch of episodes needs more than half of the memory of this machine.

    Args:
        learner: of any kind.
        episodes: number of episodes of a batch.

    Raises:
        ConfigError: with the settings to reduce.
    """
    memory = getattr(learner, "memory", None)
    if isinstance(memory, Memory) and memory.capacity is not None:
        code_width = getattr(memory, "code_width", 1)  # pair memories take label codes of any width
        state = memory.initial_state(1, code_width, torch.empty(0, device="meta"))  # shapes only
        needed = episodes * sum(tensor.numel() * tensor.element_size() for tensor in state)
        if needed > memory_of_machine() // 2:
            raise ConfigError(
                f"the memory of {episodes} episodes takes {needed / 2**30:,.1f} GiB, and this machine has "
                f"{memory_of_machine() / 2**30:,.1f}; lower memory.slots={memory.capacity}, or how many episodes are "
                "worked on at once (trainer.batch_size, or more trainer.accumulate)."
            )

"""What every external memory offers to a learner."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from metamann.errors import ConfigError

State = TypeVar("State", bound=tuple[Any, ...])
ITEMS = 8192  # of a group of episodes, whose tensors stay in the cache of a CPU


class Trace(NamedTuple):
    """What a memory did over a sequence, for pictures.

    Attributes:
        read_weights: `batch x heads x steps x slots`.
        slot_label: what the slot axis counts, for the axis of a plot.
        write_weights: `batch x write heads x steps x slots`, if there are any.
        usage: `batch x steps x slots` after each step, if the memory counts it.
    """

    read_weights: Tensor
    slot_label: str
    write_weights: Tensor | None = None
    usage: Tensor | None = None


class Memory(nn.Module, Generic[State]):
    """Reads for an item from what was written before, then writes the item with its label code.

    The state of an episode is a NamedTuple of tensors, batch first, that the caller holds: nothing of an episode
    stays on the module. The naive `step` is the ground truth; `scan` equals the chained step in outputs,
    gradients and final state. A masked step changes nothing that is ever read: memories of fixed size keep their state
    bitwise, append-only ones append a slot that counts as empty.

    Attributes:
        read_width: width of a read.
        controller_width: how much of it, at its front, is the state of the memory's controller; the rest is from slots.
        reads_label_mass: a read is the mass of attention on each written label code, with the mass on the
            "never seen" slot behind it; otherwise it is a feature vector for a linear layer.
        can_forget: whether single examples can be taken out again, with `forget`.
    """

    read_width: int
    controller_width: int = 0
    reads_label_mass: ClassVar[bool] = False
    can_forget: ClassVar[bool] = False

    @property
    def capacity(self) -> int | None:
        """How many items it can hold at once; None where it grows with what is written, or has no slots."""
        return None

    @abstractmethod
    def initial_state(self, batch: int, code_width: int, like: Tensor) -> State:
        """State of `batch` fresh episodes, on the device and in the type of `like`."""

    @abstractmethod
    def step(self, state: State, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, State]:
        """Read for one item, then take in the item with its label.

        Args:
            state: what came before.
            features: `batch x features`.
            codes: `batch x code_width`; they change the state, never this step's read.
            mask: `batch`, false where there is no item: the state stays as it was.

        Returns:
            The read, `batch x read_width`, and the next state.
        """

    @abstractmethod
    def read(self, state: State, features: Tensor) -> Tensor:
        """Read for queries that do not see each other, `batch x queries x features` to `... x read_width`."""

    def scan(self, state: State, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, State]:
        """The chained step over a sequence.

        Args:
            state: what came before.
            features: `batch x steps x features`.
            codes: `batch x steps x code_width`.
            mask: `batch x steps`.

        Returns:
            Reads, `batch x steps x read_width`, and the final state.
        """
        reads = []
        # unbound, not indexed step by step: the gradient of an index is as large as the sequence, at every step
        for item, code, present in zip(features.unbind(1), codes.unbind(1), mask.unbind(1), strict=True):
            read, state = self.step(state, item, code, present)
            reads.append(read)
        if not reads:
            return features.new_zeros(len(features), 0, self.read_width), state
        return torch.stack(reads, 1), state

    def write(self, state: State, features: Tensor, codes: Tensor, mask: Tensor) -> State:
        """Take in labelled items without reads; arguments as in `scan`."""
        return self.scan(state, features, codes, mask)[1]

    def forget(self, state: State, taken: Tensor) -> State:
        """Take examples out again: later reads are those of a memory that never saw them, within rounding.

        Args:
            state: with the examples; it is not changed.
            taken: `batch x written`, true for those to take out, in the order of writing; masked steps and examples
                that were taken out before do not count. Examples behind its end stay.

        Raises:
            ConfigError: if the memory keeps no single examples.
        """
        raise ConfigError(
            f"{type(self).__name__} cannot take single examples out again; write those that stay anew, or choose "
            "memory=keyvalue, nearest, prototypes or ridge."
        )

    def read_weights(self, state: State, features: Tensor) -> Tensor | None:
        """How much of each written example is in the read of each query, for people to look at.

        Args:
            state: what was written.
            features: `batch x queries x features`.

        Returns:
            `batch x queries x written`, in the order of writing and without masked steps, zeros behind the last
            example of an episode; None where slots are not single examples.
        """
        return None

    def novelty_margin(self) -> Tensor | None:
        """What evaluation adds to the learned score that decides between a known class and a new one, if there is one.

        A buffer of one number, 0 until it is set on classes that were not trained on.
        """
        return None

    def code_readout(self) -> Tensor | None:
        """Weights that decode the label code in a fresh memory's reads, `code_width x read_width`, if there are any."""
        return None

    @abstractmethod
    def trace(self, state: State, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Weights of every read of `scan`, and of every write if there are any."""


def keep(mask: Tensor, new: State, old: State) -> State:
    """The new state where the mask is true and the old one elsewhere, tensor by tensor."""
    tensors = [
        torch.where(mask.view(-1, *[1] * (after.dim() - 1)), after, before)
        for after, before in zip(new, old, strict=True)
    ]
    return type(new)(*tensors)


def scan_by_groups(
    scan: Callable[[State, Tensor, Tensor, Tensor], tuple[Tensor, State]],
    state: State,
    features: Tensor,
    codes: Tensor,
    mask: Tensor,
) -> tuple[Tensor, State]:
    """A scan that works on all steps at once, over a few episodes after another where there are many on a CPU.

    Args:
        scan: as `Memory.scan`, whose arguments the others are.
        state: what came before.
        features: `batch x steps x features`.
        codes: `batch x steps x code_width`.
        mask: `batch x steps`.
    """
    batch, steps = mask.shape
    size = max(ITEMS // max(steps, 1), torch.get_num_threads())
    if size >= batch or features.device.type != "cpu":
        return scan(state, features, codes, mask)
    parts = zip(*(tensor.split(size) for tensor in (*state, features, codes, mask)), strict=True)
    reads, states = zip(*(scan(type(state)(*part[:-3]), *part[-3:]) for part in parts), strict=True)
    return torch.cat(reads), type(state)(*map(torch.cat, zip(*states, strict=True)))

"""The part of LRUA's loop that has no weights, in C, where there is a compiler: `memory.controlled.lrua.core` fused."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn

from metamann.memory.controlled.cells import backward_step, forward_step
from metamann.memory.controlled.lrua.core import By, Found, Rules
from metamann.memory.native.compiled import pointers
from metamann.memory.scores import EPSILON


class _Rules(ctypes.Structure):
    """As in the C file."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "slots", "width", "part_width", "output_width")),
        *((name, ctypes.c_int64) for name in ("key_written", "shared", "zeroed", "address_after", "epsilon_in_root")),
        *((name, ctypes.c_double) for name in ("usage_decay", "epsilon", "tiny")),
    ]


class CompiledCore:
    """As `TorchCore`, for contiguous tensors of a CPU.

    Args:
        library: of `load_library`.
        rules: of the memory.
        strength: `heads`, of the cosine.

    Example:
        >>> from metamann.memory.native.compiled import load_library
        >>> library = load_library("lrua", torch.device("cpu"), torch.float32)  # None without a compiler
        >>> rules = Rules(nn.GRUCell(1, 1), 1, 2, True, False, 1, True, 0.95, True)
        >>> core = library and CompiledCore(library, rules, strength=torch.ones(1))
    """

    def __init__(self, library: ctypes.CDLL, rules: Rules, strength: Tensor) -> None:
        self.library, self.rules, self.strength = library, rules, strength.contiguous()

    def step(self, parts: Tensor, usage: Tensor, last_reads: Tensor, memory: Tensor, output: Tensor) -> Found:
        """See `TorchCore.step`."""
        slots = last_reads.new_empty(last_reads.shape[:2], dtype=torch.int64)
        replaced = memory.new_empty(*memory.shape[:2], self.rules.heads)
        writes, reads, cosines, scale = (torch.empty_like(last_reads) for _ in range(4))
        row_squares, new_usage = torch.empty_like(usage), torch.empty_like(usage)
        given = (self.strength, parts, usage, last_reads, memory)
        made = (slots, replaced, writes, reads, cosines, scale, row_squares, new_usage, output)
        self.library.step(ctypes.byref(self._rules(memory, parts, output)), *pointers(*given, *made))
        return Found(slots, replaced, writes, reads, cosines, scale, row_squares, new_usage)

    def write_again(self, parts: Tensor, found: Found, memory: Tensor) -> None:
        """See `TorchCore.write_again`."""
        rules = ctypes.byref(self._rules(memory, parts, parts))
        self.library.write_again(rules, *pointers(parts, found.slots, found.write_weights, memory))

    def gradients(
        self,
        parts: Tensor,
        last_reads: Tensor,
        found: Found,
        memory: Tensor,
        by: By,
        by_parts: Tensor,
        by_strength: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See `TorchCore.gradients`.

        Raises:
            MemoryError: if there is no room for the weights of an episode.
        """
        rules = ctypes.byref(self._rules(memory, parts, by.output))
        given = (self.strength, parts, found.slots, found.replaced, last_reads, found.write_weights)
        kept = (found.read_weights, found.cosines, found.scale, found.row_squares, by.output, by.write_weights)
        made = (memory, by.memory, by.read_weights, by_parts, by_strength)
        if self.library.gradients(rules, *pointers(*given, *kept, *made)):
            raise MemoryError("no room for the weights of an episode")
        return by.memory, by.read_weights

    def cell_step(self, z: Tensor, h: Tensor, c: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """See `TorchCore.cell_step`."""
        if not isinstance(self.rules.cell, nn.LSTMCell):
            return forward_step(self.rules.cell, z, h, c, out)
        next_cell, shown_cell = torch.empty_like(c), torch.empty_like(c)
        sizes = map(ctypes.c_int64, (*c.shape, out.stride(0)))
        at_out = ctypes.c_void_p(out.data_ptr())
        self.library.lstm_step(*sizes, *pointers(z, c, next_cell, shown_cell), at_out)
        return next_cell, shown_cell

    def cell_gradients(
        self, z: Tensor, h: Tensor, c: Tensor, kept: Tensor, by_h: Tensor, by_c: Tensor, by_z: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """See `TorchCore.cell_gradients`."""
        if not isinstance(self.rules.cell, nn.LSTMCell):
            return backward_step(self.rules.cell, z, h, c, kept, by_h, by_c, by_z)
        self.library.lstm_gradients(*map(ctypes.c_int64, h.shape), *pointers(z, c, kept, by_h, by_c, by_z))
        return None, by_c

    def _rules(self, memory: Tensor, parts: Tensor, output: Tensor) -> _Rules:
        batch, width, slots = memory.shape
        sizes = (batch, slots, width, parts.shape[1], output.shape[1])
        options = (self.rules.key_written, self.rules.shared, self.rules.zeroed)
        places = (self.rules.address_after, self.rules.epsilon_in_root)
        return _Rules(*sizes, *options, *places, self.rules.usage_decay, EPSILON, torch.finfo(memory.dtype).tiny)

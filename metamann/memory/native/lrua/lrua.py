"""The part of LRUA's loop that has no weights, in C, where there is a compiler: `memory.controlled.lrua.core` fused."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn

from metamann.memory.controlled.cells import backward_step, forward_step
from metamann.memory.controlled.lrua.core import Access, Gradients, Rules
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

    Examples:
        >>> from metamann.memory.native.compiled import load_library
        >>> library = load_library("lrua", torch.device("cpu"), torch.float32)  # None without a compiler
        >>> rules = Rules(nn.GRUCell(1, 1), 1, 2, True, False, 1, True, 0.95, True)
        >>> core = library and CompiledCore(library, rules, strength=torch.ones(1))
    """

    def __init__(self, library: ctypes.CDLL, rules: Rules, strength: Tensor) -> None:
        self.library, self.rules, self.strength = library, rules, strength.contiguous()

    def step(self, parts: Tensor, usage: Tensor, last_reads: Tensor, memory: Tensor, output: Tensor) -> Access:
        """See `TorchCore.step`."""
        slots = last_reads.new_empty(last_reads.shape[:2], dtype=torch.int64)
        replaced = memory.new_empty(*memory.shape[:2], self.rules.heads)
        writes, reads, cosines, scale = (torch.empty_like(last_reads) for _ in range(4))
        row_squares, new_usage = torch.empty_like(usage), torch.empty_like(usage)
        inputs = (self.strength, parts, usage, last_reads, memory)
        outputs = (slots, replaced, writes, reads, cosines, scale, row_squares, new_usage, output)
        self.library.step(ctypes.byref(self._rules(memory, parts, output)), *pointers(*inputs, *outputs))
        return Access(slots, replaced, writes, reads, cosines, scale, row_squares, new_usage)

    def write_again(self, parts: Tensor, access: Access, memory: Tensor) -> None:
        """See `TorchCore.write_again`."""
        rules = ctypes.byref(self._rules(memory, parts, parts))
        self.library.write_again(rules, *pointers(parts, access.slots, access.write_weights, memory))

    def gradients(
        self,
        parts: Tensor,
        last_reads: Tensor,
        access: Access,
        memory: Tensor,
        gradients: Gradients,
        grad_parts: Tensor,
        grad_strength: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See `TorchCore.gradients`.

        Raises:
            MemoryError: if there is no room for the weights of an episode.
        """
        rules = ctypes.byref(self._rules(memory, parts, gradients.output))
        inputs = (self.strength, parts, access.slots, access.replaced, last_reads, access.write_weights)
        forward = (access.read_weights, access.cosines, access.scale, access.row_squares)
        backward = (gradients.output, gradients.write_weights)
        outputs = (memory, gradients.memory, gradients.read_weights, grad_parts, grad_strength)
        if self.library.gradients(rules, *pointers(*inputs, *forward, *backward, *outputs)):
            raise MemoryError("no room for the weights of an episode")
        return gradients.memory, gradients.read_weights

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
        self, z: Tensor, h: Tensor, c: Tensor, saved: Tensor, grad_h: Tensor, grad_c: Tensor, grad_z: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """See `TorchCore.cell_gradients`."""
        if not isinstance(self.rules.cell, nn.LSTMCell):
            return backward_step(self.rules.cell, z, h, c, saved, grad_h, grad_c, grad_z)
        self.library.lstm_gradients(*map(ctypes.c_int64, h.shape), *pointers(z, c, saved, grad_h, grad_c, grad_z))
        return None, grad_c

    def _rules(self, memory: Tensor, parts: Tensor, output: Tensor) -> _Rules:
        batch, width, slots = memory.shape
        sizes = (batch, slots, width, parts.shape[1], output.shape[1])
        options = (self.rules.key_written, self.rules.shared, self.rules.zeroed)
        places = (self.rules.address_after, self.rules.epsilon_in_root)
        return _Rules(*sizes, *options, *places, self.rules.usage_decay, EPSILON, torch.finfo(memory.dtype).tiny)

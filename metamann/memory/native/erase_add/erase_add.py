"""The scan of `erase_add.py` in C, where there is a compiler: the chained step, in the nearest cache."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from metamann.memory.native.compiled import pointers

CHUNK = 32  # steps whose memories backward makes again at once


class _Sizes(ctypes.Structure):
    """As in the C file."""

    _fields_ = [(name, ctypes.c_int64) for name in ("batch", "steps", "slots", "width", "chunk")]


def compiled_erase_and_add(
    library: ctypes.CDLL,
    memory: Tensor,
    scores: Tensor,
    erase: Tensor,
    add: Tensor,
    read_scores: Tensor,
    mask: Tensor,
) -> tuple[Tensor, Tensor]:
    """See `scan_erase_and_add`.

    Raises:
        MemoryError: if there is no room for the memories of a chunk.
    """
    result: tuple[Tensor, Tensor] = _Scan.apply(library, memory, scores, erase, add, read_scores, mask)  # type: ignore[no-untyped-call]
    return result


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, library: ctypes.CDLL, memory: Tensor, *plan: Tensor) -> tuple[Tensor, Tensor]:
        """Reads, `batch x steps x heads x width`, and the final memory."""
        plan = scores, _, _, read_scores, _ = tuple(part.contiguous() for part in plan)
        batch, slots, width = memory.shape
        memory = _transposed(memory)
        sizes = _Sizes(batch, scores.shape[1], slots, width, CHUNK)
        starts = memory.new_empty(-(-scores.shape[1] // CHUNK), *memory.shape)
        reads = memory.new_empty(*read_scores.shape[:-1], width)
        if library.scan(ctypes.byref(sizes), *pointers(*plan, memory, starts, reads)):
            raise MemoryError("no room for a memory")
        ctx.library, ctx.sizes = library, sizes
        ctx.save_for_backward(starts, *plan)
        return reads, _transposed(memory)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_reads: Tensor, grad_memory: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to the arguments of `compiled_erase_and_add`."""
        saved = ctx.saved_tensors
        grad_reads, grad_memory = grad_reads.contiguous(), _transposed(grad_memory)
        gradients = [grad_memory, *map(torch.empty_like, saved[1:-1])]
        if ctx.library.gradients(ctypes.byref(ctx.sizes), *pointers(*saved, grad_reads, *gradients)):
            raise MemoryError("no room for the memories of a chunk")
        return None, _transposed(grad_memory), *gradients[1:], None


def _transposed(memory: Tensor) -> Tensor:
    """A copy, `batch x slots x width` to `batch x width x slots` and back."""
    return memory.transpose(1, 2).clone(memory_format=torch.contiguous_format)

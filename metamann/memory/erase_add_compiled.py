"""The scan of `erase_add.py` and its gradient in C, where there is a compiler; arguments steps first."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from metamann.memory.compiled import pointers


class _Sizes(ctypes.Structure):
    """As in the C file."""

    _fields_ = [(name, ctypes.c_int64) for name in ("batch", "steps", "slots", "width", "chunk")]


def scan_compiled(
    library: ctypes.CDLL,
    chunk: int,
    memory: Tensor,
    weights: Tensor,
    erase: Tensor,
    add: Tensor,
    read_weights: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Reads, `steps x batch x heads x width`, the final memory, and the memory at the start of every chunk of steps.

    Raises:
        MemoryError: if there is no room for a memory.
    """
    memory = memory.clone(memory_format=torch.contiguous_format)
    starts = memory.new_empty(-(-len(weights) // chunk), *memory.shape)
    reads = memory.new_empty(*read_weights.shape[:-1], memory.shape[-1])
    given = (weights, erase, add, read_weights)
    if library.scan(ctypes.byref(_sizes(chunk, weights, memory)), *pointers(*given, memory, starts, reads)):
        raise MemoryError("no room for a memory")
    return reads, memory, starts


def gradients_compiled(
    library: ctypes.CDLL,
    chunk: int,
    starts: Tensor,
    weights: Tensor,
    erase: Tensor,
    add: Tensor,
    read_weights: Tensor,
    by_reads: Tensor,
    by_memory: Tensor,
) -> tuple[Tensor, ...]:
    """Gradients by memory, weights, erase, add and read weights; by_reads and by_memory as `scan_compiled` gave both.

    Raises:
        MemoryError: if there is no room for the memories of a chunk.
    """
    by_memory = by_memory.clone(memory_format=torch.contiguous_format)
    made = (by_memory, *map(torch.empty_like, (weights, erase, add, read_weights)))
    given = (starts, weights, erase, add, read_weights, by_reads.contiguous())
    if library.gradients(ctypes.byref(_sizes(chunk, weights, by_memory)), *pointers(*given, *made)):
        raise MemoryError("no room for the memories of a chunk")
    return made


def _sizes(chunk: int, weights: Tensor, memory: Tensor) -> _Sizes:
    batch, slots, width = memory.shape
    return _Sizes(batch, len(weights), slots, width, chunk)

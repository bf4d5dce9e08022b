"""The delta rule over a sequence in C, where there is a compiler: the chained step, in the nearest cache."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from metamann.memory.compiled import pointers

CHUNK = 32  # steps whose fast weights backward makes again at once


class _Sizes(ctypes.Structure):
    """As in the C file."""

    _fields_ = [(name, ctypes.c_int64) for name in ("sequences", "steps", "keys", "values", "chunk")]


def compiled_delta_scan(
    library: ctypes.CDLL, keys: Tensor, values: Tensor, beta: Tensor, alpha: Tensor, fast_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """As `delta_scan`, with the gate a in place of its logarithm, and keys of any length.

    Args:
        library: of `load_library`.
        keys: `batch x heads x steps x key_width`; they are brought to length 1, as by `F.normalize`.
        values: `batch x heads x steps x value_width`.
        beta: `batch x heads x steps`.
        alpha: `batch x heads x steps`.
        fast_weights: `batch x heads x key_width x value_width`.

    Raises:
        MemoryError: if there is no room for the fast weights of a chunk.
    """
    found: tuple[Tensor, Tensor] = _Scan.apply(library, keys, values, beta, alpha, fast_weights)  # type: ignore[no-untyped-call]
    return found


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, library: ctypes.CDLL, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Reads, `batch x heads x steps x value_width`, and the fast weights after the last step."""
        keys, values, beta, alpha, _ = given = tuple(each.contiguous() for each in tensors)
        weights = tensors[-1].clone(memory_format=torch.contiguous_format)
        sizes = _Sizes(weights[..., 0, 0].numel(), keys.shape[2], *weights.shape[2:], CHUNK)
        starts = weights.new_empty(-(-keys.shape[2] // CHUNK), *weights.shape)
        reads = torch.empty_like(values)
        if library.scan(ctypes.byref(sizes), *pointers(*given[:-1], weights, starts, reads)):
            raise MemoryError("no room for the fast weights of a sequence")
        ctx.library, ctx.sizes = library, sizes
        ctx.save_for_backward(starts, keys, values, beta, alpha, reads)
        return reads, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_reads: Tensor, by_weights: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by the arguments of `compiled_delta_scan`."""
        kept = ctx.saved_tensors
        by_reads, by_weights = by_reads.contiguous(), by_weights.clone(memory_format=torch.contiguous_format)
        made = [torch.empty_like(each) for each in kept[1:5]]
        if ctx.library.gradients(ctypes.byref(ctx.sizes), *pointers(*kept, by_reads, by_weights, *made)):
            raise MemoryError("no room for the fast weights of a chunk")
        return None, *made, by_weights

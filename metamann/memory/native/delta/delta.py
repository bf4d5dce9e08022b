"""The delta rule over a sequence in C, where there is a compiler: the chained step, in the nearest cache."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from metamann.memory.native.compiled import pointers

CHUNK = 32  # steps whose fast weights backward makes again at once


class _Sizes(ctypes.Structure):
    """As in the C file."""

    _fields_ = [(name, ctypes.c_int64) for name in ("batch", "heads", "steps", "keys", "values", "chunk", "gated")]


def compiled_delta_scan(
    library: ctypes.CDLL, joint: Tensor, values: Tensor, mask: Tensor, fast_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """As `delta_scan`, of what the layers give: keys of any length, and the gates before their sigmoid.

    Args:
        library: of `load_library`.
        joint: `batch x steps x (heads * key_width + heads)`, keys and logits of b; of a behind them where it is gated.
        values: `batch x heads x steps x value_width`.
        mask: `batch x steps`, false where nothing is written and everything kept.
        fast_weights: `batch x heads x key_width x value_width`.

    Raises:
        MemoryError: if there is no room for the fast weights of a chunk.
    """
    result: tuple[Tensor, Tensor] = _Scan.apply(library, joint, values, mask, fast_weights)  # type: ignore[no-untyped-call]
    return result


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, library: ctypes.CDLL, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Reads, `batch x heads x steps x value_width`, and the fast weights after the last step."""
        joint, values, mask, _ = tuple(tensor.contiguous() for tensor in tensors)
        weights = tensors[-1].clone(memory_format=torch.contiguous_format)
        batch, heads, keys, value_width = weights.shape
        steps = joint.shape[1]
        sizes = _Sizes(batch, heads, steps, keys, value_width, CHUNK, joint.shape[2] > heads * (keys + 1))
        starts = weights.new_empty(-(-steps // CHUNK), *weights.shape)
        reads = torch.empty_like(values)
        if library.scan(ctypes.byref(sizes), *pointers(joint, values, mask, weights, starts, reads)):
            raise MemoryError("no room for the fast weights of a sequence")
        ctx.library, ctx.sizes = library, sizes
        ctx.save_for_backward(starts, joint, values, mask, reads)
        return reads, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_reads: Tensor, grad_weights: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to the arguments of `compiled_delta_scan`."""
        saved = _, joint, values, _, _ = ctx.saved_tensors
        grad_reads, grad_weights = grad_reads.contiguous(), grad_weights.clone(memory_format=torch.contiguous_format)
        grad_joint, grad_values = torch.empty_like(joint), torch.empty_like(values)
        gradients = (grad_weights, grad_joint, grad_values)
        if ctx.library.gradients(ctypes.byref(ctx.sizes), *pointers(*saved, grad_reads, *gradients)):
            raise MemoryError("no room for the fast weights of a chunk")
        return None, grad_joint, grad_values, None, grad_weights

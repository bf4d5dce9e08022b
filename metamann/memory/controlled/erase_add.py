"""Erase and add, the write rule of the Neural Turing Machine [G14], in one step and over a whole sequence.

    M_t = M_{t-1} * (1 - w_t e_t^T) + w_t a_t^T     [G14, eq. 3-4]
    r_t = w^r_t M_t                                 [G14, eq. 2]

Where weights and vectors do not depend on the memory, this is an element-wise linear recurrence. The products of
(1 - w e^T) over time, which underflow, are never formed, let alone divided by. Where there is a compiler and the
tensors are on a CPU, the scan runs in C (`erase_add_compiled.py`).

References:
    [G14] Graves, Wayne and Danihelka, Neural Turing Machines, 2014, arXiv:1410.5401.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from metamann.memory.native.compiled import load_library
from metamann.memory.native.erase_add.erase_add import compiled_erase_and_add

CHUNK = 8  # steps whose memories are held at once, in the cache of a CPU


def erase_and_add(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """All heads erase, then all add [G14, eq. 3-4].

    Args:
        memory: `batch x slots x width`.
        weights: `batch x heads x slots`.
        erase: `batch x heads x width`, from 0 to 1.
        add: `batch x heads x width`.
    """
    for head in range(weights.shape[1]):
        memory = memory * (1 - weights[:, head].unsqueeze(-1) * erase[:, head].unsqueeze(1))
    return memory + weights.transpose(1, 2) @ add


def scan_erase_and_add(
    memory: Tensor, scores: Tensor, erase: Tensor, add: Tensor, read_scores: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """One write head and its readers over a sequence, in C where there is a compiler.

    In PyTorch all but one multiply-add a step is done for many steps at once.

    Args:
        memory: `batch x slots x width`, before the first step.
        scores: `batch x steps x slots`, whose softmax are the weights of the write head.
        erase: `batch x steps x width`, from 0 to 1.
        add: `batch x steps x width`.
        read_scores: `batch x steps x heads x slots`, whose softmax are the read weights.
        mask: `batch x steps`, false where nothing is written.

    Returns:
        Reads of the memory after the write of each step, `batch x steps x heads x width`, and the final memory.
    """
    plan = (scores, erase, add, read_scores)
    one_type = all(part.dtype == memory.dtype for part in plan)
    library = load_library("erase_add", memory.device, memory.dtype, read_scores.shape[2]) if one_type else None
    if library is not None:
        return compiled_erase_and_add(library, memory, *plan, mask)
    weighed = (scores.softmax(-1) * mask.unsqueeze(-1), erase, add, read_scores.softmax(-1))
    steps_first = (part.transpose(0, 1).contiguous() for part in weighed)
    reads, memory = _Scan.apply(memory, *steps_first)  # type: ignore[no-untyped-call]
    return reads.transpose(0, 1), memory


class _Scan(torch.autograd.Function):
    """The recurrence and its hand-written gradient; arguments as in `scan_erase_and_add`, but weights, and steps first.

    Held between forward and backward: the memory at every `CHUNK`-th step, from which backward runs the chunk again.
    """

    @staticmethod
    def forward(
        ctx: Any, memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor, read_weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Reads, `steps x batch x heads x width`, and the final memory."""
        starts = memory.new_empty(-(-len(weights) // CHUNK), *memory.shape)
        reads = memory.new_empty(*read_weights.shape[:-1], memory.shape[-1])
        retained, memories = _Room(CHUNK, memory), _Room(CHUNK + 1, memory)
        for number, first in enumerate(range(0, len(weights), CHUNK)):
            w, e, a, r = (tensor[first : first + CHUNK] for tensor in (weights, erase, add, read_weights))
            starts[number] = memory
            _unroll(memory, w, e, a, retained, memories)
            torch.matmul(r, memories.all[1 : len(w) + 1], out=reads[first : first + CHUNK])
            memory = memories.steps[len(w)].clone()
        ctx.save_for_backward(weights, erase, add, read_weights, starts)
        return reads, memory

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_reads: Tensor, grad_memory: Tensor) -> tuple[Tensor, ...]:
        """Gradients with respect to all arguments.

        With x' for the gradient of x: M'_t = r_t^T read'_t + (1 - w_{t+1} e_{t+1}^T) * M'_{t+1}, step by step;
        all others are products for a whole chunk.
        """
        weights, erase, add, read_weights, starts = ctx.saved_tensors
        grad_weights, grad_erase, grad_add, grad_read_weights = map(
            torch.empty_like, (weights, erase, add, read_weights)
        )
        grad_reads, grad_memory = grad_reads.contiguous(), grad_memory.clone()
        retained, memories, grad_memories = (
            _Room(CHUNK, grad_memory),
            _Room(CHUNK + 1, grad_memory),
            _Room(CHUNK, grad_memory),
        )
        for number, start in reversed(list(enumerate(starts))):
            chunk = slice(number * CHUNK, (number + 1) * CHUNK)
            w, e, a, r, g = (tensor[chunk] for tensor in (weights, erase, add, read_weights, grad_reads))
            _unroll(start, w, e, a, retained, memories)

            grad_after = grad_memories.all[: len(w)]
            torch.matmul(r.transpose(-1, -2), g, out=grad_after)
            grad_after[-1] += grad_memory
            for t in range(len(w) - 1, 0, -1):
                grad_memories.steps[t - 1].addcmul_(retained.steps[t], grad_memories.steps[t])
            torch.mul(retained.steps[0], grad_memories.steps[0], out=grad_memory)

            before, after = memories.all[: len(w)], memories.all[1 : len(w) + 1]
            torch.matmul(g, after.transpose(-1, -2), out=grad_read_weights[chunk])
            w, e, a = w.unsqueeze(-2), e.unsqueeze(-2), a.unsqueeze(-2)
            torch.matmul(w, grad_after, out=grad_add[chunk].unsqueeze(-2))
            torch.matmul(a, grad_after.transpose(-1, -2), out=grad_weights[chunk].unsqueeze(-2))
            grad_retained = grad_after.mul_(before)
            grad_weights[chunk] -= (e @ grad_retained.transpose(-1, -2)).squeeze(-2)
            torch.matmul(-w, grad_retained, out=grad_erase[chunk].unsqueeze(-2))
        return grad_memory, grad_weights, grad_erase, grad_add, grad_read_weights


class _Room:
    """Room for the memories of some steps, taken once: fresh pages cost more than the arithmetic.

    Attributes:
        all: `steps x batch x slots x width`.
        steps: the same, step by step.
    """

    def __init__(self, steps: int, memory: Tensor) -> None:
        self.all = memory.new_empty(steps, *memory.shape)
        self.steps = self.all.unbind()


def _unroll(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor, retained: _Room, memories: _Room) -> None:
    """Fill in 1 - w e^T of every step, and the memories before the first and after every step."""
    steps = len(weights)
    torch.mul(weights.unsqueeze(-1), -erase.unsqueeze(-2), out=retained.all[:steps]).add_(1)
    torch.mul(weights.unsqueeze(-1), add.unsqueeze(-2), out=memories.all[1 : steps + 1])
    memories.steps[0].copy_(memory)
    for t in range(steps):
        memories.steps[t + 1].addcmul_(retained.steps[t], memories.steps[t])

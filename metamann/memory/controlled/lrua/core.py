"""The part of LRUA's loop that has no weights, in PyTorch: cell, write, compare, read, and the gradients of that.

Formulas and names as in `lrua_scan.py`. A memory is `width x slots` here, so that products run along the slots.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from metamann.memory.controlled.cells import backward_step, forward_step, through_sigmoid, through_tanh
from metamann.memory.scores import EPSILON


class Rules(NamedTuple):
    """What the loop needs to know of an `LRUAMemory`; see there.

    Attributes:
        cell: of the controller.
        heads: that read, and that write.
        width: of a row.
        key_written: the key itself is written.
        shared: every head writes to the least used slots of all.
        zeroed: how many of the least used rows are erased.
        address_after: the memory after the write is read.
        usage_decay: g.
        epsilon_in_root: where the epsilon of the cosine stands.
    """

    cell: nn.Module
    heads: int
    width: int
    key_written: bool
    shared: bool
    zeroed: int
    address_after: bool
    usage_decay: float
    epsilon_in_root: bool


class Access(NamedTuple):
    """What a step addressed, read and replaced.

    Attributes:
        slots: `batch x heads`, used least, least first.
        replaced: `batch x width x heads`, the rows of these slots before the write.
        write_weights: `batch x heads x slots`.
        read_weights: `batch x heads x slots`.
        cosines: `batch x heads x slots`.
        scale: `batch x heads x slots`, q.
        row_squares: `batch x slots`, of the rows that were compared with the keys.
        usage: `batch x slots`.
    """

    slots: Tensor
    replaced: Tensor
    write_weights: Tensor
    read_weights: Tensor
    cosines: Tensor
    scale: Tensor
    row_squares: Tensor
    usage: Tensor


class Gradients(NamedTuple):
    """Gradients with respect to what a step hands to the next; names as in `LoopState`.

    Attributes:
        memory: `batch x width x slots`.
        read_weights: `batch x heads x slots`.
        output: `batch x (hidden + heads * width)`.
        cell: `batch x hidden`.
        write_weights: `batch x heads x slots`; None: no gradient, as of every step but the last.
    """

    memory: Tensor
    read_weights: Tensor
    output: Tensor
    cell: Tensor
    write_weights: Tensor | None


class TorchCore:
    """Any device, any precision.

    Args:
        rules: of the memory.
        strength: `heads`, of the cosine.

    Examples:
        >>> rules = Rules(nn.GRUCell(1, 1), 1, 2, True, False, 1, True, 0.95, True)
        >>> memory, output = torch.zeros(1, 2, 3), torch.zeros(1, 3)  # a row of two columns in three slots
        >>> core = TorchCore(rules, strength=torch.ones(1))
        >>> core.step(torch.ones(1, 3), torch.zeros(1, 3), torch.zeros(1, 1, 3), memory, output).slots
        tensor([[0]])
    """

    def __init__(self, rules: Rules, strength: Tensor) -> None:
        self.rules, self.strength = rules, strength.unsqueeze(-1)
        self.epsilon = strength.new_tensor(EPSILON)

    def step(self, parts: Tensor, usage: Tensor, last_reads: Tensor, memory: Tensor, output: Tensor) -> Access:
        """Write, address and read.

        Args:
            parts: `batch x parts`: pre-activations of key, written vector unless it is the key, and gate; tanh and
                sigmoid are taken in place.
            usage: `batch x slots`.
            last_reads: `batch x heads x slots`, read weights of the last step.
            memory: `batch x width x slots`, written to.
            output: `batch x (hidden + heads * width)`, its end is filled with the read.
        """
        rules, heads = self.rules, self.rules.heads
        parts[:, :-heads].tanh_()
        parts[:, -heads:].sigmoid_()
        key, written, gate = self._split(parts)
        slots = _least_used(usage, heads)
        least_used = torch.zeros_like(last_reads).scatter_(2, self._targets(slots), 1.0)
        write_weights = least_used.lerp_(last_reads, gate)
        replaced = memory.gather(2, self._rows(slots))
        before = memory if rules.address_after else memory.clone()
        self._write(slots, write_weights, written, memory)
        addressed = memory if rules.address_after else before
        row_squares = (addressed * addressed).sum(1)
        scale = self._scale(key.square().sum(-1, keepdim=True), row_squares)
        cosines = torch.bmm(key, addressed).mul_(scale)
        reads = torch.softmax(cosines * self.strength, -1)
        read = torch.bmm(reads, memory.transpose(1, 2)).flatten(1)
        output[:, -read.shape[1] :].copy_(read)
        new_usage = (reads + write_weights).sum(1).add_(usage, alpha=rules.usage_decay)
        return Access(slots, replaced, write_weights, reads, cosines, scale, row_squares, new_usage)

    def write_again(self, parts: Tensor, access: Access, memory: Tensor) -> None:
        """Write as `step` did."""
        self._write(access.slots, access.write_weights, self._split(parts)[1], memory)

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
        """Gradients of a step, and its write taken back.

        Args:
            parts: as `step` left them.
            last_reads: as in `step`.
            access: of `step`.
            memory: as `step` left it; brought back to what it was before, but for rounding.
            gradients: by what the step handed on; `memory` and `read_weights` may be overwritten.
            grad_parts: filled with the gradient by the pre-activations of the parts.
            grad_strength: `batch x heads`, added to.

        Returns:
            Gradients with respect to the memory and to the read weights before the step.
        """
        rules, weights, slots = self.rules, access.read_weights, access.slots
        key, written, gate = self._split(parts)
        grad_key, grad_written, grad_gate = self._split(grad_parts)
        grad_read = gradients.output[:, -key.shape[1:].numel() :].view_as(key)
        grad_memory, keys = gradients.memory, key.transpose(1, 2)

        grad_reads = torch.baddbmm(gradients.read_weights, grad_read, memory)
        grad_scores = torch._softmax_backward_data(grad_reads, weights, -1, weights.dtype)
        grad_strength += (grad_scores * access.cosines).sum(-1)
        grad_products = (grad_scores * self.strength).mul_(access.scale)
        key_squares = key.square().sum(-1, keepdim=True)
        grad_squares = (grad_products * access.cosines).mul_(self._slope(key_squares, access.row_squares, access.scale))
        # full writes into nearly empty rows are not taken back: these rows are saved
        unwritten = torch.baddbmm(memory, written.transpose(1, 2), access.write_weights, alpha=-1)
        before = unwritten.scatter_(2, self._rows(slots), access.replaced)
        addressed = memory if rules.address_after else before
        of_rows = torch.bmm(key_squares.transpose(1, 2), grad_squares)
        of_key = torch.bmm(grad_products, addressed.transpose(1, 2))
        of_key.addcmul_(key, torch.bmm(grad_squares, access.row_squares.unsqueeze(-1)), value=-1)

        grad_memory.baddbmm_(grad_read.transpose(1, 2), weights)
        if rules.address_after:
            grad_memory.baddbmm_(keys, grad_products).addcmul_(addressed, of_rows, value=-1)
        grad_writes = torch.bmm(written, grad_memory)
        if gradients.write_weights is not None:
            grad_writes += gradients.write_weights
        grad_written.copy_(torch.bmm(access.write_weights, grad_memory.transpose(1, 2)))
        grad_memory.scatter_(2, self._rows(slots[:, : rules.zeroed]), 0.0)
        if not rules.address_after:
            grad_memory.baddbmm_(keys, grad_products).addcmul_(addressed, of_rows, value=-1)
        to_least_used = grad_writes.gather(2, self._targets(slots)).sum(-1, keepdim=True)
        grad_gate.copy_((grad_writes * last_reads).sum(-1, keepdim=True)).sub_(to_least_used)
        if rules.key_written:
            grad_key.add_(of_key)
        else:
            grad_key.copy_(of_key)
        vectors = parts.shape[1] - rules.heads
        through_tanh(grad_parts[:, :vectors], parts[:, :vectors])
        through_sigmoid(grad_gate, gate)
        memory.copy_(before)
        return grad_memory, grad_writes.mul_(gate)

    def cell_step(self, z: Tensor, h: Tensor, c: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """`forward_step` of the controller."""
        return forward_step(self.rules.cell, z, h, c, out)

    def cell_gradients(
        self, z: Tensor, h: Tensor, c: Tensor, saved: Tensor, grad_h: Tensor, grad_c: Tensor, grad_z: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """`backward_step` of the controller; `grad_c` may be overwritten."""
        return backward_step(self.rules.cell, z, h, c, saved, grad_h, grad_c, grad_z)

    def _split(self, parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views of key and written vector, `batch x heads x width`, and gate, `batch x heads x 1`."""
        heads = self.rules.heads
        vectors = parts[:, :-heads].view(len(parts), 1 if self.rules.key_written else 2, heads, self.rules.width)
        return vectors[:, 0], vectors[:, -1], parts[:, -heads:].unsqueeze(-1)

    def _targets(self, slots: Tensor) -> Tensor:
        """The least used slots that each head writes to, `batch x heads x slots of a head`."""
        return slots.unsqueeze(1).expand(-1, slots.shape[1], -1) if self.rules.shared else slots.unsqueeze(-1)

    def _write(self, slots: Tensor, write_weights: Tensor, written: Tensor, memory: Tensor) -> None:
        zeroed = self._rows(slots[:, : self.rules.zeroed])
        memory.scatter_(2, zeroed, 0.0).baddbmm_(written.transpose(1, 2), write_weights)

    def _rows(self, slots: Tensor) -> Tensor:
        """Slots `batch x slots chosen`, for each entry of a row."""
        return slots.unsqueeze(1).expand(-1, self.rules.width, -1)

    def _scale(self, key_squares: Tensor, row_squares: Tensor) -> Tensor:
        rows = row_squares.unsqueeze(1)
        if self.rules.epsilon_in_root:
            return torch.addcmul(self.epsilon, key_squares, rows).rsqrt_()
        return (key_squares * rows).add_(torch.finfo(rows.dtype).tiny).sqrt_().add_(self.epsilon).reciprocal_()

    def _slope(self, key_squares: Tensor, row_squares: Tensor, scale: Tensor) -> Tensor:
        """-2 / cos times the gradient of the cosine by |k|^2 |M'|^2, over q; finite where a row is empty."""
        if self.rules.epsilon_in_root:
            return scale
        return (key_squares * row_squares.unsqueeze(1)).add_(torch.finfo(scale.dtype).tiny).rsqrt_()


def _least_used(usage: Tensor, heads: int) -> Tensor:
    """The slots used least, least first, of equals the one of the lowest number, `batch x heads`."""
    left, slots = usage.clone(), []
    for _ in range(heads):
        slots.append(left.min(-1, keepdim=True).indices)
        left.scatter_(1, slots[-1], torch.inf)
    return torch.cat(slots, 1)

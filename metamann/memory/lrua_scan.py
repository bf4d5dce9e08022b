"""The loop of LRUA with its gradient by hand: no graph is built inside it, and weight gradients are formed after it.

Forward, the formulas of `lrua.py`, from what is known before the loop (x: pre-activations of all steps):

    z = x^z_t + [h; r] W_z,  h', c' = cell(z, h, c),  p = x^p_t + h' W_p,  k = tanh p_k,  a = tanh p_a,  g = sigmoid p_g
    w^w = g w^r + (1 - g) lu,   M' = M without the zeroed rows + w^w^T a
    s = b cos(k, M'),           w^r' = softmax(s),   r' = w^r' M'

Backward, with D.x for the gradient by x, from the last step to the first:

    D.w^r' += D.r' M'^T,        D.M' += w^r'^T D.r',  D.s = w^r' (D.w^r' - sum over slots of w^r' D.w^r')
    cos = P q with P = k M'^T and q = (|k|^2 |M'|^2 + e)^-1/2:
    D.P = b q D.s,              e = - b D.s cos q^2 is the gradient by |k| |M'| squared, twice
    D.k = D.P M' + k sum over slots of e |M'|^2,      D.M' += D.P^T k + M' sum over heads of e |k|^2
    D.w^w = a D.M'^T,           D.a = w^w D.M',       D.M = D.M' without the zeroed rows
    D.g = sum over slots of D.w^w (w^r - lu),         D.w^r = g D.w^w
    D.h' += D.p W_p^T,          D.z, D.c by the cell, D.[h; r] = D.z W_z^T

A masked step passes every gradient on. The memory is kept at the start of every chunk only; backward writes the chunk
again, which takes a tenth of the step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from metamann.memory.cells import backward_step, forward_step
from metamann.memory.scores import EPSILON

CHUNK = 16  # steps whose memories are held at once


class Rules(NamedTuple):
    """What the loop needs to know of an `LRUAMemory`; see there.

    Attributes:
        cell: of the controller.
        key_written: the key itself is written.
        shared: every head writes to the least used slots of all.
        zeroed: how many of the least used rows are erased.
        address_after: the memory after the write is read.
        usage_decay: g.
        epsilon_in_root: where the epsilon of the cosine stands.
    """

    cell: nn.Module
    key_written: bool
    shared: bool
    zeroed: int
    address_after: bool
    usage_decay: float
    epsilon_in_root: bool


class Carried(NamedTuple):
    """What a step hands to the next.

    Attributes:
        memory: `batch x slots x width`.
        usage: `batch x slots`.
        read_weights: `batch x heads x slots`.
        output: `batch x (hidden + heads * width)`, hidden state of the controller and read.
        cell: `batch x hidden`, of an LSTM.
        write_weights: `batch x heads x slots`.
    """

    memory: Tensor
    usage: Tensor
    read_weights: Tensor
    output: Tensor
    cell: Tensor
    write_weights: Tensor


class Step(NamedTuple):
    """What backward needs of a step: its start, but for the memory, and what came of it."""

    read_weights: Tensor
    output: Tensor
    cell: Tensor
    next_cell: Tensor
    slots: Tensor
    write_weights: Tensor
    next_read_weights: Tensor
    cosines: Tensor
    row_squares: Tensor
    shown: Tensor | None


def scan_lrua(
    rules: Rules,
    mask: Tensor,
    start: Carried,
    z: Tensor,
    parts: Tensor,
    recurrent: Tensor,
    interface: Tensor,
    strength: Tensor,
) -> tuple[Tensor, Carried]:
    """Run over a sequence.

    Args:
        rules: of the memory.
        mask: `batch x steps`.
        start: what came before.
        z: `steps x batch x z width`, pre-activations of the controller, as far as they are known.
        parts: `steps x batch x parts`, pre-activations of key, written vector (unless it is the key) and gate.
        recurrent: `(hidden + heads * width) x z width`.
        interface: `hidden x parts`.
        strength: `heads`, of the cosine.

    Returns:
        The output of every step, `batch x steps x (hidden + heads * width)`, and what is handed on in the end.
    """
    outputs, *final = _Loop.apply(rules, mask, *start, z, parts, recurrent, interface, strength)  # type: ignore[no-untyped-call]
    return outputs.transpose(0, 1), Carried(*final)


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rules: Rules, mask: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Outputs, steps first, and the final state; arguments as in `scan_lrua`."""
        state, (z, parts, recurrent, interface, strength) = Carried(*tensors[:6]), tensors[6:]
        heads, hidden = strength.shape[0], interface.shape[0]
        z, parts = z.clone(), parts.clone()
        outputs = z.new_empty(*z.shape[:2], recurrent.shape[0])
        memories, steps, all_shown = [], [], mask.all(0).tolist()
        for t in range(len(z)):
            if t % CHUNK == 0:
                memories.append(state.memory)
            shown = None if all_shown[t] else mask[:, t]
            z[t].addmm_(state.output, recurrent)
            h, next_cell = forward_step(rules.cell, z[t], state.output[:, :hidden], state.cell)
            parts[t].addmm_(h, interface)
            parts[t, :, :-heads].tanh_()
            parts[t, :, -heads:].sigmoid_()
            key, written, gate = _split(rules, parts[t], heads)

            slots = state.usage.argsort(dim=-1, stable=True)[:, :heads]
            targets = _targets(rules, slots)
            write_weights = (gate * state.read_weights).scatter_add_(2, targets, (1 - gate).expand_as(targets))
            memory = _written(rules, state.memory, slots, write_weights, written)
            addressed = memory if rules.address_after else state.memory
            row_squares = torch.linalg.vector_norm(addressed, dim=-1).square_()
            scale, _ = _scale(rules, key, row_squares)
            cosines = torch.bmm(key, addressed.transpose(1, 2)).mul_(scale)
            read_weights = (cosines * strength.unsqueeze(-1)).softmax(-1)
            usage = (read_weights + write_weights).sum(1).add_(state.usage, alpha=rules.usage_decay)
            torch.cat([h, torch.bmm(read_weights, memory).flatten(1)], -1, out=outputs[t])

            found = (next_cell, slots, write_weights, read_weights, cosines, row_squares, shown)
            steps.append(Step(state.read_weights, state.output, state.cell, *found))
            new = Carried(memory, usage, read_weights, outputs[t], next_cell, write_weights)
            state = new if shown is None else _blended(shown, new, state)
        ctx.rules, ctx.mask, ctx.steps, ctx.memories, ctx.rooms = rules, mask, steps, memories, (z, parts, outputs)
        ctx.save_for_backward(recurrent, interface, strength)
        # copies: what is handed out must not lead back here
        return (outputs.clone(), *(part.clone() for part in state))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, *by_final: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by the arguments of `scan_lrua`; names as in the formulas on top, `by_x` for D.x."""
        rules, (z, parts, outputs) = ctx.rules, ctx.rooms
        recurrent, interface, strength = ctx.saved_tensors
        heads, hidden = strength.shape[0], interface.shape[0]
        by_z, by_parts, by_strength = torch.empty_like(z), torch.empty_like(parts), torch.zeros_like(strength)
        by_memory, by_usage, *by_others = by_final
        by = (by_memory.clone(), *by_others)
        for number, start in reversed(list(enumerate(ctx.memories))):
            chunk = range(number * CHUNK, min((number + 1) * CHUNK, len(z)))
            befores, afters = _written_again(rules, start, ctx.steps, parts, heads, chunk)
            for t in reversed(chunk):
                step, before, after = ctx.steps[t], befores.pop(), afters.pop()
                passed, by = _passed_on(step.shown, by)
                by_memory, by_read_weights, by_output, by_cell, by_write_weights = by
                key, written, gate = _split(rules, parts[t], heads)
                by_output = by_output + by_outputs[t]
                by_h, by_read = by_output[:, :hidden], by_output[:, hidden:].view(len(by_output), heads, -1)

                weights = step.next_read_weights
                by_read_weights = torch.baddbmm(by_read_weights, by_read, after.transpose(1, 2))
                by_scores = weights * (by_read_weights - (weights * by_read_weights).sum(-1, keepdim=True))
                addressed = after if rules.address_after else before
                scale, slope = _scale(rules, key, step.row_squares)
                by_cosines = by_scores * strength.unsqueeze(-1)
                by_squares = by_cosines * step.cosines
                by_strength += (by_scores * step.cosines).sum((0, 2))
                by_squares.mul_(slope).neg_()
                by_products = by_cosines.mul_(scale)
                by_key = torch.bmm(by_products, addressed)
                by_key.addcmul_(key, torch.bmm(by_squares, step.row_squares.unsqueeze(-1)))
                by_row_squares = torch.bmm((key * key).sum(-1).unsqueeze(1), by_squares).transpose(1, 2)

                if rules.address_after:
                    sources, targets = torch.cat([weights, by_products], 1), torch.cat([by_read, key], 1)
                    by_memory.baddbmm_(sources.transpose(1, 2), targets).addcmul_(after, by_row_squares)
                else:
                    by_memory.baddbmm_(weights.transpose(1, 2), by_read)
                by_write_weights = torch.baddbmm(by_write_weights, written, by_memory.transpose(1, 2))
                by_written = torch.bmm(step.write_weights, by_memory)
                _zero_rows(by_memory, step.slots[:, : rules.zeroed])
                if not rules.address_after:
                    by_memory.baddbmm_(by_products.transpose(1, 2), key).addcmul_(before, by_row_squares)
                to_least_used = by_write_weights.gather(2, _targets(rules, step.slots)).sum(-1)
                by_gate = (by_write_weights * step.read_weights).sum(-1) - to_least_used

                by_key_part, by_written_part, by_gate_part = _split(rules, by_parts[t], heads)
                by_written_part.copy_(by_written)
                if rules.key_written:
                    by_key_part.add_(by_key)
                else:
                    by_key_part.copy_(by_key)
                by_gate_part.copy_(by_gate.unsqueeze(-1))
                vectors, by_vectors = parts[t, :, :-heads], by_parts[t, :, :-heads]
                by_vectors.addcmul_(by_vectors * vectors, vectors, value=-1)
                by_gate_part.mul_(gate).mul_(1 - gate)

                by_h = torch.addmm(by_h, by_parts[t], interface.T)
                at_start = (step.output[:, :hidden], step.cell, step.next_cell)
                directly, by_cell = backward_step(rules.cell, z[t], *at_start, by_h, by_cell, by_z[t])
                by_output = by_z[t] @ recurrent.T
                if directly is not None:
                    by_output[:, :hidden] += directly
                by = (by_memory, gate * by_write_weights, by_output, by_cell, torch.zeros_like(by_write_weights))
                if passed is not None:
                    by = tuple(each + other for each, other in zip(by, passed, strict=True))
        # usage only ranks the slots: of its gradient, only what comes by the usage before is left
        by_usage = by_usage * rules.usage_decay ** ctx.mask.sum(1, keepdim=True).to(by_usage.dtype)
        starts = torch.stack([step.output for step in ctx.steps]).flatten(0, 1)
        by_recurrent = starts.T @ by_z.flatten(0, 1)
        by_interface = outputs[..., :hidden].flatten(0, 1).T @ by_parts.flatten(0, 1)
        return None, None, by[0], by_usage, *by[1:], by_z, by_parts, by_recurrent, by_interface, by_strength


def _split(rules: Rules, parts: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views of key and written vector, `batch x heads x width`, and gate, `batch x heads x 1`."""
    vectors = parts[:, :-heads].view(len(parts), 1 if rules.key_written else 2, heads, -1)
    return vectors[:, 0], vectors[:, -1], parts[:, -heads:].unsqueeze(-1)


def _targets(rules: Rules, slots: Tensor) -> Tensor:
    """The least used slots that each head writes to, `batch x heads x slots of a head`."""
    heads = slots.shape[1]
    return slots.unsqueeze(1).expand(-1, heads, -1) if rules.shared else slots.unsqueeze(-1)


def _zero_rows(memory: Tensor, slots: Tensor) -> Tensor:
    return memory.scatter_(1, slots.unsqueeze(-1).expand(-1, -1, memory.shape[-1]), 0.0)


def _written(rules: Rules, memory: Tensor, slots: Tensor, write_weights: Tensor, written: Tensor) -> Tensor:
    """The memory after the write."""
    return _zero_rows(memory.clone(), slots[:, : rules.zeroed]).baddbmm_(write_weights.transpose(1, 2), written)


def _scale(rules: Rules, key: Tensor, row_squares: Tensor) -> tuple[Tensor, Tensor]:
    """q, which makes products cosines, and -2 / cos times the gradient of the cosine by the product of both squares."""
    squares = torch.bmm((key * key).sum(-1, keepdim=True), row_squares.unsqueeze(1))
    if rules.epsilon_in_root:
        scale = squares.add_(EPSILON).rsqrt_()
        return scale, scale * scale
    lengths = squares.add_(torch.finfo(squares.dtype).tiny).sqrt_()
    scale = 1 / (lengths + EPSILON)
    return scale, scale / lengths


def _blended(shown: Tensor, new: Carried, old: Carried) -> Carried:
    """The new state where an item was shown, else the old one."""
    pairs = zip(new, old, strict=True)
    return Carried(*(torch.where(shown.view(-1, *[1] * (after.dim() - 1)), after, before) for after, before in pairs))


def _passed_on(shown: Tensor | None, by: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...] | None, tuple[Tensor, ...]]:
    """Gradients that a masked step passes on (None: there is no masked step), and those that a step takes in."""
    if shown is None:
        return None, by
    masks = [shown.view(-1, *[1] * (each.dim() - 1)) for each in by]
    pairs = list(zip(by, masks, strict=True))
    return tuple(each * ~mask for each, mask in pairs), tuple(each * mask for each, mask in pairs)


def _written_again(
    rules: Rules, start: Tensor, steps: list[Step], parts: Tensor, heads: int, chunk: range
) -> tuple[list[Tensor], list[Tensor]]:
    """The memories before and after each step of a chunk."""
    befores, afters = [start], []
    for t in chunk:
        step = steps[t]
        _, written, _ = _split(rules, parts[t], heads)
        afters.append(_written(rules, befores[-1], step.slots, step.write_weights, written))
        shown = step.shown
        befores.append(afters[-1] if shown is None else torch.where(shown.view(-1, 1, 1), afters[-1], befores[-1]))
    return befores[:-1], afters

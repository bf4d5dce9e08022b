"""The loop of LRUA with its gradient by hand: no graph is built inside it, and weight gradients are formed after it.

Forward, the formulas of `lrua.py`, from what is known before the loop (x: pre-activations of all steps):

    z = x^z_t + [h; r] W_z,  h', c' = cell(z, h, c),  p = x^p_t + h' W_p,  k = tanh p_k,  a = tanh p_a,  g = sigmoid p_g
    w^w = lu + g (w^r - lu),    M' = M without the zeroed rows + w^w^T a
    cos = P q with P = k M'^T and q = (|k|^2 |M'|^2 + e)^-1/2,    w^r' = softmax(b cos),    r' = w^r' M'

Backward, with D.x for the gradient by x, from the last step to the first:

    D.w^r' += D.r' M'^T,        D.s by the softmax,           D.b = sum of D.s cos
    D.P = b q D.s,              e = D.P cos q, minus the gradient by |k|^2 |M'|^2 twice
    D.k = D.P M' - k sum over slots of e |M'|^2
    D.M' += w^r'^T D.r' + D.P^T k - M' sum over heads of e |k|^2
    D.w^w = a D.M'^T,           D.a = w^w D.M',               D.M = D.M' without the zeroed rows
    D.g = sum over slots of D.w^w (w^r - lu),                 D.w^r = g D.w^w
    D.h' += D.p W_p^T,          D.z, D.c by the cell,         D.[h; r] = D.z W_z^T

A masked step passes every gradient on. Inside the loop a memory is `width x slots`, so that products run along the
slots. Memories are held for one chunk of steps, and the start of every chunk is kept; backward writes earlier chunks
again, which takes a tenth of the step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from metamann.memory.cells import backward_step, forward_step, through_sigmoid, through_tanh
from metamann.memory.scores import EPSILON

CHUNK = 64  # steps whose memories are held at once


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
        memory: `batch x slots x width`; inside the loop `batch x width x slots`.
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
    kept: Tensor
    slots: Tensor
    write_weights: Tensor
    next_read_weights: Tensor
    cosines: Tensor
    scale: Tensor
    row_squares: Tensor
    shown: Tensor | None


class Parts(NamedTuple):
    """Views of the interface, a list over steps each.

    Attributes:
        vectors: key and written vector, `batch x (heads * width or twice that)`.
        key: `batch x heads x width`.
        written: `batch x heads x width`; the key, where that is written.
        gate: `batch x heads x 1`.
    """

    vectors: tuple[Tensor, ...]
    key: tuple[Tensor, ...]
    written: tuple[Tensor, ...]
    gate: tuple[Tensor, ...]

    @classmethod
    def of(cls, parts: Tensor, heads: int, key_written: bool) -> Parts:
        """Split `steps x batch x parts`."""
        vectors = parts[..., :-heads]
        by_head = vectors.view(*vectors.shape[:2], 1 if key_written else 2, heads, -1)
        return cls(*map(torch.unbind, (vectors, by_head[:, :, 0], by_head[:, :, -1], parts[..., -heads:, None])))


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
        start, (z, parts, recurrent, interface, strength) = Carried(*tensors[:6]), tensors[6:]
        heads, hidden = strength.shape[0], interface.shape[0]
        state = start._replace(memory=start.memory.transpose(1, 2))
        z, parts = (each.clone(memory_format=torch.contiguous_format) for each in (z, parts))
        recurrent, interface, sharpness = recurrent.contiguous(), interface.contiguous(), strength.unsqueeze(-1)
        all_z, all_parts, gates = z.unbind(), parts.unbind(), parts[..., -heads:].unbind()
        vectors, keys, written, gate = Parts.of(parts, heads, rules.key_written)
        outputs = z.new_empty(*z.shape[:2], recurrent.shape[0])
        all_outputs, hiddens, reads = outputs.unbind(), outputs[..., :hidden].unbind(), outputs[..., hidden:].unbind()
        room = state.memory.new_empty(min(CHUNK, len(z)) + 1, *state.memory.shape).unbind()
        scratch, epsilon = torch.empty_like(room[0]), z.new_tensor(EPSILON)
        starts, steps, all_shown = [], [], mask.all(0).tolist()
        for t in range(len(z)):
            here = t % CHUNK
            if here == 0:
                starts.append(state.memory.clone())
                room[0].copy_(starts[-1])
            before, memory = room[here], room[here + 1]
            all_z[t].addmm_(state.output, recurrent)
            next_cell, kept = forward_step(rules.cell, all_z[t], state.output[:, :hidden], state.cell, hiddens[t])
            all_parts[t].addmm_(hiddens[t], interface)
            vectors[t].tanh_()
            gates[t].sigmoid_()

            slots = _least_used(state.usage, heads)
            least_used = torch.zeros_like(state.read_weights).scatter_(2, _targets(rules, slots), 1.0)
            write_weights = least_used.lerp_(state.read_weights, gate[t])
            _write(rules, before, slots, write_weights, written[t], out=memory)
            addressed = memory if rules.address_after else before
            row_squares = torch.mul(addressed, addressed, out=scratch).sum(1)
            scale = _scale(rules, epsilon, keys[t].square().sum(-1, keepdim=True), row_squares)
            cosines = torch.bmm(keys[t], addressed).mul_(scale)
            read_weights = torch.softmax(cosines * sharpness, -1)
            usage = (read_weights + write_weights).sum(1).add_(state.usage, alpha=rules.usage_decay)
            reads[t].copy_(torch.bmm(read_weights, memory.transpose(1, 2)).flatten(1))

            shown = None if all_shown[t] else mask[:, t]
            found = (kept, slots, write_weights, read_weights, cosines, scale, row_squares, shown)
            steps.append(Step(state.read_weights, state.output, state.cell, *found))
            new = Carried(memory, usage, read_weights, all_outputs[t], next_cell, write_weights)
            if shown is not None:
                new = _blended(shown, new, state._replace(memory=before))
                memory.copy_(new.memory)
            state = new
        ctx.rules, ctx.mask, ctx.steps, ctx.starts = rules, mask, steps, starts
        ctx.filled, ctx.room, ctx.in_room = (z, parts, outputs), room, len(starts) - 1
        ctx.save_for_backward(recurrent, interface, strength)
        # copies: what is handed out must not lead back here
        final = state._replace(memory=state.memory.transpose(1, 2))
        return (outputs.clone(), *(part.clone(memory_format=torch.contiguous_format) for part in final))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, *by_final: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by the arguments of `scan_lrua`; names as in the formulas on top, `by_x` for D.x."""
        rules, room, (z, parts, outputs) = ctx.rules, ctx.room, ctx.filled
        recurrent, interface, strength = ctx.saved_tensors
        heads, hidden = strength.shape[0], interface.shape[0]
        to_output, to_hidden, sharpness = recurrent.T.contiguous(), interface.T.contiguous(), strength.unsqueeze(-1)
        by_z, by_parts = torch.empty_like(z), torch.empty_like(parts)
        all_z, all_by_z, all_by_parts, all_by_outputs = map(torch.unbind, (z, by_z, by_parts, by_outputs))
        vectors, keys, written, gate = Parts.of(parts, heads, rules.key_written)
        by_vectors, by_keys, by_written, by_gate = Parts.of(by_parts, heads, rules.key_written)
        key_squares = torch.stack(keys).square_().sum(-1).unsqueeze(2).unbind()  # batch x 1 x heads
        by_strength = torch.zeros_like(ctx.starts[0][:, :1]).expand(-1, heads, -1).contiguous()
        by_memory, by_usage, *by_others = by_final
        by: tuple[Tensor, ...] = (by_memory.transpose(1, 2).contiguous(), *by_others)
        for t in reversed(range(len(z))):
            here = t % CHUNK
            step, before, memory = ctx.steps[t], room[here], room[here + 1]
            if ctx.in_room != t // CHUNK:
                ctx.in_room = t // CHUNK
                _write_again(rules, ctx.starts[ctx.in_room], ctx.steps[t - here : t + 1], written[t - here :], room)
            if step.shown is not None:  # the room has what was kept, the step read what it would have written
                memory = _write(rules, before, step.slots, step.write_weights, written[t], out=torch.empty_like(before))
            passed, by = _passed_on(step.shown, by)
            by_memory, by_read_weights, by_output, by_cell, by_write_weights = by
            by_output = by_output + all_by_outputs[t]
            by_h, by_read = by_output[:, :hidden], by_output[:, hidden:].view(len(by_output), heads, -1)

            weights, cosines, row_squares = step.next_read_weights, step.cosines, step.row_squares
            by_read_weights = torch.baddbmm(by_read_weights, by_read, memory)
            by_scores = torch._softmax_backward_data(by_read_weights, weights, -1, weights.dtype)
            by_products = (by_scores * sharpness).mul_(step.scale)
            by_strength.addcmul_(by_scores, cosines)
            by_squares = (by_products * cosines).mul_(_slope(rules, step.scale))
            addressed = memory if rules.address_after else before
            by_key = torch.bmm(by_products, addressed.transpose(1, 2))
            by_key.addcmul_(keys[t], torch.bmm(by_squares, row_squares.unsqueeze(-1)), value=-1)
            by_row_squares = torch.bmm(key_squares[t], by_squares)

            by_memory.baddbmm_(by_read.transpose(1, 2), weights)
            if rules.address_after:
                by_memory.baddbmm_(keys[t].transpose(1, 2), by_products).addcmul_(memory, by_row_squares, value=-1)
            by_write_weights = torch.baddbmm(by_write_weights, written[t], by_memory)
            by_written[t].copy_(torch.bmm(step.write_weights, by_memory.transpose(1, 2)))
            _zero_rows(by_memory, step.slots[:, : rules.zeroed])
            if not rules.address_after:
                by_memory.baddbmm_(keys[t].transpose(1, 2), by_products).addcmul_(before, by_row_squares, value=-1)
            to_least_used = by_write_weights.gather(2, _targets(rules, step.slots)).sum(-1, keepdim=True)
            torch.sum(by_write_weights * step.read_weights, -1, keepdim=True, out=by_gate[t]).sub_(to_least_used)
            if rules.key_written:
                by_keys[t].add_(by_key)
            else:
                by_keys[t].copy_(by_key)
            through_tanh(by_vectors[t], vectors[t])
            through_sigmoid(by_gate[t], gate[t])

            by_h = torch.addmm(by_h, all_by_parts[t], to_hidden)
            at_start = (step.output[:, :hidden], step.cell, step.kept)
            directly, by_cell = backward_step(rules.cell, all_z[t], *at_start, by_h, by_cell, all_by_z[t])
            by_output = all_by_z[t] @ to_output
            if directly is not None:
                by_output[:, :hidden] += directly
            by = (by_memory, by_write_weights.mul_(gate[t]), by_output, by_cell, torch.zeros_like(by_write_weights))
            if passed is not None:
                by = tuple(each + other for each, other in zip(by, passed, strict=True))
        # usage only ranks the slots: of its gradient, only what comes by the usage before is left
        by_usage = by_usage * rules.usage_decay ** ctx.mask.sum(1, keepdim=True).to(by_usage.dtype)
        starts = torch.stack([step.output for step in ctx.steps]).flatten(0, 1)
        by_recurrent = starts.T @ by_z.flatten(0, 1)
        by_interface = outputs[..., :hidden].flatten(0, 1).T @ by_parts.flatten(0, 1)
        by_start = (by[0].transpose(1, 2), by_usage, *by[1:])
        return None, None, *by_start, by_z, by_parts, by_recurrent, by_interface, by_strength.sum((0, 2))


def _least_used(usage: Tensor, heads: int) -> Tensor:
    """The slots used least, least first, of equals the one of the lowest number, `batch x heads`."""
    left, slots = usage.clone(), []
    for _ in range(heads):
        slots.append(left.min(-1, keepdim=True).indices)
        left.scatter_(1, slots[-1], torch.inf)
    return torch.cat(slots, 1)


def _targets(rules: Rules, slots: Tensor) -> Tensor:
    """The least used slots that each head writes to, `batch x heads x slots of a head`."""
    heads = slots.shape[1]
    return slots.unsqueeze(1).expand(-1, heads, -1) if rules.shared else slots.unsqueeze(-1)


def _zero_rows(memory: Tensor, slots: Tensor) -> Tensor:
    return memory.scatter_(2, slots.unsqueeze(1).expand(-1, memory.shape[1], -1), 0.0)


def _write(rules: Rules, before: Tensor, slots: Tensor, write_weights: Tensor, written: Tensor, out: Tensor) -> Tensor:
    """Fill `out` with the memory after the write."""
    return _zero_rows(out.copy_(before), slots[:, : rules.zeroed]).baddbmm_(written.transpose(1, 2), write_weights)


def _scale(rules: Rules, epsilon: Tensor, key_squares: Tensor, row_squares: Tensor) -> Tensor:
    """q, which makes products cosines, `batch x heads x slots`."""
    rows = row_squares.unsqueeze(1)
    if rules.epsilon_in_root:
        return torch.addcmul(epsilon, key_squares, rows).rsqrt_()
    return (key_squares * rows).add_(torch.finfo(rows.dtype).tiny).sqrt_().add_(epsilon).reciprocal_()


def _slope(rules: Rules, scale: Tensor) -> Tensor:
    """-2 / cos times the gradient of the cosine by |k|^2 |M'|^2, over q."""
    if rules.epsilon_in_root:
        return scale
    return 1 / (1 / scale - EPSILON)


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


def _write_again(
    rules: Rules, start: Tensor, steps: list[Step], written: tuple[Tensor, ...], room: tuple[Tensor, ...]
) -> None:
    """Fill the room with the memories of a chunk."""
    room[0].copy_(start)
    for step, vectors, before, memory in zip(steps, written, room, room[1:], strict=False):
        _write(rules, before, step.slots, step.write_weights, vectors, out=memory)
        if step.shown is not None:
            memory.copy_(torch.where(step.shown.view(-1, 1, 1), memory, before))

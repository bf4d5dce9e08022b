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

A masked step passes every gradient on. What has no weights, the cell and all from tanh and sigmoid of the parts to the
read, is a core: `memory.native.lrua` where there is a compiler and the tensors are on a CPU, else `core.py`. There
is one memory, which is written to in place: backward takes the writes back one by one, M = M' - w^w^T a, but for the
rows of the least used slots, which are kept. A memory that is kept every `CHUNK` steps bounds what rounding adds up
to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from metamann.memory.controlled.lrua.core import By, Found, Rules, TorchCore
from metamann.memory.native.compiled import load_library
from metamann.memory.native.lrua.lrua import CompiledCore

CHUNK = 64  # steps that are taken back from one memory that was kept


class Carried(NamedTuple):
    """What a step hands to the next.

    Attributes:
        memory: `batch x slots x width`; inside the loop `batch x width x slots`, so that products run along the slots.
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
    """What backward needs of a step: its start, but for memory and output, and what came of it; `shown` None: all."""

    read_weights: Tensor
    cell: Tensor
    kept: Tensor
    found: Found
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
        z: `steps x batch x z width`, pre-activations of the controller, as far as they are known; overwritten.
        parts: `steps x batch x parts`, pre-activations of key, written vector (unless it is the key) and gate;
            overwritten.
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
        # contiguous, as the core wants it; the memory is written to
        memory = _copy(tensors[0].transpose(1, 2))
        state = Carried(memory, *(each.contiguous() for each in tensors[1:6]))
        z, parts, recurrent, interface, strength = (each.contiguous() for each in tensors[6:])
        hidden = interface.shape[0]
        core = _core(rules, strength, (*state, z, parts, recurrent, interface))
        # without masked steps, what a step puts out is what the next one takes in
        buffer, unmasked = z.new_empty(len(z) + 1, z.shape[1], recurrent.shape[0]), bool(mask.all())
        buffer[0], outputs = state.output, buffer[1:]
        inputs = buffer[:-1] if unmasked else torch.empty_like(outputs)
        all_z, all_parts = z.unbind(), parts.unbind()
        all_inputs, all_outputs, hiddens = inputs.unbind(), outputs.unbind(), outputs[..., :hidden].unbind()
        kept_memories, steps = [], []
        # an epsilon beside the root makes rounding in nearly empty rows large: there nothing is taken back
        chunk = CHUNK if rules.epsilon_in_root else 1
        masks = zip(mask.all(0).tolist(), mask.T.contiguous(), strict=True)
        all_shown = [None if everywhere else shown for everywhere, shown in masks]
        for t in range(len(z)):
            if not unmasked:
                all_inputs[t].copy_(state.output)
            all_z[t].addmm_(all_inputs[t], recurrent)
            next_cell, kept = core.cell_step(all_z[t], state.output[:, :hidden], state.cell, hiddens[t])
            all_parts[t].addmm_(hiddens[t], interface)
            shown = all_shown[t]
            before = memory if shown is None else memory.clone()
            found = core.step(all_parts[t], state.usage, state.read_weights, memory, all_outputs[t])

            steps.append(Step(state.read_weights, state.cell, kept, found, shown))
            new = Carried(memory, found.usage, found.read_weights, all_outputs[t], next_cell, found.write_weights)
            if shown is not None:
                new = _blended(shown, new, state._replace(memory=before))
                memory.copy_(new.memory)
            state = new
            if (t + 1) % chunk == 0 or t + 1 == len(z):
                kept_memories.append(memory.clone())
        ctx.core, ctx.rules, ctx.mask, ctx.steps, ctx.kept_memories = core, rules, mask, steps, kept_memories
        ctx.filled, ctx.chunk = (z, parts, inputs, outputs), chunk
        ctx.save_for_backward(recurrent, interface, strength)
        # copies: what is handed out must not lead back here
        return (outputs.clone(), _copy(state.memory.transpose(1, 2)), *map(_copy, state[1:]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, *by_final: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by the arguments of `scan_lrua`; names as in the formulas on top, `by_x` for D.x."""
        core, rules, (z, parts, inputs, outputs) = ctx.core, ctx.rules, ctx.filled
        recurrent, interface, strength = ctx.saved_tensors
        hidden = interface.shape[0]
        to_output, to_hidden = recurrent.T.contiguous(), interface.T.contiguous()
        by_z, by_parts = torch.empty_like(z), torch.empty_like(parts)
        by_strength = strength.new_zeros(z.shape[1], rules.heads)
        all_z, all_parts, all_by_z, all_by_parts, all_by_outputs = map(
            torch.unbind, (z, parts, by_z, by_parts, by_outputs)
        )
        by_memory, by_usage, *by_others = by_final
        by = By(*map(_copy, (by_memory.transpose(1, 2), *by_others)))
        memory = torch.empty_like(by.memory)
        for t in reversed(range(len(z))):
            step = ctx.steps[t]
            if (t + 1) % ctx.chunk == 0 or t + 1 == len(z):
                memory.copy_(ctx.kept_memories[t // ctx.chunk])
            unshown = memory
            if step.shown is not None:  # a masked step read what it would have written
                memory = memory.clone()
                core.write_again(all_parts[t], step.found, memory)
                memory = torch.where(_like(step.shown, memory), unshown, memory)
            passed, by = _passed_on(step.shown, by)
            by = by._replace(output=by.output + all_by_outputs[t])
            at_step = (all_parts[t], step.read_weights, step.found, memory)
            by_memory, by_read_weights = core.gradients(*at_step, by, all_by_parts[t], by_strength)
            if step.shown is not None:
                memory = torch.where(_like(step.shown, memory), memory, unshown)

            by_h = torch.addmm(by.output[:, :hidden], all_by_parts[t], to_hidden)
            at_start = (inputs[t, :, :hidden], step.cell, step.kept)
            directly, by_cell = core.cell_gradients(all_z[t], *at_start, by_h, by.cell, all_by_z[t])
            by_output = all_by_z[t] @ to_output
            if directly is not None:
                by_output[:, :hidden] += directly
            by = By(by_memory, by_read_weights, by_output, by_cell, None)
            by = by if passed is None else _added(by, passed)
        # usage only ranks the slots: of its gradient, only what comes by the usage before is left
        by_usage = by_usage * rules.usage_decay ** ctx.mask.sum(1, keepdim=True).to(by_usage.dtype)
        by_recurrent = inputs.flatten(0, 1).T @ by_z.flatten(0, 1)
        by_interface = outputs[..., :hidden].flatten(0, 1).T @ by_parts.flatten(0, 1)
        by_start = (by.memory.transpose(1, 2), by_usage, *by[1:])
        return None, None, *by_start, by_z, by_parts, by_recurrent, by_interface, by_strength.sum(0)


def _core(rules: Rules, strength: Tensor, others: tuple[Tensor, ...]) -> TorchCore | CompiledCore:
    one_type = all(each.dtype == strength.dtype for each in others)
    library = load_library("lrua", strength.device, strength.dtype, rules.heads) if one_type else None
    return TorchCore(rules, strength) if library is None else CompiledCore(library, rules, strength)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


def _blended(shown: Tensor, new: Carried, old: Carried) -> Carried:
    """The new state where an item was shown, else the old one."""
    return Carried(*(torch.where(_like(shown, after), after, before) for after, before in zip(new, old, strict=True)))


def _passed_on(shown: Tensor | None, by: By) -> tuple[By | None, By]:
    """Gradients that a masked step passes on (None: there is no masked step), and those that a step takes in."""
    if shown is None:
        return None, by
    parts = [(None, None) if each is None else (each * ~_like(shown, each), each * _like(shown, each)) for each in by]
    passed, taken = zip(*parts, strict=True)
    return By(*passed), By(*taken)


def _added(by: By, passed: By) -> By:
    memory, read_weights, output, cell = (one + other for one, other in zip(by[:-1], passed[:-1], strict=True))
    return By(memory, read_weights, output, cell, passed.write_weights)


def _like(shown: Tensor, tensor: Tensor) -> Tensor:
    return shown.view(-1, *[1] * (tensor.dim() - 1))

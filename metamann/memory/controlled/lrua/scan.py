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
rows of the least used slots, which are saved. A memory that is saved every `CHUNK` steps bounds the sum of rounding
errors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from metamann.memory.controlled.lrua.core import Access, Gradients, Rules, TorchCore
from metamann.memory.native.compiled import load_library
from metamann.memory.native.lrua.lrua import CompiledCore

CHUNK = 64  # steps that are taken back from one saved memory


class LoopState(NamedTuple):
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


class SavedStep(NamedTuple):
    """What the backward pass needs of a step: its start, but for memory and output, and its access.

    `present` is None where no episode is masked.
    """

    read_weights: Tensor
    cell: Tensor
    saved: Tensor
    access: Access
    present: Tensor | None


def scan_lrua(
    rules: Rules,
    mask: Tensor,
    start: LoopState,
    z: Tensor,
    parts: Tensor,
    recurrent: Tensor,
    interface: Tensor,
    strength: Tensor,
) -> tuple[Tensor, LoopState]:
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
    return outputs.transpose(0, 1), LoopState(*final)


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rules: Rules, mask: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Outputs, steps first, and the final state; arguments as in `scan_lrua`."""
        # contiguous, as the core wants it; the memory is written to
        memory = _copy(tensors[0].transpose(1, 2))
        state = LoopState(memory, *(tensor.contiguous() for tensor in tensors[1:6]))
        z, parts, recurrent, interface, strength = (tensor.contiguous() for tensor in tensors[6:])
        hidden = interface.shape[0]
        core = _core(rules, strength, (*state, z, parts, recurrent, interface))
        # without masked steps, what a step puts out is what the next one takes in
        buffer, unmasked = z.new_empty(len(z) + 1, z.shape[1], recurrent.shape[0]), bool(mask.all())
        buffer[0], outputs = state.output, buffer[1:]
        inputs = buffer[:-1] if unmasked else torch.empty_like(outputs)
        all_z, all_parts = z.unbind(), parts.unbind()
        all_inputs, all_outputs, hiddens = inputs.unbind(), outputs.unbind(), outputs[..., :hidden].unbind()
        saved_memories, steps = [], []
        # an epsilon beside the root makes rounding in nearly empty rows large: there nothing is taken back
        chunk = CHUNK if rules.epsilon_in_root else 1
        masks = zip(mask.all(0).tolist(), mask.T.contiguous(), strict=True)
        all_present = [None if everywhere else present for everywhere, present in masks]
        for t in range(len(z)):
            if not unmasked:
                all_inputs[t].copy_(state.output)
            all_z[t].addmm_(all_inputs[t], recurrent)
            next_cell, saved = core.cell_step(all_z[t], state.output[:, :hidden], state.cell, hiddens[t])
            all_parts[t].addmm_(hiddens[t], interface)
            present = all_present[t]
            before = memory if present is None else memory.clone()
            access = core.step(all_parts[t], state.usage, state.read_weights, memory, all_outputs[t])

            steps.append(SavedStep(state.read_weights, state.cell, saved, access, present))
            new = LoopState(memory, access.usage, access.read_weights, all_outputs[t], next_cell, access.write_weights)
            if present is not None:
                new = _blended(present, new, state._replace(memory=before))
                memory.copy_(new.memory)
            state = new
            if (t + 1) % chunk == 0 or t + 1 == len(z):
                saved_memories.append(memory.clone())
        ctx.core, ctx.rules, ctx.mask, ctx.steps, ctx.saved_memories = core, rules, mask, steps, saved_memories
        ctx.filled, ctx.chunk = (z, parts, inputs, outputs), chunk
        ctx.save_for_backward(recurrent, interface, strength)
        # copies: what is handed out must not lead back here
        return (outputs.clone(), _copy(state.memory.transpose(1, 2)), *map(_copy, state[1:]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor, *grad_final: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to the arguments of `scan_lrua`; names as in the formulas on top, `grad_x` for D.x."""
        core, rules, (z, parts, inputs, outputs) = ctx.core, ctx.rules, ctx.filled
        recurrent, interface, strength = ctx.saved_tensors
        hidden = interface.shape[0]
        to_output, to_hidden = recurrent.T.contiguous(), interface.T.contiguous()
        grad_z, grad_parts = torch.empty_like(z), torch.empty_like(parts)
        grad_strength = strength.new_zeros(z.shape[1], rules.heads)
        all_z, all_parts, all_grad_z, all_grad_parts, all_grad_outputs = map(
            torch.unbind, (z, parts, grad_z, grad_parts, grad_outputs)
        )
        grad_memory, grad_usage, *grad_others = grad_final
        gradients = Gradients(*map(_copy, (grad_memory.transpose(1, 2), *grad_others)))
        memory = torch.empty_like(gradients.memory)
        for t in reversed(range(len(z))):
            step = ctx.steps[t]
            if (t + 1) % ctx.chunk == 0 or t + 1 == len(z):
                memory.copy_(ctx.saved_memories[t // ctx.chunk])
            blended = memory
            if step.present is not None:  # a masked step read what it would have written
                memory = memory.clone()
                core.write_again(all_parts[t], step.access, memory)
                memory = torch.where(_like(step.present, memory), blended, memory)
            passed, gradients = _passed_on(step.present, gradients)
            gradients = gradients._replace(output=gradients.output + all_grad_outputs[t])
            at_step = (all_parts[t], step.read_weights, step.access, memory)
            grad_memory, grad_read_weights = core.gradients(*at_step, gradients, all_grad_parts[t], grad_strength)
            if step.present is not None:
                memory = torch.where(_like(step.present, memory), memory, blended)

            grad_h = torch.addmm(gradients.output[:, :hidden], all_grad_parts[t], to_hidden)
            at_start = (inputs[t, :, :hidden], step.cell, step.saved)
            directly, grad_cell = core.cell_gradients(all_z[t], *at_start, grad_h, gradients.cell, all_grad_z[t])
            grad_output = all_grad_z[t] @ to_output
            if directly is not None:
                grad_output[:, :hidden] += directly
            gradients = Gradients(grad_memory, grad_read_weights, grad_output, grad_cell, None)
            gradients = gradients if passed is None else _added(gradients, passed)
        # usage only ranks the slots: of its gradient, only what comes by the usage before is left
        grad_usage = grad_usage * rules.usage_decay ** ctx.mask.sum(1, keepdim=True).to(grad_usage.dtype)
        grad_recurrent = inputs.flatten(0, 1).T @ grad_z.flatten(0, 1)
        grad_interface = outputs[..., :hidden].flatten(0, 1).T @ grad_parts.flatten(0, 1)
        grad_start = (gradients.memory.transpose(1, 2), grad_usage, *gradients[1:])
        return None, None, *grad_start, grad_z, grad_parts, grad_recurrent, grad_interface, grad_strength.sum(0)


def _core(rules: Rules, strength: Tensor, others: tuple[Tensor, ...]) -> TorchCore | CompiledCore:
    one_type = all(tensor.dtype == strength.dtype for tensor in others)
    library = load_library("lrua", strength.device, strength.dtype, rules.heads) if one_type else None
    return TorchCore(rules, strength) if library is None else CompiledCore(library, rules, strength)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


def _blended(present: Tensor, new: LoopState, old: LoopState) -> LoopState:
    """The new state where an item is present, else the old one."""
    return LoopState(
        *(torch.where(_like(present, after), after, before) for after, before in zip(new, old, strict=True))
    )


def _passed_on(present: Tensor | None, gradients: Gradients) -> tuple[Gradients | None, Gradients]:
    """Gradients that a masked step passes on (None: there is no masked step), and those that a step takes in."""
    if present is None:
        return None, gradients
    parts = [
        (None, None) if tensor is None else (tensor * ~_like(present, tensor), tensor * _like(present, tensor))
        for tensor in gradients
    ]
    passed, taken = zip(*parts, strict=True)
    return Gradients(*passed), Gradients(*taken)


def _added(gradients: Gradients, passed: Gradients) -> Gradients:
    memory, read_weights, output, cell = (one + other for one, other in zip(gradients[:-1], passed[:-1], strict=True))
    return Gradients(memory, read_weights, output, cell, passed.write_weights)


def _like(present: Tensor, tensor: Tensor) -> Tensor:
    return present.view(-1, *[1] * (tensor.dim() - 1))

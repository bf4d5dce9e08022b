"""What the tests of memories share: sequences, states, references in NumPy, and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from dialects import BASE
from torch import Tensor, nn

from metamann.memory.interface import Memory

FEATURES, CODE_WIDTH = 5, 3
Arrays = dict[str, np.ndarray]
Make = Callable[..., Any]
Reference = Callable[[Arrays, np.ndarray, np.ndarray], tuple[np.ndarray, Arrays]]


def build(
    make_memory: Make, kind: str, options: dict[str, Any], features: int = FEATURES, code_width: int = CODE_WIDTH
) -> Any:
    """A tiny memory of the tests' base options; random rows are no parameter, and drawn from a fixed seed."""
    torch.manual_seed(0)
    return make_memory(kind, features, code_width, **{**BASE.get(kind, {}), **options})


# sequences


def random_sequence(steps: int, batch: int = 2, code_width: int = CODE_WIDTH) -> tuple[Tensor, Tensor]:
    """Features and random label codes."""
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(batch, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.randn(batch, steps, code_width, generator=generator, dtype=torch.float64)
    return features, codes


def labelled_sequence(
    steps: int, batch: int, classes: int = CODE_WIDTH, seed: int = 0, random_codes: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, label codes (one-hot, or random ones of one more column) and labels."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, steps, FEATURES, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (batch, steps), generator=generator)
    table = torch.eye(classes, dtype=torch.float64)
    if random_codes:
        table = torch.randn(classes, classes + 1, generator=generator, dtype=torch.float64)
    return features, table[labels], labels


def full_mask(features: Tensor) -> Tensor:
    """No step is masked."""
    return torch.ones(features.shape[:2], dtype=torch.bool)


def random_mask(batch: int, steps: int, share: float, seed: int) -> Tensor:
    return torch.rand(batch, steps, generator=torch.Generator().manual_seed(seed)) < share


def after_writing(memory: Memory[Any], features: Tensor, codes: Tensor) -> Any:
    """The state of fresh episodes in which all of a sequence was written."""
    state = memory.initial_state(len(features), codes.shape[-1], features)
    return memory.write(state, features, codes, full_mask(features))


def recall_accuracy(memory: Memory[Any], state: Any, features: Tensor, codes: Tensor) -> float:
    """Share of the items whose one-hot code is the largest score that `code_readout` gives their read."""
    with torch.no_grad():
        scores = memory.read(state, features) @ memory.code_readout().T
    return float((scores.argmax(-1) == codes.argmax(-1)).float().mean())


# states


def used_state(memory: Memory[Any], batch: int = 2, seed: int = 5) -> Any:
    """A state in mid-episode of a memory with slots, of which no two are alike."""
    generator = torch.Generator().manual_seed(seed)
    state = memory.initial_state(batch, CODE_WIDTH, torch.zeros(1, dtype=torch.float64))

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    drawn = {}
    for name, tensor in state._asdict().items():
        if name == "memory":
            drawn[name] = randn(*tensor.shape)
        elif name == "usage":
            drawn[name] = randn(*tensor.shape).sigmoid()
        elif name in ("read_weights", "write_weights", "precedence") and tensor.numel():
            drawn[name] = randn(*tensor.shape[:-1], tensor.shape[-1] + 1).softmax(-1)[..., :-1]
        elif name == "link" and tensor.numel():
            slots = tensor.shape[-1]
            drawn[name] = (randn(*tensor.shape).softmax(-1) / slots) * (1 - torch.eye(slots))
    return state._replace(**drawn)


def permuted(state: Any, order: Tensor) -> Any:
    """The same state with its slots in another order."""
    tensors = state._asdict()
    for name in ("memory", "usage"):
        if name in tensors:
            tensors[name] = tensors[name][:, order]
    for name in ("read_weights", "write_weights", "precedence", "link"):
        if name in tensors and tensors[name].numel():
            tensors[name] = tensors[name][..., order]
    if "link" in tensors and tensors["link"].numel():
        tensors["link"] = tensors["link"][:, order]
    return type(state)(**tensors)


# references in NumPy


def as_arrays(tensors: dict[str, Tensor], episode: int) -> Arrays:
    return {name: tensor[episode].detach().numpy() for name, tensor in tensors.items()}


def parameter_arrays(memory: nn.Module) -> Arrays:
    return {name: tensor.numpy() for name, tensor in memory.state_dict().items()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def padded(code: np.ndarray) -> np.ndarray:
    return np.concatenate([code, np.zeros(CODE_WIDTH - len(code))])


def reference_item(p: Arrays, x: np.ndarray) -> np.ndarray:
    """The normalised projection of an item, or the item itself where the memory projects none."""
    if "item.0.weight" not in p:
        return x
    projected = p["item.0.weight"] @ x + p["item.0.bias"]
    normal = (projected - projected.mean()) / np.sqrt(projected.var() + 1e-5)
    return normal * p["item.1.weight"] + p["item.1.bias"]


def reference_controller(p: Arrays, kind: str, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[Any, Any]:
    """The next hidden and cell state."""
    if kind == "feedforward":
        return np.tanh(p["controller.cell.weight"] @ x + p["controller.cell.bias"]), c
    from_input = p["controller.cell.weight_ih"] @ x + p["controller.cell.bias_ih"]
    from_hidden = p["controller.cell.weight_hh"] @ h + p["controller.cell.bias_hh"]
    if kind == "lstm":
        enter, forget, new, out = np.split(from_input + from_hidden, 4)
        c = sigmoid(forget) * c + sigmoid(enter) * np.tanh(new)
        return sigmoid(out) * np.tanh(c), c
    reset_x, update_x, new_x = np.split(from_input, 3)
    reset_h, update_h, new_h = np.split(from_hidden, 3)
    new = np.tanh(new_x + sigmoid(reset_x + reset_h) * new_h)
    update = sigmoid(update_x + update_h)
    return (1 - update) * new + update * h, c


def assert_step_equals(
    reference: Reference,
    memory: Memory[Any],
    state: Any,
    features: Tensor,
    codes: Tensor,
    mask: Tensor | None = None,
    atol: float = 1e-10,
    masked_reads: bool = True,
) -> None:
    """Reads and states of the chained step are those of a reference, `(state, item, code)` of one episode.

    Without a mask, it is the third step of the second episode that is masked. What a masked step reads is compared
    too, unless `masked_reads` is false.
    """
    if mask is None:
        mask = full_mask(features)
        mask[1, 2] = False
    batch, steps = mask.shape
    expected = [as_arrays(state._asdict(), episode) for episode in range(batch)]
    for t in range(steps):
        read, state = memory.step(state, features[:, t], codes[:, t], mask[:, t])
        for episode in range(batch):
            item, code = features[episode, t].numpy(), codes[episode, t].numpy()
            expected_read, new = reference(expected[episode], item, code)
            expected[episode] = new if mask[episode, t] else expected[episode]
            if masked_reads or mask[episode, t]:
                np.testing.assert_allclose(read[episode].detach(), expected_read, rtol=0, atol=atol)
            for name, array in as_arrays(state._asdict(), episode).items():
                np.testing.assert_allclose(array, expected[episode][name], rtol=0, atol=atol, err_msg=name)


# scans


class Results(NamedTuple):
    """What a scan gives.

    Attributes:
        outputs: reads and final state.
        gradients: of a random projection of the outputs by features, codes, parameters and the earlier state, in
            this order; zeros where an output does not depend on them.
    """

    outputs: list[Tensor]
    gradients: list[Tensor]


def differentiate(
    scan: Callable[..., Any], memory: Memory[Any], state: Any, features: Tensor, codes: Tensor, mask: Tensor
) -> Results:
    """A scan of the class of the memory, or `Memory.scan`, which is the chained step, with gradients."""
    features, codes = (tensor.detach().clone().requires_grad_() for tensor in (features, codes))
    state = type(state)(*(part.detach().clone().requires_grad_(part.is_floating_point()) for part in state))
    reads, final = scan(memory, state, features, codes, mask)
    generator = torch.Generator().manual_seed(3)
    outputs, directions = [], []
    for output in (reads, *final):
        direction = torch.randn(output.shape, generator=generator, dtype=torch.float64)
        if output.requires_grad:
            outputs.append(output)
            directions.append(direction)
    sources = [features, codes, *memory.parameters(), *(part for part in state if part.requires_grad)]
    gradients = torch.autograd.grad(outputs, sources, directions, materialize_grads=True)
    return Results([output.detach() for output in (reads, *final)], list(gradients))


def assert_scan_is_the_chained_step(
    memory: Memory[Any],
    state: Any,
    features: Tensor,
    codes: Tensor,
    mask: Tensor,
    outputs: tuple[float, float],
    gradients: tuple[float, float],
    chained: Results | None = None,
) -> Results:
    """Compare all results of the two within relative and absolute tolerances; returns those of the chained step."""
    results = differentiate(type(memory).scan, memory, state, features, codes, mask)
    chained = chained or differentiate(Memory.scan, memory, state, features, codes, mask)
    for tensors, expected, (rtol, atol) in zip(results, chained, (outputs, gradients), strict=True):
        for tensor, other in zip(tensors, expected, strict=True):
            torch.testing.assert_close(tensor, other, rtol=rtol, atol=atol)
    return chained

"""What memories promise with all of their options: state, slots, gradients, the start, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from contract import (
    CODE_WIDTH,
    FEATURES,
    Make,
    after_writing,
    build,
    full_mask,
    permuted,
    random_sequence,
    used_state,
)
from dialects import BARE, BASE, DIALECTS, option_id
from torch import Tensor, nn

from metamann.errors import ConfigError
from metamann.memory.controlled.additive import AdditiveMemory
from metamann.memory.controlled.dnc import DNCMemory
from metamann.memory.controlled.input_addressed import InputAddressedNTM
from metamann.memory.controlled.lrua.lrua import LRUAMemory
from metamann.memory.controlled.none import ControllerOnly
from metamann.memory.controlled.ntm import NTMMemory
from metamann.memory.fast_weights.delta import DeltaMemory, DeltaState
from metamann.memory.interface import Memory
from metamann.memory.pairs.bounded import BoundedKeyValueMemory
from metamann.memory.scores import SCORES

Options = dict[str, Any]
ROLLED, SHUFFLED = [5, 0, 1, 2, 3, 4], [3, 0, 5, 1, 4, 2]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("additive", options) for options in ({}, BARE)),
        *((kind, options) for kind in ("dnc", "lrua", "ntm", "ntm_input") for options in DIALECTS[kind]),
    ],
    ids=option_id,
)
def test_masked_steps_leave_every_tensor_of_the_state_unchanged(make_memory: Make, kind: str, options: Options) -> None:
    memory = build(make_memory, kind, options)
    features, codes = random_sequence(6, batch=3)
    state = memory.initial_state(3, CODE_WIDTH, features)
    if "usage" in state._fields:
        usage = torch.rand(state.usage.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
        state = state._replace(usage=usage)
    state = memory.write(state, features, codes, full_mask(features))
    _, after = memory.step(state, features[:, 0], codes[:, 0], torch.tensor([False, True, False]))
    constant = {"link"} if memory.slots == 1 else set()
    for name, before in state._asdict().items():
        tensor = getattr(after, name)
        assert torch.equal(before[::2], tensor[::2]), name
        if before.numel() and name not in constant:
            assert not torch.equal(before[1], tensor[1]), name


@pytest.mark.parametrize(
    ("kind", "options", "order"),
    [
        *(("additive", {"score": score}, ROLLED) for score in SCORES),
        *((kind, options, None) for kind in ("dnc", "lrua") for options in DIALECTS[kind]),
        ("ntm", {"shift_range": 1}, [4, 5, 0, 1, 2, 3]),  # neighbours stay neighbours
        ("ntm", {"shift_range": 0, "shortcut": False}, SHUFFLED),
        ("ntm_input", {}, SHUFFLED),
    ],
    ids=option_id,
)
def test_reads_are_invariant_to_a_permutation_of_the_slots(
    make_memory: Make, kind: str, options: Options, order: list[int] | None
) -> None:
    memory = build(make_memory, kind, options)
    permutation = torch.arange(memory.slots).roll(1) if order is None else torch.tensor(order)
    features, codes = random_sequence(6)
    state = used_state(memory)
    reads, final = memory.scan(state, features, codes, full_mask(features))
    if kind == "ntm_input":
        memory.addresses.data = memory.addresses.data[permutation]
    other_reads, other_final = memory.scan(permuted(state, permutation), features, codes, full_mask(features))
    torch.testing.assert_close(other_reads, reads, rtol=0, atol=1e-12)
    for name, tensor in permuted(final, permutation)._asdict().items():
        torch.testing.assert_close(getattr(other_final, name), tensor, rtol=0, atol=1e-12, msg=name)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("kind", "options", "batch"),
    [
        *(
            ("lrua", {"least_used": least_used, "zeroed": "one", "slots": 50}, 20)
            for least_used in ("per_head", "shared", "threshold")
        ),
        ("dnc", {"slots": 50}, 10),
    ],
    ids=option_id,
)
def test_ties_break_alike_for_one_and_two_threads(make_memory: Make, kind: str, options: Options, batch: int) -> None:
    memory = build(make_memory, kind, options)
    features, codes = random_sequence(4, batch)
    finals = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        finals.append(after_writing(memory, features, codes))
    for one, two in zip(*finals, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


# gradients


class Unrolled(nn.Module):
    """The reads and tensors of the final state, as a function of sequence, initial state and parameters."""

    def __init__(self, memory: Memory[Any], scan: Callable[..., Any], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.memory, self.scan, self.outputs = memory, scan, outputs

    def forward(self, features: Tensor, codes: Tensor, state: Any) -> tuple[Tensor, ...]:
        mask = torch.ones(features.shape[:2], dtype=torch.bool)
        mask[0, 1] = False
        if state is None:
            state = self.memory.initial_state(len(features), codes.shape[-1], features)
        reads, final = self.scan(self.memory, state, features, codes, mask)
        return reads, *(getattr(final, name) for name in self.outputs)


def gradcheck_three_steps(
    memory: Memory[Any],
    scan: Callable[..., Any],
    *outputs: str,
    state: Any = None,
    fast_mode: bool = False,
) -> bool:
    """Gradients by features, codes, parameters and, if one is given, a state; the second step of one episode is masked.

    Args:
        memory: for features and codes of width 2.
        scan: of its class, or that of `Memory`, which is the chained step.
        outputs: tensors of the final state.
        state: to start from, in place of the initial state.
        fast_mode: compare one random projection of the Jacobian.
    """
    unrolled = Unrolled(memory, scan, outputs)
    names = [name for name, _ in unrolled.named_parameters()]
    parts = () if state is None else tuple(state)

    def results(features: Tensor, codes: Tensor, *tensors: Tensor) -> Any:
        start = None if state is None else type(state)(*tensors[: len(parts)])
        named = dict(zip(names, tensors[len(parts) :], strict=True))
        return torch.func.functional_call(unrolled, named, (features, codes, start))

    generator = torch.Generator().manual_seed(6)
    sequence = [torch.randn(2, 3, 2, generator=generator, dtype=torch.float64) for _ in range(2)]
    sources = [tensor.detach().clone().requires_grad_() for tensor in (*sequence, *parts, *unrolled.parameters())]
    return torch.autograd.gradcheck(results, sources, fast_mode=fast_mode)


@pytest.mark.parametrize(
    ("kind", "options", "outputs"),
    [
        *(
            (
                "additive",
                {"item_width": 2, "slots": 2, "width": 2, "hidden": 2, "write_gradient": "full", **options},
                ("memory",),
            )
            for options in (
                {"width": 8},
                {"shortcut": False, "score": "additive", "controller": "gru", "initial_memory": "random"},
                {"shortcut": False, "score": "multiplicative", "query": "controller", "item_width": None},
                {"shortcut": False, "score": "cosine", "initial_memory": "zeros", "strength": 2.0},
            )
        ),
        *(
            ("ntm", {"item_width": 3, "slots": 3, "width": 2, "heads": 2, "hidden": 2, **options}, ("memory",))
            for options in (
                {"initial_memory": "learned"},
                {"initial_memory": "random", "heads": 1, "write_heads": 2, "shortcut": False, "item_width": None},
            )
        ),
        *(
            ("lrua", {"item_width": 3, "slots": 4, "width": 2, "heads": 2, "hidden": 2, **options}, ("memory",))
            for options in (
                {},
                {"written": "key", "shortcut": False, "item_width": None, "strength": None, "controller": "gru"},
                {"least_used": "shared", "address_on": "before"},
                {"least_used": "threshold", "zeroed": "one"},
            )
        ),
        *(
            (
                "dnc",
                {"item_width": 2, "slots": 3, "width": 2, "heads": 2, "hidden": 1, **options},
                ("memory", "usage", "link"),
            )
            for options in (
                {},
                {"links": False, "controller": "gru"},
                {"shortcut": False, "item_width": None, "controller": "feedforward"},
            )
        ),
        ("ntm_input", {"item_width": 3, "slots": 3, "width": 2, "heads": 2}, ("memory",)),
        *(
            ("keyvalue_bounded", {"slots": 2, "evict": rule, "key_width": 2, "surprise": 0.3}, ("keys", "values"))
            for rule in ("age", "usage", "quota")
        ),
    ],
    ids=option_id,
)
def test_gradients_of_three_steps(make_memory: Make, kind: str, options: Options, outputs: tuple[str, ...]) -> None:
    memory = build(make_memory, kind, options, 2, 2)
    assert gradcheck_three_steps(memory, type(memory).scan, *outputs, fast_mode=kind == "additive")


def test_gradients_of_three_chained_steps_of_ntm_input(make_memory: Make) -> None:
    memory = build(make_memory, "ntm_input", {"item_width": 3, "slots": 3, "width": 2, "heads": 2}, 2, 2)
    assert gradcheck_three_steps(memory, Memory.scan, "memory")


@pytest.mark.parametrize("scan", [DeltaMemory.scan, Memory.scan], ids=["scan", "step"])
@pytest.mark.parametrize("gated", [False, True])
def test_gradients_of_three_steps_of_delta(make_memory: Make, gated: bool, scan: Callable[..., Any]) -> None:
    memory = make_memory("delta", 2, 2, key_width=2, heads=2, gated=gated, chunk=2)
    generator = torch.Generator().manual_seed(2)
    state = DeltaState(torch.randn(2, 2, 2, 2, generator=generator, dtype=torch.float64))
    assert gradcheck_three_steps(memory, scan, "fast_weights", state=state, fast_mode=True)


# before training


@pytest.mark.parametrize(
    ("cls", "options", "items", "accuracy", "confidence"),
    [
        *(
            (AdditiveMemory, options, 5, 0.85, 0)
            for options in ({"score": "dot"}, {"score": "additive"}, {"score": "multiplicative"}, {"controller": "gru"})
        ),
        *((NTMMemory, options, 10, 0.85, 0) for options in ({}, {"write_heads": 2}, {"initial_memory": "random"})),
        (LRUAMemory, {}, 5, 0.9, 0),
        (DNCMemory, {}, 5, 0.9, 0),
        *((InputAddressedNTM, {"heads": heads}, 5, 0.9, 0) for heads in (1, 3)),
        *(
            (DeltaMemory, {"key_width": key_width, "heads": heads, "gated": gated}, 5, 0.99, 0.9)
            for gated in (False, True)
            for key_width, heads in ((None, 1), (64, 1), (64, 3))
        ),
    ],
    ids=option_id,
)
def test_untrained_memory_recalls_the_labels_of_written_items(
    cls: type[Memory[Any]], options: Options, items: int, accuracy: float, confidence: float
) -> None:
    torch.manual_seed(7)
    memory = cls(64, 5, **options)
    features, labels = torch.randn(20, items, 64), torch.arange(items) % 5
    with torch.no_grad():
        state = after_writing(memory, features, torch.eye(5)[labels].expand(20, items, 5))
        scores = (memory.read(state, features) @ memory.code_readout().T).softmax(-1)
    assert (scores.argmax(-1) == labels).float().mean() > accuracy
    assert scores.amax(-1).mean() > confidence


# what is refused


@pytest.mark.parametrize(
    "kind", ["additive", "delta", "delta_gated", "dnc", "lrua", "none", "none_beside", "ntm", "ntm_input", "snail"]
)
def test_codes_wider_than_the_memory_was_built_for_are_refused(make_memory: Make, kind: str) -> None:
    memory = make_memory(kind, FEATURES, CODE_WIDTH)
    features, codes = random_sequence(2, code_width=CODE_WIDTH + 1)
    refused = pytest.raises(ConfigError, match=f"width {CODE_WIDTH}.*{CODE_WIDTH + 1}")
    with refused:
        memory.initial_state(2, CODE_WIDTH + 1, features)
    state = memory.initial_state(2, CODE_WIDTH, features)
    with refused:
        memory.step(state, features[:, 0], codes[:, 0], full_mask(features)[:, 0])
    for scan in (type(memory).scan, Memory.scan):
        with refused:
            scan(memory, state, features, codes, full_mask(features))


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (AdditiveMemory, {"score": "euclid"}, "score=euclid"),
        (AdditiveMemory, {"query": "output"}, "query=output"),
        (AdditiveMemory, {"controller": "rnn"}, "controller=rnn"),
        (AdditiveMemory, {"initial_memory": "ones"}, "initial_memory=ones"),
        (AdditiveMemory, {"write_gradient": "none"}, "write_gradient=none"),
        (AdditiveMemory, {"strength": 0.0}, "strength=0.0"),
        (AdditiveMemory, {"query": "controller"}, "shortcut=false"),
        (AdditiveMemory, {"query": "controller", "shortcut": False}, "width 5 with rows of width 8"),
        (AdditiveMemory, {"width": 7}, "width is 7"),
        (BoundedKeyValueMemory, {"evict": "oldest"}, "evict=oldest is unknown; choose age, usage or quota"),
        (BoundedKeyValueMemory, {"slots": 0}, "memory.slots=0"),
        (BoundedKeyValueMemory, {"surprise": -0.1}, r"memory.surprise=-0.1"),
        (BoundedKeyValueMemory, {"usage_decay": -0.1}, r"memory.usage_decay=-0.1"),
        (BoundedKeyValueMemory, {"top_k": 0}, "memory.top_k=0"),
        (ControllerOnly, {"label": "early"}, "label=early is unknown; choose late or beside"),
        (ControllerOnly, {"label": "beside", "controller": "feedforward"}, "set memory.label=late"),
        (ControllerOnly, {"start_scale": -1}, "at least 0"),
        (DNCMemory, {"controller": "rnn"}, "controller=rnn"),
        (DNCMemory, {"strength": 1.0}, r"strength=1\.0"),
        (DNCMemory, {"strength": -2}, "above 1"),
        (DeltaMemory, {"heads": 0}, r"memory\.heads=0"),
        (DeltaMemory, {"heads": 2.5}, r"memory\.heads=2\.5"),
        (DeltaMemory, {"chunk": 0}, r"memory\.chunk=0"),
        (DeltaMemory, {"heads": 2, "key_width": None}, r"memory\.heads=2.*memory\.key_width"),
        (InputAddressedNTM, {"heads": 0}, "memory.heads=0"),
        (InputAddressedNTM, {"width": 0}, "memory.width=0"),
        (InputAddressedNTM, {"strength": 0.0}, "strength=0"),
        (LRUAMemory, {"written": "value"}, "written=value"),
        (LRUAMemory, {"least_used": "oldest"}, "least_used=oldest"),
        (LRUAMemory, {"zeroed": "none"}, "zeroed=none"),
        (LRUAMemory, {"address_on": "during"}, "address_on=during"),
        (LRUAMemory, {"cosine_epsilon": "1e-16"}, "cosine_epsilon=1e-16"),
        (LRUAMemory, {"controller": "rnn"}, "controller=rnn"),
        (LRUAMemory, {"heads": 9}, "9 heads"),
        (LRUAMemory, {"written": "key"}, "written=add"),
        # untouched slots all tie: they would be zeroed and written alike for ever
        (LRUAMemory, {"least_used": "threshold", "zeroed": "all"}, "zeroed=one"),
        (NTMMemory, {"initial_memory": "zeros"}, "initial_memory=zeros.*constant, random or learned"),
        (NTMMemory, {"controller": "rnn"}, "controller=rnn"),
        (NTMMemory, {"heads": 0}, "memory.heads=0"),
        (NTMMemory, {"write_heads": 0}, "memory.write_heads=0"),
        (NTMMemory, {"heads": 3, "write_heads": 2}, "memory.heads=3 must be a multiple of memory.write_heads=2"),
        (NTMMemory, {"shift_range": 0}, "memory.shift_range=0"),
        (NTMMemory, {"shift_range": 3}, "memory.shift_range=3 needs 7 slots"),
        (NTMMemory, {"follows": True, "shortcut": False}, "memory.follows is a way to start with the shortcut"),
    ],
    ids=option_id,
)
def test_invalid_options_are_refused_by_name(cls: type[Memory[Any]], options: Options, message: str) -> None:
    kinds = {AdditiveMemory: "additive", DNCMemory: "dnc", LRUAMemory: "lrua", NTMMemory: "ntm"}
    base = BASE[kinds[cls]] if cls in kinds else {}
    with pytest.raises(ConfigError, match=message):
        cls(FEATURES, CODE_WIDTH, **{**base, **options})

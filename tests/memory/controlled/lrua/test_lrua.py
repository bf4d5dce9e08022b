"""LRUA against formulas written down a second time, in loops over plain NumPy arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metamann.errors import ConfigError
from metamann.memory.controlled.lrua.lrua import LRUAMemory, LRUAState
from metamann.memory.controlled.lrua.scan import CHUNK
from metamann.memory.interface import Memory

FEATURES, CODE_WIDTH, STEPS = 5, 3, 6
BASE: dict[str, Any] = {
    "item_width": 4,
    "slots": 6,
    "width": 4,
    "heads": 2,
    "hidden": 5,
    "controller": "lstm",
    "written": "add",
    "least_used": "per_head",
    "zeroed": "all",
    "address_on": "after",
    "usage_decay": 0.95,
    "cosine_epsilon": "root",
    "strength": 10.0,
    "shortcut": True,
}
DIALECTS: list[dict[str, Any]] = [
    {},
    {"written": "key", "shortcut": False},
    {"written": "key", "shortcut": False, "strength": None, "zeroed": "one", "item_width": None, "usage_decay": 0.99},
    {"shortcut": False},
    *({"least_used": used, "zeroed": rows} for used in ("per_head", "shared") for rows in ("one", "all")),
    {"least_used": "threshold", "zeroed": "one"},
    {"address_on": "before"},
    {"cosine_epsilon": "added"},
    {"strength": None},
    {"controller": "gru"},
    {"item_width": None},
    {"usage_decay": 0.99},
    {"heads": 1},
    {"heads": 3, "slots": 3},
]
Arrays = dict[str, np.ndarray]


def _id(dialect: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in dialect.items()) or "default"


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def reference_controller(p: Arrays, kind: str, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[Any, Any]:
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


def reference_step(
    p: Arrays, options: dict[str, Any], state: Arrays, x: np.ndarray, code: np.ndarray
) -> tuple[np.ndarray, Arrays, np.ndarray]:
    """One episode, one step: what is read, the next state, the write weights."""
    heads, slots, width = options["heads"], options["slots"], options["width"]
    item = x
    if options["item_width"] is not None:
        projected = p["item.0.weight"] @ x + p["item.0.bias"]
        normal = (projected - projected.mean()) / np.sqrt(projected.var() + 1e-5)
        item = normal * p["item.1.weight"] + p["item.1.bias"]
    seen = np.concatenate([item, state["previous_code"], state["read"]])
    hidden, cell = reference_controller(p, options["controller"], seen, state["hidden"], state["cell"])

    keys = p["interface.key.weight"] @ hidden + p["interface.key.bias"]
    if options["shortcut"]:
        keys = keys + p["shortcut.item.weight"] @ item
    keys = np.tanh(keys).reshape(heads, width)
    written = keys
    if options["written"] == "add":
        added = p["interface.add.weight"] @ hidden + p["interface.add.bias"]
        if options["shortcut"]:
            added = added + p["shortcut.told_item.weight"] @ state["previous_item"]
            added = added + p["shortcut.told_code.weight"] @ state["previous_code"]
        written = np.tanh(added).reshape(heads, width)
    gates = sigmoid(p["interface.gate.weight"] @ hidden + p["interface.gate.bias"])

    usage = state["usage"]
    by_usage = sorted(range(slots), key=lambda slot: (usage[slot], slot))
    least_used = {
        "per_head": lambda head: {by_usage[head]},
        "shared": lambda head: set(by_usage[:heads]),
        "threshold": lambda head: {slot for slot in range(slots) if usage[slot] <= usage[by_usage[heads - 1]]},
    }[options["least_used"]]
    zeroed = {by_usage[0]}
    if options["zeroed"] == "all":
        zeroed = set().union(*(least_used(head) for head in range(heads)))

    memory = state["memory"].copy()
    for slot in zeroed:
        memory[slot] = 0
    write_weights = np.zeros((heads, slots))
    for head, slot in itertools.product(range(heads), range(slots)):
        free = float(slot in least_used(head))
        write_weights[head, slot] = gates[head] * state["read_weights"][head, slot] + (1 - gates[head]) * free
        memory[slot] += write_weights[head, slot] * written[head]

    read_weights, reads = np.zeros((heads, slots)), []
    addressed = memory if options["address_on"] == "after" else state["memory"]
    for head in range(heads):
        strength = 1.0 if options["strength"] is None else np.exp(p["log_strength"][head])
        norms = np.linalg.norm(keys[head]) * np.linalg.norm(addressed, axis=1)
        below = np.sqrt(norms**2 + 1e-6) if options["cosine_epsilon"] == "root" else norms + 1e-6
        powers = np.exp(strength * (addressed @ keys[head]) / below)
        read_weights[head] = powers / powers.sum()
        reads.append(read_weights[head] @ memory)
    read = np.concatenate(reads)
    new = {
        "memory": memory,
        "usage": options["usage_decay"] * usage + read_weights.sum(0) + write_weights.sum(0),
        "read_weights": read_weights,
        "write_weights": write_weights,
        "read": read,
        "hidden": hidden,
        "cell": cell,
        "previous_item": item,
        "previous_code": np.concatenate([code, np.zeros(CODE_WIDTH - len(code))]),
    }
    return np.concatenate([hidden, read]), new, write_weights


def draw(steps: int = STEPS, batch: int = 2, code_width: int = CODE_WIDTH) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(batch, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.randn(batch, steps, code_width, generator=generator, dtype=torch.float64)
    return features, codes


def as_arrays(state: LRUAState, episode: int) -> Arrays:
    return {name: tensor[episode].detach().numpy() for name, tensor in state._asdict().items()}


@pytest.fixture(params=DIALECTS, ids=_id)
def dialect(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**BASE, **request.param}


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
def test_step_equals_the_formulas(
    make_memory: Callable[..., LRUAMemory], dialect: dict[str, Any], code_width: int
) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **dialect)
    parameters = {name: tensor.numpy() for name, tensor in memory.state_dict().items()}
    features, codes = draw(code_width=code_width)
    mask = torch.ones(2, STEPS, dtype=torch.bool)
    mask[1, 2] = False
    state = memory.initial_state(2, code_width, features)
    state.usage[1] = torch.rand(dialect["slots"], generator=torch.Generator().manual_seed(8))  # no ties here
    expected = [as_arrays(state, episode) for episode in range(2)]
    for t in range(STEPS):
        read, state = memory.step(state, features[:, t], codes[:, t], mask[:, t])
        for episode in range(2):
            x, code = features[episode, t].numpy(), codes[episode, t].numpy()
            expected_read, new, _ = reference_step(parameters, dialect, expected[episode], x, code)
            expected[episode] = new if mask[episode, t] else expected[episode]
            np.testing.assert_allclose(read[episode].detach(), expected_read, rtol=0, atol=1e-10)
            for name, array in as_arrays(state, episode).items():
                np.testing.assert_allclose(array, expected[episode][name], rtol=0, atol=1e-10, err_msg=name)


def test_usage_is_the_decayed_sum_of_read_and_write_weights(
    make_memory: Callable[..., LRUAMemory], dialect: dict[str, Any]
) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **dialect)
    parameters = {name: tensor.numpy() for name, tensor in memory.state_dict().items()}
    features, codes = draw(batch=1)
    start = torch.rand(1, dialect["slots"], generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    state = memory.initial_state(1, CODE_WIDTH, features)._replace(usage=start)
    decay, expected = dialect["usage_decay"], dialect["usage_decay"] ** STEPS * start[0].numpy()
    for t in range(STEPS):
        before = as_arrays(state, 0)
        _, _, write_weights = reference_step(parameters, dialect, before, features[0, t].numpy(), codes[0, t].numpy())
        _, state = memory.step(state, features[:, t], codes[:, t], torch.ones(1, dtype=torch.bool))
        expected = expected + decay ** (STEPS - 1 - t) * (state.read_weights[0].detach().numpy() + write_weights).sum(0)
    np.testing.assert_allclose(state.usage[0], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("initial_mass", "mass"), [(0.0, 147.6888), (1.0, 147.7657)])
def test_usage_has_the_mass_of_all_weights(
    make_memory: Callable[..., LRUAMemory], initial_mass: float, mass: float
) -> None:
    """8 (1 - g^50) / (1 - g) + g^50 u_0: four heads read and write a mass of 1 each; 147.7657 is for u_0 = 1."""
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **{**BASE, "heads": 4, "slots": 20})
    with torch.no_grad():
        memory.interface["gate"].weight.zero_()
        memory.interface["gate"].bias.fill_(-40)
    features, codes = draw(steps=50)
    state = memory.initial_state(2, CODE_WIDTH, features)
    state.usage[:, 0] = initial_mass
    _, final = memory.scan(state, features, codes, torch.ones(2, 50, dtype=torch.bool))
    np.testing.assert_allclose(final.usage.detach().sum(1), [mass, mass], rtol=0, atol=5e-5)


@pytest.mark.parametrize("slots", [8, 20])
@pytest.mark.parametrize("strength", [None, 2.0])
def test_closed_gate_reads_as_cosine_attention_over_what_was_written(
    make_memory: Callable[..., LRUAMemory], slots: int, strength: float | None
) -> None:
    steps = 8
    options = {"written": "key", "shortcut": False, "heads": 1, "slots": slots, "usage_decay": 1.0}
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **{**BASE, **options, "strength": strength})
    with torch.no_grad():
        memory.interface["gate"].weight.zero_()
        memory.interface["gate"].bias.fill_(-40)
    features, codes = draw(steps=steps)
    state = memory.initial_state(2, CODE_WIDTH, features)
    reads, _ = memory.scan(state, features, codes, torch.ones(2, steps, dtype=torch.bool))
    hidden, reads = reads.detach().split([BASE["hidden"], BASE["width"]], -1)
    keys = torch.tanh(hidden @ memory.interface["key"].weight.detach().T + memory.interface["key"].bias.detach())
    sharpness = 1.0 if strength is None else float(memory.log_strength.detach().exp())
    for episode, t in itertools.product(range(2), range(steps)):
        written, key = keys[episode, : t + 1].numpy(), keys[episode, t].numpy()
        cosines = [key @ row / np.sqrt((key @ key) * (row @ row) + 1e-6) for row in written]
        powers = np.exp(sharpness * np.array(cosines))
        untouched = slots - len(written)  # rows of zeros have cosine 0
        np.testing.assert_allclose(reads[episode, t], powers @ written / (powers.sum() + untouched), atol=1e-9)


def test_slots_can_be_permuted(make_memory: Callable[..., LRUAMemory], dialect: dict[str, Any]) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **dialect)
    features, codes = draw(steps=1)
    slots, heads, width = dialect["slots"], dialect["heads"], dialect["width"]
    generator = torch.Generator().manual_seed(5)
    state = memory.initial_state(2, CODE_WIDTH, features)._replace(
        memory=torch.randn(2, slots, width, generator=generator, dtype=torch.float64),
        usage=torch.rand(2, slots, generator=generator, dtype=torch.float64),
        read_weights=torch.rand(2, heads, slots, generator=generator, dtype=torch.float64).softmax(-1),
        write_weights=torch.rand(2, heads, slots, generator=generator, dtype=torch.float64).softmax(-1),
    )

    def permuted(state: LRUAState, order: Tensor) -> LRUAState:
        return state._replace(
            memory=state.memory[:, order],
            usage=state.usage[:, order],
            read_weights=state.read_weights[:, :, order],
            write_weights=state.write_weights[:, :, order],
        )

    order = torch.arange(slots).roll(1)
    shown = torch.ones(2, dtype=torch.bool)
    read, after = memory.step(state, features[:, 0], codes[:, 0], shown)
    other_read, other_after = memory.step(permuted(state, order), features[:, 0], codes[:, 0], shown)
    torch.testing.assert_close(other_read, read, rtol=0, atol=1e-12)
    for name, tensor in permuted(after, order)._asdict().items():
        torch.testing.assert_close(getattr(other_after, name), tensor, rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.usefixtures("threads")
def test_untouched_slots_are_taken_in_order_for_any_number_of_threads(
    make_memory: Callable[..., LRUAMemory], n_threads: int
) -> None:
    """Long enough for a sort that is not stable to move ties, and large enough for it to use both threads."""
    torch.set_num_threads(n_threads)
    options = {"slots": 600, "heads": 3, "least_used": "per_head"}
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **{**BASE, **options})
    with torch.no_grad():
        memory.interface["gate"].bias.fill_(-1000)
    features, codes = draw(steps=2, batch=200)
    state = memory.initial_state(200, CODE_WIDTH, features)
    for t in range(2):
        _, state = memory.step(state, features[:, t], codes[:, t], torch.ones(200, dtype=torch.bool))
        touched = state.memory.abs().sum(-1) > 0
        assert touched[:, : 3 * (t + 1)].all()
        assert not touched[:, 3 * (t + 1) :].any()


@pytest.mark.parametrize("least_used", ["per_head", "shared", "threshold"])
@pytest.mark.usefixtures("threads")
def test_ties_break_alike_for_one_and_two_threads(make_memory: Callable[..., LRUAMemory], least_used: str) -> None:
    memory = make_memory(
        "lrua", FEATURES, CODE_WIDTH, **{**BASE, "least_used": least_used, "zeroed": "one", "slots": 50}
    )
    features, codes = draw(steps=4, batch=20)
    mask = torch.ones(20, 4, dtype=torch.bool)
    finals = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        finals.append(memory.scan(memory.initial_state(20, CODE_WIDTH, features), features, codes, mask)[1])
    for one, two in zip(*finals, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_threshold_with_all_rows_zeroed_is_refused(make_memory: Callable[..., LRUAMemory]) -> None:
    """Untouched slots all tie: they would be wiped and written alike for ever."""
    with pytest.raises(ConfigError, match=r"zeroed=one"):
        make_memory("lrua", FEATURES, CODE_WIDTH, **{**BASE, "least_used": "threshold", "zeroed": "all"})


@pytest.mark.parametrize(
    ("least_used", "zeroed"),
    [("per_head", "one"), ("per_head", "all"), ("shared", "one"), ("shared", "all"), ("threshold", "one")],
)
def test_items_told_one_after_another_do_not_all_stand_in_every_row(
    make_memory: Callable[..., LRUAMemory], least_used: str, zeroed: str
) -> None:
    """Slots that tie are written alike: unless something tells them apart, they tie for ever."""
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **{**BASE, "least_used": least_used, "zeroed": zeroed})
    features, codes = draw()
    mask = torch.ones(2, STEPS, dtype=torch.bool)
    rows = memory.write(memory.initial_state(2, CODE_WIDTH, features), features, codes, mask).memory
    assert (rows - rows[:, :1]).abs().amax() > 1e-3


def test_masked_steps_leave_every_tensor_of_the_state_alone(
    make_memory: Callable[..., LRUAMemory], dialect: dict[str, Any]
) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **dialect)
    features, codes = draw(batch=3)
    state = memory.initial_state(3, CODE_WIDTH, features)
    state.usage.copy_(torch.rand(state.usage.shape, generator=torch.Generator().manual_seed(9)))
    state = memory.write(state, features, codes, torch.ones(3, STEPS, dtype=torch.bool))
    _, after = memory.step(state, features[:, 0], codes[:, 0], torch.tensor([False, True, False]))
    for before, tensor in zip(state, after, strict=True):
        assert torch.equal(before[::2], tensor[::2])
        if before.numel():
            assert not torch.equal(before[1], tensor[1])


class Unrolled(nn.Module):
    """The reads and the last memory as a function of features, codes and parameters."""

    def __init__(self, memory: Memory[LRUAState]) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.ones(features.shape[:2], dtype=torch.bool)
        mask[0, 1] = False
        state = self.memory.initial_state(len(features), codes.shape[-1], features)
        reads, final = self.memory.scan(state, features, codes, mask)
        return reads, final.memory


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"written": "key", "shortcut": False, "item_width": None, "strength": None, "controller": "gru"},
        {"least_used": "shared", "address_on": "before"},
        {"least_used": "threshold", "zeroed": "one"},
    ],
    ids=_id,
)
def test_gradients_of_three_steps(make_memory: Callable[..., LRUAMemory], options: dict[str, Any]) -> None:
    tiny = {"item_width": 3, "slots": 4, "width": 2, "heads": 2, "hidden": 2}
    unrolled = Unrolled(make_memory("lrua", 2, 2, **{**BASE, **tiny, **options}))
    names = [name for name, _ in unrolled.named_parameters()]

    def reads(features: Tensor, codes: Tensor, *parameters: Tensor) -> Any:
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(unrolled, named, (features, codes))

    generator = torch.Generator().manual_seed(6)
    inputs = [torch.randn(2, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    parameters = [parameter.detach().clone().requires_grad_() for parameter in unrolled.parameters()]
    assert torch.autograd.gradcheck(reads, (*inputs, *parameters), atol=1e-5)


def test_fresh_memory_already_names_what_it_was_told() -> None:
    torch.manual_seed(7)
    memory = LRUAMemory(features=64, code_width=5)
    features = torch.randn(20, 5, 64)
    codes = torch.eye(5).expand(20, 5, 5)
    with torch.no_grad():
        state = memory.write(
            memory.initial_state(20, 5, features), features, codes, torch.ones(20, 5, dtype=torch.bool)
        )
        named = memory.read(state, features) @ memory.code_readout().T
    assert (named.argmax(-1) == torch.arange(5)).float().mean() > 0.9


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"written": "value"}, "written=value"),
        ({"least_used": "oldest"}, "least_used=oldest"),
        ({"zeroed": "none"}, "zeroed=none"),
        ({"address_on": "during"}, "address_on=during"),
        ({"cosine_epsilon": "1e-16"}, "cosine_epsilon=1e-16"),
        ({"controller": "rnn"}, "controller=rnn"),
        ({"heads": 9}, "9 heads"),
        ({"written": "key"}, "written=add"),
    ],
)
def test_unknown_options_are_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        LRUAMemory(FEATURES, CODE_WIDTH, **{**BASE, **options})


def test_codes_wider_than_the_memory_was_built_for_are_refused(make_memory: Callable[..., LRUAMemory]) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH)
    with pytest.raises(ConfigError, match=f"width {CODE_WIDTH}.*{CODE_WIDTH + 1}"):
        memory.initial_state(1, CODE_WIDTH + 1, torch.zeros(1))


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("masked", [False, True], ids=["all_shown", "masked"])
@pytest.mark.parametrize(
    "dialect",
    [
        *DIALECTS,
        {"controller": "feedforward"},
        {"controller": "feedforward", "written": "key", "shortcut": False, "address_on": "before"},
        {"controller": "gru", "least_used": "shared", "zeroed": "one", "strength": None},
    ],
    ids=_id,
)
def test_scan_is_the_chained_step(
    make_memory: Callable[..., LRUAMemory],
    dialect: dict[str, Any],
    masked: bool,
) -> None:
    """Outputs, final state, and gradients of both by everything that they depend on, from a state in use."""
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **{**BASE, **dialect})
    with torch.no_grad():
        used = Memory.scan(memory, memory.initial_state(2, CODE_WIDTH, draw()[0]), *draw(), torch.ones(2, STEPS) > 0)[1]
    steps = CHUNK + 3
    mask = torch.rand(2, steps, generator=torch.Generator().manual_seed(4)) < (0.7 if masked else 2.0)
    results = []
    for scan in (LRUAMemory.scan, Memory.scan):
        features, codes = (each.requires_grad_() for each in draw(steps))
        state = LRUAState(*(part.clone().requires_grad_() for part in used))
        outputs, final = scan(memory, state, features, codes, mask)
        generator = torch.Generator().manual_seed(5)
        found = [outputs, *final]
        directions = [torch.randn(each.shape, generator=generator, dtype=torch.float64) for each in found]
        sources = [features, codes, *memory.parameters(), *state]
        gradients = torch.autograd.grad(found, sources, directions, materialize_grads=True)
        results.append([*found, *gradients])
    for fast, naive in zip(*results, strict=True):
        torch.testing.assert_close(fast, naive, rtol=1e-8, atol=1e-10)

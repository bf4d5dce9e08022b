"""LRUA against formulas written down a second time, in loops over plain NumPy arrays."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from contract import (
    CODE_WIDTH,
    Arrays,
    Make,
    Results,
    after_writing,
    as_arrays,
    assert_scan_is_the_chained_step,
    assert_step_equals,
    build,
    full_mask,
    padded,
    parameter_arrays,
    random_mask,
    random_sequence,
    reference_controller,
    reference_item,
    sigmoid,
)
from dialects import BASE, DIALECTS, Options, option_id
from torch import Tensor

from metamann.memory.controlled.lrua.lrua import LRUAMemory, LRUAState
from metamann.memory.controlled.lrua.scan import CHUNK
from metamann.memory.interface import Memory

STEPS = 6
EVERY = pytest.mark.parametrize("options", DIALECTS["lrua"], ids=option_id)


def reference_step(
    p: Arrays, options: Options, state: Arrays, x: np.ndarray, code: np.ndarray
) -> tuple[np.ndarray, Arrays]:
    """One episode, one step: what is read, and the next state."""
    heads, slots, width = options["heads"], options["slots"], options["width"]
    item = reference_item(p, x)
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
        "previous_code": padded(code),
    }
    return np.concatenate([hidden, read]), new


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
@EVERY
def test_step_equals_the_formulas(make_memory: Make, options: Options, code_width: int) -> None:
    memory = build(make_memory, "lrua", options)
    features, codes = random_sequence(STEPS, code_width=code_width)
    state = memory.initial_state(2, code_width, features)
    state.usage[1] = torch.rand(memory.slots, generator=torch.Generator().manual_seed(8))  # no ties here
    reference = partial(reference_step, parameter_arrays(memory), {**BASE["lrua"], **options})
    assert_step_equals(reference, memory, state, features, codes)


@EVERY
def test_usage_is_the_decayed_sum_of_read_and_write_weights(make_memory: Make, options: Options) -> None:
    memory, options = build(make_memory, "lrua", options), {**BASE["lrua"], **options}
    parameters = parameter_arrays(memory)
    features, codes = random_sequence(STEPS, batch=1)
    start = torch.rand(1, options["slots"], generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    state = memory.initial_state(1, CODE_WIDTH, features)._replace(usage=start)
    decay, expected = options["usage_decay"], options["usage_decay"] ** STEPS * start[0].numpy()
    for t in range(STEPS):
        before, item, code = as_arrays(state._asdict(), 0), features[0, t].numpy(), codes[0, t].numpy()
        write_weights = reference_step(parameters, options, before, item, code)[1]["write_weights"]
        _, state = memory.step(state, features[:, t], codes[:, t], torch.ones(1, dtype=torch.bool))
        expected = expected + decay ** (STEPS - 1 - t) * (state.read_weights[0].detach().numpy() + write_weights).sum(0)
    np.testing.assert_allclose(state.usage[0], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("initial_mass", "mass"), [(0.0, 147.6888), (1.0, 147.7657)])
def test_usage_has_the_mass_of_all_weights(make_memory: Make, initial_mass: float, mass: float) -> None:
    """8 (1 - g^50) / (1 - g) + g^50 u_0: four heads read and write a mass of 1 each; 147.7657 is for u_0 = 1."""
    memory = build(make_memory, "lrua", {"heads": 4, "slots": 20})
    with torch.no_grad():
        memory.interface["gate"].weight.zero_()
        memory.interface["gate"].bias.fill_(-40)
    features, codes = random_sequence(50)
    state = memory.initial_state(2, CODE_WIDTH, features)
    state.usage[:, 0] = initial_mass
    _, final = memory.scan(state, features, codes, full_mask(features))
    np.testing.assert_allclose(final.usage.detach().sum(1), [mass, mass], rtol=0, atol=5e-5)


@pytest.mark.parametrize("slots", [8, 20])
@pytest.mark.parametrize("strength", [None, 2.0])
def test_closed_gate_reads_as_cosine_attention_over_what_was_written(
    make_memory: Make, slots: int, strength: float | None
) -> None:
    steps = 8
    options = {"written": "key", "shortcut": False, "heads": 1, "slots": slots, "usage_decay": 1.0}
    memory = build(make_memory, "lrua", {**options, "strength": strength})
    with torch.no_grad():
        memory.interface["gate"].weight.zero_()
        memory.interface["gate"].bias.fill_(-40)
    features, codes = random_sequence(steps)
    state = memory.initial_state(2, CODE_WIDTH, features)
    reads, _ = memory.scan(state, features, codes, full_mask(features))
    hidden, reads = reads.detach().split([BASE["lrua"]["hidden"], BASE["lrua"]["width"]], -1)
    keys = torch.tanh(hidden @ memory.interface["key"].weight.detach().T + memory.interface["key"].bias.detach())
    sharpness = 1.0 if strength is None else float(memory.log_strength.detach().exp())
    for episode, t in itertools.product(range(2), range(steps)):
        written, key = keys[episode, : t + 1].numpy(), keys[episode, t].numpy()
        cosines = [key @ row / np.sqrt((key @ key) * (row @ row) + 1e-6) for row in written]
        powers = np.exp(sharpness * np.array(cosines))
        untouched = slots - len(written)  # rows of zeros have cosine 0
        np.testing.assert_allclose(reads[episode, t], powers @ written / (powers.sum() + untouched), atol=1e-9)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.usefixtures("threads")
def test_untouched_slots_are_taken_in_order_for_any_number_of_threads(make_memory: Make, n_threads: int) -> None:
    """Long enough for a sort that is not stable to move ties, and large enough for it to use both threads."""
    torch.set_num_threads(n_threads)
    options = {"slots": 600, "heads": 3, "least_used": "per_head"}
    memory = build(make_memory, "lrua", options)
    with torch.no_grad():
        memory.interface["gate"].bias.fill_(-1000)
    features, codes = random_sequence(2, batch=200)
    state = memory.initial_state(200, CODE_WIDTH, features)
    for t in range(2):
        _, state = memory.step(state, features[:, t], codes[:, t], torch.ones(200, dtype=torch.bool))
        touched = state.memory.abs().sum(-1) > 0
        assert touched[:, : 3 * (t + 1)].all()
        assert not touched[:, 3 * (t + 1) :].any()


@pytest.mark.parametrize(
    ("least_used", "zeroed"),
    [("per_head", "one"), ("per_head", "all"), ("shared", "one"), ("shared", "all"), ("threshold", "one")],
)
def test_consecutive_items_are_not_written_to_all_rows_alike(make_memory: Make, least_used: str, zeroed: str) -> None:
    """Slots that tie are written alike, and tie ever after unless a rule breaks the tie."""
    memory = build(make_memory, "lrua", {"least_used": least_used, "zeroed": zeroed})
    rows = after_writing(memory, *random_sequence(STEPS)).memory
    assert (rows - rows[:, :1]).abs().amax() > 1e-3


@pytest.fixture(scope="module")
def chained() -> dict[tuple[str, bool], Results]:
    """Results of the chained step, with which both cores are compared."""
    return {}


def long_sequence(memory: LRUAMemory, masked: bool) -> tuple[LRUAState, Tensor, Tensor, Tensor]:
    """A state in use, and a sequence of more than a chunk."""
    with torch.no_grad():
        features, codes = random_sequence(STEPS)
        state = Memory.scan(memory, memory.initial_state(2, CODE_WIDTH, features), features, codes, full_mask(features))
    return state[1], *random_sequence(CHUNK + 3), random_mask(2, CHUNK + 3, 0.7 if masked else 2.0, seed=4)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("masked", [False, True], ids=["unmasked", "masked"])
@pytest.mark.parametrize(
    "options",
    [
        *DIALECTS["lrua"],
        {"controller": "feedforward"},
        {"controller": "feedforward", "written": "key", "shortcut": False, "address_on": "before"},
        {"controller": "gru", "least_used": "shared", "zeroed": "one", "strength": None},
    ],
    ids=option_id,
)
def test_scan_equals_the_chained_step(
    make_memory: Make, chained: dict[tuple[str, bool], Results], options: Options, masked: bool
) -> None:
    memory, case, within = build(make_memory, "lrua", options), (repr(options), masked), (1e-8, 1e-10)
    sequence = long_sequence(memory, masked)
    chained[case] = assert_scan_is_the_chained_step(memory, *sequence, within, within, chained.get(case))

"""The DNC against closed forms, and against its equations written down a second time in loops over NumPy arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contract import (
    CODE_WIDTH,
    FEATURES,
    Arrays,
    Make,
    after_writing,
    as_arrays,
    build,
    full_mask,
    random_sequence,
    sigmoid,
    used_state,
)
from dialects import BASE, DIALECTS, Options, option_id
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metamann.memory.controlled.dnc import (
    DNCMemory,
    allocation,
    content_weights,
    next_link,
    next_usage,
    oneplus,
    retention,
)

STEPS = 6
OPEN, SHUT = 1e3, -1e3  # as logits of gates
EVERY = pytest.mark.parametrize("options", DIALECTS["dnc"], ids=option_id)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw_parts(memory: DNCMemory, batch: int, seed: int) -> dict[str, Tensor]:
    """What the controller could say at a step."""
    return {
        name: 2 * draw(batch, layer.out_features, seed=100 * seed + number)
        for number, (name, layer) in enumerate(memory.interface.items())
    }


def reference_content(memory: np.ndarray, key: np.ndarray, strength: float) -> np.ndarray:
    powers = np.zeros(len(memory))
    for i, row in enumerate(memory):
        cosine = row @ key / np.sqrt((row @ row) * (key @ key) + 1e-6)
        powers[i] = np.exp((1 + np.log(1 + np.exp(strength))) * cosine)
    return powers / powers.sum()


def reference_access(parts: Arrays, state: Arrays, links: bool) -> Arrays:
    """One episode, one step, slot by slot."""
    old, (heads, slots) = state["memory"], state["read_weights"].shape
    w_read, w_write = state["read_weights"], state["write_weights"]

    usage = np.zeros(slots)
    for i in range(slots):
        retained = 1.0
        for head in range(heads):
            retained *= 1 - sigmoid(parts["free_gates"][head]) * w_read[head, i]
        usage[i] = (state["usage"][i] + w_write[i] - state["usage"][i] * w_write[i]) * retained
    allocated, product = np.zeros(slots), 1.0
    for i in sorted(range(slots), key=lambda slot: (np.round(1024 * usage[slot]), slot)):
        allocated[i] = (1 - usage[i]) * product
        product *= usage[i]

    found = reference_content(old, parts["write_key"], parts["write_strength"][0])
    g_write, g_alloc = sigmoid(parts["write_gate"][0]), sigmoid(parts["allocation_gate"][0])
    new_write, memory = np.zeros(slots), np.zeros_like(old)
    for i in range(slots):
        new_write[i] = g_write * (g_alloc * allocated[i] + (1 - g_alloc) * found[i])
        for d in range(old.shape[1]):
            kept = old[i, d] * (1 - new_write[i] * sigmoid(parts["erase"][d]))
            memory[i, d] = kept + new_write[i] * parts["write_vector"][d]

    link, precedence = state["link"].copy(), state["precedence"].copy()
    if links:
        for i in range(slots):
            for j in range(slots):
                kept = (1 - new_write[i] - new_write[j]) * state["link"][i, j]
                link[i, j] = 0 if i == j else kept + new_write[i] * state["precedence"][j]
        precedence = (1 - new_write.sum()) * state["precedence"] + new_write

    new_read, reads = np.zeros((heads, slots)), []
    for head in range(heads):
        key = parts["key"].reshape(heads, -1)[head]
        content = reference_content(memory, key, parts["strength"][head])
        new_read[head] = content
        if links:
            modes = np.exp(parts["modes"].reshape(heads, 3)[head])
            modes = modes / modes.sum()
            new_read[head] = modes[0] * link.T @ w_read[head] + modes[1] * content + modes[2] * link @ w_read[head]
        reads.append(memory.T @ new_read[head])
    return {
        **state,
        "memory": memory,
        "usage": usage,
        "write_weights": new_write,
        "precedence": precedence,
        "link": link,
        "read_weights": new_read,
        "read": np.concatenate(reads),
    }


@EVERY
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "used"])
def test_access_equals_the_equations(make_memory: Make, options: Options, fresh: bool) -> None:
    memory = build(make_memory, "dnc", options)
    state = memory.initial_state(2, CODE_WIDTH, draw(1)) if fresh else used_state(memory)
    expected = [as_arrays(state._asdict(), episode) for episode in range(2)]
    for t in range(STEPS):
        parts = draw_parts(memory, 2, seed=t + 1)
        state = memory.access(parts, state)
        for episode in range(2):
            expected[episode] = reference_access(as_arrays(parts, episode), expected[episode], memory.links)
            for name, array in as_arrays(state._asdict(), episode).items():
                np.testing.assert_allclose(array, expected[episode][name], rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ([0.5, 0.25, 1.0, 0.75], [0.25 * 0.5, 0.75, 0.0, 0.25 * 0.5 * 0.25]),
        ([0.5, 0.0, 0.25], [0.0, 1.0, 0.0]),
        ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
        ([0.5, 0.5, 0.5], [0.5, 0.25, 0.125]),
        ([1.0, 0.5, 1.0], [0.0, 0.5, 0.0]),
        ([0.25], [0.75]),
    ],
)
def test_allocation_on_usages_worked_out_by_hand(usage: list[float], expected: list[float]) -> None:
    """All figures are sums of few powers of two: nothing is rounded."""
    assert allocation(torch.tensor([usage])).tolist() == [expected]


@settings(deadline=None, max_examples=50)
@given(usage=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_allocation_leaves_out_what_is_used(usage: list[float]) -> None:
    weights = allocation(torch.tensor([usage], dtype=torch.float64))
    assert (weights >= 0).all()
    assert float(weights.sum()) == pytest.approx(1 - np.prod(usage), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("base", [0.0, 0.3, 1.0])
def test_rounding_does_not_choose_the_slot(dtype: torch.dtype, base: float) -> None:
    noise = torch.finfo(dtype).eps * torch.tensor([[2, 0, -1, 1]], dtype=dtype)
    weights = allocation(base + noise)
    expected = (1 - base) * torch.tensor([[base**place for place in range(4)]], dtype=dtype)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "usage",
    [
        [0.3, 0.0, 0.6, 0.9],
        [0.3, 1.0, 0.6, 0.9],
        [0.0, 0.0, 0.5, 0.0],
        [0.0, 1.0, 0.5, 1.0],
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 1.0],
        [0.2, 0.8, 0.4, 0.6],
    ],
)
def test_gradients_of_allocation_at_free_and_full_slots(usage: list[float]) -> None:
    """Against the products written out, whose gradients never divide by a usage."""
    leaf = torch.tensor(usage, dtype=torch.float64, requires_grad=True)
    order, product, by_slot = (
        sorted(range(4), key=lambda slot: (usage[slot], slot)),
        torch.ones(()),
        [torch.zeros(())] * 4,
    )
    for slot in order:
        by_slot[slot] = (1 - leaf[slot]) * product
        product = product * leaf[slot]
    for slot in range(4):
        (expected,) = torch.autograd.grad(by_slot[slot], leaf, retain_graph=True)
        (gradient,) = torch.autograd.grad(allocation(leaf.unsqueeze(0))[0, slot], leaf)
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda usages: allocation(usages.unsqueeze(0)), leaf)


def test_gradients_of_allocation_stay_bounded_at_the_smallest_usages() -> None:
    usage = torch.tensor([[1e-45, 1e-40, 1e-38, 1e-20, 0.5, 1.0, 0.0, 1e-42]], requires_grad=True)
    for used in (usage, usage[:, :-2]):
        for slot in range(used.shape[1]):
            (gradient,) = torch.autograd.grad(allocation(used)[0, slot], usage, retain_graph=True)
            assert gradient.abs().max() <= 2


def test_free_gates_release_what_was_read() -> None:
    """Usage .5 and a half write make .75; a head that frees half of what it reads fully leaves half, two a quarter."""
    read_weights = torch.tensor([[[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.5]]])
    retained = retention(torch.tensor([[0.5, 0.5]]), read_weights)
    assert retained.tolist() == [[0.5, 1.0, 0.25, 0.75]]
    assert retention(torch.zeros(1, 2), read_weights).tolist() == [[1.0] * 4]
    assert retention(torch.ones(1, 2), read_weights).tolist() == [[0.0, 1.0, 0.0, 0.5]]
    usage = next_usage(torch.full((1, 4), 0.5), torch.full((1, 4), 0.5), retained)
    assert usage.tolist() == [[0.375, 0.75, 0.1875, 0.5625]]


def test_strengths_start_at_one() -> None:
    strengths = oneplus(torch.tensor([-100.0, 0.0, 100.0]))
    torch.testing.assert_close(strengths, torch.tensor([1.0, 1.0 + float(np.log(2)), 101.0]))


def test_links_of_writes_in_sequence() -> None:
    """Slot 1 follows slot 0 and slot 2 follows slot 1; written again, slot 0 follows slot 2 and precedes none."""
    link, precedence = torch.zeros(1, 4, 4), torch.zeros(1, 4)
    for slot in (0, 1, 2):
        write_weights = torch.eye(4)[slot].unsqueeze(0)
        link = next_link(link, precedence, write_weights)
        precedence = (1 - write_weights.sum()) * precedence + write_weights
    expected = torch.zeros(1, 4, 4)
    expected[0, 1, 0] = expected[0, 2, 1] = 1
    assert torch.equal(link, expected)
    again = next_link(link, precedence, torch.eye(4)[:1])
    assert again.nonzero().tolist() == [[0, 0, 2], [0, 2, 1]]


def commands(memory: DNCMemory, **parts: list[float]) -> dict[str, Tensor]:
    """Parts of one episode that neither write nor free, and read by content, but for those given."""
    rest = {
        **{name: torch.zeros(1, layer.out_features) for name, layer in memory.interface.items()},
        "write_gate": torch.tensor([[SHUT]]),
        "allocation_gate": torch.tensor([[OPEN]]),
        "free_gates": torch.full((1, memory.heads), SHUT),
        "strength": torch.full((1, memory.heads), 100.0),
        "modes": torch.tensor([[SHUT, OPEN, SHUT] * memory.heads]),
    }
    return {**rest, **{name: torch.tensor([values]) for name, values in parts.items()}}


def test_reads_follow_the_order_of_writing_in_both_directions(make_memory: Make) -> None:
    memory = make_memory("dnc", heads=1, slots=5, width=3, dtype=torch.float32)
    state = memory.initial_state(1, 3, torch.zeros(1))
    rows = torch.eye(3)
    for row in rows:
        state = memory.access(commands(memory, write_gate=[OPEN], write_vector=row.tolist()), state)
    assert torch.equal(state.memory[0], torch.cat([rows, torch.zeros(2, 3)]))  # slots 0, 1, 2
    forward, backward = [SHUT, SHUT, OPEN], [OPEN, SHUT, SHUT]
    state = memory.access(commands(memory, key=rows[0].tolist()), state)
    seen = [state.read[0]]
    for mode in (forward, forward, backward, backward, backward):
        state = memory.access(commands(memory, modes=mode), state)
        seen.append(state.read[0])
    expected = torch.stack([rows[0], rows[1], rows[2], rows[1], rows[0], torch.zeros(3)])
    torch.testing.assert_close(torch.stack(seen), expected)


def test_a_freed_slot_is_written_again_and_erased(make_memory: Make) -> None:
    memory = make_memory("dnc", heads=1, slots=3, width=3, dtype=torch.float32)
    state = memory.initial_state(1, 3, torch.zeros(1))
    for row in torch.eye(3):
        state = memory.access(commands(memory, write_gate=[OPEN], write_vector=row.tolist()), state)
    full, new = state.memory, [5.0, 6.0, 7.0]
    write = commands(memory, write_gate=[OPEN], write_vector=new, erase=[OPEN] * 3)
    assert torch.equal(memory.access(write, state).memory, full)  # nothing is free: nothing is written
    state = memory.access(commands(memory, key=[0.0, 1.0, 0.0]), state)  # reads slot 1
    state = memory.access({**write, "free_gates": torch.full((1, 1), OPEN)}, state)
    assert state.write_weights.argmax() == 1
    torch.testing.assert_close(state.memory[0], torch.stack([full[0, 0], torch.tensor(new), full[0, 2]]))


@EVERY
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "used"])
def test_weights_and_links_are_never_more_than_one_in_all(make_memory: Make, options: Options, fresh: bool) -> None:
    memory = build(make_memory, "dnc", options)
    state = memory.initial_state(8, CODE_WIDTH, draw(1)) if fresh else used_state(memory, 8)
    most = 1 + 1e-12
    for t in range(30):
        state = memory.access(draw_parts(memory, 8, seed=t), state)
        for weights in (state.write_weights, state.read_weights, state.precedence, state.usage, state.link):
            assert (weights >= 0).all()
        for weights in (state.write_weights, state.read_weights, state.precedence, state.link, state.link.mT):
            assert (weights.sum(-1) <= most).all()
        assert (state.usage <= most).all()
        assert not state.link.diagonal(dim1=1, dim2=2).any()
        if not memory.links:
            torch.testing.assert_close(state.read_weights.sum(-1), torch.ones(8, memory.heads, dtype=torch.float64))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.usefixtures("threads")
def test_untouched_slots_are_taken_in_order_for_any_number_of_threads(make_memory: Make, n_threads: int) -> None:
    """Long enough for a sort that is not stable to move ties, and large enough for it to use both threads."""
    torch.set_num_threads(n_threads)
    memory = build(make_memory, "dnc", {"slots": 600, "links": False})
    for gate, logit in (("write_gate", OPEN), ("allocation_gate", OPEN), ("free_gates", SHUT)):
        memory.start_part(gate, logit)
    features, codes = random_sequence(3, batch=60)
    state = memory.initial_state(60, CODE_WIDTH, features)
    for t in range(3):
        _, state = memory.step(state, features[:, t], codes[:, t], torch.ones(60, dtype=torch.bool))
        assert torch.equal(state.write_weights, torch.eye(600, dtype=torch.float64)[t].expand(60, 600))


@pytest.mark.parametrize("links", [True, False])
def test_equal_slots_are_taken_alone_as_in_a_batch(make_memory: Make, links: bool) -> None:
    """Writes by content give equal rows to all untouched slots, and matrix products equal rows unequal rounding."""
    memory = build(make_memory, "dnc", {"slots": 50, "width": 13, "links": links})
    features, codes = random_sequence(8, batch=8)
    together = after_writing(memory, features, codes)
    for episode in range(8):
        only = slice(episode, episode + 1)
        alone = after_writing(memory, features[only], codes[only])
        for name, tensor in alone._asdict().items():
            torch.testing.assert_close(tensor, getattr(together, name)[only], rtol=0, atol=1e-10, msg=name)


@EVERY
def test_trace_shows_the_share_of_a_read_that_no_slot_has(make_memory: Make, options: Options) -> None:
    memory = build(make_memory, "dnc", options)
    features, codes = random_sequence(STEPS)
    state = memory.initial_state(2, CODE_WIDTH, features)
    weights = memory.trace(state, features, codes, full_mask(features)).read_weights
    slots, nowhere = weights.split([memory.slots, 1], -1)
    assert torch.equal(slots[:, :, -1], after_writing(memory, features, codes).read_weights)
    torch.testing.assert_close(nowhere.squeeze(-1), 1 - slots.sum(-1), rtol=0, atol=1e-12)
    assert (nowhere.amax() > 1e-3) == memory.links


def test_gradients_of_the_parts_of_a_step() -> None:
    rows, keys, strength = draw(2, 4, 3), draw(2, 2, 3, seed=1), draw(2, 2, seed=2).exp()
    rows[0, 1], keys[1, 0] = 0, 0
    gates, weights = draw(2, 2).sigmoid(), draw(2, 2, 4).softmax(-1)
    gates[0, 0], weights[0, 0] = 1, torch.eye(4)[2]  # a slot set free entirely
    usage, written = draw(2, 4, seed=3).sigmoid(), draw(2, 4, seed=4).softmax(-1)
    link, precedence = draw(2, 4, 4, seed=5).softmax(-1), draw(2, 4, seed=6).softmax(-1)
    for function, arguments in (
        (oneplus, (gates,)),
        (content_weights, (rows, keys, strength)),
        (retention, (gates, weights)),
        (next_usage, (usage, written, gates[:, :1].expand(2, 4))),
        (allocation, (usage,)),
        (next_link, (link, precedence, written)),
    ):
        inputs = [tensor.detach().clone().requires_grad_() for tensor in arguments]
        assert torch.autograd.gradcheck(function, inputs, atol=1e-4), function.__name__


@pytest.mark.parametrize("links", [True, False])
def test_gradients_are_finite_for_sequences_of_zeros(links: bool) -> None:
    """Zero features, zero keys, zero rows, and gates so far open that usages are exactly 0 and 1."""
    memory = DNCMemory(FEATURES, CODE_WIDTH, **BASE["dnc"], links=links, gates=50.0)
    features = torch.zeros(2, 10, FEATURES, requires_grad=True)  # more steps than slots
    codes, mask = torch.zeros(2, 10, CODE_WIDTH), torch.ones(2, 10, dtype=torch.bool)
    reads, final = memory.scan(memory.initial_state(2, CODE_WIDTH, features), features, codes, mask)
    assert torch.equal(final.usage, torch.ones_like(final.usage))
    (reads.square().sum() + final.memory.sum() + final.usage.sum()).backward()
    for name, tensor in (("features", features), *memory.named_parameters()):
        assert tensor.grad is None or tensor.grad.isfinite().all(), name


@pytest.mark.parametrize("links", [True, False])
def test_untrained_memory_reads_an_item_from_the_slot_it_was_written_to(links: bool) -> None:
    torch.manual_seed(7)
    memory = DNCMemory(features=64, code_width=5, links=links)
    features, codes, mask = torch.randn(10, 9, 64), torch.zeros(10, 9, 5), torch.ones(10, dtype=torch.bool)
    state, written = memory.initial_state(10, 5, features), []
    with torch.no_grad():
        for t in range(9):
            _, state = memory.step(state, features[:, t], codes[:, t], mask)
            written.append(state.write_weights)
        slots = torch.stack(written, 1).max(-1)
        assert (slots.values > 0.7).all()
        assert all(len(set(episode)) == 9 for episode in slots.indices.tolist())
        # the item of step t is written at step t + 1
        weights = memory.trace(state, features[:, :1], codes[:, :1], mask.unsqueeze(1)).read_weights[:, :, 0]
    strongest = weights[:, :, :-1].argmax(-1)
    assert (strongest == slots.indices[:, 1:2]).float().mean() > 0.9


def test_gates_and_strength_start_where_the_options_say() -> None:
    memory = DNCMemory(FEATURES, CODE_WIDTH, **BASE["dnc"], strength=7.0, gates=3.0)
    starts = {name: layer.bias.detach() for name, layer in memory.interface.items()}
    torch.testing.assert_close(oneplus(starts["strength"]), torch.full((2,), 7.0))
    for name, share in (("write_gate", 0.9526), ("allocation_gate", 0.9526), ("free_gates", 0.0474)):
        torch.testing.assert_close(starts[name].sigmoid(), torch.full_like(starts[name], share), rtol=0, atol=1e-4)
    modes = starts["modes"].view(2, 3).softmax(-1)
    torch.testing.assert_close(modes, torch.tensor([[0.0453, 0.9094, 0.0453]] * 2), rtol=0, atol=1e-4)


def test_gates_of_zero_start_half_open() -> None:
    """The paper's start: nothing is decided yet."""
    memory = DNCMemory(FEATURES, CODE_WIDTH, **BASE["dnc"], strength=1 + float(np.log(2)), gates=0.0, shortcut=False)
    for name in ("write_gate", "allocation_gate", "free_gates", "modes", "strength"):
        torch.testing.assert_close(memory.interface[name].bias, torch.zeros_like(memory.interface[name].bias))

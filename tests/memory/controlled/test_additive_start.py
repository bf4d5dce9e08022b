"""Where an additive memory starts: what is random, what counts, what is compared."""

from __future__ import annotations

import torch

from metamann.memory.controlled.additive import AdditiveMemory

WIDTH, SLOTS = 64, 32
ADDRESS, CONTENT = slice(1, WIDTH // 4), slice(WIDTH // 4, WIDTH)


def fresh(**options: object) -> AdditiveMemory:
    torch.manual_seed(0)
    return AdditiveMemory(20, 5, item_width=32, slots=SLOTS, width=WIDTH, hidden=40, **options)


def write_one(memory: AdditiveMemory) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows before and after one pair, of 16 episodes."""
    features, codes = torch.randn(16, 20), torch.eye(5)[torch.arange(16) % 5]
    state = memory.initial_state(16, 5, features)
    _, after = memory.step(state, features, codes, torch.ones(16, dtype=torch.bool))
    return state.memory.detach(), after.memory.detach()


def test_fresh_rows_have_an_address_and_nothing_else() -> None:
    rows = fresh().rows.detach()
    assert not rows[:, CONTENT].any()
    assert not rows[:, 0].any()
    assert rows[:, ADDRESS].all()


def test_a_write_counts_once_and_leaves_the_address_alone() -> None:
    before, after = write_one(fresh())
    assert torch.equal(before[..., ADDRESS], after[..., ADDRESS])
    torch.testing.assert_close(after[..., 0].sum(1), torch.tanh(torch.tensor(2.0)).expand(16))
    assert (after[..., CONTENT] != 0).any(-1).all()


def test_the_next_write_keeps_off_the_row_that_was_taken() -> None:
    memory = fresh()
    _, after = write_one(memory)
    taken = after[..., 0].argmax(1, keepdim=True)
    hidden = torch.randn(16, 1, 40)
    free = after.clone().scatter_(1, taken.unsqueeze(-1).expand(-1, -1, 1), 0.0)  # the same rows, one not counted
    with torch.no_grad():
        weights, unburdened = (memory.write_score(hidden, rows).softmax(-1)[:, 0] for rows in (after, free))
    assert (weights.gather(1, taken) < unburdened.gather(1, taken)).all()


def test_additive_read_scores_start_as_a_product_of_item_and_content() -> None:
    """Zero for rows never written and odd in the content, as a product is; an item's own content stands out."""
    memory = fresh(score="additive")
    items = torch.randn(16, 32)
    with torch.no_grad():
        content = memory.shortcut.item(items).tanh()
        rows = torch.cat([content, -content, torch.zeros(4, WIDTH)])
        rows[:32, 0] = 1
        rows[32:, ADDRESS] = torch.randn(4, WIDTH // 4 - 1)
        scores = memory.score(items.unsqueeze(0), rows.unsqueeze(0))[0]
    own, opposite, never = scores.split([16, 16, 4], 1)
    torch.testing.assert_close(opposite, -own, rtol=1e-3, atol=1e-3)
    assert never.abs().max() < 1e-3
    assert (own.argmax(1) == torch.arange(16)).float().mean() > 0.7

"""Random numbers are a function of the seed: whatever runs beside, and whoever is around."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from metamann.training.seeding import seeded


def drawn(seed: int) -> Tensor:
    with seeded(seed):
        return torch.rand(3)


def test_what_is_drawn_is_that_of_the_seed() -> None:
    generator = torch.Generator().manual_seed(7)
    assert torch.equal(drawn(7), torch.rand(3, generator=generator))
    assert torch.equal(drawn(7), drawn(7))
    assert not torch.equal(drawn(7), drawn(8))


def test_the_program_around_draws_on_as_if_nothing_had_been() -> None:
    torch.manual_seed(0)
    expected = torch.rand(4)
    torch.manual_seed(0)
    parts = [torch.rand(2)]
    drawn(7)
    try:
        with seeded(8):
            torch.rand(1)
            raise ZeroDivisionError
    except ZeroDivisionError:
        parts.append(torch.rand(2))
    assert torch.equal(torch.cat(parts), expected)


def test_a_block_inside_a_block_leaves_the_outer_one_as_it_was() -> None:
    with seeded(1):
        whole = torch.rand(4)
    with seeded(1):
        first = torch.rand(2)
        drawn(2)
        assert torch.equal(torch.cat([first, torch.rand(2)]), whole)


def test_two_threads_draw_what_each_draws_alone() -> None:
    expected = {seed: torch.stack([drawn(seed + step) for step in range(300)]) for seed in (1000, 2000)}
    found: dict[int, Tensor] = {}
    start = threading.Barrier(2)

    def work(seed: int) -> None:
        start.wait()
        rows = []
        for step in range(300):
            with seeded(seed + step):
                rows.append(torch.cat([torch.rand(1) for _ in range(3)]))
        found[seed] = torch.stack(rows)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, numbers in expected.items():
        assert torch.equal(found[seed], numbers)

"""Batches that threads prepare ahead of the step that uses them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")

BATCHES_AHEAD = 2


def prepared_ahead(
    prepare: Callable[[Sequence[int]], Batch], batches: Sequence[Sequence[int]], workers: int
) -> Iterator[Batch]:
    """The result of `prepare` for each batch of indices, in order.

    Args:
        prepare: a pure function of the indices.
        batches: episode indices.
        workers: number of threads; `BATCHES_AHEAD` batches per thread are prepared ahead.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="episodes") as pool:
        ahead: deque[Future[Batch]] = deque()
        try:
            for indices in batches:
                ahead.append(pool.submit(prepare, indices))
                if len(ahead) > workers * BATCHES_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for unused in ahead:
                unused.cancel()

"""Random changes of bytes and of plain data, the same for the same seed."""

from __future__ import annotations

import random
from typing import Any

PIECES = (
    b"\x00", b"\xff", b"\n", b"\r\n", b"\t", b"\xef\xbb\xbf", b"\xff\xfe", "\u2028".encode(), "\U0001f600".encode(),
    "北京".encode(), b"\\ud800", b"[", b"]", b"{", b"}", b'"', b",", b":", b"-1", b"1e999", b"NaN", b"null", b"true",
    b"9" * 30, b"B-", b"I-", b"O", b"#", b"$\\foo$", b"a" * 5000, b" " * 300, b"../" * 20,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**70, float("nan"), float("inf"), "", "x", "${x}", "\ud800", [], {}, [1], {"a": 1},
    "a" * 10_000, [[]], -(10**30), "/", "..", "0", (1, 2),
)  # fmt: skip


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """One to eight changes: bits, cuts, doublings, exchanges, and pieces that files stumble over."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        start = rng.randrange(len(changed) + 1)
        end = min(len(changed), start + rng.choice((1, 2, 5, 20, 200)))
        kind = rng.randrange(6)
        if kind == 0 and start < len(changed):
            changed[start] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[start:end]
        elif kind == 2:
            changed[start:start] = changed[start:end]
        elif kind == 3:
            changed[start:start] = rng.choice(PIECES)
        elif kind == 4:
            changed[start:end] = rng.choice(PIECES)
        elif rng.random() < 0.2:
            del changed[start:]
    return bytes(changed)


def mutated_data(node: Any, rng: random.Random) -> Any:
    """Plain data in which one value is another, is missing, or is doubled."""
    if isinstance(node, dict) and node and rng.random() < 0.9:
        key = rng.choice(list(node))
        changed = dict(node)
        kind = rng.random()
        if kind < 0.1:
            del changed[key]
        elif kind < 0.2:
            changed[rng.choice(("x", "_partial_", "", "${a}"))] = changed.pop(key)
        else:
            changed[key] = mutated_data(node[key], rng)
        return changed
    if isinstance(node, list) and node and rng.random() < 0.8:
        place = rng.randrange(len(node))
        kind = rng.random()
        if kind < 0.2:
            return [*node[:place], *node[place + 1 :]]
        if kind < 0.4:
            return [*node, node[place]]
        return [*node[:place], mutated_data(node[place], rng), *node[place + 1 :]]
    return rng.choice(VALUES)

"""Random numbers of an episode: a pure function of (data fingerprint, protocol, seed, index)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metamann.errors import check_seed

PLAN, CODES = 0, 1  # what numbers are for: label codes have a stream of their own, so that they leave the items alone


class Seeds(NamedTuple):
    """Where the random numbers of a sampler come from.

    Attributes:
        entropy: of the data and the protocol, 128 bits.
        seed: of the sequence of episodes.
        purposes: whether plans and codes have streams of their own; where there are no codes, there is one stream.
    """

    entropy: int
    seed: int
    purposes: bool = True

    @classmethod
    def of(cls, identity: Sequence[object], seed: int, purposes: bool = True) -> Seeds:
        """Seeds of episodes of these data under this protocol.

        Args:
            identity: what names data and protocol, as plain data.
            seed: of the sequence of episodes.
            purposes: see the attribute.

        Raises:
            ConfigError: if the seed is none.
        """
        check_seed("seed", seed)
        named = json.dumps(identity, sort_keys=True)
        return cls(int.from_bytes(hashlib.sha256(named.encode()).digest()[:16], "big"), seed, purposes)

    def rng(self, index: int, purpose: int) -> np.random.Generator:
        """Generator of episode `index`, for its `PLAN` or its `CODES`."""
        entropy = (self.entropy, self.seed, index)
        return np.random.default_rng((*entropy, purpose) if self.purposes else entropy)

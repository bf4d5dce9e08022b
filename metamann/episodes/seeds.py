"""Random numbers of an episode: a pure function of (data fingerprint, protocol, seed, index)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from metamann.errors import check_seed

PLAN, CODES = 0, 1  # what numbers are for: label codes have a stream of their own, so that they leave the items alone


class Seeds(NamedTuple):
    """Where the random numbers of a sampler come from.

    Attributes:
        entropy: of the data and the protocol, 128 bits.
        seed: of the sequence of episodes.
    """

    entropy: int
    seed: int

    @classmethod
    def of(cls, fingerprint: str, protocol: Mapping[str, object], seed: int) -> Seeds:
        """Seeds of episodes of these data under this protocol.

        Raises:
            ConfigError: if the seed is none.
        """
        check_seed("seed", seed)
        identity = json.dumps([fingerprint, protocol], sort_keys=True)
        return cls(int.from_bytes(hashlib.sha256(identity.encode()).digest()[:16], "big"), seed)

    def rng(self, index: int, purpose: int) -> np.random.Generator:
        """Generator of episode `index`, for its `PLAN` or its `CODES`."""
        return np.random.default_rng((self.entropy, self.seed, index, purpose))

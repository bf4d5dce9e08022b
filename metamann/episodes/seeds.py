"""Random numbers of an episode: a pure function of (data fingerprint, protocol, seed, index)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metamann.errors import check_seed

# purposes of random numbers: label codes have a stream of their own, so that the items are the same for any codes
PLAN, CODES = 0, 1


class Seeds(NamedTuple):
    """Where the random numbers of a sampler come from.

    Attributes:
        entropy: of the data and the protocol, 128 bits.
        seed: of the sequence of episodes.
        purposes: whether plans and codes have streams of their own; where there are no codes, there is one stream.

    Examples:
        >>> seeds = Seeds.of(["data", "protocol"], seed=0)
        >>> bool(seeds.rng(3, PLAN).random() == seeds.rng(3, PLAN).random())  # a pure function of its arguments
        True
        >>> bool(seeds.rng(3, PLAN).random() == seeds.rng(4, PLAN).random())
        False
    """

    entropy: int
    seed: int
    purposes: bool = True

    @classmethod
    def of(cls, identity: Sequence[object], seed: int, purposes: bool = True) -> Seeds:
        """Seeds of episodes of these data under this protocol.

        Args:
            identity: of the data and the protocol, as plain data.
            seed: of the sequence of episodes.
            purposes: see the attribute.

        Raises:
            ConfigError: if the seed is not a whole number in range.
        """
        check_seed("seed", seed)
        text = json.dumps(identity, sort_keys=True)
        return cls(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"), seed, purposes)

    def rng(self, index: int, purpose: int) -> np.random.Generator:
        """Generator of episode `index`, for its `PLAN` or its `CODES`."""
        entropy = (self.entropy, self.seed, index)
        return np.random.default_rng((*entropy, purpose) if self.purposes else entropy)

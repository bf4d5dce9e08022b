"""The 20 official one-shot runs of Omniglot as episodes: nothing is sampled [L15].

References:
    [L15] Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program
        induction, Science 350(6266), 2015.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from metamann.data.images.lake_runs import RUNS, WAYS, lake_runs
from metamann.data.store import ClassStore, pixels_digest
from metamann.episodes.items.class_draws import Need
from metamann.episodes.items.episode_protocol import EpisodeProtocol
from metamann.episodes.items.source import Plan
from metamann.episodes.label_codes import LabelCodes
from metamann.errors import EpisodeError


@dataclasses.dataclass(frozen=True)
class LakeOneShotRuns(EpisodeProtocol):
    """Episode i is run i: 20 characters of one alphabet, drawn once by one person, and 20 queries of another [L15].

    The drawings are part of the evaluation alphabets and are looked up there by their pixels. Only the class numbers
    and the order are drawn at random.

    Attributes:
        codes: the vectors that stand for labels.

    Examples:
        >>> protocol = LakeOneShotRuns()  # its store is the test split of `omniglot` with `split="lake"`
        >>> protocol.max_ways, protocol.support_size, protocol.n_episodes
        (20, 20, 20)
    """

    codes: LabelCodes = dataclasses.field(default_factory=LabelCodes)

    @property
    def max_ways(self) -> int:
        """Classes of every run."""
        return WAYS

    @property
    def support_size(self) -> int:
        """One drawing of each class."""
        return WAYS

    @property
    def labelled_items(self) -> int:
        """Those of the support set."""
        return WAYS

    @property
    def n_episodes(self) -> int:
        """The official runs."""
        return RUNS

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {
            "name": "lake_runs",
            "ways": WAYS,
            "shots": 1,
            "queries": 1,
            "within_group": True,
            "codes": dataclasses.asdict(self.codes),
        }

    def check(self, store: ClassStore) -> None:
        """Refuse data that do not hold the drawings of the runs.

        Raises:
            EpisodeError: for any but the test split of Omniglot's `lake` split.
        """
        self.codes.check(WAYS)
        runs = lake_runs(store.items.shape[-1])
        drawings = [*runs.support.flatten(0, 1), *runs.query.flatten(0, 1)]
        missing = sum(pixels_digest(drawing) not in store.row_of for drawing in drawings)
        if missing:
            raise EpisodeError(
                f"{missing} of the {len(drawings)} drawings of Lake's runs are not in '{store.name}'; they are of the "
                "evaluation alphabets: train with data=omniglot data.split=lake, and evaluate on split=test."
            )

    def need(self) -> Need:
        """None: the drawings of the runs are looked up one by one."""
        return Need(0, f"{RUNS} runs", "Choose another protocol")

    def draw(self, store: ClassStore, index: int, rng: np.random.Generator) -> Plan:
        """Run `index`, again and again; see `EpisodeProtocol.draw`."""
        runs = lake_runs(store.items.shape[-1])
        run = index % RUNS
        class_numbers = rng.permutation(WAYS)  # of the drawings of the support
        support, query = rng.permutation(WAYS), rng.permutation(WAYS)
        drawings = [*runs.support[run][support], *runs.query[run][query]]
        return Plan(
            np.array([store.row_of[pixels_digest(drawing)] for drawing in drawings]),
            np.concatenate([class_numbers[support], class_numbers[runs.labels[run].numpy()[query]]]),
            WAYS,
        )

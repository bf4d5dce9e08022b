"""A trained run opened again: its configuration with what the command line changes, and its learner."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from metamann.commands.build import (
    AnyProtocol,
    build_data,
    build_learner,
    build_protocols,
    build_sentences,
    build_sequence_learner,
    build_tagger,
    code_width,
    show_notes,
    update,
)
from metamann.commands.trust import open_checkpoint
from metamann.data.sentences.fixed_episodes import FixedEpisodeSplits
from metamann.data.sentences.store import SentenceSplits
from metamann.data.store import DataSplits
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.errors import CheckpointError, ConfigError
from metamann.training.checkpoint import Checkpoint, find_checkpoint
from metamann.training.keeping import fault_of

GROUPS = ("data", "protocol", "learner")  # that a command may change

AnySplits = DataSplits | SentenceSplits | FixedEpisodeSplits


class Run(NamedTuple):
    """A checkpoint and what it is used on.

    Attributes:
        path: of the checkpoint.
        checkpoint: as it was saved.
        config: of the run, with the changes of the command line.
        protocol: that is asked for.
        trained_protocols: the run's own two, of validation and of training.
        other_data: data were named on the command line.
    """

    path: Path
    checkpoint: Checkpoint
    config: DictConfig
    protocol: AnyProtocol
    trained_protocols: tuple[AnyProtocol, AnyProtocol]
    other_data: bool

    def splits(self) -> AnySplits:
        """The data, read."""
        return build_sentences(self.config) if isinstance(self.protocol, SentenceProtocol) else build_data(self.config)

    def check_unchanged(self, splits: AnySplits, split: str) -> None:
        """Refuse data that are the run's own by name, but not by content.

        Raises:
            CheckpointError: if a split has another fingerprint.
        """
        store = splits.split(split)
        if not self.other_data and self.checkpoint.fingerprints.get(split) != store.fingerprint:
            raise CheckpointError(
                f"the data of {self.path} have changed since it was trained: split '{split}' of {splits.name} has "
                "another fingerprint. Restore them, or name the data with data=."
            )

    def learner(self, protocol: AnyProtocol) -> Any:
        """The trained learner, for episodes of this protocol."""
        learner: Any
        if isinstance(protocol, SequenceTask):
            learner = build_sequence_learner(self.config, protocol)
        elif isinstance(protocol, Supervised):
            learner = build_tagger(self.config, protocol)
        else:
            learner = build_learner(self.config, code_width(*self.trained_protocols))
        self.checkpoint.load_into(learner, self.path)
        fault = fault_of(learner)
        if fault is not None:
            raise CheckpointError(f"{self.path} is refused, for its parameters blew up: {fault}. Use another run.")
        return learner

    def origin(self) -> dict[str, Any]:
        """Where its numbers come from, to be written beside them."""
        return {
            "checkpoint": str(self.path),
            "checkpoint_step": self.checkpoint.step,
            "training_seed": self.config.seed,
            "training_seconds": round(self.checkpoint.seconds),
        }


def reopen(where: str, config: DictConfig, learner: DictConfig | None = None) -> Run:
    """Open a run with the data, protocol and learner that the command line names or changes.

    Args:
        where: run directory, or a .pt file.
        config: of the command, with the groups `data`, `protocol` and `learner`.
        learner: to use in place of the run's own, whatever the command line says.

    Raises:
        CheckpointError: if there is no such checkpoint.
        ConfigError: if its learner cannot take what is asked for.
    """
    path = find_checkpoint(where)
    checkpoint = open_checkpoint(path, config.trust)
    if path.name == "last.pt" and path != Path(where).expanduser():
        show_notes([f"{where} has no best.pt yet: its last.pt is used, which was trained for {checkpoint.step} steps"])
    trained = OmegaConf.create(checkpoint.config)
    trained.trust = config.trust  # the user's, never what the file brings along
    before = build_protocols(trained)
    if config.get("data") and "data" not in trained:
        raise ConfigError(f"{path} was trained on sequences, which have no data; leave out data=.")
    for group in GROUPS:
        changes = config.get(group)
        if HydraConfig.get().runtime.choices.get(group) is not None:
            trained[group] = changes
        elif changes:
            trained[group] = update(trained[group], changes, group)
    if learner is not None:
        trained.learner = learner
    trained.train_protocol = {}
    protocol, _ = build_protocols(trained)
    if kind_of(protocol) != kind_of(before[0]):
        raise ConfigError(
            f"{path} was trained on {before[0].describe()['name']}, and its learner cannot take up "
            f"{protocol.describe()['name']}; leave out protocol=, or choose one of the same kind."
        )
    return Run(path, checkpoint, trained, protocol, before, bool(config.get("data")))


def kind_of(protocol: object) -> str:
    """What a protocol deals; a learner takes one kind."""
    if isinstance(protocol, SequenceTask):
        return "sequences"
    if isinstance(protocol, Supervised):
        return "supervised sentences"
    return "sentences" if isinstance(protocol, SentenceProtocol) else "images"

"""A trained learner opened for use: from a run directory, a checkpoint, or a file that was given away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metamann.application.model import Model
from metamann.application.model_files import load_model_file
from metamann.application.moved import renewed
from metamann.application.parts import Parts
from metamann.application.run import Run
from metamann.application.trust import check_trusted
from metamann.errors import CheckpointError, shorten
from metamann.hardware import choose_device
from metamann.training.checkpoint_manager import parameter_fault

SUFFIX = ".safetensors"


def load(where: str | Path, *, device: str = "auto", trust: Sequence[str] = ()) -> Model:
    """A trained learner as a model, to be adapted to examples.

    Args:
        where: run directory (its best.pt), a .pt file, or a file of `Model.save`.
        device: `auto`, `cpu`, `cuda`, or another name of torch.
        trust: classes or packages that its settings may name, beside those of conf/ and of installed plug-ins.

    Raises:
        CheckpointError: if there is no such file, or it is refused.
        ConfigError: if it names a class that is not trusted, or its learner is not adapted to examples.
    """
    path = Path(where).expanduser()
    if path.suffix == SUFFIX:
        weights, about = load_model_file(path)
        config = renewed(dict(about.settings))
        check_trusted(config, trust)
        return _model(
            config, trust, weights, path, device, card=about.card, name=about.name, calibration=about.calibration
        )
    run = Run(where, trust=trust)
    checkpoint = run.checkpoint
    held: dict[str, Any] = {"card": _card(run), "calibration": checkpoint.calibration or None}
    return _model(checkpoint.config, trust, checkpoint.learner, run.path, device, **held)


def _model(
    config: dict[str, Any], trust: Sequence[str], weights: Mapping[str, Any], path: Path, device: str, **about: Any
) -> Model:
    parts = Parts(config, trust)
    modality, protocols = parts.modality, parts.protocols()
    objects = modality.objects(protocols[0], config, None)  # refuses what is not adapted, before anything is built
    learner = modality.learner(parts.build, protocols, None)
    try:
        learner.load_state_dict(dict(weights))
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds the weights of another learner than its settings build ({shorten(error, 90)}); use another."
        ) from error
    fault = parameter_fault(learner)
    if fault is not None:
        raise CheckpointError(f"{path} is refused, for its parameters blew up: {fault}. Use another.")
    most = modality.most_labels(learner, protocols)
    learner = parts.adapted(learner).to(choose_device(device))
    return Model(learner, objects, settings=config, most_labels=most, **about)


def _card(run: Run) -> str:
    """What a run's model is, in a few lines."""
    config, checkpoint = run.checkpoint.config, run.checkpoint
    data, protocol = ((config.get(part) or {}).get("_target_", "none") for part in ("data", "protocol"))
    scores = ", ".join(f"{name} {value:.4f}" for name, value in checkpoint.best.items() if name != "step")
    return (
        f"A learner of {run.modality.name}, trained for {checkpoint.step} steps on {data} by {protocol}.\n"
        f"Validation: {scores}.\n"
    )

"""Loading of trained learners from a run directory, a checkpoint or a model file."""

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
    """Load a trained learner as a model, which is adapted to examples.

    Args:
        where: run directory (its best.pt), a .pt file, or a file of `Model.save`.
        device: `auto`, `cpu`, `cuda`, or another device of torch.
        trust: classes or packages that its settings may name, besides those of conf/ and of installed plug-ins.

    Raises:
        CheckpointError: if the file does not exist or is refused.
        ConfigError: if it names a class that is not trusted, or its learner cannot be adapted to examples.

    Examples:
        >>> import metamann, numpy as np
        >>> tiny = {"encoder": "pixels", "data.alphabets": [1, 1, 1], "protocol.ways": 2, "protocol.queries": 1}
        >>> tiny |= {"trainer.steps": 2, "validation.episodes": 2, "logger.wandb": False, "logger.tensorboard": False}
        >>> run = metamann.train(metamann.settings(protocol="nway", **tiny), "runs/mine")
        >>> task = load("runs/mine").adapt({"cross": [np.eye(28)], "bar": [np.ones((28, 28))]})
        >>> task.predict(np.eye(28)).label
        'cross'
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
    about_run: dict[str, Any] = {"card": _card(run), "calibration": checkpoint.calibration or None}
    return _model(checkpoint.config, trust, checkpoint.learner, run.path, device, **about_run)


def _model(
    config: dict[str, Any], trust: Sequence[str], weights: Mapping[str, Any], path: Path, device: str, **about: Any
) -> Model:
    parts = Parts(config, trust)
    modality, protocols = parts.modality, parts.protocols()
    objects = modality.objects(
        protocols[0], config, None
    )  # refuses learners that are not adapted before anything is built
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
    """A short description of the model of a run."""
    config, checkpoint = run.checkpoint.config, run.checkpoint
    data, protocol = ((config.get(part) or {}).get("_target_", "none") for part in ("data", "protocol"))
    scores = ", ".join(f"{name} {value:.4f}" for name, value in checkpoint.best.items() if name != "step")
    return (
        f"A learner of {run.modality.name}, trained for {checkpoint.step} steps on {data} by {protocol}.\n"
        f"Validation: {scores}.\n"
    )

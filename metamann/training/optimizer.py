"""The optimizer of meta-training: AdamW, its groups of parameters, and its state after a resume."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from metamann.encoders.pretrained import PretrainedEncoder
from metamann.errors import CheckpointError, excerpt


def parameter_groups(learner: nn.Module, weight_decay: float, pretrained_rate: float) -> list[dict[str, Any]]:
    """Parameter groups for AdamW: weight decay for matrices and convolutions, none for biases, gains and strengths.

    The grouping does not depend on the two rates, which may change when a run is resumed.

    Args:
        learner: with the parameters to train.
        weight_decay: of matrices and convolutions.
        pretrained_rate: factor of the learning rate for the layers of a pretrained model.
    """
    encoders = [module for module in learner.modules() if isinstance(module, PretrainedEncoder)]
    pretrained = {id(parameter) for encoder in encoders for parameter in encoder.model.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in learner.parameters():
        if parameter.requires_grad:
            groups.setdefault((parameter.dim() > 1, id(parameter) in pretrained), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            "share": pretrained_rate if is_pretrained else 1.0,
        }
        for (decays, is_pretrained), parameters in groups.items()
    ]


def load_optimizer(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> None:
    """Load the moments of a saved state into an optimizer, which retains its own settings.

    Raises:
        CheckpointError: if the state does not fit the parameters.
    """
    settings = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(state_dict)
        for parameter, state in optimizer.state.items():
            if any(state[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")) or state["step"] < 0:
                raise ValueError("moments of another shape")
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"the optimizer's state in last.pt is not one of these parameters ({excerpt(error)}): start a new run "
            "without resume=."
        ) from error
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)

"""Callbacks of the training loop: one method for each point of a step."""

from __future__ import annotations

from collections.abc import Mapping


class Callback:
    """Code that the training loop calls in each step; a method that is not overridden does nothing.

    The methods are called in the order in which they are defined here. An exception in one of them ends the training.

    Examples:
        >>> class Losses(Callback):
        ...     def after_update(self, done, values):
        ...         print(done, values["loss"])
        >>> Losses().after_update(1, {"loss": 0.5})
        1 0.5
    """

    def before_step(self, step: int) -> None:
        """Called before the episodes of a step are fetched; `step` steps are done."""

    def before_update(self, step: int, values: Mapping[str, float]) -> None:
        """Called after the gradients are computed and clipped, and before the parameters are updated.

        Args:
            step: training steps done.
            values: `loss`, `accuracy`, `grad_norm` before clipping, and `learning_rate`.
        """

    def after_update(self, done: int, values: Mapping[str, float]) -> None:
        """Called after the parameters are updated. No request to stop can separate it from the update.

        Args:
            done: training steps done, including this one.
            values: those of `before_update`.
        """

    def after_last_update(self, done: int, loss: float) -> None:
        """Called after the last step, with the loss of the final parameters on its episodes."""

    def after_step(self, done: int) -> None:
        """Called at the end of a step, after torch's random state is restored, for validation and checkpoints."""

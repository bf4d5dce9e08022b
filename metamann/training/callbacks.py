"""What can be added to the training loop: one method a moment."""

from __future__ import annotations

from collections.abc import Mapping


class Callback:
    """Something that goes with the training; a method that is not overridden does nothing.

    In a step the moments come in the order in which they stand here. An error that a method raises ends the training.

    Examples:
        >>> class Losses(Callback):
        ...     def after_update(self, done, values):
        ...         print(done, values["loss"])
        >>> Losses().after_update(1, {"loss": 0.5})
        1 0.5
    """

    def before_step(self, step: int) -> None:
        """Before the episodes of a step are fetched; `step` steps are done."""

    def before_update(self, step: int, values: Mapping[str, float]) -> None:
        """The gradients are there and clipped; the parameters are those of before the step.

        Args:
            step: steps that are done.
            values: `loss`, `accuracy`, `grad_norm` before clipping, and `learning_rate`.
        """

    def after_update(self, done: int, values: Mapping[str, float]) -> None:
        """The parameters have changed, and nothing stops the run in between: what is written of a step goes here.

        Args:
            done: steps that are done, this one counted.
            values: as above.
        """

    def after_last_update(self, done: int, loss: float) -> None:
        """The last step is done, and the new parameters have this loss on its episodes."""

    def after_step(self, done: int) -> None:
        """The step is over, and the random numbers are the caller's again: time for validations and checkpoints."""

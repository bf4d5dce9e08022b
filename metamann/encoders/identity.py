"""Features as they are."""

from __future__ import annotations

from torch import Tensor, nn

from metamann.encoders.scaling import Scaling
from metamann.errors import ConfigError, check_size


class IdentityEncoder(nn.Module):
    """Hand features on, standardised if they are to be; nothing is learned.

    Args:
        features: width of a row.
        standardise: bring every column to mean 0 and deviation 1, by the rows that training has.

    Raises:
        ConfigError: if the width is below 1.

    Examples:
        >>> import torch
        >>> encoder = IdentityEncoder(features=3)
        >>> encoder(torch.ones(1, 2, 3))
        tensor([[[1., 1., 1.],
                 [1., 1., 1.]]])
    """

    def __init__(self, features: int, standardise: bool = False) -> None:
        super().__init__()
        check_size("encoder.features", features)
        self.features = features
        self.scaling = Scaling(features) if standardise else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """The same rows, or standardised ones, `... x features`.

        Raises:
            ConfigError: for anything but rows of that width.
        """
        check_rows(inputs, self.features)
        rows: Tensor = self.scaling(inputs)
        return rows


def check_rows(inputs: Tensor, features: int) -> None:
    """Refuse anything but rows of numbers of one width.

    Raises:
        ConfigError: with what to set.
    """
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        raise ConfigError("this encoder reads rows of numbers; set encoder=conv for images, words for sentences.")
    if inputs.shape[-1] != features:
        raise ConfigError(
            f"rows have {inputs.shape[-1]} numbers, but the encoder was built for {features}; give rows of the same "
            "features."
        )

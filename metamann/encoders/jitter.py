"""Random affine jitter of drawings, in training only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import check_number


class AffineJitter(nn.Module):
    """Turns, scales, shears and shifts each image a little; the identity in evaluation mode.

    Args:
        amount: standard deviations are this many times 9 degrees of rotation, 10 % of either scale and of shear,
            and 3 % of the image size of shift.

    Raises:
        ConfigError: if it is negative.

    Examples:
        >>> jitter, images = AffineJitter(amount=1.0), torch.rand(2, 1, 8, 8)
        >>> torch.equal(jitter(images), images), torch.equal(jitter.eval()(images), images)
        (False, True)
    """

    def __init__(self, amount: float) -> None:
        check_number("encoder.jitter", amount, least=0)
        super().__init__()
        self.amount = amount

    def forward(self, images: Tensor) -> Tensor:
        """Jitter float images, `items x channels x height x width`."""
        if not self.training or self.amount == 0:
            return images
        angle, shear, stretch_x, stretch_y, shift_x, shift_y = (
            self.amount * torch.randn(6, len(images), device=images.device)
        ).unbind()
        angle, shear, stretch_x, stretch_y = 0.157 * angle, 0.1 * shear, 1 + 0.1 * stretch_x, 1 + 0.1 * stretch_y
        # coordinates run from -1 to 1, so that 0.06 is 3 % of the image
        first_row = torch.stack([stretch_x * angle.cos(), shear - angle.sin(), 0.06 * shift_x], -1)
        second_row = torch.stack([angle.sin(), stretch_y * angle.cos(), 0.06 * shift_y], -1)
        grid = F.affine_grid(torch.stack([first_row, second_row], 1), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, align_corners=False)

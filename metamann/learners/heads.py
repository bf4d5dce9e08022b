"""From what a memory read to log-probabilities of the classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.episodes.episode import Classes
from metamann.errors import ConfigError
from metamann.learners.learner import log_probabilities


class LabelMassHead(nn.Module):
    """Classes by the mass of attention on their labels; nothing is learned here, so any number of classes goes.

    The mass on the "never seen" slot is shared evenly by the classes that were not observed yet: the best guess
    there is, and the only one that keeps first instances at the ceiling of H_C / C.

    Examples:
        >>> head, classes = LabelMassHead(), Classes.one_hot(batch=1, classes=2)
        >>> reads = torch.tensor([[[0.6, 0.0, 0.4]]])  # masses on two labels, and on "never seen"
        >>> head(reads, classes, torch.tensor([[[True, False]]])).exp()
        tensor([[[0.6000, 0.4000]]])
    """

    def forward(self, reads: Tensor, classes: Classes, observed: Tensor) -> Tensor:
        """Log-probabilities, `batch x items x classes`.

        Args:
            reads: `batch x items x (code_width + 1)`, masses on label codes, "never seen" last.
            classes: the classes of each episode.
            observed: `batch x items x classes`, true for classes with an example before an item.
        """
        codes = classes.codes.to(reads.dtype)
        width = reads.shape[-1] - 1
        mass = reads[..., :-1] @ F.pad(codes, (0, width - codes.shape[-1])).transpose(1, 2)
        unused = (~observed & classes.present().unsqueeze(1)).to(reads.dtype)
        guess = unused / unused.sum(-1, keepdim=True).clamp_min(1)
        mass = mass * observed + reads[..., -1:] * guess
        return log_probabilities(mass.clamp_min(torch.finfo(mass.dtype).tiny).log(), classes)


class LinearHead(nn.Module):
    """A linear layer to label codes, and the inner product with the code of each class.

    With one-hot codes this is the linear softmax layer of the MANN paper.

    Args:
        read_width: of the reads.
        code_width: of the label codes.
        start: weights to start from, `code_width x read_width`; None draws them.

    Examples:
        >>> head, classes = LinearHead(read_width=8, code_width=5), Classes.one_hot(batch=1, classes=3)
        >>> head(torch.ones(1, 4, 8), classes, torch.ones(1, 4, 3, dtype=torch.bool)).shape
        torch.Size([1, 4, 3])
    """

    def __init__(self, read_width: int, code_width: int, start: Tensor | None = None) -> None:
        super().__init__()
        self.to_code = nn.Linear(read_width, code_width)
        if start is not None:
            self.to_code.weight.data.copy_(start)

    def forward(self, reads: Tensor, classes: Classes, observed: Tensor) -> Tensor:
        """Log-probabilities, `batch x items x classes`; arguments as in `LabelMassHead`.

        Raises:
            ConfigError: if the label codes are wider than the layer.
        """
        width = self.to_code.out_features
        if classes.codes.shape[-1] > width:
            raise ConfigError(
                f"this head names label codes of width {width}, not {classes.codes.shape[-1]}; use fewer classes."
            )
        codes = F.pad(classes.codes, (0, width - classes.codes.shape[-1]))
        return log_probabilities(self.to_code(reads) @ codes.to(reads.dtype).transpose(1, 2), classes)

"""What the spelling of a word says without knowing it: case, digits, punctuation; of its neighbours too.

Uncased pretrained models, all-MiniLM-L6-v2 among them, do not see the case of a word, which says much of whether it is
part of a name.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metamann.encoders.inputs import check_text
from metamann.encoders.lexicon import LexiconTables
from metamann.episodes.text import Text

FLAGS = (
    "starts upper",
    "all upper",
    "upper inside",
    "starts lower",
    "has a digit",
    "digits only",
    "has a hyphen or dot",
    "no letter or digit",
    "one character",
)
NEIGHBOURS = 1  # on each side


class SpellingEncoder(nn.Module):
    """Flags of each word, of the one before it and of the one behind it; nothing is learned.

    Where a sentence begins or ends, the neighbour has no flag at all.

    Examples:
        >>> encoder = SpellingEncoder()
        >>> encoder(Text.of([["Anna", "sings"]], lexicon=("Anna", "sings"))).shape
        torch.Size([1, 1, 2, 27])
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = len(FLAGS) * (2 * NEIGHBOURS + 1)
        self._tables = LexiconTables(_table)

    def forward(self, inputs: Text) -> Tensor:
        """Encode words, `batch x sentences x length` to `batch x sentences x length x features`; zeros at padding."""
        check_text(inputs)
        table = self._tables(inputs.lexicon, inputs.words.device)
        present = inputs.present().unsqueeze(-1)
        flags = table[inputs.words.clamp_min(0)] * present
        around = nn.functional.pad(flags, (0, 0, NEIGHBOURS, NEIGHBOURS))
        length = flags.shape[2]
        shifted = [around[:, :, shift : shift + length] for shift in range(2 * NEIGHBOURS + 1)]
        return torch.cat(shifted, -1) * present


def capitalised(inputs: Text) -> Tensor:
    """True for words with an upper-case letter, `batch x sentences x length`."""
    table = _CAPITALISED(inputs.lexicon, inputs.words.device)
    return table[inputs.words.clamp_min(0)] & inputs.present()


def flags_of(word: str) -> tuple[bool, ...]:
    """`FLAGS` of one word."""
    letters = [character for character in word if character.isalpha()]
    return (
        word[:1].isupper(),
        bool(letters) and all(letter.isupper() for letter in letters),
        any(character.isupper() for character in word[1:]),
        word[:1].islower(),
        any(character.isdigit() for character in word),
        word.isdigit(),
        any(character in "-." for character in word[1:]),
        not any(character.isalnum() for character in word),
        len(word) == 1,
    )


def _table(lexicon: tuple[str, ...], device: torch.device) -> Tensor:
    return torch.tensor([flags_of(word) for word in lexicon], dtype=torch.float32, device=device)


def _upper(lexicon: tuple[str, ...], device: torch.device) -> Tensor:
    return torch.tensor([any(letter.isupper() for letter in word) for word in lexicon], device=device)


_CAPITALISED = LexiconTables(_upper)

"""Words as features, trained from scratch: hashed parts of the word, and its characters.

References:
    [S17] Svenstrup et al., Hash Embeddings for Efficient Word Representations, 2017, section 2.
    [M22] Miranda et al., Multi hash embeddings in spaCy, 2022.
    [MH16] Ma and Hovy, End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF, 2016, section 2.1.
"""

from __future__ import annotations

import hashlib
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from metamann.encoders.inputs import check_text
from metamann.encoders.lexicon import LexiconTables
from metamann.episodes.text import Text
from metamann.errors import check_number, check_size

FUNCTIONS = 4  # hash functions of each part
FILTER_BITS = 2**20  # 100,000 training words leave 1 unknown word in 100 taken for a known one
SHAPE_RUN = 4  # longest run of one kind of character in a shape
KERNEL = 3  # characters seen by the convolution
ASCII = 128
GAP, START, END = 0, 2, 3  # as in ASCII: null, start of text, end of text


class WordTable(NamedTuple):
    """What there is to know of each word of a lexicon.

    Attributes:
        hashes: `words x parts x functions`, 32-bit numbers.
        characters: `all characters`, rows of the character table, word after word.
        first: `words`, where the characters of each word begin.
        length: `words`, how many there are.
    """

    hashes: Tensor
    characters: Tensor
    first: Tensor
    length: Tensor


class WordEncoder(nn.Module):
    """Lower-cased word, prefix, suffix and shape by hash embeddings, characters by a convolution, side by side.

    No vocabulary is stored: a part of a word is the sum of the rows that several hash functions name [S17, M22], so
    that two words almost never share all their rows. The words met in training are remembered in a Bloom filter; any
    other word gets, for its lower-cased form, the vector that word dropout has trained, and is represented by its parts
    and its characters.

    Args:
        width: of the embedding of each of the four parts.
        rows: of the table of lower-cased words; those of the other parts have a quarter.
        characters: filters of the character convolution [MH16].
        character_width: of the embedding of a character.
        character_rows: of the table of characters; ASCII has its own rows, other code points share the rest.
        word_dropout: share of words that count as unknown, in training.
        dropout: share of features dropped, in training.

    Raises:
        ConfigError: if a number is out of its range.

    Examples:
        >>> encoder = WordEncoder(width=8, rows=64, characters=16)
        >>> encoder(Text.of([["Anna", "sings"]], lexicon=("Anna", "sings"))).shape
        torch.Size([1, 1, 2, 48])
    """

    known: Tensor

    def __init__(
        self,
        width: int = 64,
        rows: int = 16384,
        characters: int = 64,
        character_width: int = 32,
        character_rows: int = 512,
        word_dropout: float = 0.1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("characters", characters), ("character_width", character_width)):
            check_size(f"encoder.{name}", value)
        check_size("encoder.rows", rows, least=4)
        check_size("encoder.character_rows", character_rows, least=ASCII + 1)
        check_number("encoder.word_dropout", word_dropout, least=0, most=1)
        check_number("encoder.dropout", dropout, least=0, most=1)
        self.character_rows, self.word_dropout = character_rows, word_dropout
        self.rows = (rows, rows // 4, rows // 4, rows // 4)
        tables = [nn.Embedding(size, width) for size in self.rows]
        for table in tables:
            nn.init.normal_(table.weight, std=1 / FUNCTIONS)  # a sum of FUNCTIONS rows has variance 1 / FUNCTIONS
        self.parts = nn.ModuleList(tables)
        self.unknown = nn.Parameter(torch.zeros(width))
        self.register_buffer("known", torch.zeros(FILTER_BITS, dtype=torch.bool))
        self.characters = nn.Embedding(character_rows, character_width, padding_idx=GAP)
        self.convolution = nn.Conv1d(character_width, characters, KERNEL, padding=KERNEL // 2)
        self.dropout = nn.Dropout(dropout)
        self.features = len(self.parts) * width + characters
        self._tables = LexiconTables(self._table)

    def forward(self, inputs: Text) -> Tensor:
        """Encode words, `batch x sentences x length` to `batch x sentences x length x features`; zeros at padding."""
        check_text(inputs)
        present = inputs.words >= 0
        distinct, place = torch.unique(inputs.words[present], return_inverse=True)
        table = self._tables(inputs.lexicon, inputs.words.device)
        hashes = table.hashes[distinct]
        lower, *others = (
            part(hashes[:, number] % rows).sum(1)
            for number, (part, rows) in enumerate(zip(self.parts, self.rows, strict=True))
        )
        unknown = self._unknown(hashes[:, 0], place).unsqueeze(-1)
        fixed = torch.cat([*others, self._spelling(table, distinct)], -1)
        words = torch.cat([torch.where(unknown, self.unknown, lower[place]), fixed[place]], -1)
        features = words.new_zeros(*present.shape, self.features)
        features[present] = self.dropout(words)
        return features

    def _unknown(self, hashes: Tensor, place: Tensor) -> Tensor:
        """True for the words of the batch that count as unknown.

        Args:
            hashes: `distinct words x functions`, of the lower-cased words.
            place: `words`, the distinct word that each is.
        """
        bits = hashes % FILTER_BITS
        if self.training:
            self.known[bits] = True
            return torch.rand(place.shape, device=place.device) < self.word_dropout
        return ~self.known[bits].all(-1)[place]

    def _spelling(self, table: WordTable, distinct: Tensor) -> Tensor:
        """Maximum over a word of what the convolution finds in its characters, `distinct words x characters`.

        All words stand in one row, with gaps between them that the kernel cannot see across: a word of any length
        costs its own characters, and no padding.
        """
        length = table.length[distinct]
        word = torch.arange(len(distinct), device=length.device).repeat_interleave(length)
        places = torch.arange(len(word), device=length.device)
        begins = length.cumsum(0) - length
        row = places + word * (KERNEL // 2)
        spread = row.new_full((len(places) + (len(distinct) + 1) * (KERNEL // 2),), GAP)
        spread[row] = table.characters[places + (table.first[distinct] - begins)[word]]
        activations: Tensor = self.convolution(self.characters(spread).T.unsqueeze(0))[0].T[row].float()
        return torch.segment_reduce(activations, "max", lengths=length, unsafe=True)

    def _table(self, lexicon: tuple[str, ...], device: torch.device) -> WordTable:
        hashes = np.stack([[hash_part(part) for part in parts(word)] for word in lexicon]).astype(np.int64)
        spelled = [[START, *(self._character(letter) for letter in word), END] for word in lexicon]
        length = torch.tensor([len(letters) for letters in spelled])
        table = WordTable(
            torch.from_numpy(hashes),
            torch.tensor([letter for letters in spelled for letter in letters]),
            length.cumsum(0) - length,
            length,
        )
        return WordTable(*(tensor.to(device) for tensor in table))

    def _character(self, letter: str) -> int:
        code = ord(letter)
        return code if code < ASCII else ASCII + int(hash_part(letter)[0]) % (self.character_rows - ASCII)


def parts(word: str) -> tuple[str, str, str, str]:
    """Lower-cased word, its first three letters, its last three, and its shape."""
    lower = word.lower()
    return lower, lower[:3], lower[-3:], shape(word)


def shape(word: str) -> str:
    """Kinds of characters: X upper case, x another letter, d digit, others as they are; runs end after four."""
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in word)
    return "".join(kind * min(len(list(run)), SHAPE_RUN) for kind, run in groupby(kinds))


def hash_part(part: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Independent 32-bit hashes of a text, one a function, the same in every process and on every machine.

    Cyclic checksums with different seeds will not do: two texts of one length that collide under one collide under all.
    """
    digest = hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=4 * FUNCTIONS).digest()
    return np.frombuffer(digest, "<u4")

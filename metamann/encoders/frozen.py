"""Features of an encoder that is not trained, computed once and stored."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

from metamann.data.cache import cached, expect
from metamann.data.sentences.store import SentenceStore
from metamann.encoders.inputs import check_text
from metamann.encoders.windows import groups
from metamann.episodes.text import Text
from metamann.hardware import full_precision


class FrozenEncoder(nn.Module):
    """Looks sentences up that were encoded before, and encodes the others.

    Features are rounded to 16 bits, those that are not looked up too: a sentence has the same features either way.

    Args:
        encoder: of text; it is trained no more.

    Examples:
        >>> from metamann.encoders.spelling import SpellingEncoder
        >>> encoder = FrozenEncoder(SpellingEncoder())
        >>> encoder(Text.of([["Anna", "sings"]], lexicon=("Anna", "sings"))).shape
        torch.Size([1, 1, 2, 27])
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        self.features: int = encoder.features  # type: ignore[assignment]  # torch types all attributes of modules
        self._first: dict[tuple[str, ...], int] = {}  # where the features of a sentence begin
        self._remembered = torch.zeros(0, self.features, dtype=torch.float16)

    def train(self, mode: bool = True) -> FrozenEncoder:
        """The encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def remember(self, store: SentenceStore) -> None:
        """Encode the sentences of a store, or read them from the cache folder, and keep them in memory.

        The cache is keyed by the data, the encoder's parameters and its settings. It takes `2 * features` bytes a word.
        """
        sentences = list(dict.fromkeys(sentence.tokens for sentence in store.sentences))
        key = hashlib.sha256(f"{store.fingerprint} {fingerprint(self.encoder)}".encode()).hexdigest()[:32]
        words = sum(len(sentence) for sentence in sentences)
        features = cached(
            f"features-{key}",
            lambda: {"features": self._encode_all(sentences, store.lexicon)},
            lambda made: expect(made["features"], torch.float16, words, self.features),
        )
        first = len(self._remembered)
        for sentence in sentences:
            self._first[sentence] = first
            first += len(sentence)
        self._remembered = torch.cat([self._remembered, features])

    def forward(self, inputs: Text) -> Tensor:
        """Features of words, `batch x sentences x length x features`; zeros at padding."""
        check_text(inputs)
        words = inputs.words.flatten(0, 1).cpu()
        lengths = (words >= 0).sum(-1)
        first = torch.tensor(
            [
                self._first.get(tuple(inputs.lexicon[word] for word in sentence[:length]), -1)
                for sentence, length in zip(words.tolist(), lengths.tolist(), strict=True)
            ],
            dtype=torch.int64,
        )
        known = (first >= 0) & (lengths > 0)
        features = torch.zeros(*words.shape, self.features, dtype=torch.float16)
        places = first[known].unsqueeze(-1) + torch.arange(words.shape[-1])
        present = words[known] >= 0
        features[known] = features[known].index_put((present,), self._remembered[places[present]])
        result = features.to(inputs.words.device).float()
        if (~known).any():
            rows = (~known).to(inputs.words.device)
            result[rows] = self._encode(Text(inputs.words.flatten(0, 1)[rows].unsqueeze(0), inputs.lexicon))[0].float()
        return result.view(*inputs.words.shape, self.features)

    @torch.no_grad()
    def _encode(self, inputs: Text) -> Tensor:
        with full_precision(inputs.words.device):
            features: Tensor = self.encoder(inputs)
        return features.half()

    def _encode_all(self, sentences: list[tuple[str, ...]], lexicon: tuple[str, ...]) -> Tensor:
        """Features of all words, `words of all sentences x features`, sentence after sentence."""
        device = next(self.encoder.parameters()).device
        number = {word: place for place, word in enumerate(lexicon)}
        encoded: list[Tensor] = [torch.zeros(0)] * len(sentences)
        for group in groups([len(sentence) for sentence in sentences]):
            length = len(sentences[group[-1]])  # of the longest
            rows = [[number[word] for word in sentences[place]] for place in group]
            padded = torch.tensor([row + [-1] * (length - len(row)) for row in rows], dtype=torch.int64)
            features = self._encode(Text(padded.unsqueeze(0).to(device), lexicon))[0].cpu()
            for place, row, vectors in zip(group, rows, features, strict=True):
                encoded[place] = vectors[: len(row)].clone()
        return torch.cat(encoded) if encoded else torch.zeros(0, self.features, dtype=torch.float16)


def fingerprint(encoder: nn.Module) -> str:
    """sha256 over an encoder's modules, settings and parameters: the same encoder gives the same features."""
    digest = hashlib.sha256(repr(encoder).encode())
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

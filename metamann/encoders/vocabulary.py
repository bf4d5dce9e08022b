"""Sentences that a pretrained encoder cannot read: its vocabulary knows little of them."""

from __future__ import annotations

import torch
from torch import nn

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.store import SentenceStore
from metamann.encoders.pretrained import PretrainedEncoder
from metamann.encoders.transformer import MINILM
from metamann.errors import excerpt

MOST_UNKNOWN = 0.2  # of the pieces of a sentence that is read


def little_known(learner: nn.Module, name: str, *stores: SentenceStore | FixedEpisodeStore) -> tuple[str, ...]:
    """A line for each pretrained model that knows little of some sentences: how many, and the first of them.

    Args:
        learner: whose encoders are looked at, wherever they stand in it.
        name: of the data.
        stores: of the sentences.
    """
    encoders = {module.name: module for module in learner.modules() if isinstance(module, PretrainedEncoder)}
    texts = [[sentence.tokens for sentence in store.sentences] for store in stores]
    sentences = [words for text in texts for words in text]
    notes = []
    for model, encoder in encoders.items():
        shares = [encoder.unknown_shares(text, store.lexicon) for text, store in zip(texts, stores, strict=True)]
        unknown = (torch.cat(shares) > MOST_UNKNOWN).nonzero().flatten().tolist()
        if unknown:
            reader = f"{MINILM} reads English and" if model == MINILM else f"the encoder's model {excerpt(model)}"
            notes.append(
                f"{reader} knows little of {len(unknown):,} of {len(sentences):,} sentences of {excerpt(name)}: over a "
                f"fifth of their word pieces are unknown. The first: '{excerpt(' '.join(sentences[unknown[0]]))}'."
            )
    return tuple(notes)

"""Tiny pretrained models on disk, and the real one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from texts import HIDDEN, LAYERS, POSITIONS

from metamann.encoders.pretrained import PretrainedEncoder

# weights wide enough for features to tell pieces and layers apart
SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 4 * HIDDEN,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.3,
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a BERT with 24 positions and 3 layers, and pieces of one letter."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny_bert")
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    vocabulary = {
        piece: number for number, piece in enumerate([*SPECIAL, *letters, *(f"##{each}" for each in letters)])
    }
    BertTokenizer(vocab=vocabulary, model_max_length=POSITIONS).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(vocabulary), **SIZES)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a RoBERTa with 24 positions, of which it uses 22, and pieces of bytes."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    folder = tmp_path_factory.mktemp("tiny_roberta")
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["the cat sat on the mat with the hat"] * 5, vocab_size=280, special_tokens=special)
    trained.save_model(str(folder))
    RobertaTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=280, pad_token_id=1, bos_token_id=0, eos_token_id=2, **SIZES)
    RobertaModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def minilm() -> PretrainedEncoder:
    """The default model, as it comes; tests leave it as it is."""
    return PretrainedEncoder().eval()

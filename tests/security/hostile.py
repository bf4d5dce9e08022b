"""Changes that turn a run's checkpoint into a stranger's hostile one."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from metamann.application.parts import choice
from metamann.data.sentences.records import records
from metamann.data.sentences.store import PARTS

Change = Callable[[dict[str, Any], Path], Any]  # of a checkpoint's content; what it returns is saved in its place

SLOTS = ("data", "protocol", "train_protocol", "encoder", "memory", "learner", "adapter", "trainer")
CALLS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "os.system": lambda at: {"_target_": "os.system", "command": f"touch {at}"},
    "subprocess": lambda at: {"_target_": "subprocess.Popen", "args": ["touch", str(at)]},
    "eval": lambda at: {"_target_": "builtins.eval", "_args_": [f"open({str(at)!r}, 'w')"]},
    "exec by import": lambda at: {"_target_": "importlib.import_module", "name": "antigravity"},
    "a path": lambda at: {"_target_": "pathlib.Path.write_text", "self": str(at), "data": "x"},
    "numpy": lambda at: {"_target_": "numpy.savetxt", "fname": str(at), "X": [1.0]},
    "torch.hub": lambda at: {"_target_": "torch.hub.load", "repo_or_dir": str(at), "model": "f", "source": "local"},
    "torch.load": lambda at: {"_target_": "torch.load", "f": str(at.with_name("pickle.pt")), "weights_only": False},
    "numpy.load": lambda at: {"_target_": "numpy.load", "file": str(at.with_name("pickle.npy")), "allow_pickle": True},
    "download": lambda at: {
        "_target_": "metamann.data.download.fetch", "url": f"data:,x%23/{at.name}", "folder": str(at.parent),
        "remedy": "",
    },
    "writer": lambda at: {"_target_": "metamann.data.cache.write_atomically", "path": str(at), "content": "x"},
    "importer": lambda at: {"_target_": "metamann.application.trust.importlib.import_module", "name": "antigravity"},
    "a run": lambda at: {"_target_": "metamann.application.load.load", "where": str(at)},
    "remover": lambda at: {"_target_": "metamann.application.directory.remove_run", "directory": str(at.parent)},
    "builder": lambda at: {
        "_target_": "hydra.utils.instantiate", "config": {"_target_": "os.mkdir", "path": str(at)},
    },
    "through our modules": lambda at: {"_target_": "metamann.data.cache.os.mkdir", "path": str(at)},
    "a command": lambda at: {"_target_": "metamann.learners.inner_loop.install.main"},
    "a class of another slot": lambda at: {"_target_": "metamann.commands.sweep.SweepTable"},
}  # fmt: skip
TEXTS: dict[str, Callable[[Path], Any]] = {
    "an escaped interpolation": lambda at: rf"\${{oc.create:{{_target_: os.mkdir, path: {at}}}}}",
    "an interpolation escaped twice": lambda at: rf"\\\${{oc.create:{{_target_: os.mkdir, path: {at}}}}}",
    "an interpolation": lambda at: "${oc.env:HOME}",
    "a resolver that decodes": lambda at: f"${{oc.decode:'{{_target_: os.mkdir, path: {at}}}'}}",
    "a resolver of ours": lambda at: "${metamann.run_directory:/,x}",
    "hydra's resolver": lambda at: "${hydra:runtime.cwd}",
    "an interpolation in a list": lambda at: ["a", ["${oc.env:HOME}"]],
    "an interpolation in a key": lambda at: {"${oc.env:HOME}": 1},
    "a partial": lambda at: {"_target_": "os.mkdir", "_partial_": True},
    "positional arguments": lambda at: {"_args_": [str(at)]},
    "not recursive": lambda at: {"_recursive_": False},
    "converted": lambda at: {"_convert_": "object"},
}


class Planted:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """What pickle is to call."""
        return os.mkdir, (str(self.path),)


def in_slot(slot: str, value: Callable[[Path], Any], key: str | None = None) -> Change:
    """Put a value into a part of the configuration, as a setting of it, or in its place."""

    def change(content: dict[str, Any], planted: Path) -> None:
        if key is None:
            content["config"][slot] = value(planted)
        else:
            content["config"][slot] = {**(content["config"].get(slot) or {}), key: value(planted)}

    return change


def trusting_itself(content: dict[str, Any], planted: Path) -> None:
    """The file says that it is trusted."""
    content["config"]["trust"] = ["os", "posix", "builtins"]
    content["config"]["memory"] = {"_target_": "os.mkdir", "path": str(planted)}


def of_sentences(content: dict[str, Any]) -> None:
    """A run on sentences, which a pretrained encoder goes with, on the data that its fingerprints are of."""
    content["config"]["data"] = choice("data", "records", sentences=[120, 120, 120])
    content["config"]["protocol"] = choice("protocol", "greedy_sentences", ways=2)
    content["config"]["train_protocol"] = {}
    content["config"]["learner"] = {"_target_": "metamann.learners.sentence_mann.SentenceMANN"}
    splits = records((120, 120, 120))
    content["fingerprints"] = {part: splits.split(part).fingerprint for part in PARTS}


def a_pretrained_encoder(content: dict[str, Any], planted: Path) -> None:
    """The model that comes with the text extra: nothing hostile."""
    of_sentences(content)
    content["config"]["encoder"] = {
        "_target_": "metamann.encoders.pretrained.PretrainedEncoder", "model": "all-MiniLM-L6-v2",
    }  # fmt: skip


def a_model_of_the_hub(content: dict[str, Any], planted: Path) -> None:
    """A pretrained model that would be fetched."""
    content["config"]["encoder"] = {
        "_target_": "metamann.encoders.pretrained.PretrainedEncoder", "model": "evil/model",
    }  # fmt: skip


def a_model_of_the_hub_in_a_list(content: dict[str, Any], planted: Path) -> None:
    """The same, where a list of encoders hides it."""
    content["config"]["encoder"] = {
        "_target_": "metamann.encoders.joined.JoinedEncoder",
        "encoders": [{"_target_": "metamann.encoders.pretrained.PretrainedEncoder", "model": "evil/model"}],
    }


def of_escapes(content: dict[str, Any], planted: Path) -> None:
    """A setting that would steer the terminal it is printed in."""
    content["config"]["memory"]["\x1b]0;evil\x07"] = "\x1b[2J"


def without_fingerprints(content: dict[str, Any], planted: Path) -> None:
    """Nothing that says which data it was trained on."""
    content["fingerprints"] = {}


def a_model_with_code(content: dict[str, Any], planted: Path) -> None:
    """A folder of a model whose configuration brings classes of its own."""
    of_sentences(content)
    folder = planted.with_name("model")
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(
        '{"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}'
    )
    (folder / "evil.py").write_text(f"import os; os.mkdir({str(planted)!r})")
    content["config"]["encoder"] = {
        "_target_": "metamann.encoders.pretrained.PretrainedEncoder", "model": str(folder),
    }  # fmt: skip


def pickled(part: str) -> Change:
    """Code in a part of the file."""

    def change(content: dict[str, Any], planted: Path) -> None:
        content[part] = Planted(planted) if part != "learner" else {**content[part], "evil": Planted(planted)}

    return change


def not_finite(content: dict[str, Any], planted: Path) -> None:
    """Every parameter is NaN."""
    for tensor in content["learner"].values():
        if tensor.is_floating_point():
            tensor.fill_(float("nan"))


def blown_up(content: dict[str, Any], planted: Path) -> None:
    """Every parameter is finite, and so large that no answer is."""
    for tensor in content["learner"].values():
        if tensor.is_floating_point():
            tensor.mul_(1e30)


def endless(content: dict[str, Any], planted: Path) -> None:
    """A parameter that claims a petabyte."""
    content["learner"]["encoder.evil"] = torch.zeros(1).expand(2**48)


def a_loop(content: dict[str, Any], planted: Path) -> None:
    """A configuration that holds itself."""
    content["config"]["data"]["self"] = content["config"]


def laughs(content: dict[str, Any], planted: Path) -> None:
    """A configuration that doubles at every level."""
    node: list[Any] = ["ha"]
    for _ in range(28):
        node = [node, node]
    content["config"]["memory"]["x"] = node


HOSTILE: dict[str, Change] = {
    **{f"{name} in the memory": in_slot("memory", value, "jitter") for name, value in CALLS.items()},
    **{f"{name} in the encoder": in_slot("encoder", value, "jitter") for name, value in TEXTS.items()},
    **{f"os.system as {slot}": in_slot(slot, CALLS["os.system"]) for slot in SLOTS},
    **{f"a download as {slot}": in_slot(slot, CALLS["download"]) for slot in SLOTS},
    **{
        f"an escaped interpolation in {slot}": in_slot(slot, TEXTS["an escaped interpolation"], "size")
        for slot in SLOTS
    },
    "trust in itself": trusting_itself,
    "a model of the hub": a_model_of_the_hub,
    "a model of the hub in a list": a_model_of_the_hub_in_a_list,
    "escapes": of_escapes,
    "no fingerprints": without_fingerprints,
    "a model with code": a_model_with_code,
    **{f"a pickle as {part}": pickled(part) for part in ("config", "fingerprints", "learner", "optimizer", "best")},
    "not finite": not_finite,
    "blown up": blown_up,
    "endless": endless,
    "a loop": a_loop,
    "doubling": laughs,
}


def write(change: Change, clean: dict[str, Any], path: Path, planted: Path) -> Path:
    """A checkpoint with this change.

    Args:
        change: one of `HOSTILE`.
        clean: content of a clean checkpoint.
        path: file to write.
        planted: what must not come to be.
    """
    content = copy.deepcopy(clean)
    change(content, planted)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path

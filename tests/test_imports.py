"""What imports what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_imports_run_one_way() -> None:
    script = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run([script, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_importing_metamann_leaves_what_only_the_commands_need_alone() -> None:
    heavy = [
        "wandb", "matplotlib", "hydra", "omegaconf", "tensorboard", "torch.utils.tensorboard",
        "seqeval", "transformers",
    ]  # fmt: skip
    library = [
        "metamann", "metamann.data.images.folder", "metamann.data.images.omniglot", "metamann.data.images.strokes",
        "metamann.episodes.sampler", "metamann.episodes.tasks", "metamann.learners.mann", "metamann.encoders.conv",
        "metamann.encoders.frozen", "metamann.encoders.pretrained", "metamann.encoders.recurrent",
        "metamann.episodes.sentences.greedy", "metamann.episodes.sentences.fixed_sentences", "metamann.decoding.crf",
        "metamann.decoding.viterbi", "metamann.evaluation.spans",
        "metamann.memory.pairs.keyvalue", "metamann.memory.controlled.lrua.lrua",
        "metamann.training.loop", "metamann.training.dashboards",
        "metamann.evaluation.metrics", "metamann.reports.results",
    ]  # fmt: skip
    code = f"import sys, {', '.join(library)}; print([each for each in {heavy} if each in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

"""Publish evaluations: copy their results files into results/ and fill the tables of the documents from them.

python benchmarks/publish.py add NAME RUN...     # evaluation run directories, one a training seed
python benchmarks/publish.py judged NAME RUN     # what metamann-compare, -continual or -audit wrote
python benchmarks/publish.py tables              # rewrite what stands between <!-- table NAME... --> and <!-- end -->,
                                                 # <!-- file PATH --> and <!-- end -->, from the repository, and
                                                 # <!-- mean METRIC NAME... --> and <!-- end -->, a mean over results,
                                                 # <!-- overview --> and <!-- end -->, all learners on four tasks

Of the pictures, `add` and `judged` copy those that a page shows: write the link into the page first.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
DOCUMENTS = (ROOT / "README.md", *sorted(RESULTS.glob("*.md")))  # whose tables are filled
PAGES = (*DOCUMENTS, *sorted((ROOT / "docs").rglob("*.md")))  # that may show pictures
INSTANCES = (1, 2, 3, 4, 5, 10)
SEQUENCE_COLUMNS = {
    "accuracy": "bits right %",
    "sequences_right": "sequences right %",
    "bits_per_sequence": "bits a sequence",
}

SENTENCE_COLUMNS = {
    "f1": "F1 %",
    "precision": "precision %",
    "recall": "recall %",
    "span_f1": "span F1 %",
    "typing_accuracy": "typing %",
    "episode_f1": "mean of episode F1 %",
}
# what a learner is called in comparisons, and its evaluations on sentences
OVERVIEW = {
    "prototypes (ProtoNet)": ("Prototype", "fewnerd_inter_proto"),
    "attention (matching network)": ("KeyValue", "fewnerd_inter_keyvalue"),
    "nearest neighbour (NNShot)": ("Nearest", "fewnerd_inter_nnshot"),
    "nearest neighbour with transitions (StructShot)": (None, "fewnerd_inter_structshot"),
    "recurrent memory (LRUA)": ("LRUA", "fewnerd_inter_lrua"),
    "SNAIL": ("Snail", "fewnerd_inter_snail"),
    "LSTM, no memory": ("no memory, lstm", "fewnerd_inter_lstm"),
    "GRU, no memory": ("no memory, gru", "fewnerd_inter_gru"),
    "ANIL": ("anil", "fewnerd_inter_anil"),
    "MAML": ("maml", "fewnerd_inter_maml"),
    "Meta-SGD": ("meta_sgd", "fewnerd_inter_meta_sgd"),
    "linear head, fitted to the support": ("linear_head", "fewnerd_inter_linear_head"),
    "majority, O for sentences": ("majority", "fewnerd_inter_majority"),
    "tagger with a memory of classes": (None, "fewnerd_inter_5way_1shot"),
}
OVERVIEW_COLUMNS = {
    "5-way 1-shot": ("5way_1shot",),
    "20-way 1-shot": ("20way_1shot",),
    "stream, 2nd instance": ("stream", "stream_gradient"),  # of the second what the first does not have, marked
}


def add(name: str, runs: list[str]) -> None:
    """Copy `results.json` of evaluations to `results/NAME/seed_K.json`, K the training seed."""
    for run in map(Path, runs):
        content = json.loads((run / "results.json").read_text())
        # paths of the machine say nothing to a reader
        content["checkpoint"] = "/".join(Path(content["checkpoint"]).parts[-3:])
        content["command"] = _without_paths(content["command"])
        target = RESULTS / name / f"seed_{content['training_seed']}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content, indent=2) + "\n")
        for plot in (run / "plots").glob("*.png"):
            _copy_picture(plot, target.parent / f"{plot.stem}_seed_{content['training_seed']}.png")


def judged(name: str, run: str) -> None:
    """Copy tables and plots of `metamann-compare`, `metamann-continual` or `metamann-audit` to `results/NAME/`."""
    target = RESULTS / name
    target.mkdir(parents=True, exist_ok=True)
    for file in Path(run).glob("*.md"):
        shutil.copy(file, target / file.name)
    for plot in Path(run).glob("plots/*.png"):
        _copy_picture(plot, target / plot.name)
    for file in Path(run).glob("*.json"):
        content = json.loads(file.read_text())
        content["command"] = _without_paths(content["command"])
        (target / file.name).write_text(json.dumps(content, indent=2) + "\n")


def _copy_picture(plot: Path, target: Path) -> None:
    """Copy a plot if a page shows it, with a palette of 256 colours: at most half of the size, and as legible."""
    link = f"{target.relative_to(RESULTS).as_posix()})"
    if any(link in page.read_text() for page in PAGES):
        with Image.open(plot) as picture:
            picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


def _without_paths(command: str) -> str:
    return re.sub(r"(?<=[=\[,])/[^\s,]*?/(outputs|multirun)/", r"\1/", command)


def table(names: list[str]) -> str:
    """One row a published evaluation, with 95 % intervals: accuracy, by instance on streams; bits on sequences; F1."""
    runs = [json.loads(file.read_text()) for name in names for file in sorted((RESULTS / name).glob("seed_*.json"))]
    labels = [name for name in names for _ in sorted((RESULTS / name).glob("seed_*.json"))]
    columns = _columns(runs[0]["metrics"])
    lines = [["run", "seed", *columns.values(), "minutes to the best checkpoint"], ["---"] * (len(columns) + 3)]
    for label, run in zip(labels, runs, strict=True):
        minutes = f"{run['training_seconds'] / 60:.1f}"
        lines.append([label, str(run["training_seed"]), *(_cell(c, run["metrics"].get(c)) for c in columns), minutes])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables() -> None:
    """Fill the tables of the documents."""
    for document in DOCUMENTS:
        text = document.read_text()
        pattern = r"(<!-- table ([\w ]+) -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m: f"{m[1]}{table(m[2].split())}\n{m[3]}", text, flags=re.DOTALL)
        pattern = r"(<!-- file ([\w./]+) -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m: f"{m[1]}{(ROOT / m[2]).read_text()}{m[3]}", text, flags=re.DOTALL)
        pattern = r"(<!-- mean (\w+) ([\w ]+) -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m: f"{m[1]}{mean(m[2], m[3].split())}\n{m[4]}", text, flags=re.DOTALL)
        pattern = r"(<!-- overview -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m: f"{m[1]}{overview()}\n{m[2]}", text, flags=re.DOTALL)
        document.write_text(text)


def mean(metric: str, names: list[str]) -> str:
    """The mean of a metric over results, and the lowest and the highest of them, in percent."""
    files = [file for name in names for file in sorted((RESULTS / name).glob("seed_*.json"))]
    values = [100 * json.loads(file.read_text())["metrics"][metric]["mean"] for file in files]
    middle = sum(values) / len(values)
    return f"`{metric}`: {middle:.2f} % in the mean of {len(values)} results, {min(values):.2f} to {max(values):.2f}"


def overview() -> str:
    """One row a learner: accuracy on three tasks of images, F1 on one of sentences, seeds pooled."""
    lines = [["learner", *(f"{head}, %" for head in OVERVIEW_COLUMNS), "Few-NERD INTER, 5-way 1~2-shot, F1 %"]]
    lines.append(["---"] * len(lines[0]))
    for title, (name, sentences) in OVERVIEW.items():
        images = [_compared(name, comparisons) for comparisons in OVERVIEW_COLUMNS.values()]
        scores = [json.loads(file.read_text())["metrics"]["f1"] for file in (RESULTS / sentences).glob("seed_*.json")]
        lines.append([title, *images, _pooled(scores)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _compared(name: str | None, comparisons: tuple[str, ...]) -> str:
    """The score of a learner in the first of the comparisons that has it; a star if that is not the first."""
    for number, comparison in enumerate(comparisons):
        learners = json.loads((RESULTS / "learners" / comparison / "comparison.json").read_text())["learners"]
        for learner in learners:
            if learner["name"] == name:
                return _cell("accuracy", learner["score"]) + "*" * number + _seeds(len(learner["by_seed"]))
    return "-"


def _pooled(scores: list[dict[str, Any]]) -> str:
    """The mean over seeds, with the mean half-width of their intervals."""
    if not scores:
        return "-"
    mean = {bound: sum(score[bound] for score in scores) / len(scores) for bound in ("mean", "low", "high")}
    return _cell("f1", mean) + _seeds(len(scores))


def _seeds(count: int) -> str:
    return "" if count == 1 else f" ({count} seeds)"


def _columns(metrics: dict[str, Any]) -> dict[str, str]:
    """Metrics that a table shows, and their heads."""
    if "bits_per_sequence" in metrics:
        return SEQUENCE_COLUMNS
    if "f1" in metrics:
        return SENTENCE_COLUMNS
    if "accuracy/instance_1" in metrics:
        return {f"accuracy/instance_{k}": _ordinal(k) for k in INSTANCES}
    if "error_rate" in metrics:
        return {"accuracy": "accuracy %", "error_rate": "error rate %"}
    return {"accuracy": "accuracy %"}


def _cell(metric: str, interval: dict[str, Any] | None) -> str:
    if interval is None:
        return "-"
    half = (interval["high"] - interval["low"]) / 2
    if metric == "bits_per_sequence":
        return f"{interval['mean']:.4f} ± {half:.4f}"
    # to two decimals, never in our favour
    mean = (math.ceil if metric == "error_rate" else math.floor)(round(interval["mean"] * 10000, 6)) / 100
    return f"{mean:.2f} ± {100 * half:.2f}"


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th") + " %"


if __name__ == "__main__":
    if sys.argv[1:2] == ["add"] and len(sys.argv) > 3:
        add(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:2] == ["judged"] and len(sys.argv) == 4:
        judged(sys.argv[2], sys.argv[3])
    elif sys.argv[1:] == ["tables"]:
        tables()
    else:
        sys.exit(__doc__)

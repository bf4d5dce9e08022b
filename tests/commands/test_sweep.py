"""The table of a sweep takes whatever its jobs have written."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from metamann.commands.sweep import SweepTable
from metamann.data.text_files import write_json


def test_jobs_without_scores_and_scores_without_ends_have_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bits = {"bits_per_sequence": {"mean": 1.5, "low": 0.0, "high": float("inf")}}
    for job, metrics in enumerate(({}, {"accuracy": {"mean": 0.5, "low": 0.4, "high": 0.6}}, bits)):
        (tmp_path / str(job) / ".hydra").mkdir(parents=True)
        (tmp_path / str(job) / ".hydra" / "overrides.yaml").write_text(f"- seed={job}\n")
        write_json(tmp_path / str(job) / "results.json", {"metrics": metrics})
    SweepTable().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    table = (tmp_path / "sweep.md").read_text().splitlines()[2:]
    assert [line.split("|")[2].strip() for line in table] == ["seed=0", "seed=1", "seed=2"]
    assert "50.00 ± 10.00" in table[1]
    assert "1.50 ± nan" in table[2]
    assert capsys.readouterr().out.splitlines()[-1] == f"run directory: {tmp_path}"

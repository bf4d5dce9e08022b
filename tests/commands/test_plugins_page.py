"""The memory of docs/guides/plugins.md is written as it is printed, trained, evaluated and audited."""

from __future__ import annotations

import re
import shutil
import site
from functools import partial
from pathlib import Path

import pytest
from commandline import run

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "plugins.md"
SMALL = (
    "data.alphabets=[3,1,1]", "data.characters=12", "data.drawings=12", "encoder.channels=8",
    "encoder.first_channels=null", "train_protocol.ways=10", "protocol.steps=25", "trainer.steps=2",
    "validation.episodes=4", "logger.wandb=false", "logger.tensorboard=false",
)  # fmt: skip


@pytest.mark.slow
def test_the_memory_of_the_page_is_a_choice(tmp_path: Path) -> None:
    files = re.findall(r'```\w+ title="(.*?)"\n(.*?)```', PAGE.read_text(), re.DOTALL)
    assert [name for name, _ in files] == ["my_memory.py", "my_conf/memory/correlation.yaml"]
    for name, content in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    chosen = ("--config-dir", "my_conf", "experiment=quickstart", "memory=correlation")
    found = partial(site.addsitedir, str(tmp_path))  # what PYTHONPATH=. does
    trained = run("train", *chosen, "trust=[my_memory]", *SMALL, cwd=tmp_path, sabotage=found)
    assert trained.status == 0, trained.err
    shutil.copytree(trained.run_directory, tmp_path / "RUN")
    audited = run(
        "audit", "checkpoint=RUN", "trust=[my_memory]", "episodes=20", "answered=20", cwd=tmp_path, sabotage=found
    )
    assert audited.status == 0, audited.out

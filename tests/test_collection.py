"""Any folders of tests can be named together, in any order."""

from __future__ import annotations

import ast
import multiprocessing
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = sorted(TESTS.rglob("*.py"))
# each folder has a conftest.py of its own; tests/commands imports the most from its folder
FOLDERS = ["tests/evaluation", "tests/commands"]


def imported(file: Path) -> set[str]:
    """Top-level names of the modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module.partition(".")[0])
    return names


def test_no_two_modules_share_a_name_but_conftest() -> None:
    # pytest imports them all as top-level modules: of two of one name, the second is taken for the first
    names = Counter(file.stem for file in FILES)
    assert [name for name, number in names.items() if number > 1] == ["conftest"]


def test_nothing_is_imported_from_conftest_or_from_a_folder_that_may_be_absent() -> None:
    folders = {file.stem: file.parent for file in FILES}
    for file in FILES:
        for name in imported(file) & folders.keys():
            assert name != "conftest", f"{file}: which conftest.py is meant depends on the order of the folders"
            # pytest puts the folder of each conftest.py above a test on the path
            above = [folder for folder in file.parents if (folder / "conftest.py").exists()]
            assert folders[name] in (file.parent, *above), f"{file} imports {name} of another folder"


@pytest.mark.parametrize("folders", [FOLDERS, FOLDERS[::-1]], ids=",".join)
def test_folders_are_collected_together(folders: list[str]) -> None:
    # a fork has imported already what takes seconds to import
    collecting = multiprocessing.get_context("fork").Process(target=collect, args=(folders,))
    collecting.start()
    collecting.join()
    assert collecting.exitcode == 0


def collect(folders: list[str]) -> None:
    """As a new process would: the modules of the tests are imported anew."""
    os.chdir(TESTS.parent)
    for file in FILES:
        sys.modules.pop(file.stem, None)
    sys.path[:] = [path for path in sys.path if not Path(path).is_relative_to(TESTS)]
    sys.exit(pytest.main(["-p", "no:cacheprovider", "-p", "no:xdist", "--collect-only", *folders]))

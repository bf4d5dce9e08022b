# every target sets up what it needs: a virtual environment with metamann and its tools, once
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test test-all lint clean

quickstart: .venv/installed  ## meta-train and evaluate on the embedded data: no download, no account
	$(BIN)/metamann-train experiment=quickstart hydra.run.dir=outputs/quickstart/run
	$(BIN)/metamann-evaluate checkpoint=outputs/quickstart/run

test: .venv/installed  ## all tests but the slow ones
	$(BIN)/python -m pytest

test-all: .venv/installed  ## the slow ones too
	$(BIN)/python -m pytest -m ""

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt -e ".[dev]"
	-$(BIN)/python -m metamann.commands.install_learn2learn  # needs a C compiler; everything else works without
	touch $@

clean:
	rm -rf .venv build dist *.egg-info

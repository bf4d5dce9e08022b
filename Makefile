# every target sets up what it needs: a virtual environment with metamann and its tools, once
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test test-all lint clean

quickstart: .venv/installed  ## meta-train and evaluate on the embedded data: no download, no account
	$(BIN)/metamann-train experiment=quickstart hydra.run.dir=outputs/quickstart/run overwrite=true
	$(BIN)/metamann-evaluate checkpoint=outputs/quickstart/run

# one worker a core, each with one thread: two torch processes with two threads each on two cores are far slower
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

test: .venv/installed  ## all tests but the slow ones
	$(PYTEST)

test-all: .venv/installed  ## the slow ones too
	$(PYTEST) -m ""

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt -e ".[dev]"
	-$(BIN)/python -m metamann.learners.inner_loop.install  # needs a C compiler; everything else works without
	touch $@

clean:
	rm -rf .venv build dist *.egg-info

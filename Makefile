# every target sets up what it needs: a virtual environment with metamann and its tools, once
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test test-all lint versions docs build clean

quickstart: .venv/core  ## meta-train and evaluate on the embedded data: no download, no account
	$(BIN)/metamann-train experiment=quickstart hydra.run.dir=outputs/quickstart/run overwrite=true
	$(BIN)/metamann-evaluate checkpoint=outputs/quickstart/run

# one worker a core, each with one thread (tests/conftest.py)
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

test: .venv/installed  ## all tests but the slow ones
	$(PYTEST)

test-all: .venv/installed  ## the slow ones too
	$(PYTEST) -m ""

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# types and the standard library's names are checked for the oldest and the newest Python; 3.11 is checked by lint
versions: .venv/installed  ## dependencies and types of the versions of Python that the suite is not run on
	for version in 3.10 3.12 3.13; do \
		$(BIN)/uv pip compile --quiet pyproject.toml --constraints constraints.txt --python-version $$version \
			--python-platform linux --output-file .venv/requirements-$$version.txt || exit 1; \
		echo "Python $$version: the dependencies resolve"; \
	done
	for version in 3.10 3.13; do \
		$(BIN)/mypy --python-version $$version --cache-dir .mypy_cache/$$version || exit 1; \
	done

docs: .venv/installed  ## the site, in site/
	$(BIN)/mkdocs build --strict

build: .venv/installed  ## wheel and sdist, in dist/, checked
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

.venv/core: pyproject.toml constraints.txt  # what adapting, predicting and quickstart need
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt -e .
	touch $@

.venv/installed: .venv/core  # and the tools
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt -e ".[dev]"
	-$(BIN)/python -m metamann.learners.inner_loop.install  # needs a C compiler; everything else works without
	touch $@

clean:
	rm -rf .venv build dist site *.egg-info

# All targets run in .venv, which is created on first use and needs Python alone.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test test-slow check docs bench tables map clean

demo: $(READY)  ## pre-train, classify and interpolate simulated light curves in a few minutes
	$(BIN)/romae demo

test: $(READY)  ## all tests but the slow ones, including style, types and layers
	$(BIN)/python -m pytest -m "not slow" -n 2

test-slow: $(READY)  ## the slow tests too: complete trainings, real data, several processes
	$(BIN)/python -m pytest -n 2

check: $(READY)  ## style, types and import layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

docs: $(READY)  ## the documentation site, docs/_build/html/index.html
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

bench: $(READY)  ## speed beside the padded reference
	$(BIN)/python -m benchmarks.speed

tables: $(READY)  ## fill the tables of README and docs from the committed results
	$(BIN)/python -m benchmarks.tables
	$(BIN)/python -m reproduce table

map: $(READY)  ## the map of the package in CONTRIBUTING.md
	$(BIN)/python -m benchmarks.house

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,docs,images,audio,report]'
	touch $@

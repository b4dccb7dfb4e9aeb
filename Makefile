# Everything runs in .venv, which is made on first use from nothing but Python.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test test-slow check docs bench tables clean

demo: $(READY)  ## pre-train, classify and interpolate on simulated light curves, in minutes
	$(BIN)/romae demo

test: $(READY)  ## style, types, layers and all but the slow tests
	$(BIN)/python -m pytest -m "not slow" -n 2

test-slow: $(READY)  ## the slow tests too: whole trainings, real data, several processes
	$(BIN)/python -m pytest -n 2

check: $(READY)  ## style, types and layers alone
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

docs: $(READY)  ## the documentation as a site, docs/_build/html/index.html
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

bench: $(READY)  ## speed against the padded reference
	$(BIN)/python -m benchmarks.speed

tables: $(READY)  ## README and docs from the committed results
	$(BIN)/python -m benchmarks.tables
	$(BIN)/python -m reproduce table

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,docs,images,audio,report]'
	touch $@

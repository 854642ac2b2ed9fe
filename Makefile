PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench page clean

demo: $(VENV)/installed
	$(BIN)/syncroom demo

test: $(VENV)/dev-installed tests/clients/node_modules
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks

page:
	cd syncroom/web && npm ci && npm run build

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/dev-installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist

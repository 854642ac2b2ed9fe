PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_FOLDERS := tests/clients tests/meshagent tests/browser syncroom/web
NODE_PACKAGES := $(addsuffix /node_modules/.package-lock.json,$(NODE_FOLDERS))
MESHAGENT := .venv-meshagent

.PHONY: demo test lint bench page node-packages meshagent-packages clean

demo: $(VENV)/installed
	@$(BIN)/syncroom demo

test: $(VENV)/dev-installed node-packages meshagent-packages
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks

page: syncroom/web/node_modules/.package-lock.json
	cd syncroom/web && npm run build

ifneq ($(shell command -v npm || true),)
node-packages: $(NODE_PACKAGES)
else
node-packages:
	@echo "npm is not installed: tests that need JavaScript or a browser are skipped"
endif

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-fund --no-audit
	@touch $@

meshagent-packages: $(MESHAGENT)/installed

# The MeshAgent SDK needs a newer Python than syncroom, and other versions of what both need.
$(MESHAGENT)/installed: tests/meshagent/requirements.txt
	@python=$$(tests/meshagent/find-python); \
	if [ -z "$$python" ]; then \
		echo "Python 3.13 is not installed: tests of the MeshAgent SDK are skipped"; \
	else \
		echo "Installing the MeshAgent SDK into $(MESHAGENT)"; \
		$$python -m venv --clear $(MESHAGENT) && $(MESHAGENT)/bin/python -m pip install \
			--quiet --no-deps --no-compile --requirement $< && touch $@; \
	fi

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"syncroom needs Python 3.11 or later, $(PYTHON) is %d.%d: make PYTHON=python3.11" \
		% sys.version_info[:2])'
	@$(PYTHON) -m venv $(VENV) || (rm -rf $(VENV); exit 1)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing syncroom into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# Groups of dependencies need a newer pip than Python 3.11 brings along.
$(VENV)/dev-installed: pyproject.toml | $(BIN)/python
	@echo "Installing syncroom and what its tests need into $(VENV)"
	@$(BIN)/python -m pip install --quiet "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) $(MESHAGENT) $(addsuffix /node_modules,$(NODE_FOLDERS)) build dist

# `make demo` and `make test` are all a newcomer needs: each makes .venv from requirements.lock when the lock has changed.
# Needed beforehand: Python 3.11 or newer with its venv module, make, git.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# the first Python on PATH that is new enough; `make test PYTHON=/path/to/python3.12` takes another
PYTHON = $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python3.14,$(shell \
	$(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))

# what the wheel is made of; folders are listed too, so that a deleted file is noticed
SOURCES := pyproject.toml README.md LICENSE $(shell find gitops rules planners executors state-repo-template \
	-not -path '*__pycache__*' | sed 's/ /\\ /g')

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.wheel ## run the main job once, for real, in a temporary folder (under a minute)
	@$(BIN)/python demo/run.py

test: $(VENV)/.wheel ## run the tests against the built wheel; ARGS="..." goes to pytest, CI=true allows no skips
	@PYTHONSAFEPATH=1 $(BIN)/python -m pytest -q -n auto $(ARGS)

check: $(VENV)/.wheel ## format, lint, types, import contracts, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy demo/run.py docs/generate.py benchmarks/startup.py benchmarks/scale.py
	$(BIN)/lint-imports --no-logo
	PYTHONSAFEPATH=1 $(BIN)/python -m pytest -q tests/architecture

bench: $(VENV)/.wheel ## measure; prints tables, gates nothing
	@for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

docs: $(VENV)/.wheel ## write the generated pages of docs/
	$(BIN)/python docs/generate.py

lock: ## compute requirements.lock afresh from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --upgrade --group dev pyproject.toml \
		--custom-compile-command "make lock" --output-file requirements.lock

clean: ## remove everything that make has made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer on PATH; install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@command -v git >/dev/null || { echo "error: git is not on PATH; install it" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) lacks its venv module; Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "== Environment: $(VENV), $$($(PYTHON) --version), packages from requirements.lock (once, about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.wheel: $(VENV)/.locked $(SOURCES)
	@echo "== Wheel: built and installed into $(VENV)"
	@rm -rf dist
	@$(PIP) wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir dist .
	@$(PIP) install --quiet --no-deps --no-index --force-reinstall dist/*.whl
	@touch $@

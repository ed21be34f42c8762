.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help venv demo test test-slow lint types lock bench ci

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

venv: $(STAMP) ## the project's own environment, from the lock

$(STAMP): requirements.lock pyproject.toml
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	python3 -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python requirements.lock && $(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e . && touch $@

demo: venv ## the main job against the sandbox, no credentials (STAY=1 keeps it running)
	$(BIN)/adpulse demo $(if $(STAY),--stay) $(if $(REPORT),--report $(REPORT))

test: venv ## the tests, within 10 minutes on 2 cores
	$(BIN)/python -m pytest -q

test-slow: venv ## the slow proofs too: one-line defects that the tests must catch
	$(BIN)/python -m pytest -q -m "slow or not slow"

lint: venv ## ruff and the import contracts
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: venv ## mypy, strict
	$(BIN)/mypy

lock: venv ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --group dev --group bench pyproject.toml -o requirements.lock

bench: venv ## ratios measured in one run, as table and JSON
	$(BIN)/python -m bench

ci: lint types test ## what has to pass before a change lands

.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11
VENV2 := .venv-duckdb2
VENV38 := .venv-prefect38
VENV_NEWEST := .venv-newest
VENV_NOTEBOOKS := .venv-notebooks
JOBS ?= 3
DAYS ?= 30
CLIENT ?= *
SHOTS ?= build/screenshots
STORAGE ?= tests/storage
STAMP2 := $(VENV2)/.installed
STAMP38 := $(VENV38)/.installed
STAMP_NOTEBOOKS := $(VENV_NOTEBOOKS)/.installed
# The tests in which adpulse meets Prefect: its server and clients, deployments, workers, flows, private parts.
PREFECT_TESTS := tests/e2e/test_prefect_server.py tests/e2e/test_end_to_end.py tests/e2e/test_workers.py tests/unit/test_prefect_process.py tests/unit/test_schedules.py tests/unit/test_flush.py tests/test_private_parts.py
unexport PYTHONDONTWRITEBYTECODE # the tests start hundreds of processes, each of which would compile the project anew

.PHONY: help venv demo notebooks test test-browser test-duckdb2 test-prefect38 test-newest test-foreign test-slow soak lint types reference meta-names proof audit lock lock-foreign bench load ci

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

venv: $(STAMP) ## the project's own environment, from the lock

$(STAMP): requirements.lock pyproject.toml
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	python3 -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python requirements.lock && $(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e . && touch $@

$(STAMP2): $(STAMP) requirements-duckdb2.lock
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV2)
	$(BIN)/uv pip sync -q --compile-bytecode --python $(VENV2)/bin/python requirements-duckdb2.lock && touch $@

$(STAMP38): $(STAMP) requirements-prefect38.lock
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV38)
	$(BIN)/uv pip sync -q --compile-bytecode --python $(VENV38)/bin/python requirements-prefect38.lock && $(BIN)/uv pip install -q --python $(VENV38)/bin/python --no-deps -e . && touch $@

$(STAMP_NOTEBOOKS): $(STAMP) requirements-notebooks.lock
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV_NOTEBOOKS)
	$(BIN)/uv pip sync -q --compile-bytecode --python $(VENV_NOTEBOOKS)/bin/python requirements-notebooks.lock && $(BIN)/uv pip install -q --python $(VENV_NOTEBOOKS)/bin/python --no-deps -e . && touch $@

demo: venv ## the main job against the sandbox, no credentials (STAY=1 keeps it running)
	$(BIN)/adpulse demo $(if $(STAY),--stay) $(if $(REPORT),--report $(REPORT))

notebooks: $(STAMP_NOTEBOOKS) ## the two marimo apps in a browser: Today and restatements; Where did the money go (ADPULSE_HOME=folder)
	$(VENV_NOTEBOOKS)/bin/marimo run --token notebooks/today.py notebooks/money.py

test: venv ## the tests, file by file in three processes, as some only wait (JOBS=1 for one)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-browser: venv ## the pages in Chromium (apt-get install chromium), two files at a time, screenshots in build/screenshots (SHOTS=folder)
	@command -v chromium >/dev/null || { echo "Chromium is missing: apt-get install chromium"; exit 1; }
	SHOTS=$(SHOTS) $(BIN)/python -m pytest -q -m browser -n 2 --dist loadfile tests/browser

test-duckdb2: $(STAMP2) ## the storage tests with DuckDB 2.0, and that 1.5 and 2.0 read each other's files (STORAGE=files for some of them)
	$(VENV2)/bin/python -m pytest -q -m "not slow" -n $(JOBS) --dist loadfile $(STORAGE)

test-prefect38: $(STAMP38) ## what meets Prefect, with Prefect 3.8.8, its scheduler and workers
	$(VENV38)/bin/python -m pytest -q -n 2 --dist loadfile --deselect "tests/test_private_parts.py::test_the_version_that_is_installed_and_locked_is_the_one_that_was_read[prefect]" $(PREFECT_TESTS)

test-newest: venv ## the quick tests with the newest version of everything, whatever pyproject.toml allows; no gate (TESTS=files, PYTHON=3.13)
	$(BIN)/uv venv -q --clear --python $(or $(PYTHON),$(BIN)/python) $(VENV_NEWEST)
	$(BIN)/python tests/newest.py | $(BIN)/uv pip install -q --compile-bytecode --python $(VENV_NEWEST)/bin/python -r - && $(BIN)/uv pip install -q --python $(VENV_NEWEST)/bin/python --no-deps -e .
	$(VENV_NEWEST)/bin/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-foreign: venv $(STAMP_NOTEBOOKS) ## other people's connectors against the sandbox, docs/foreign-clients.md from what they read (needs npm), dbt/, the marimo apps and Superset
	@command -v npm >/dev/null || { echo "npm is missing: apt-get install npm"; exit 1; }
	$(BIN)/python -m pytest -q -m foreign tests/foreign

test-slow: venv test-duckdb2 test-prefect38 test-browser test-foreign ## the slow proofs too: one-line defects that the tests must catch
	LONGER=8 $(BIN)/python -m pytest -q -m "not duckdb2 and not browser and not foreign" -n $(JOBS) --dist loadfile --no-loadscope-reorder

soak: venv ## a month of an installation with faults, kills, jumps of the clock and impatient people, checked throughout (DAYS=30)
	DAYS=$(DAYS) $(BIN)/python -m pytest -q -s -m slow tests/slow/test_soak.py

audit: venv ## the locked dependencies against PyPI's advisories, which needs PyPI itself; what cannot be audited fails
	$(BIN)/uv tool run --python $(BIN)/python pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements.lock

lint: venv ## ruff and the import contracts
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: venv ## mypy, strict
	$(BIN)/mypy

reference: venv ## write docs/reference from the code
	$(BIN)/python docs/write_reference.py

meta-names: venv ## write the names that the sandbox's Graph API knows, from the tables of Meta's SDK
	$(BIN)/python docs/write_meta_names.py

proof: venv ## write docs/proof.md, what was shown where, from docs/proof.toml
	$(BIN)/python docs/write_proof.py

lock: venv ## renew the five lock files from pyproject.toml
	$(LOCK) --group dev --group bench pyproject.toml -o requirements.lock
	echo 'setuptools>=80' | $(LOCK) -c requirements.lock pyproject.toml - -o requirements-runtime.lock
	$(LOCK) --group duckdb2 -o requirements-duckdb2.lock
	$(LOCK) -c requirements.lock --group notebooks pyproject.toml -o requirements-notebooks.lock
	cp requirements.lock requirements-prefect38.lock && $(LOCK) --overrides tests/prefect38.in --group dev pyproject.toml -o requirements-prefect38.lock

lock-foreign: venv ## renew the locks of the foreign clients and of dbt (CLIENT=dbt: of one), to the newest that the files beside them allow
	for file in $(wildcard tests/foreign/$(CLIENT)/requirements.in $(CLIENT)/requirements.in); do own=$$(ls $${file%/*}/uv.toml 2>/dev/null); $(LOCK) --upgrade $${own:+--config-file $$own} $$file -o $${file%.in}.lock || exit 1; done
	for file in $(wildcard tests/foreign/$(CLIENT)/package.json); do (cd $${file%/*} && npm update --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved) && $(BIN)/python tests/foreign/without_funding.py $${file%.json}-lock.json || exit 1; done

bench: venv ## ratios measured in one run, as table and JSON
	$(BIN)/python -m bench

load: venv ## 100 realtime connections for 10 minutes, judged (MINUTES=2 CONNECTIONS=20 GOOGLE=10 OUT=folder)
	$(BIN)/python -m bench.load $(if $(MINUTES),--minutes $(MINUTES)) $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(if $(GOOGLE),--google $(GOOGLE)) $(if $(OUT),--out $(OUT))

ci: lint types test ## what has to pass before a change lands

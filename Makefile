# Ten minutes from clone to green: `make demo`, `make test`. Needs Python 3.11 to 3.13 and make; everything else is installed here.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := spice_core spice_api spice_workers spice_assets
PYTEST := $(BIN)/python -m pytest
# Tests of faults wait more than they work, so three share two cores; real servers need the rest for themselves.
TEST_WORKERS ?= 3
SERVER_TEST_WORKERS ?= 2
PARALLEL := --dist loadscope --no-loadscope-reorder
# make dev FULL=1, make demo FULL=1: on the servers of `make up`
SPICE := $(BIN)/spice $(if $(FULL),--full)

.PHONY: setup fmt lint test test-full test-servers test-long demo dev up down status bench docs lock clean

setup: $(VENV)/installed ## install the program and its tools into .venv

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed; set PYTHON=…")'
	@echo "installing into $(VENV) (once, a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

fmt: setup ## format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup ## format, rules, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: setup ## everything that needs nothing but the install, in minutes
	$(PYTEST) -n $(TEST_WORKERS) $(PARALLEL) -m "not full and not long"

test-full: setup ## the same files, with the rows on real servers, which it starts; one that cannot start fails
	$(PYTEST) -n $(SERVER_TEST_WORKERS) $(PARALLEL) -m "not long" --require-full

test-servers: setup ## only the rows on real servers
	@$(BIN)/spice servers fetch
	$(PYTEST) -n $(SERVER_TEST_WORKERS) $(PARALLEL) -m "full and not long" --require-full

test-long: setup ## many seeds, soaks
	$(PYTEST) -m long

demo: setup ## from spreadsheets to a queryable graph, and back to the log
	@$(SPICE) demo

dev: setup ## everything, supervised, until Ctrl-C
	@$(SPICE) dev

up: setup ## start PostgreSQL, S3, Kafka, Elasticsearch and Redis on this machine, without containers
	@$(BIN)/spice servers up

down: setup ## stop them
	@$(BIN)/spice servers down

status: setup ## show them
	@$(BIN)/spice servers status

bench: setup ## the speed bars beside their peers; writes benchmarks/results.md
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.lock -e '.[bench]'
	$(BIN)/python -m benchmarks

docs: setup ## run the code samples of the docs
	$(PYTEST) tests/architecture/test_docs.py

lock: setup ## resolve the versions anew, with hashes and without naming an index
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --extra full --group dev pyproject.toml -o requirements.lock

clean: ## remove what was installed and made here
	rm -rf $(VENV) .spice .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Everything happens in .venv, made here from Python 3.11 or later and nothing else.
# Only relative paths, so that the checkout may lie in a folder whose name has spaces.

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# A process for each core, each file's tests in one of them, the long ones (e2e) first; TEST_PROCESSES=0
# runs them in turn.
TEST_PROCESSES ?= logical
PARALLEL := -n $(TEST_PROCESSES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder
BENCHMARKS := market market_postgres runtime retrieval durability api mcp admin
ARGS ?=

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-fast check format-check fmt lint types imports bench chaos conformance screenshots clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make .venv with all that running, tests and benchmarks need

$(STAMP): requirements.lock
	@for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    found="$$python"; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then echo "Loom needs Python 3.11 or later (with venv) on PATH." >&2; exit 1; fi; \
	if ! $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  rm -rf $(VENV) && "$$found" -m venv $(VENV) || exit 1; \
	fi
	@echo "Installing the packages of requirements.lock into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@touch $(STAMP)

demo: $(STAMP) ## Run a real job through all six phases, with progress
	@$(PY) manage.py demo $(ARGS)

up: $(STAMP) ## Run the whole control plane in the foreground
	@exec $(PY) manage.py up $(ARGS)

down: ## Stop whatever of this checkout runs
	@if [ -e $(STAMP) ]; then $(PY) manage.py down; else echo "Nothing was running." >&2; fi

test: $(STAMP) ## Run the tests (the services they need start by themselves)
	@$(PY) -m pytest -m "not live" $(PARALLEL) $(ARGS)

test-fast: $(STAMP) ## Run the tests that start no processes of ours
	@$(PY) -m pytest -m "not live and not e2e" $(PARALLEL) $(ARGS)

check: format-check lint types imports test ## Format, lint, types, imports, tests: what CI runs

format-check: $(STAMP)
	@$(VENV)/bin/ruff format --check .

fmt: $(STAMP) ## Format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix --exit-zero --quiet .

lint: $(STAMP) ## Lint
	@$(VENV)/bin/ruff check .

types: $(STAMP) ## Check types
	@$(VENV)/bin/pyright

imports: $(STAMP) ## Check which way imports point
	@$(VENV)/bin/lint-imports

bench: $(STAMP) ## Run the benchmarks (data: ../shared/bench, or LOOM_BENCH)
	@if [ ! -d "$${LOOM_BENCH:-../shared/bench}" ]; then \
	  echo "No benchmark data: set LOOM_BENCH to its folder." >&2; exit 1; \
	fi
	@mkdir -p build
	@failed=0; for name in $(BENCHMARKS); do \
	  if [ -e "benchmarks/$$name.py" ] || [ -e "benchmarks/$$name" ]; then \
	    echo "== $$name"; $(PY) -m "benchmarks.$$name" --json "build/bench-$$name.json" || failed=1; \
	  fi; \
	done; exit $$failed

chaos: $(STAMP) ## Kill workers under load and see that nothing is lost or repeated
	@$(PY) -m benchmarks.durability $(ARGS)

conformance: $(STAMP) ## Run the MCP conformance suite and inspector (installs them first)
	@$(PY) -m tests.conformance $(ARGS)

screenshots: $(STAMP) ## Take pictures of the admin's main pages into screenshots/
	@$(PY) -m tests.support.screenshots $(ARGS)

clean: down ## Stop everything and remove what can be made again (data in .loom stays)
	@rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf ./*.egg-info

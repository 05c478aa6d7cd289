# Livejobs. `make` alone lists what there is to do.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
COVERAGE := $(BIN)/coverage
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --all-extras
# parallel test processes: one more than cores, because many tests wait for a lease or a grace; never more than four,
# because acceptance tests start whole servers
JOBS ?= $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2); echo $$((n < 4 ? n + 1 : 4)))
# in the order of their names: the acceptance tests, which take longest, begin first
DIST := -n $(JOBS) --dist loadfile --no-loadscope-reorder
ARGS ?=
# the modules of which every branch is tested
WHOLLY := states protocol transitions leases actions policy
comma := ,
space := $(subst ,, )

.PHONY: help run test test-python test-postgresql test-js test-chaos test-all matrix check check-python check-js docs bench chaos \
	screenshots constraints clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## start the job server with the example tasks (LIVEJOBS_HOST, LIVEJOBS_PORT, LIVEJOBS_DATA)
	@exec $(BIN)/livejobs up examples/tasks.py

test: test-python test-postgresql test-js ## run the tests; installs browser, PostgreSQL and Node where it can

test-all: test test-chaos ## run every test: those, and the chaos suite at its short level

# Measured with `coverage run`, not by a plugin of pytest: one way for pytest's own processes and for all that tests start.
test-python: $(VENV)/.dev ## the Python tests: unit, integration on SQLite, acceptance
	@tests/machine browser postgresql
ifeq ($(ARGS),)
	@$(COVERAGE) erase
	@$(COVERAGE) run -m pytest -m "not chaos" $(DIST)
	@$(COVERAGE) combine --quiet
	@$(COVERAGE) report
	@$(COVERAGE) report --include='$(subst $(space),$(comma),$(WHOLLY:%=*/livejobs/%.py))' --fail-under=100
else
	@$(PYTEST) -m "not chaos" $(DIST) $(ARGS)
endif

test-postgresql: $(VENV)/.dev ## the tests that use the database again, on PostgreSQL
	@tests/machine postgresql
	@if tests/machine --have postgresql; then \
	    LIVEJOBS_TEST_DATABASE=postgresql $(PYTEST) --database-only $(DIST) tests/unit tests/integration $(ARGS); fi

test-chaos: $(VENV)/.dev ## two seeds of the chaos suite, and that it catches deliberate defects
	@tests/machine browser postgresql node
	@if tests/machine --have postgresql && tests/machine --have browser && tests/machine --have node; then \
	    $(MAKE) -s node_modules/.ready && $(BIN)/python -m tests.chaos && $(PYTEST) -m chaos -n 4 --dist worksteal tests/chaos -k "not without_a_defect" $(ARGS) && \
	    $(PYTEST) -m chaos tests/chaos -k without_a_defect $(ARGS); fi

test-js: ## the JavaScript tests
	@tests/machine node
	@if tests/machine --have node; then $(MAKE) -s node_modules/.ready && npm run --silent test; fi

matrix: $(VENV)/.dev ## the unit and integration tests with other Pythons, Djangos and the lowest versions (ONLY="lowest django-6.1")
	@JOBS=$(JOBS) ARGS="$(ARGS)" tests/matrix $(ONLY)

check: check-python check-js docs ## lint, format, types, floors, migrations, docs

check-python: $(VENV)/.dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django makemigrations --check --dry-run

check-js:
	@tests/machine node
	@if tests/machine --have node; then $(MAKE) -s node_modules/.ready && npm run --silent check; fi
	@if grep -n '"resolved"' package-lock.json; then echo "package-lock.json names a registry (see .npmrc)" >&2; exit 1; fi

docs: $(VENV)/.dev ## build the documentation into docs/_build
	@$(BIN)/sphinx-build --quiet -W --keep-going -b html docs docs/_build

bench: $(VENV)/.dev ## measure; results go to bench/results
	@$(BIN)/python -m bench $(ARGS)

chaos: $(VENV)/.dev ## break a cluster of real processes and check what we promise (LEVEL=short, full or soak)
	@tests/machine browser postgresql node
	@$(MAKE) -s node_modules/.ready
	@$(BIN)/python -m tests.chaos $(if $(LEVEL),--level $(LEVEL)) $(ARGS)

screenshots: $(VENV)/.dev ## take the pictures of the README and the documentation from a real server
	@tests/machine browser
	@$(BIN)/python -m tests.support.screenshots $(ARGS)

constraints: $(VENV)/.dev ## pin every dependency anew
	@$(PIP) install uv
	@$(COMPILE) --universal --group dev pyproject.toml -o constraints.txt
	@$(COMPILE) --python-version 3.11 --resolution lowest-direct pyproject.toml -o tests/matrix-lowest.txt

clean: ## delete everything that make made
	rm -rf $(VENV) $(VENV)-matrix .coverage .coverage.* node_modules docs/_build build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests bench docs examples -name __pycache__ -prune -exec rm -rf {} +

# Set-up. A stamp is older than what it was made from exactly when something has to be installed again.
$(BIN)/python:
	@for python in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$python --version) ..."; \
	        $$python -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; exit 0; fi; done; \
	echo "Livejobs needs Python 3.11 or newer, and there is none on PATH (PYTHON=... names another)." >&2; exit 1

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Livejobs ..."
	@$(PIP) install --constraint constraints.txt --editable '.[server,postgresql]'
	@touch $@

# pip first: the one that comes with Python 3.11 cannot install a group
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Livejobs and what its tests and checks need ..."
	@$(PIP) install --constraint constraints.txt pip
	@$(PIP) install --constraint constraints.txt --editable '.[server,postgresql]' --group dev
	@touch $(VENV)/.run $@

node_modules/.ready: package.json package-lock.json
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

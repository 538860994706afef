# make run, make test, make test-fast, make lint, make bench: each works on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test test-fast lint bench compiler servers tools clean

run: $(VENV)/.installed
	$(BIN)/python run.py serve

test: lint compiler servers tools
	$(BIN)/python -m pytest -n auto --dist loadfile --reruns 2

test-fast: lint compiler servers
	$(BIN)/python -m pytest -n auto --dist loadfile --reruns 2 -m "not slow and not autobahn"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-bench compiler servers
	$(BIN)/python -m bench

# For the C programs of bench/, which its tests compile too.
compiler:
	@command -v cc >/dev/null && command -v mariadb_config >/dev/null || \
		(apt-get update -qq && apt-get install -y -qq gcc libc6-dev libmariadb-dev)

# Tests and measurements start their own; where the system starts one too after installing it, that one is not touched.
servers:
	@PATH="$$PATH:/usr/sbin"; command -v mariadbd >/dev/null && command -v redis-server >/dev/null || \
		(apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server redis-server)

# For the tests of deploy/ and of the documentation pages.
tools:
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v chromium >/dev/null || \
		(apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx-light chromium)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@ $(VENV)/.installed

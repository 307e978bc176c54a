# Two commands do all: `make demo` and `make test`. Everything lives in .venv; nothing outside is touched.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# A file's tests share what is costly to make, so they stay together on one of two cores.
PYTEST_ARGS ?= -n 2 --dist loadscope

# The exact versions, with hashes, of what runs, of what tests, and of what serves others (with login and PostgreSQL);
# `make lock` renews them from setup.cfg.
LOCK := requirements.lock
TEST_LOCK := requirements-test.lock
SERVE_LOCK := deploy/requirements.lock
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" --upgrade

.PHONY: demo test check lint types faults install lock audit clean

demo: $(VENV)/.installed
	$(BIN)/pulmoscope demo --out pulmoscope-demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint types test

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

# The fault campaigns at full size (an hour or more); figures for docs/reliability.md.
faults: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.faults "$$(mktemp -d)"

install: $(VENV)/.installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml $(LOCK) | $(VENV)/bin/python
	$(PIP) install --require-hashes -r $(LOCK)
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed $(TEST_LOCK)
	$(PIP) install --require-hashes -r $(TEST_LOCK)
	touch $@

# setuptools builds us, so it is locked with the rest; backports.strenum 1.3 refuses Python 3.11, which uv overlooks (it
# passes over upper bounds of Python) and pip does not. The tests' lock comes first: it asks for more of the same packages.
lock: | $(VENV)/bin/python
	$(PIP) install uv
	printf '%s\n' 'setuptools>=77' 'backports-strenum<1.3' | $(COMPILE) setup.cfg - --extra test --output-file $(TEST_LOCK)
	printf '%s\n' 'setuptools>=77' 'backports-strenum<1.3' | $(COMPILE) setup.cfg - --constraints $(TEST_LOCK) --output-file $(LOCK)
	printf '%s\n' 'setuptools>=77' 'backports-strenum<1.3' | $(COMPILE) setup.cfg - --extra login --extra postgres \
		--constraints $(TEST_LOCK) --output-file $(SERVE_LOCK)

# Known holes in the locked versions, asked of PyPI's advisory service. Where that cannot be reached:
# python -m benchmarks.advisories FOLDER, with advisories that were brought along.
audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip --disable-pip-version-check --quiet install pip-audit
	build/audit/bin/pip-audit --disable-pip --require-hashes -r $(TEST_LOCK)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis pulmoscope-demo

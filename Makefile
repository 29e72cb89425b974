# One command each, from a bare machine with make and Python >= 3.11. uv is used when it is there.
#
#   make help         this list
#   make demo         fine-tune a small real model under supervision, crash it half-way, watch it go on
#   make test         the whole suite
#   make check        static checks: ruff, mypy, pyright, import-linter, deptry, codespell, interrogate
#   make install      the `tinkex` command in $(VENV)/bin
#   make conformance  the tally of OTP and tinkex scenarios; fails when one has no account (SUITE=whole: all other tests too)
#   make coverage     the suite under coverage; fails below 95 %
#   make deep         the property tests with many more examples
#   make simulate     our own supervision trees under a thousand seeds of disorder (SEEDS=1000)
#   make fuzz         a hundred thousand broken answers: a typed error or a right value (COUNT=100000)
#   make soak         ten minutes of crashes, with nothing growing (MINUTES=10)
#   make crash-server kill the embedded server a hundred times while it trains and saves (ROUNDS=100)
#   make crash        kill daemon, server, both and actors two hundred times, and find nothing different (ROUNDS=200)
#   make fuzz-server  many more broken and odd requests to the embedded server (EXAMPLES=200)
#   make bench-actors the runtime beside bare trio, as ratios
#   make bench-client the client beside the official SDK, end to end (a quarter of an hour)
#   make bench-engine the engine beside its matrix products, and beside torch when it is installed
#   make bench-losses custom losses beside bare numpy, and beside torch with BENCH_ARGS=--torch
#   make observer-browser the observer's page in a real Chromium, and its pictures
#   make docs         the documentation, into docs/_build; dead references are errors
#   make parity       the engine against torch and transformers, losses against torch and jax
#
# PYTHON picks the interpreter: make test PYTHON=python3.13

# The tests start hundreds of processes; one that may not keep compiled code takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
TESTS  ?= tests
PYTEST_ARGS ?=

ifdef UV
MAKE_VENV = uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
INSTALL   = VIRTUAL_ENV=$(VENV) uv pip install --quiet
else
MAKE_VENV = $(PYTHON) -m venv $(VENV)
INSTALL   = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

.PHONY: help demo test check format install conformance coverage deep simulate fuzz soak crash-server crash fuzz-server bench-actors bench-client bench-engine bench-losses observer-browser docs parity clean

demo: $(VENV)/.demo
	$(BIN)/tinkex demo $(DEMO_ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(TESTS)

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry supervisors tinkex_actors
	$(BIN)/codespell supervisors tinkex_actors tests benchmarks docs README.md CHANGELOG.md
	$(BIN)/interrogate --quiet supervisors tinkex_actors

format: $(VENV)/.check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.demo

conformance: $(VENV)/.test
	$(BIN)/python -m tests.conformance --complete otp --complete tinkex $(if $(filter whole,$(SUITE)),--whole) $(PYTEST_ARGS)

coverage: $(VENV)/.test
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS) $(TESTS)
	$(BIN)/coverage report --skip-covered --fail-under=95

deep: $(VENV)/.test
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -o faulthandler_timeout=0 $(PYTEST_ARGS) $(TESTS)

simulate: $(VENV)/.test
	SEEDS=$(or $(SEEDS),1000) $(BIN)/python -m pytest -o faulthandler_timeout=0 $(PYTEST_ARGS) $(TESTS)/supervisors/simulation

fuzz: $(VENV)/.test
	FUZZ=$(or $(COUNT),100000) $(BIN)/python -m pytest $(PYTEST_ARGS) $(TESTS)/tinkex_actors/fuzz

soak: $(VENV)/.test
	$(BIN)/python -m benchmarks.actors.soak --minutes $(or $(MINUTES),10)

crash-server: $(VENV)/.test
	CRASH_ROUNDS=$(or $(ROUNDS),100) $(BIN)/python -m pytest tests/tinkex_actors/local/test_kill.py $(PYTEST_ARGS)

crash: $(VENV)/.test
	CRASH_KILLS=$(or $(ROUNDS),200) CRASH_TABLE=crash.md $(BIN)/python -m pytest -s -o faulthandler_timeout=0 tests/tinkex_actors/daemon/crash $(PYTEST_ARGS)

fuzz-server: $(VENV)/.test
	OPENAPI_EXAMPLES=$(or $(EXAMPLES),200) FUZZ_EXAMPLES=$(or $(EXAMPLES),200)00 $(BIN)/python -m pytest \
	  tests/tinkex_actors/local/http/test_openapi.py tests/tinkex_actors/local/http/test_fuzz.py $(PYTEST_ARGS)

bench-actors: $(VENV)/.test
	$(BIN)/python -m benchmarks.actors $(BENCH_ARGS)

bench-client: $(VENV)/.test
	$(BIN)/python -m benchmarks.client $(BENCH_ARGS)

bench-engine: $(VENV)/.test
	$(BIN)/python -m benchmarks.engine $(BENCH_ARGS)

bench-losses: $(VENV)/.test
	$(BIN)/python -m benchmarks.losses $(BENCH_ARGS)

# Needs Chromium (apt-get install chromium). `make test` runs the same where there is one, and takes no pictures; here
# the browser comes first, since what it keeps is drawn by the others.
observer-browser: $(VENV)/.browser
	PICTURES=docs/pictures $(BIN)/python -m pytest tests/browser tests/tinkex_actors/cli/test_top.py tests/tinkex_actors/cli/test_plot.py $(PYTEST_ARGS)

docs: $(VENV)/.docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build

parity: $(VENV)/.parity
	$(BIN)/python -m pytest -m parity --capture=no tests/tinkex_actors/local tests/tinkex_actors/compute $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(MAKE_VENV)

# One stamp for each set of extras: installing again is cheap and happens when pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/.check: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[check]'
	@touch $@ $(VENV)/.test $(VENV)/.demo

$(VENV)/.browser: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[browser]'
	@touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[docs]'
	@touch $@

# The CPU build of torch first, so that no CUDA build is pulled in; pip, since it may come from a local wheel folder.
$(VENV)/.parity: pyproject.toml $(VENV)/.test
	$(BIN)/python -m ensurepip --upgrade >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[parity]'
	@touch $@

# make demo   the main job on the embedded pool, from a bare checkout
# make test   the whole test suite, setting up what is missing
# make results   rerun what the table of results in README.md is made from

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check -q -c constraints.txt
# torch goes first and pinned, so that pip takes the CPU build where its sources offer one.
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)

.PHONY: demo test results clean

demo: $(VENV)/.ready-run
	$(BIN)/consilience bench examples/main.yaml --out runs/demo

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest

results: $(VENV)/.ready-run
	$(BIN)/python examples/results.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (make PYTHON=...)")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) '$(TORCH)'
	$(PIP) -e '.[local,report]'
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready-run
	$(PIP) -e '.[local,hub,report,serve]' pytest pytest-timeout hypothesis
	touch $@

clean:
	rm -rf $(VENV) dist build runs

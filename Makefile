# make demo   the main job on the embedded pool, from a bare checkout
# make test   the whole test suite, setting up what is missing
# make results   rerun what the table of results in README.md is made from
# make docs   rewrite the generated parts of the docs

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check -q -c constraints.txt
# torch goes first and pinned, so that pip takes the CPU build where its sources offer one.
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)

.PHONY: demo test results docs clean

demo: $(VENV)/.ready-run
	$(BIN)/consilience bench examples/main.yaml --out runs/demo

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest -n auto --dist loadfile

# The table of results in README.md, from a run of its own; then every generated part of the docs.
results: $(VENV)/.ready-run
	$(BIN)/consilience bench examples/main.yaml --limit 800 --out runs/results
	mkdir -p docs/results && cp runs/results/leaderboard.csv docs/results/nursery.csv
	$(BIN)/python -m consilience.methods.table docs/methods.md
	$(BIN)/python docs/generate.py

docs: $(VENV)/.ready-run
	$(BIN)/python -m consilience.methods.table docs/methods.md
	$(BIN)/python docs/generate.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (make PYTHON=...)")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo 'installing into $(VENV): some minutes the first time, most of them for torch'
	$(PIP) '$(TORCH)'
	$(PIP) -e '.[local,route,report]'
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready-run
	$(PIP) -e '.[local,route,train,hub,report,serve]' pytest pytest-timeout pytest-xdist hypothesis hatchling scipy gguf xllamacpp
	touch $@

clean:
	rm -rf $(VENV) dist build runs

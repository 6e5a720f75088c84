# relens: two commands on a fresh machine with Python (>= 3.11) and make:
#   make demo    set up, take a real face detector from file to a live page
#   make test    set up, run the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test check bench browser lock clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements/workstation.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "relens: the workstation needs Python >= 3.11: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements/workstation.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

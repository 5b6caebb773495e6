# Every target sets up .venv by itself: a clean checkout, Python >= 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types arch verify bench clean

$(BIN)/.plain: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("neurodev needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing neurodev into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(BIN)/.full: $(BIN)/.plain
	@echo "installing the tools for tests"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[data,test,dev]'
	@touch $@

demo: $(BIN)/.plain
	$(BIN)/neurodev demo --to demo

test: $(BIN)/.full
	$(BIN)/python -m pytest -q -n 2

lint: $(BIN)/.full
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.full
	$(BIN)/mypy

arch: $(BIN)/.full
	$(BIN)/lint-imports

verify: $(BIN)/.full
	$(BIN)/python -m pytest -q -m slow

bench: $(BIN)/.plain
	@for b in brunel brunel-stdp vogels-abbott vogels-abbott-current rewire spines startup; do $(BIN)/neurodev bench $$b --json; done

clean:
	rm -rf $(VENV) demo build *.egg-info

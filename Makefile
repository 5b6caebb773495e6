# Every target sets up .venv by itself: a clean checkout, Python >= 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST := $(BIN)/python -m pytest -q

# What is worth a look with bounds checks, without the compiler or with old versions: whose errors would touch memory.
CHECKED := tests/engine tests/mechanisms tests/structure tests/neurons tests/signals tests/learn tests/methods

.PHONY: demo test lint types arch bounds interpreted verify lowest docs bench clean

$(BIN)/.plain: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("neurodev needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing neurodev into $(VENV)"
	@$(PIP) -e .
	@touch $@

$(BIN)/.full: $(BIN)/.plain
	@echo "installing the tools for tests"
	@$(PIP) -e '.[data,test,dev]'
	@touch $@

$(BIN)/.twins: $(BIN)/.full
	@echo "installing the peers that the tests compare with"
	@$(PIP) -e '.[twins]' || echo "torch is not to be had here: its twins will be named among the skipped"
	@touch $@

$(BIN)/.page: $(BIN)/.plain
	@echo "installing what draws the interactive page"
	@$(PIP) -e '.[report]' || echo "Bokeh is not to be had here: pages hold pictures alone"
	@touch $@

$(BIN)/.browser: $(BIN)/.full
	@echo "installing what reads the interactive page in a browser"
	@$(PIP) -e '.[browser]' || echo "playwright is not to be had here: its tests will be named among the skipped"
	@touch $@

$(BIN)/.docs: $(BIN)/.plain
	@echo "installing what builds the manual"
	@$(PIP) -e '.[docs]'
	@touch $@

demo: $(BIN)/.page
	$(BIN)/neurodev compile
	$(BIN)/neurodev demo --to demo --overwrite

test: $(BIN)/.full
	$(BIN)/neurodev compile
	$(PYTEST) -n 2

lint: $(BIN)/.full
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.full
	$(BIN)/mypy

arch: $(BIN)/.full
	$(BIN)/lint-imports

# Kernels with bounds checks are other kernels: they are kept apart from the ordinary ones (neurodev/jit.py, kernel_cache.py).
bounds: $(BIN)/.full
	NUMBA_BOUNDSCHECK=1 $(PYTEST) -n 2 $(CHECKED)

# Without the compiler, with the share of lines that these tests run (93 % when this was written).
interpreted: $(BIN)/.full
	NUMBA_DISABLE_JIT=1 $(PYTEST) -n 2 -m 'not slow and not compiled' --cov --cov-report=term:skip-covered \
		--cov-fail-under=90 $(CHECKED)

# Every format is written and read by its own library, in an environment that is thrown away (it downloads them).
# The manual is built, and a warning is an error.  Ends with the names of all tests that had no data: those files run
# again, in which some need data.
verify: $(BIN)/.twins $(BIN)/.browser docs
	$(BIN)/python tests/formats/round_trips.py
	$(PYTEST) -m slow --name-skipped
	$(PYTEST) --name-skipped tests/learn/test_torch.py $$(grep -rl '"no data: ' tests --include='test_*.py')

# The core with the lowest versions of its dependencies that pyproject.toml allows; wheels for younger versions of Python.
lowest: $(BIN)/.full
	$(BIN)/python -m tests.wheels
	$(BIN)/python -m tests.lowest -q -n 2 $(CHECKED) tests/record

docs: $(BIN)/.docs
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	@echo "the manual is docs/_build/html/index.html"

bench: $(BIN)/.plain
	@for b in brunel brunel-stdp vogels-abbott vogels-abbott-current background rewire spines startup; do $(BIN)/neurodev bench $$b --json; done

clean:
	rm -rf $(VENV) .venv-lowest demo build docs/_build docs/reference/api.rst docs/reference/generated docs/_examples docs/gallery docs/models/made *.egg-info

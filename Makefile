# Needs Python >= 3.11, git and make; everything else is installed into .venv from constraints.txt.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
RUN := $(VENV)/bin
# Each process takes tests that stand together, so that the two do not compile the same kernels at the same time.
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: demo test lint docs measurements kernels clean

## explore a systolic array for ResNet-50, and leave store, plot and report in results/demo
demo: $(VENV)/.installed
	$(RUN)/python examples/demo.py results/demo

## all tests; one folder: make test TESTS=tests/simulator
TESTS ?= tests
test: $(VENV)/.installed
	$(RUN)/python -m pytest -c tests/pytest.ini $(PYTEST_ARGS) $(TESTS)

## style, types and import directions, on what is installed in $(VENV)
lint:
	$(RUN)/ruff check .
	cd $(VENV) && bin/python -m mypy --config-file $(CURDIR)/pyproject.toml -p cyclescape
	cd $(VENV) && bin/lint-imports --config $(CURDIR)/pyproject.toml

## the site, into site/: the extra docs is installed on demand
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(RUN)/python -m mkdocs build --strict

$(VENV)/.docs: $(VENV)/.installed
	$(RUN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

## run every check and benchmark here and now, and write docs/validation.md and docs/speed.md
measurements: $(VENV)/.installed
	$(RUN)/python docs/measure.py

## compile traces/kernels/cuda/*.cu to listings; needs nvcc and nvdisasm on the PATH (see compile.py)
kernels:
	$(PYTHON) traces/kernels/cuda/compile.py

# Compiled kernels that an earlier installation left behind would shadow the new sources.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	find . -name '*.nb[ci]' -not -path './.git/*' -delete
	$(RUN)/python -m pip install --quiet --upgrade pip
	$(RUN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info results
	find . -name '*.nb[ci]' -not -path './.git/*' -delete

# Everything a developer does. The first two targets do all their own set-up; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
EVERY ?= $(if $(filter true,$(CI)),1,8)
export PATH := $(abspath $(VENV))/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo unit test lint format golden check-generated bench conformance lock docs docs-check python-of-docs clean

help: ## list what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sort | while IFS= read -r line; do \
	  printf '  make %-15s %s\n' "$${line%%:*}" "$${line##*## }"; done

demo: $(VENV)/.installed ## install, render an example for every target, run one, show its run log
	sh scripts/demo.sh

unit: $(VENV)/.packages ## install Python packages alone, and run the unit tests (PYTEST_ARGS, WORKERS)
	python -m pytest -n $(WORKERS) --dist worksteal tests/unit $(PYTEST_ARGS)

test: $(VENV)/.developer ## install what else tests need, and run them (EVERY=1: all cases, PYTEST_ARGS)
	python -m pytest -n $(WORKERS) --dist worksteal --every $(EVERY) $(PYTEST_ARGS)

lint: $(VENV)/.packages ## ruff, black, mypy, and check-generated
	@failed=''; \
	for tool in 'ruff check .' 'black --check .' mypy 'python -m scripts.check_generated'; do \
	  echo "$$tool"; $$tool || failed="$$failed, $$tool"; \
	done; \
	[ -z "$$failed" ] || { echo "lint: failed: $${failed#, }" >&2; exit 1; }

format: $(VENV)/.packages ## let ruff and black change the code
	ruff check --fix .
	black --quiet .

golden: $(VENV)/.packages ## write the golden files anew: read the diff before you commit it
	python -m tests.golden.update

check-generated: $(VENV)/.packages ## generate every generated file anew, and fail if one differs: nothing is written
	python -m scripts.check_generated

conformance: $(VENV)/.developer ## the long runs: 10,000 random pipelines, 200 of them on each engine (CONFORMANCE_ARGS)
	python -m tests.conformance.random_run --count 10000 $(CONFORMANCE_ARGS)
	python -m tests.conformance.random_run --count 200 --engines local,stepfunctions $(CONFORMANCE_ARGS)
	python -m tests.conformance.random_run --count 200 --engines local,argo $(CONFORMANCE_ARGS)

bench: $(VENV)/.developer ## measure, beside other tools' figures (BENCH_ARGS)
	python benchmarks/bench.py $(BENCH_ARGS)

docs: docs-check ## build the site of docs/, and serve it on this machine
	zensical serve

docs-check: python-of-docs $(VENV)/.packages ## build the site of docs/ in build/site: a broken link is an error
	zensical build --strict --clean

python-of-docs: $(VENV)/.python
	@python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'make: zensical, which builds the site, needs Python 3.11 or later:' \
	    'make docs VENV=.venv-docs PYTHON=/path/to/python3.11' >&2; exit 1; }

lock: $(VENV)/.python ## resolve the developers' packages anew, for all Pythons, with hashes
	sh scripts/lock.sh

clean: ## remove what make made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .magnus .demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A plain path, not an import hook: the hook would cost every callback its time.
EDITABLE = --config-settings editable_mode=compat --editable .

# One virtual environment; each mark says how much is in it.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'make: Python 3.10 or later is needed; name one: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo 'make: the venv module is missing (Debian: apt-get install python3-venv)' >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml setup.cfg
	python -m pip install --quiet $(EDITABLE)
	@touch $@

$(VENV)/.packages: $(VENV)/.python pyproject.toml setup.cfg requirements-dev.lock
	python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	python -m pip install --quiet --no-build-isolation --no-deps $(EDITABLE)
	@touch $@ $(VENV)/.installed

$(VENV)/.developer: $(VENV)/.packages requirements-tools.lock scripts/tools.sh \
  tests/engines/stepfunctions/npm/package-lock.json
	sh scripts/tools.sh
	@touch $@

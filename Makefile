# Everything works in a fresh clone with Python >= 3.11 and make: the environments below are made when they are needed.
# Recipes use relative paths only, so the clone may lie in a folder whose name has spaces.

.DEFAULT_GOAL := help
# Which Python makes a new environment: a name or a path. Empty: the first usable one (tools/make_venv.sh).
PYTHON ?=
# More arguments for pytest: make test PYTEST_ARGS="-k quota -x"
PYTEST_ARGS ?=
UV ?= uv

python := .venv/bin/python
ready := .venv/.ready

.PHONY: help demo test native check bench soak wheel lowest lock clean

help: ## show this list
	@echo "make <target>, where target is one of"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1	\2/p' Makefile | expand -t 12
	@echo "PYTHON=python3.13 chooses the interpreter of a new .venv (make clean removes the old one)."

demo: $(ready) ## install, then run examples/demo.py
	@$(python) examples/demo.py

# Four workers on any machine: most of a test's time is waiting, and one number makes runs comparable.
test: $(ready) native ## run the tests in random order, with branch coverage and its gate
	@$(python) -m pytest -n 4 --dist worksteal --cov $(PYTEST_ARGS)

# In place, for this working copy. Quick when nothing has changed, and says why it cannot where there is no cargo.
native: $(ready) ## build the native engine, where cargo is there
	@$(python) hatch_build.py

soak: $(ready) native ## run the long tests that look for leaks and races
	@$(python) -m pytest -m soak $(PYTEST_ARGS)

check: $(ready) ## format, lint, types, import layers, Rust
	@echo "ruff format --check" && $(python) -m ruff format --check --quiet
	@echo "ruff check" && $(python) -m ruff check --quiet
	@echo "mypy" && $(python) -m mypy
	@echo "lint-imports" && .venv/bin/lint-imports --no-logo
	@sh tools/check_rust.sh
	@echo "check: ok"

bench: .venv-bench/.ready native ## measure against peers (in .venv-bench)
	@.venv-bench/bin/python -m bench

wheel: $(ready) ## build sdist and wheel, run the contract tests from the installed wheel
	@sh tools/check_wheel.sh

lowest: .venv-lowest/.ready ## run the contract tests with the oldest allowed dependencies
	@.venv-lowest/bin/python -m pytest tests/contract $(PYTEST_ARGS)

# Several targets of one rule would run it several times in parallel makes; a stamp per environment does not.
.venv/.ready: requirements/dev.txt pyproject.toml hatch_build.py tools/make_venv.sh
.venv-bench/.ready: requirements/bench.txt pyproject.toml hatch_build.py tools/make_venv.sh
.venv-lowest/.ready: requirements/lowest.txt pyproject.toml hatch_build.py tools/make_venv.sh

.venv/.ready .venv-bench/.ready .venv-lowest/.ready:
	@sh tools/make_venv.sh $(@D) $< "$(PYTHON)"
	@touch $@

# Needs uv, which nothing else here does. The files name no index: each machine uses its own.
lock: ## pin requirements/*.txt again; UPGRADE=1 takes newer versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: python -m pip install uv, or UV=/path/to/uv" >&2; exit 1; }
	@UV="$(UV)" UPGRADE="$(UPGRADE)" sh tools/lock.sh

clean: ## remove everything that was made: environments, caches, builds
	rm -rf .venv .venv-bench .venv-lowest build dist htmlcov .coverage .coverage.* coverage.xml
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis crates/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

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

.PHONY: help demo native test check bench campaign-recorder soak soakservices fuzz fuzznative leaks peers typescript wheel wheeltest lowest oldsdk \
	onelibrary lock clean

help: ## show this list
	@echo "make <target>, where target is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1	\2/p' Makefile | expand -t 20
	@echo "PYTHON=python3.13 chooses the interpreter of a new .venv (make clean removes the old one)."

demo: $(ready) ## install, then run examples/demo.py
	@$(python) examples/demo.py

# Four workers on any machine: most of a test's time is waiting, and one number makes runs comparable.
test: $(ready) native ## run the tests in random order, with branch coverage and its gate
	@$(python) -m pytest -n 4 --dist worksteal --cov $(PYTEST_ARGS)

# In place, for this working copy. Quick when nothing has changed, and says why it cannot where there is no cargo.
native: $(ready) ## build the native engine and the native stand-in, where cargo is there
	@$(python) hatch_build.py

soak: $(ready) native ## run the long tests that look for leaks and races
	@$(python) -m pytest -m soak $(PYTEST_ARGS)

# Seconds for each of the targets of tests/fuzz.
FUZZ_S ?= 600

fuzz: .venv-fuzz/.ready ## fuzz the parser and the matchers by coverage (Linux, CPython 3.11 to 3.13)
	@.venv-fuzz/bin/python -m tests.fuzz server -max_total_time=$(FUZZ_S) -max_len=2048 -print_final_stats=1
	@.venv-fuzz/bin/python -m tests.fuzz matchers -max_total_time=$(FUZZ_S) -max_len=512 -print_final_stats=1

fuzznative: $(ready) ## fuzz the native request parser by coverage (needs cargo and clang)
	@$(python) -m tests.fuzz.native run -max_total_time=$(FUZZ_S) -max_len=2048

leaks: $(ready) native ## run a thousand native servers under valgrind
	@$(python) -m tests._engines.native.leaks

check: $(ready) ## format, lint, types, import layers, Rust
	@echo "ruff format --check" && $(python) -m ruff format --check --quiet
	@echo "ruff check" && $(python) -m ruff check --quiet
	@echo "mypy" && $(python) -m mypy
	@echo "lint-imports" && .venv/bin/lint-imports --no-logo
	@sh tools/check_rust.sh
	@echo "check: ok"

bench: .venv-bench/.ready native ## measure against peers (in .venv-bench)
	@.venv-bench/bin/python -m bench

campaign-recorder: .venv-bench/.ready ## break a thousand recorders at random moments
	@.venv-bench/bin/python -m bench recorder_crashes --check

# Saved, in .node/package.json: what one of these two installs would otherwise be taken away by the other.
# Without optional dependencies, which are the claude program itself for each platform.
typescript: ## install the TypeScript SDKs that tests run, into .node (needs npm)
	@npm install --prefix .node --no-package-lock --omit=optional --no-audit --no-fund @anthropic-ai/claude-agent-sdk @anthropic-ai/sdk

# Some MB each, and none is needed for anything else.
peers: ## install the peers of make bench that npm has, into .node (needs npm; WireMock also java)
	@npm install --prefix .node --no-package-lock --no-audit --no-fund mockttp mountebank @copilotkit/aimock wiremock

wheel: $(ready) ## build sdist and wheel, run the contract tests from the installed wheel
	@sh tools/check_wheel.sh

wheeltest: $(ready) ## as wheel, with the native engine required and the tests of all engines (PYTHON=... runs them)
	@API_SIMULATOR_NATIVE=require PYTHON="$(PYTHON)" sh tools/check_wheel.sh engines

lowest: .venv-lowest/.ready ## run the contract and MCP tests with the oldest allowed dependencies
	@.venv-lowest/bin/python -m pytest tests/contract tests/mcp $(PYTEST_ARGS)

soakservices: .venv-bench/.ready ## ten minutes of load on a fake service: does its memory stay flat?
	@.venv-bench/bin/python -m bench service_soak --check

oldsdk: .venv-oldsdk/.ready ## run the tour of the fake Anthropic API with the SDK's last 0.x line
	@.venv-oldsdk/bin/python -m pytest tests/services/test_anthropic_sdk.py $(PYTEST_ARGS)

# What touches HTTP. Each environment has all pinned packages but the libraries that its user has not, and what needs those.
WITH_CLIENTS := $(addprefix tests/,_engines clients conformance http virtual_time plugin services docs examples mcp)

onelibrary: .venv-httpx/.ready .venv-httpx2/.ready .venv-neither/.ready native ## run what touches HTTP with only httpx, only httpx2, and neither
	@for one in httpx httpx2 neither; do \
		echo "with $$one:" && .venv-$$one/bin/python -m pytest -q -n 2 $(WITH_CLIENTS) $(PYTEST_ARGS) || exit 1; \
	done

.venv-httpx/.ready: left_out := httpx2
.venv-httpx2/.ready: left_out := httpx
.venv-neither/.ready: left_out := httpx2 httpx

.venv-httpx/.ready .venv-httpx2/.ready .venv-neither/.ready: requirements/dev.txt pyproject.toml hatch_build.py tools/make_venv.sh tools/leave_out.py
	@sh tools/make_venv.sh $(@D) $< "$(PYTHON)"
	@$(@D)/bin/python tools/leave_out.py $(left_out)
	@touch $@

# Several targets of one rule would run it several times in parallel makes; a stamp per environment does not.
.venv/.ready: requirements/dev.txt pyproject.toml hatch_build.py tools/make_venv.sh
.venv-fuzz/.ready: requirements/fuzz.txt pyproject.toml hatch_build.py tools/make_venv.sh
.venv-bench/.ready: requirements/bench.txt pyproject.toml hatch_build.py tools/make_venv.sh
.venv-lowest/.ready: requirements/lowest.txt pyproject.toml hatch_build.py tools/make_venv.sh
.venv-oldsdk/.ready: requirements/oldsdk.txt pyproject.toml hatch_build.py tools/make_venv.sh

.venv/.ready .venv-bench/.ready .venv-fuzz/.ready .venv-lowest/.ready .venv-oldsdk/.ready:
	@sh tools/make_venv.sh $(@D) $< "$(PYTHON)"
	@touch $@

# Needs uv, which nothing else here does. The files name no index: each machine uses its own.
lock: ## pin requirements/*.txt again; UPGRADE=1 takes newer versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: python -m pip install uv, or UV=/path/to/uv" >&2; exit 1; }
	@UV="$(UV)" UPGRADE="$(UPGRADE)" sh tools/lock.sh

clean: ## remove everything that was made: environments, caches, builds
	rm -rf src/api_simulator/_native_bin
	rm -rf .venv .venv-bench .venv-fuzz .venv-lowest .venv-oldsdk .venv-httpx .venv-httpx2 .venv-neither
	rm -rf .node build dist htmlcov .coverage .coverage.* coverage.xml
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis crates/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

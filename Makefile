# Each target does its own set-up; all it needs is make and a Python from 3.10 on. `make PYTHON=python3.12 …` names another.
PYTHON ?= python3
TOOLCHAIN := $(PYTHON) -m toolchain
BIN := .venv/bin
SOURCES := $(wildcard enos_ota enos_simulator tests toolchain demo benchmarks reference policy/enos_ota_policies __main__.py)

.DEFAULT_GOAL := help
.PHONY: help demo test test-deps bench lint docs toolchain env shell lock dist publish clean

help: ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; \
		do printf '  make %-10s %s\n' "$$target" "$$text"; done

demo: ## Watch it work: simulator, fleet, preview, up, drift, healing.
	@$(TOOLCHAIN) engine
	@exec $(BIN)/python -m demo

test: ## All tests, end-to-end ones with the real pulumi included. ARGS="-k name" chooses.
	@$(TOOLCHAIN) newest
	@$(TOOLCHAIN) lowest
	@$(TOOLCHAIN) oldest
	@$(TOOLCHAIN) engine
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

test-deps: ## Chromium for the tests of the HTML report, with apt where that may install; else they are skipped.
	@$(TOOLCHAIN) test-deps

bench: ## How long things take, as ratios. ARGS="--quick" for a small one, ARGS="-h" for more.
	@$(TOOLCHAIN) engine
	@exec $(BIN)/python -m benchmarks $(ARGS)

lint: ## ruff, formatting, mypy --strict, directions of imports, generated docs, GitHub workflows.
	@$(TOOLCHAIN) venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(SOURCES)
	@for each in examples/*/; do $(BIN)/mypy --no-error-summary $$each || exit; done # each has a __main__ of its own
	@$(BIN)/lint-imports
	@$(BIN)/python -m reference --check
	@$(TOOLCHAIN) workflows

docs: ## Write anew what of docs/ is made of code: command line, configuration, JSON Schema.
	@$(TOOLCHAIN) venv
	@$(BIN)/python -m reference

toolchain: ## Get the virtual environment and the Pulumi engine.
	@$(TOOLCHAIN) engine

env: ## Print export lines: eval "$(make -s env)" makes plain pulumi and enos-ota work.
	@$(TOOLCHAIN) env

shell: ## A subshell in which pulumi and enos-ota work.
	@$(TOOLCHAIN) shell

lock: ## Rewrite requirements.lock and the lock files of the examples from pyproject.toml.
	@$(TOOLCHAIN) lock

dist: ## Build sdist and wheel into dist, and check them.
	@$(TOOLCHAIN) dist

publish: ## Upload dist to PyPI, from the release workflow alone: see .github/workflows/release.yml.
	@$(TOOLCHAIN) publish

clean: ## Remove environments and caches from the checkout; ENGINE=1: the shared engine too.
	@$(TOOLCHAIN) clean $(if $(ENGINE),--engine)

# Two commands on a fresh machine: `make up` and `make test`. Both are safe to repeat and quick the second time.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
QUOTING := $(VENV)/.quoting
RUNTIME := $(VENV)/.runtime
STAMP := $(VENV)/.set-up
# `make up` installs what running needs, and keeps what `make setup` installed beside it.
INSTALLED = $(if $(wildcard $(STAMP)),dev,runtime)
LLAMA_CPP := $(wildcard requirements/llama.cpp/*)
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))

# The first that runs and is recent enough; name another one with PYTHON=...
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c '$(SUPPORTED)' 2>/dev/null && { echo "$$name"; break; }; done)

INSTALL_PROJECT := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps \
	--build-constraints requirements/dev.txt --editable .

# With the build's settings: else uv takes llama.cpp for another package and compiles it anew to read its metadata.
COMPILE := source requirements/llama.cpp/settings.sh && $(BIN)/uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --no-header "$${BUILD[@]}"

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: setup
setup: $(STAMP) ## Make .venv with all that tests, linters and benchmarks need

# All that quotes need: everything but llama.cpp, which is compiled. Where it is installed already, all is kept as it is.
$(QUOTING): pyproject.toml requirements/uv.txt requirements/runtime.txt requirements/install.sh
	@[[ -n "$(PYTHON)" ]] && "$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "Goblin DocQA needs Python 3.11 to 3.14: install one, or name it with PYTHON=..." >&2; exit 1; }
	@[[ -x $(BIN)/python ]] || { echo "1 of 3  Making $(VENV) with $$("$(PYTHON)" --version)"; \
		"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) can't make environments: install its venv package (Debian: python3-venv)." >&2; exit 1; }; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		echo "There is no pip in $(VENV): remove it, install pip for $(PYTHON), and run this again." >&2; exit 1; }
	@echo "        Installing the installer (uv)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@[[ -e $(RUNTIME) ]] || { echo "2 of 3  Installing the locked packages"; \
		requirements/install.sh --without-llama $(BIN)/python requirements/uv.txt requirements/runtime.txt; \
		$(INSTALL_PROJECT); }
	@touch $@

$(RUNTIME): pyproject.toml requirements/uv.txt requirements/runtime.txt requirements/install.sh $(LLAMA_CPP) | $(QUOTING)
	@echo "3 of 3  Compiling llama.cpp once (about 3 minutes on two cores)"
	@requirements/install.sh $(BIN)/python requirements/uv.txt requirements/$(INSTALLED).txt || { \
		command -v c++ g++ clang++ >/dev/null \
		|| echo "There is no C++ compiler: install one (Debian: g++), then run this again." >&2; exit 1; }
	@$(INSTALL_PROJECT)
	@touch $@

$(STAMP): $(RUNTIME) requirements/dev.txt
	@echo "        Installing what tests, linters and benchmarks need"
	@requirements/install.sh $(BIN)/python requirements/uv.txt requirements/dev.txt
	@$(INSTALL_PROJECT)
	@touch $@

# The first time llama.cpp is compiled beside: quotes are made without it, and the model joins by itself.
# Not $(MAKE), whose lines `make -n` runs too.
.PHONY: up
up: $(QUOTING) ## Install what running needs, and run everything until Ctrl-C
	@if $(MAKE_COMMAND) --question $(RUNTIME) 2>/dev/null; then exec $(BIN)/docqa up; else exec requirements/up.sh $(VENV); fi

# One process more than there are cores: most tests wait for other processes.
TEST_WORKERS ?= $(shell echo $$(($$(nproc) + 1)))

.PHONY: test
test: setup ## Run all tests (TEST_WORKERS=0: one after another)
	@$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile tests/unit tests/integration tests/acceptance

.PHONY: checkers
checkers: setup ## Make .venv-checkers with the linters and validators of deploy/
	@[[ -x .venv-checkers/bin/python ]] || $(BIN)/python -m venv --without-pip .venv-checkers
	@$(BIN)/uv pip sync --quiet --python .venv-checkers/bin/python --require-hashes requirements/checkers.txt

# Boots a systemd, builds images, runs Prometheus and nginx: needs root and Debian's packages, which it installs.
.PHONY: test-deploy
test-deploy: checkers clients ## Run the heavy tests of deploy/; each says why where this machine can't
	@$(BIN)/python -m pytest tests/deploy

.PHONY: lint
lint: setup ## Check format, code, types, import rules and spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell --skip './.*,*.txt,*.svg,*.jsonl' --ignore-words-list nd,ans .

# They pin httpx, pydantic and openai to versions of their own.
.PHONY: clients
clients: setup ## Make .venv-clients with LiteLLM and agent frameworks, which the tests point at /v1
	@[[ -x .venv-clients/bin/python ]] || $(BIN)/python -m venv --without-pip .venv-clients
	@$(BIN)/uv pip sync --quiet --python .venv-clients/bin/python --require-hashes requirements/clients.txt

# An environment of its own: what is compared with must not decide which versions we run with.
.PHONY: peers
peers: setup ## Make .venv-peers with what `docqa bench peers` compares with (uses the llama.cpp that setup built)
	@[[ -x .venv-peers/bin/python ]] || $(BIN)/python -m venv --without-pip .venv-peers
	@UV=$(BIN)/uv requirements/install.sh .venv-peers/bin/python requirements/peers.txt
	@requirements/llama_server.sh .venv-peers/bin/python

.PHONY: redactors
redactors: setup ## Make .venv-redactors with what `docqa bench redaction` compares with
	@[[ -x .venv-redactors/bin/python ]] || $(BIN)/python -m venv --without-pip .venv-redactors
	@$(BIN)/uv pip sync --quiet --python .venv-redactors/bin/python --require-hashes requirements/redactors.txt

.PHONY: docs
docs: setup ## Write the documents that are made from the code
	@$(BIN)/python -m docs.generate

.PHONY: lock
lock: setup ## Compile the hashed requirement files anew
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) --extra embedding --extra llama --extra nats pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --extra dev -c requirements/runtime.txt pyproject.toml requirements/build.in -o requirements/dev.txt
	$(COMPILE) --extra otel -c requirements/dev.txt pyproject.toml -o requirements/otel.txt
	$(COMPILE) -c requirements/runtime.txt requirements/peers.in -o requirements/peers.txt
	$(COMPILE) requirements/checkers.in -o requirements/checkers.txt
	$(COMPILE) requirements/redactors.in -o requirements/redactors.txt
	$(COMPILE) requirements/clients.in -o requirements/clients.txt

.PHONY: clean
clean: ## Remove .venv and all caches
	rm -rf $(VENV) .venv-peers .venv-checkers .venv-redactors .venv-clients .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov dist
	find . -name __pycache__ -prune -exec rm -rf {} +

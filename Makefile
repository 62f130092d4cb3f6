# The one front door. `make help` lists what is behind it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)

# Everything that is made here lives in these ignored folders.
BUILD := $(CURDIR)/.build
CACHE := $(CURDIR)/.cache
export GCP_EMULATOR_CACHE := $(CACHE)/images
export ANSIBLE_HOME := $(CACHE)/ansible
export ANSIBLE_ASYNC_DIR := $(CACHE)/ansible/async
export PIP_CACHE_DIR := $(CACHE)/pip
export UV_CACHE_DIR := $(CACHE)/uv
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis
export PYTHONPATH := $(CURDIR)/emulator

# Another directory and other flags give a second sandbox beside the first.
SANDBOX ?= $(CURDIR)/.sandbox
SANDBOX_FLAGS ?=
ENGINE := --engine $(CACHE)/engine
export GCP_EMULATOR_HOME = $(SANDBOX)

SANDBOX_SHELL := eval "$$(python -m gcp_emulator env)"
PLAYBOOK := ANSIBLE_COLLECTIONS_PATH=$(BUILD)/collections ansible-playbook --inventory $(CURDIR)/inventories/sandbox
PLAYBOOK_FLAGS ?=

# The version of PyPI's package `ansible` whose google.cloud `make compare` takes: 14.5.0 carries 1.15.0.
COMPARE_ANSIBLE ?= 14.5.0
COMPARE_FLAGS ?=
CHAOS_FLAGS ?=
BENCH_FLAGS ?=
# Which scenarios `make molecule` runs, and in which order.
SCENARIOS ?= $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
STANDIN := $(CACHE)/standin/miniconda

##@ Try it
.PHONY: demo
demo: sandbox install ## Deploy MLflow into an empty project of the sandbox, and log a model there
	@$(SANDBOX_SHELL); $(PLAYBOOK) $(PLAYBOOK_FLAGS) mlops.mlflow.site

.PHONY: demo-down
demo-down: .venv/ready ## Remove the demo and its sandbox; caches stay
	@python -m gcp_emulator down
	@rm -rf $(SANDBOX)

.PHONY: sandbox
sandbox: .venv/ready ## Start the sandbox alone, with its empty project
	@python -m gcp_emulator up $(ENGINE) $(SANDBOX_FLAGS)
	@python -m gcp_emulator.backends.images net debian-12 postgres-17 >/dev/null

.PHONY: env
env: .venv/ready ## Print what a shell needs to work in the sandbox: eval "$$(make env)"
	@python -m gcp_emulator env
	@printf 'export ANSIBLE_COLLECTIONS_PATH=%q PATH=%q:"$$PATH" PYTHONPATH=%q\n' "$(BUILD)/collections" "$(BIN)" "$(PYTHONPATH)"

##@ Test it
.PHONY: test
test: lint sanity unit e2e molecule ## Run everything, as CI does

.PHONY: lint
lint: .venv/ready $(CACHE)/tree ## Check style, types and documentation
	ruff check
	ruff format --check
	mypy emulator plugins tests/contract tests/modules tests/chaos tests/comparison tests/integration benchmarks tests/unit/benchmarks
	for part in tests/unit/emulator tests/unit/roles/* tests/e2e molecule roles/*/files; do \
	  (cd $$part && mypy --config-file $(CURDIR)/pyproject.toml .); \
	done
	yamllint --strict .
	shellcheck scripts/*.sh .ci/run
	ANSIBLE_COLLECTIONS_PATH=$(CACHE)/tree ansible-lint --offline
	antsibull-changelog lint
	HOME=$(CACHE) ANSIBLE_COLLECTIONS_PATH=$(CACHE)/tree antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .

.PHONY: sanity
sanity: .venv/ready ## Run ansible-test sanity
	scripts/sanity.sh

.PHONY: unit
unit: .venv/ready $(CACHE)/tree ## Run the unit tests, and the contract tests against Google's discovery documents
	pytest --numprocesses auto

.PHONY: e2e
e2e: .venv/ready install ## Run the demo in a sandbox of its own: interrupted, repeated, changed, and with bad input
	scripts/system-packages.sh gcc libc6-dev python3-dev chromium fonts-dejavu-core postgresql
	pytest --numprocesses 2 --dist loadfile tests/e2e tests/integration/test_migrations.py

.PHONY: miniconda-true
miniconda-true: .venv/ready install ## Run the tests of miniconda with the publisher's installers, where they can be reached (not part of `make test`)
	MINICONDA_TRUE=1 pytest tests/e2e/test_miniconda.py

.PHONY: integration
integration: .venv/ready ## Run what stands behind the sandbox without its APIs, and interrupted migrations (not part of `make test`)
	scripts/system-packages.sh postgresql
	pytest tests/integration

.PHONY: chaos
chaos: .venv/ready $(CACHE)/tree ## Let each call of site.yml meet each fault, and see that the next run mends it (a sample is in `make unit`)
	PYTHONPATH=$(CURDIR)/emulator:$(CURDIR)/tests:$(CURDIR)/tests/unit/emulator:$(CACHE)/tree python -m chaos.sweep $(CHAOS_FLAGS)

.PHONY: compare
compare: .venv/ready $(CACHE)/tree ## Run the same tasks with google.cloud and with ours, and write docs/comparison.md (not part of `make test`)
	python -m tests.comparison --ansible $(COMPARE_ANSIBLE) $(COMPARE_FLAGS)

.PHONY: bench-server
bench-server: SANDBOX := $(CURDIR)/.sandbox-bench
bench-server: .venv/ready install ## Measure our server beside the tutorial's, and write docs/benchmark.md (not part of `make test`)
	python -m gcp_emulator up $(ENGINE) --name bench --subnet 198.18.92.0/24
	trap '$(MAKE) demo-down SANDBOX=$(SANDBOX)' EXIT; \
	$(SANDBOX_SHELL); \
	ANSIBLE_COLLECTIONS_PATH=$(BUILD)/collections python -m benchmarks.server $(BENCH_FLAGS)

.PHONY: molecule
molecule: SANDBOX := $(CURDIR)/.sandbox-molecule
molecule: .venv/ready install ## Run the Molecule scenarios, in a sandbox of their own
	scripts/system-packages.sh gcc libc6-dev python3-dev
	python tests/standin/miniconda/build.py $(STANDIN)
	python -m gcp_emulator up $(ENGINE) --name molecule --subnet 198.18.83.0/24
	trap '$(MAKE) demo-down SANDBOX=$(SANDBOX)' EXIT; \
	python -m gcp_emulator.backends.images net debian-11 debian-12 debian-13 postgres-17 >/dev/null; \
	$(SANDBOX_SHELL); \
	ANSIBLE_COLLECTIONS_PATH=$(BUILD)/collections ANSIBLE_HOST_PATTERN_MISMATCH=error STANDIN=$(STANDIN) \
	  MOLECULE_GLOB='molecule/*/molecule.yml' MOLECULE_COMMAND_BORDERS=false scripts/molecule.sh $(SCENARIOS)

##@ Ship it
.PHONY: build
build: .venv/ready ## Build the collection's artefact
	@rm -f $(BUILD)/mlops-mlflow-*.tar.gz
	@ansible-galaxy collection build --output-path $(BUILD)

.PHONY: install
install: build ## Install the artefact into .build/collections
	@ANSIBLE_COLLECTIONS_PATH=$(BUILD)/collections ansible-galaxy collection install --force --offline \
	  --collections-path $(BUILD)/collections $(BUILD)/mlops-mlflow-*.tar.gz

.PHONY: clean
clean: ## Remove what make made, but a running demo
	rm -rf $(BUILD) $(CACHE) .venv

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
	  /^[a-z][a-z0-9-]*:.*## / { sub(/[$$][$$]/, "$$", $$2); printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Nothing is printed on standard output, which belongs to `make env`.
.venv/ready: pyproject.toml scripts/system-packages.sh
	@echo 'Preparing the tools in .venv' >&2
	@scripts/system-packages.sh >&2
	@test -x .venv/bin/python || python3 -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv >&2
	@uv pip install --quiet --python .venv/bin/python \
	  --group controller --group smoke --group sandbox --group test --group lint >&2
	@touch $@

# Python finds the checkout as ansible_collections.mlops.mlflow through this tree.
$(CACHE)/tree:
	mkdir -p $@/ansible_collections/mlops
	ln -s ../../../.. $@/ansible_collections/mlops/mlflow

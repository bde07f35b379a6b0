# On a machine with python3 (3.11 or newer), pip and make, `make demo` and `make test` each do everything by
# themselves. The environment lives in .venv; the two stamp files in it make repeated runs instant.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RUNTIME := .venv/installed-runtime
DEV := .venv/installed-dev
SCENE ?= src/instructsam/assets/examples/meadow.png
INSTRUCTION ?= Something is purring. Where is it?
PROCESSES ?= 2
WORKERS ?= 2
MINUTES ?= 9
PACK ?= out/run

.PHONY: help setup demo test test-slow test-browser test-clients check docs format bench train train-language train-gpu train-gpu-stages ablations clean
.DEFAULT_GOAL := help

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(DEV) ## Create .venv with the package, its dependencies and the development tools

demo: $(RUNTIME) ## Segment a shipped scene, print the table and say where the picture is
	@echo "Segmenting $(SCENE): $(INSTRUCTION)"
	@$(BIN)/instructsam segment $(SCENE) "$(INSTRUCTION)" --out out/demo --overwrite

test: $(DEV) ## Run the fast tests on WORKERS=2 processes
	@echo "Running the fast tests"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

test-slow: $(DEV) ## Run the tests marked slow
	@echo "Running the slow tests"
	@$(BIN)/python -m pytest -q -m "slow and not gpu and not browser and not clients"

test-browser: $(DEV) ## Run the tests of HTML pages in Chromium
	@echo "Running the tests in a browser"
	@$(BIN)/python -m pytest -q -m browser

# Each program in an environment of its own: their dependencies conflict.
CLIENTS := .venv/clients
$(CLIENTS)/cvat/installed: PACKAGES := cvat-cli==2.80.0 cvat-sdk==2.80.0 pycocotools pydantic pyyaml scipy
$(CLIENTS)/roboflow/installed: PACKAGES := inference-sdk==1.8.3
$(CLIENTS)/x_anylabeling/installed: PACKAGES := x-anylabeling-cvhub==4.2.1 onnxruntime
$(CLIENTS)/label_studio/installed: PACKAGES := label-studio
$(CLIENTS)/%/installed: | .venv/bin/python
	@echo "Installing $*"
	@$(PYTHON) -m venv $(CLIENTS)/$*
	@$(CLIENTS)/$*/bin/python -m pip install --quiet --disable-pip-version-check $(PACKAGES)
	@touch $@

test-clients: $(DEV) $(foreach name,cvat roboflow x_anylabeling label_studio,$(CLIENTS)/$(name)/installed) ## Run the tests with labelling tools and their clients
	@echo "Running the tests with real clients"
	@CLIENT_PYTHON_CVAT=$(CLIENTS)/cvat/bin/python CLIENT_PYTHON_ROBOFLOW=$(CLIENTS)/roboflow/bin/python \
		CLIENT_PYTHON_X_ANYLABELING=$(CLIENTS)/x_anylabeling/bin/python \
		CLIENT_PYTHON_LABEL_STUDIO=$(CLIENTS)/label_studio/bin/python \
		$(BIN)/python -m pytest -q -m clients

check: $(DEV) ## Style, types, layers and file lengths
	@echo "ruff check"
	@$(BIN)/ruff check
	@echo "ruff format"
	@$(BIN)/ruff format --check
	@echo "mypy"
	@$(BIN)/mypy
	@echo "lint-imports"
	@$(BIN)/lint-imports
	@echo "architecture tests"
	@$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_style.py

docs: $(DEV) ## Build the documentation site into site/; warnings are errors
	@echo "Building the documentation"
	@$(BIN)/python tools/build_docs.py

format: $(DEV) ## Let ruff put the code in order
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(RUNTIME) ## Measure latency and memory
	@$(BIN)/python benchmarks/latency.py

train: $(RUNTIME) ## Train the shipped default, three stages on two processes; run again, it resumes
	@OMP_NUM_THREADS=1 $(BIN)/python -m torch.distributed.run --nproc_per_node $(PROCESSES) -m instructsam train \
		configs/world/default_vision.yaml configs/world/default_phrases.yaml configs/world/default.yaml --resume

train-language: $(RUNTIME) ## Teach the shipped default free language on a CPU, MINUTES=9 at a time; run again, it resumes
	@OMP_NUM_THREADS=1 $(BIN)/python -m torch.distributed.run --nproc_per_node $(PROCESSES) -m instructsam train \
		configs/world/language.yaml configs/world/language_choice.yaml --resume --max-minutes $(MINUTES)

train-gpu: $(RUNTIME) ## Teach it free language on one GPU, MINUTES=9 at a time; run again, it resumes, with PACK=out/run on a new machine
	@$(BIN)/instructsam train configs/world/gpu/language.yaml --pack $(PACK) --max-minutes $(MINUTES)

train-gpu-stages: $(RUNTIME) ## The three stages before that, MINUTES=9 at a time; run again, it resumes
	@$(BIN)/instructsam train configs/world/gpu/vision.yaml configs/world/gpu/phrases.yaml configs/world/gpu/all.yaml --resume --max-minutes $(MINUTES)

ablations: $(RUNTIME) ## The paper's claims in miniature, MINUTES=9 at a time; run again, it resumes
	@OMP_NUM_THREADS=1 $(BIN)/instructsam ablate configs/world/ablations/claims.yaml --max-minutes $(MINUTES)

clean: ## Remove the environment and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("The pinned environment needs \
	Python 3.11 or newer, this is %d.%d. Run make PYTHON=python3.12, or on 3.10: pip install ." % v)'
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv

# An editable install needs setuptools, which torch brings anyway; without isolation pip fetches it once.
$(RUNTIME): pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing instructsam and its dependencies (about a minute)"
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(DEV): $(RUNTIME)
	@echo "Installing the development tools"
	@$(PIP) --no-build-isolation -e '.[dev]'
	@touch $@

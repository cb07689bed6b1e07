# Headrace's commands. `make demo` and `make test` do all the set-up they need; run `make help`.
#
# Variables:
#   PYTHON=python3.11      interpreter that .venv is made from
#   MLIR_DIR=DIR           another LLVM 22: the folder of its MLIRConfig.cmake
#   BUILD=build            build folder; take another one for another LLVM
#   LLVM_SOURCE_TARBALL=F  take MLIR's binding sources from this file, not from Debian's archive
#   JOBS=N                 parallel jobs (default: the number of CPUs)
#   PYTEST_ARGS, LIT_ARGS  passed on to the test runners
#   FUZZ_SECONDS=600       how long `make fuzz` takes for each reader, and for IR
#   FUZZ_SEED=1            what `make fuzz` draws the IR from; another number for other texts

PYTHON ?= $(firstword $(shell command -v python3.11 python3 2>/dev/null))
JOBS ?= $(shell nproc)
BUILD := build
VENV := .venv
STAMPS := $(BUILD)/stamps
PY := $(VENV)/bin/python
export MLIR_DIR
export HEADRACE_BUILD := $(abspath $(BUILD))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup build demo test test-lit test-python fuzz lint clang-tidy format wheel test-wheel \
        bench-peers docs clean distclean

help: ## Show this list.
	@echo 'usage: make TARGET'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# --- set-up -------------------------------------------------------------------
# Each step leaves a stamp and is skipped while its inputs are unchanged.

$(STAMPS)/packages: scripts/debian_packages.sh | $(STAMPS)
	PYTHON=$(PYTHON) scripts/debian_packages.sh
	@touch $@

$(STAMPS)/venv: requirements.txt requirements-data.txt constraints.txt | $(STAMPS)/packages
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --requirement requirements.txt --constraint constraints.txt
	$(PY) -m pip install --quiet --no-deps --requirement requirements-data.txt
	@touch $@

third_party/mlir/.complete: third_party/pins.env | $(STAMPS)/packages
	third_party/fetch_mlir_python.sh
	@touch $@

third_party/metal/.complete: third_party/metal_kernels.txt third_party/fetch_metal_kernels.sh \
  benchmarks/peers.txt | $(STAMPS)/venv
	third_party/fetch_metal_kernels.sh
	@touch $@

$(BUILD)/build.ninja: $(STAMPS)/venv third_party/mlir/.complete cmake/HeadraceToolchain.cmake
	cmake -S . -B $(BUILD) -G Ninja --log-level=NOTICE \
	  -DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=cmake/HeadraceToolchain.cmake \
	  -DPython_EXECUTABLE=$(CURDIR)/$(PY) -DPython3_EXECUTABLE=$(CURDIR)/$(PY)
	@touch $@

$(STAMPS)/install: pyproject.toml scripts/dev_install.py $(STAMPS)/venv
	$(PY) scripts/dev_install.py $(BUILD)/python_packages
	@touch $@

$(STAMPS):
	@mkdir -p $@

setup: $(BUILD)/build.ninja $(STAMPS)/install third_party/metal/.complete ## Install packages, make .venv, fetch sources, configure.

build: setup ## Build the tools, the bindings and the native objects.
	ninja -C $(BUILD) -j $(JOBS) --quiet

# --- use ----------------------------------------------------------------------

demo: build ## Compile a quantized sentence encoder and run it on real sentences.
	$(PY) examples/demo_sentence_encoder.py

test: test-lit test-python ## Run all tests.

test-lit: build ## Run the lit/FileCheck tests.
	$(VENV)/bin/lit -sv -j $(JOBS) $(LIT_ARGS) tests

test-python: build ## Run pytest over tests/python and tests/e2e.
	$(PY) -m pytest $(PYTEST_ARGS)

FUZZ_SECONDS := 600
FUZZ_SEED := 1

fuzz: build ## Fuzz the readers of files, the parser and common passes, and AIE designs, for FUZZ_SECONDS each.
	$(PY) -m pip install --quiet --requirement tests/fuzz/requirements.txt
	$(PY) tests/fuzz/fuzz_files.py gguf -max_total_time=$(FUZZ_SECONDS)
	$(PY) tests/fuzz/fuzz_files.py safetensors -max_total_time=$(FUZZ_SECONDS)
	$(PY) tests/fuzz/fuzz_files.py index -max_total_time=$(FUZZ_SECONDS)
	$(PY) tests/fuzz/ir_fuzz.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)
	$(PY) tests/fuzz/aie_fuzz.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

lint: build ## Check formatting, lint, types and includes.
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	git ls-files -z '*.cpp' '*.h' '*.c' | xargs -0 $(CLANG_FORMAT) --dry-run --Werror
	$(PY) scripts/check_includes.py $(BUILD)

clang-tidy: build ## Run clang-tidy over our C++ (slow).
	git ls-files -z 'dialects/*.cpp' 'passes/*.cpp' 'lib/*.cpp' 'tools/*.cpp' | \
	  xargs -0 -n 1 -P $(JOBS) $(CLANG_TIDY) -p $(BUILD) --quiet --warnings-as-errors='*'

format: $(STAMPS)/venv ## Format Python and C++.
	$(VENV)/bin/ruff check --fix-only --quiet
	$(VENV)/bin/ruff format
	git ls-files -z '*.cpp' '*.h' '*.c' | xargs -0 $(CLANG_FORMAT) -i

LLVM_BIN := $(if $(MLIR_DIR),$(MLIR_DIR)/../../../bin,/usr/lib/llvm-22/bin)
CLANG_FORMAT := $(LLVM_BIN)/clang-format
CLANG_TIDY := $(LLVM_BIN)/clang-tidy

bench-peers: $(STAMPS)/venv ## Install what the benchmarks compare with.
	benchmarks/install_peers.sh

# --- packages -----------------------------------------------------------------

wheel: $(STAMPS)/venv third_party/mlir/.complete ## Build the compiler and runtime wheels into dist/.
	scripts/build_wheels.sh dist

test-wheel: wheel ## Test each wheel alone in a clean environment.
	scripts/test_wheels.sh dist

docs: build ## Build the documentation into site/.
	$(PY) -m pip install --quiet --requirement docs/requirements.txt --constraint constraints.txt
	$(PY) scripts/gen_docs.py build/docs --build $(BUILD)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict --config-file docs/mkdocs.yml
	@echo 'the documentation is in site/'

clean: ## Remove what the build made.
	rm -rf $(BUILD) build-wheel dist site .mypy_cache .ruff_cache .pytest_cache

distclean: clean ## Remove .venv and fetched sources too.
	rm -rf $(VENV) third_party/mlir third_party/metal

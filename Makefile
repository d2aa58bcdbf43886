PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup jax jax-cuda tensorflow-cuda run test bench soak docs check lock clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/.ready ## Make .venv with exactly the versions of requirements.lock

# A lock names everything, so nothing is left to resolve: whatever is released after it was made cannot break it.
INSTALL := $(BIN)/python -m pip install --quiet --no-deps --no-compile

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "mnist-sweep needs Python 3.11 to 3.13, but this is %d.%d: make PYTHON=python3.13" % v)'
	$(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-build-isolation --editable .
	$(BIN)/python -m pip check
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c '$(IMPORT_ALL)'
	touch $@

# pip would compile every module of every package, more than twice as many as are ever imported.
IMPORT_ALL := import mnist_sweep.cli.main, pandas, openpyxl, lxml.etree, scipy.stats, vl_convert, rich.progress; \
	from mnist_sweep.system.quiet import held_stderr; held = held_stderr(); held.__enter__(); import tensorflow, keras; held.__exit__(None, None, None)

$(VENV)/.ready-%: $(VENV)/.ready requirements-%.lock
	$(INSTALL) --require-hashes --requirement requirements-$*.lock
	$(BIN)/python -m pip check
	touch $@

jax: $(VENV)/.ready-jax ## Add JAX for the CPU to .venv
jax-cuda: $(VENV)/.ready-jax-cuda ## Add JAX for GPUs of NVIDIA to .venv
tensorflow-cuda: $(VENV)/.ready-tensorflow-cuda ## Add what TensorFlow needs for GPUs of NVIDIA to .venv

run: setup ## Train configs/quickstart.yaml for real, ending with where best.xlsx lies
	$(BIN)/mnist-sweep run configs/quickstart.yaml

test: $(VENV)/.ready-dev ## Run the whole suite
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

soak: setup ## Kill and suspend sweeps for ten minutes and count what is lost
	$(BIN)/python benchmarks/soak.py

bench: setup ## Measure the engine against others, half an hour, and write benchmarks/RESULTS.md
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .tools/tuner keras-tuner==1.4.8 kt-legacy==1.0.5
	PYTHONPATH=.tools/tuner $(BIN)/python benchmarks/bench.py

docs: setup ## Write what the documentation takes from the code
	$(BIN)/python docs/generate.py

check: $(VENV)/.ready-dev ## Lint, check formats and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: ## Renew all locks from pyproject.toml
	$(PYTHON) -m venv --clear .tools
	.tools/bin/python -m pip install --quiet uv
	$(COMPILE) --output-file requirements.lock
	for extra in dev jax jax-cuda tensorflow-cuda; do \
		$(COMPILE) --extra $$extra --constraint requirements.lock --output-file requirements-$$extra.lock || exit; \
	done

COMPILE := .tools/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command 'make lock' --upgrade pyproject.toml

clean: ## Remove what setup and lock made
	rm -rf $(VENV) .tools

# Needs only Python 3.11+ and make. Every target sets up what it needs in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# A process for each core, with one thread of torch's each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 8

.PHONY: help demo test lint types unit slow bench clean

help:
	@echo "make demo   set up, then answer, compare and report on the embedded models"
	@echo "make test   set up, then lint, types, unit and slow tests"
	@echo "make bench  set up, then the benchmarks behind the README's numbers"
	@echo "make science set up, then the learning curves, the ablation and RL's gain (some hours; continues)"
	@echo "make clean  remove the virtual environment and caches"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sg-agent needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[local,evals]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[train,evals,gate,serve,dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/sg-agent demo

test: lint types unit slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(PYTEST) -m "not slow"

slow: $(VENV)/.dev
	$(PYTEST) -m slow

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/graph_overhead.py
	$(BIN)/python benchmarks/local_batching.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/eval_load.py
	$(BIN)/python benchmarks/rl_step.py --concurrency 16
	$(BIN)/python benchmarks/serve_load.py --workers 1,2

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

.PHONY: base guide science

base: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/torchrun --nproc-per-node 2 -m sg_agent.training.pretrain --out runs/base --install

guide: $(VENV)/.dev
	$(BIN)/sg-agent distill embedded --out runs/guide --install

science: $(VENV)/.dev
	$(BIN)/python benchmarks/science.py
	$(BIN)/python benchmarks/science_report.py

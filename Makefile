# Every target sets up what it needs: a fresh clone and Python 3.11 to 3.13 are enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
RESULTS ?= results
PORT ?= 8000

# One thread per process: trials set their own count, and two trials with more would fight.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
		f"Python 3.11 to 3.13 is needed, but $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "installing into $(VENV) (torch is large: one to five minutes)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

.PHONY: setup
setup: $(READY)  ## create .venv and install

.PHONY: demo
demo: $(READY)  ## train a small real sweep on this machine (about 6 minutes on 2 cores)
	$(BIN)/python -m sweep.table1 --profile digits --name demo --results $(RESULTS) \
		--settings C_32-32,A_64-128 --methods sn,sr-static,sn-renorm,sn-ttur,pacgan --seeds 0,1

.PHONY: serve
serve: $(READY)  ## serve the results on http://localhost:8000 (PORT=, RESULTS=)
	$(BIN)/python -m api --results $(RESULTS) --port $(PORT)

.PHONY: picture
picture: $(READY)  ## take the picture of the paper page anew (RESULTS=), with chromium
	$(BIN)/python tests/picture.py --results $(RESULTS) api/pages/paper-page.png

.PHONY: check style types
check: style types  ## ruff, pyright and the import contracts

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/pyright

# By files: what the tests of one share, such as a sweep, a service or a browser, is built once.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile

.PHONY: test fast
test: style  ## check, and every test that is not slow
	@$(MAKE) --no-print-directory --jobs=2 types fast

fast: $(READY)
	$(PYTEST) -m 'not slow'

.PHONY: test-all
test-all: test  ## test, then the slow campaigns
	$(PYTEST) -m slow

BENCH := tests/benchmarks

.PHONY: bench
bench: $(READY)  ## measure speed on this machine, as ratios (about 10 minutes on 2 cores)
	$(BIN)/python $(BENCH)/overhead.py --repetitions 1
	$(BIN)/python $(BENCH)/evaluation.py --repetitions 1
	$(BIN)/python $(BENCH)/packing.py --seconds 2
	$(BIN)/python $(BENCH)/solvers.py --repetitions 3
	$(BIN)/python $(BENCH)/watching.py --repetitions 1
	$(BIN)/python $(BENCH)/step.py --shapes 16-32 --repetitions 1
	$(BIN)/python $(BENCH)/iteration.py --settings A_16-128 --repetitions 1
	$(BIN)/python $(BENCH)/roofline.py --repetitions 1
	$(BIN)/python $(BENCH)/mirrors.py --repetitions 1 --trackers tensorboard,wandb
	$(BIN)/python $(BENCH)/growth.py --repetitions 1 --trials 100,500
	$(BIN)/python $(BENCH)/service.py --trials 1000 --core --clients 1

# GPU machines often have a torch of their own, built for their driver: nothing is installed here,
# and of this project's packages only the trainer is used. PYTHON has torch and torchvision.
.PHONY: bench-gpu
bench-gpu: export PYTHONPATH := $(CURDIR)
bench-gpu:  ## the same on a GPU (about 8 minutes), with a PYTHON that has torch
	$(PYTHON) $(BENCH)/solvers.py --device cuda
	$(PYTHON) $(BENCH)/iteration.py --device cuda
	$(PYTHON) $(BENCH)/step.py --device cuda --shapes 16-32,64-64,64-128 --levers tf32
	$(PYTHON) $(BENCH)/roofline.py --device cuda
	$(PYTHON) $(BENCH)/roofline.py --device cuda --precision tf32
	$(PYTHON) $(BENCH)/evaluation.py --device cuda
	$(PYTHON) $(BENCH)/packing.py --device cuda --seconds 3 --most 8

ROUNDS ?= 1000
SEED ?= 0
KINDS ?= kill,s3,hosts
JOBS ?= 2

.PHONY: campaign
campaign: $(READY)  ## kill, cut off and lie to sweeps, by seed, for hours (ROUNDS=, SEED=, KINDS=, JOBS=, MINUTES=)
	$(BIN)/python -m tests.campaign --rounds $(ROUNDS) --seed $(SEED) --kinds $(KINDS) --jobs $(JOBS)$(if $(MINUTES), --minutes $(MINUTES))

ENGINE ?= docker

.PHONY: images
images: $(READY)  ## build both images and run them as a stranger (ENGINE=, BUILD=, RUN=)
	$(BIN)/python tests/images.py --engine '$(ENGINE)' --build '$(BUILD)' --run '$(RUN)'

.PHONY: clean
clean:  ## remove .venv and caches; results stay
	rm -rf $(VENV) build *.egg-info .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

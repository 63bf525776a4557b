# `make run` trains the default assistant, `make test` proves the house. Both set up what is missing first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CRON ?= 0 3 * * *

BIN := .venv/bin
# Another lock file, or a checkout that was moved, is set up anew; otherwise a second call goes straight to work.
STAMP := .venv/ready-$(shell (cat requirements.lock; pwd) | sha256sum | cut -c1-16)
# Tests go on side by side, one process to a core.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder
# The commands in dvc.yaml say `python`: it has to be the environment's.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-all check ui schedule sources benchmark benchmark-peers benchmark-text-growth report

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 20

$(STAMP):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 is needed; name it with make PYTHON=/path/to/python3.11" >&2; exit 2; }
	"$(PYTHON)" -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --no-deps --no-compile --requirement requirements.lock
	$(BIN)/python -m pip check
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	touch $@

mlflow.db: | $(STAMP)
	$(BIN)/python -m stages.tracking.store

data/weights.json: | $(STAMP)
	$(BIN)/python -m flows.sources

setup: $(STAMP) mlflow.db data/weights.json ## environment, MLflow database, list of sources (the others do this too)

run: setup ## bring every stage up to date and leave the report in data/report/index.html
	$(BIN)/python -m flows.pipeline

test: setup ## unit tests, house rules and the tiny pipeline through the real tools
	$(PYTEST) -m "not slow"

test-all: setup ## the tests that take longer, which `make test` leaves out
	$(PYTEST) -m slow

check: $(STAMP) ## linter, formatter, type checker, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: setup ## open the pages of Prefect (flows) and MLflow (runs) until Ctrl-C
	$(BIN)/python -m flows.server

schedule: setup ## run on a schedule: make schedule CRON="0 3 * * *"
	$(BIN)/python -m flows.pipeline serve --cron "$(CRON)"

sources: $(STAMP) ## write down what collect depends on, after a change of its sources
	$(BIN)/python -m flows.sources

.peers/ready: benchmarks/peers/requirements.lock
	"$(PYTHON)" -m venv --clear .peers
	.peers/bin/python -m pip install --quiet --no-deps --requirement $<
	touch $@

benchmark-peers: .peers/ready ## the environment of the tools that benchmarks compare with

benchmark: setup benchmark-peers ## measure, and write benchmarks/results/
	for name in operations pipeline text training recipe; do $(BIN)/python -m benchmarks.$$name || exit 1; done

benchmark-text-growth: setup ## measure the text stages on planted corpora of 100 MB and 1 GB, which takes 5 GB of disk
	$(BIN)/python -m benchmarks.text_growth

report: setup ## bring the report up to date without the flow, and say where it is
	$(BIN)/dvc repro report
	@echo "file://$(CURDIR)/data/report/index.html"

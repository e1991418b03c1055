# make test and make demo set up what they need in .venv: Python 3.10, 3.11 or 3.12, git and pip's registry are enough.
# With PYTHON=python3.12 on the command line it is .venv-python3.12, so that several versions stand side by side.

PYTHON ?= $(shell command -v python3.11 || command -v python3.10 || command -v python3.12 || command -v python3)
VENV := .venv$(if $(filter command,$(firstword $(origin PYTHON))),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin

# the second is for pip 25.3 and later, which keeps what builds the package apart
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)

.PHONY: help setup test test-versions lint docs dist fresh demo weights bench bench-peers recipes combinations two-cards attacks clean

help:
	@echo "make test       set up .venv and run the tests"
	@echo "make test PYTHON=python3.12  the same on another Python, in an environment of its own"
	@echo "make test-versions  a smaller set of tests with MindSpore 2.7.1, 2.8.0 and 2.10.0, each in an environment that it makes (4 GB each)"
	@echo "make lint       set up .venv and check format and imports with ruff"
	@echo "make docs       set up .venv and build the documentation into site/, every link checked"
	@echo "make dist       set up .venv and build sdist and wheel into dist/, and check what they hold"
	@echo "make fresh      make dist, then install the wheel from pip's index, without constraints, into a fresh environment and use it there"
	@echo "make demo       set up .venv and see it work on sample clips: reconstruct, measure, inflate, train, encode, decode (outputs/demo)"
	@echo "make weights    set up .venv and make the shipped weights from nothing: make weights CLIPS=folder (hours; call it again to go on)"
	@echo "make bench      set up .venv and compare with a plain version of the network, and with PyTorch where it is installed; what lengths cost to compile"
	@echo "make bench-peers  set up .venv-peers with PyTorch, OpenVINO and onnxruntime, which make bench then compares with"
	@echo "make recipes    set up .venv and run every recipe on this CPU, training recipes for two steps"
	@echo "make combinations  set up .venv and train every pair of training features together, each run resumed to the same bits"
	@echo "make two-cards  set up .venv and train on two CPU processes beside one with the whole batch"
	@echo "make attacks    set up .venv and make the attacks of docs/reliability.md that take seconds (tools/attack.py --all: every one)"
	@echo "make clean      remove .venv and what was built"

setup: $(VENV)/ready

$(VENV)/ready: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else "Python is %d.%d; MindSpore 2.8 and its companions need 3.10, 3.11 or 3.12: make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# What documentation and distributions are made with, which the tests do without.
$(VENV)/ready-to-publish: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs,dist]'
	@touch $@

# Two pytest processes for two cores: the tests marked apart (setup.cfg), which are shown when both are done, and all others.
test: setup
	@$(BIN)/python -m pytest -p no:cacheprovider -m apart >$(VENV)/apart.log 2>&1 </dev/null & apart=$$!; \
	$(BIN)/python -m pytest -m 'not apart'; here=$$?; \
	wait $$apart; there=$$?; \
	echo 'and those marked apart:'; cat $(VENV)/apart.log; \
	test $$here -eq 0 && test $$there -eq 0

test-versions:
	$(PYTHON) tools/mindspore_versions.py $(VERSIONS)

lint: setup
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .

docs: $(VENV)/ready-to-publish
	$(BIN)/python -m mkdocs build --quiet --strict

dist: $(VENV)/ready-to-publish
	rm -rf dist
	$(BIN)/python -m build --outdir dist . >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/python tools/check_distributions.py dist

fresh: dist
	env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT $(BIN)/python tools/check_distributions.py dist --install

demo: setup
	$(BIN)/mindone-tae demo --output_path outputs/demo --force

weights: setup
	@test -n "$(CLIPS)" || { echo "make weights needs clips to train on: make weights CLIPS=folder, with train.csv and test.csv in it"; exit 2; }
	$(BIN)/python tools/make_weights.py --clips $(CLIPS)

bench: setup
	$(BIN)/python tools/benchmark/run.py
	$(BIN)/python tools/benchmark/peers.py
	$(BIN)/python tools/benchmark/compile_cost.py

# Versions of their own: constraints.txt is about what the package runs with.
bench-peers: setup
	$(BIN)/python -m venv .venv-peers
	PIP_CONSTRAINT= PIP_BUILD_CONSTRAINT= .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check 'numpy<2' torch openvino onnxruntime

recipes: setup
	$(BIN)/python tools/check_recipes.py

combinations: setup
	$(BIN)/python tools/combinations.py

two-cards: setup
	$(BIN)/python tools/two_cards.py

attacks: setup
	$(BIN)/python tools/attack.py

clean:
	rm -rf $(VENV) .venv-peers build dist site *.egg-info

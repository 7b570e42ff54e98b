# The commands of README.md. Everything lives in .venv; nothing else on the machine is relied on but Python 3.11+, git and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test check dev bench bench-flags bench-edge bench-analysis gen sim lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("ebbgate needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@echo 'setup 1/3: .venv'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo 'setup 2/3: the packages of requirements.lock, with their hashes; this takes a minute or more'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo 'setup 3/3: ebbgate itself'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: setup
	$(BIN)/ebbgate demo

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/pytest tests/unit -q -n 2

# All that `check` has not run: it has the unit tests. First what is best done by more processes than there are cores, as half of it waits; in
# the order of tests/conftest.py. Then the demo, which wants the machine for itself and uses half of it: the simulations, which have no clock
# but their own, take the other half. The tests start some hundred processes, which would compile the sources each where Python writes no bytecode.
test: setup
	sh tests/system-packages.sh
	sh tests/node-packages.sh
	$(BIN)/python -m compileall -q src
	sh tests/with_postgres.sh $(BIN)/pytest tests -n 4 --dist loadfile --no-loadscope-reorder --ignore tests/unit --ignore tests/simulation --ignore tests/e2e/demo --durations 15
	sh tests/beside.sh '$(BIN)/pytest tests/e2e/demo --durations 0' '$(BIN)/pytest tests/simulation -n 2 --dist loadfile --no-loadscope-reorder --durations 5'

dev: setup
	$(BIN)/ebbgate serve --data .ebbgate

bench: setup
	$(BIN)/python -m benchmarks

bench-flags: setup
	$(BIN)/python benchmarks/flags.py

bench-edge: setup
	$(BIN)/python benchmarks/edge.py

# False rollbacks of every null (1,500 runs each, half an hour of one core), then detection beside other tools (as long)
bench-analysis: setup
	$(BIN)/python benchmarks/analysis.py --full; status=$$?; $(BIN)/python benchmarks/analysis.py --docs; $(BIN)/python benchmarks/detection.py --full && exit $$status

gen: setup
	$(BIN)/python -m ebbgate.doors.plan_schema > spec/plan.schema.json
	$(BIN)/python -m ebbgate.doors.openapi > spec/openapi.json

# One simulated history, told line by line: make sim SEED=7
sim: setup
	$(BIN)/python -m ebbgate.simulation $(SEED)

lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --all-extras --quiet pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet benchmarks/peers.in -o benchmarks/peers.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

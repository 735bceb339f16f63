# Everything runs in .venv, which is made on the first call and renewed when a lock file changes.

PYTHON  ?= python3
JOBS    ?= 2
UPGRADE ?=

VENV := .venv
BIN  := $(VENV)/bin
CORE := $(VENV)/core.stamp
DEV  := $(VENV)/dev.stamp
# the full set of packages contains the small one, at the same versions
READY := $(firstword $(wildcard $(DEV)) $(CORE))

# one thread for each of several processes: without it they take each other's cores
SIDE_BY_SIDE := NPROC=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# Half of the time of the checks goes into compiling, mostly what runs for milliseconds. The older way of XLA to compile
# fused loops takes half of that time, and in one piece it takes a tenth less than in many. Without optimisation it takes
# half of the rest, and what it makes is half as fast: this pays in tests, and not in chapters. Numbers change in their
# last digits only.
QUICK := --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1
QUICK_COMPILER := XLA_FLAGS="$(QUICK) --xla_backend_optimization_level=1"
QUICKEST_COMPILER := XLA_FLAGS="$(QUICK) --xla_backend_optimization_level=0"

# one notebook or several for `make book`; none for all of them
NOTEBOOK ?=

# one lesson or several for `make pictures`; none for all of them
LESSON ?=

# nothing is fetched from outside, and a kernel that nobody looks at ends after an hour
QUIET_LAB := --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	--MappingKernelManager.cull_idle_timeout=3600 --MappingKernelManager.cull_interval=300

# `make bench` leaves out what takes half an hour or needs a browser, and ends with the table
LONG_BENCHMARKS := benchmarks/bench_panel.py benchmarks/bench_reduction.py benchmarks/bench_scale.py
TABLE := benchmarks/bench_table.py
BENCHMARKS := $(filter-out $(LONG_BENCHMARKS) $(TABLE),$(sort $(wildcard benchmarks/[!_]*.py))) $(TABLE)

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

LOCK := $(BIN)/uv pip compile pyproject.toml requirements/setup.in --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet $(UPGRADE)

.PHONY: help demo paper test in-step chapters chapters-long coverage browser lab bench bench-table bench-scale bench-panel bench-reduction book pictures front-page docs export readme lint lock release-check clean distclean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## sample an ensemble, fit control variates, print and draw the smaller errors
	$(BIN)/ncv-lab demo

paper: $(READY) ## the figures and the table of the paper, quick size, in out/
	@for figure in fig1 fig2 table2 discussion; do $(BIN)/ncv-lab paper $$figure || exit 1; done

test: $(DEV) ## every check: files in step, style, notebooks, tests; the long ones are commands of their own
	$(MAKE) --jobs 3 --no-print-directory browser in-step chapters
	$(SIDE_BY_SIDE) $(QUICKEST_COMPILER) $(BIN)/pytest -n $(JOBS) --dist worksteal

in-step: $(DEV)
	$(BIN)/python tools/sync.py --check
	$(BIN)/python tools/book.py --check
	$(BIN)/python tools/links.py
	$(BIN)/ruff check
	$(BIN)/mypy

chapters: $(DEV)
	$(SIDE_BY_SIDE) $(QUICK_COMPILER) $(BIN)/python tools/book.py --test --jobs $(JOBS)

chapters-long: $(DEV) ## all cells of all notebooks, also the trainings of the paper that `make test` leaves out
	$(SIDE_BY_SIDE) $(QUICK_COMPILER) $(BIN)/python tools/book.py --test --long --jobs $(JOBS)

coverage: $(DEV) ## the long tests: errors of the richest fields on 300 ensembles each, and more couplings (about an hour)
	$(SIDE_BY_SIDE) $(BIN)/pytest -n $(JOBS) --dist worksteal -m long -rP

browser: ## Chromium for the tests of the panels: looked for, and on Debian installed by root
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	    then apt-get update -qq && apt-get install -y -qq chromium >/dev/null && command -v chromium; \
	    else echo "The tests of the panels need Chromium. Install it (Debian: sudo apt-get install chromium)."; exit 1; fi; }

lab: $(DEV) ## JupyterLab on the index notebook; kernels of closed notebooks are ended
	$(BIN)/jupyter lab index.ipynb $(QUIET_LAB)

bench: $(DEV) ## the benchmarks one after the other, and last one table of speeds; the long ones are commands of their own
	@failed=0; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python $$script || failed=1; done; exit $$failed

bench-table: $(DEV) ## one table: how fast, beside what, and how near to the limit of the machine (six minutes)
	$(BIN)/python benchmarks/bench_table.py

bench-scale: $(DEV) ## a million configurations in bounded memory: seconds of each stage, and how they grow
	$(BIN)/python benchmarks/bench_scale.py

bench-panel: $(DEV) browser ## how fast the main panel reacts, measured in a browser
	$(BIN)/python benchmarks/bench_panel.py

bench-reduction: $(DEV) ## every family of control variates: sigma ratios and seconds (three quarters of an hour)
	$(BIN)/python benchmarks/bench_reduction.py
	$(BIN)/python benchmarks/bench_reduction.py --table

book: $(DEV) ## run the chapters and store what they show; NOTEBOOK=nbs/theory/02_action.ipynb for one
	$(SIDE_BY_SIDE) $(BIN)/python tools/book.py --jobs $(JOBS) $(NOTEBOOK)
	$(BIN)/python tools/readme.py

pictures: export browser ## the pictures and films of the lessons, and the numbers they quote; LESSON=sampler for one
	$(BIN)/python tools/panel_pictures.py $(LESSON)
	$(BIN)/python tools/panel_films.py $(LESSON)
	$(BIN)/python tools/lesson_answers.py $(LESSON)

front-page: $(DEV) ## the picture of the front page of the documentation (about a minute)
	$(BIN)/python tools/front_page.py

docs: $(DEV) ## the documentation, in docs/_build/html
	rm -rf docs/_build
	$(BIN)/python tools/docs.py
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	$(BIN)/python tools/links.py

export: $(DEV) ## clean the notebooks; write the modules and README.md from them
	$(BIN)/python tools/sync.py

readme: $(DEV) ## write only README.md, from index.ipynb
	$(BIN)/python tools/readme.py

lint: $(DEV) ## ruff on notebooks, package, tests and tools
	$(BIN)/ruff check

lock: $(DEV) ## renew the lock files after a change of pyproject.toml; UPGRADE=--upgrade for the newest versions
	$(LOCK) --all-extras --output-file requirements/dev.txt
	$(LOCK) --constraint requirements/dev.txt --output-file requirements/core.txt

release-check: $(DEV) ## build the release and use it in empty environments, one for each Python; nothing is published
	$(BIN)/python tools/release_check.py

clean: ## remove what was built
	rm -rf build dist out *.egg-info docs/_build docs/notebooks docs/reference .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -path ./$(VENV) -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +

distclean: clean ## remove .venv too
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "ncv_lab needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	         "Name another one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# pip gets uv at its locked version, and uv the other packages, in a tenth of the time. Where uv cannot, as behind an
# index that only pip is told of, pip does. The checks start Python a hundred times, so for them the packages are compiled
# to bytecode at once: a start takes 2 seconds in place of 5, also where Python is told to write no bytecode.
BYTECODE_dev := --compile-bytecode
$(CORE) $(DEV): $(VENV)/%.stamp: requirements/%.txt pyproject.toml | $(BIN)/python
	awk '/^uv==/,!/\\$$/' requirements/dev.txt > $(VENV)/uv.txt
	$(PIP) --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet $(BYTECODE_$*) --python $(BIN)/python --require-hashes -r $< || $(PIP) --require-hashes -r $<
	$(PIP) --no-build-isolation --no-deps -e .
	touch $@

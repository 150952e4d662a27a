PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test tests lint format docs chromium clean

install: $(VENV)/installed

# one environment for everything; every dependency is pinned in constraints.txt
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

# sweep over breast_cancer with folds, deploy the ensemble, ask it over HTTP, stop
demo: install
	PATH="$(abspath $(BIN)):$$PATH" bash docs/demo.sh

# mypy takes one core for half a minute: the tests have the other one meanwhile
test: install chromium
	@$(MAKE) --no-print-directory -j3 lint docs tests

tests: install chromium
	@bash tests/run.sh $(BIN)/python

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# the documentation as a site in build/site, without a network; a link that leads nowhere is an error, and so is an option
# or a field without words
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# for the tests of the form page, which are skipped without a browser
chromium:
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
	  || echo "chromium is not installed: the tests of the form page will be skipped"; }

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

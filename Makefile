# `make demo` and `make test` are all a new user needs; both set up the environment first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test check bench docs screenshots stories lock clean

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

setup: $(STAMP)

demo: $(STAMP)
	$(BIN)/roadrisk demo $(ARGS)

test: $(STAMP) check
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(STAMP)
	$(BIN)/python -m tests.benches $(NAME)

docs: $(STAMP)
	$(BIN)/roadrisk docs

# Pictures of every page of the console over a home with live models: make screenshots HOME_DIR=var KEYS_DIR=.keys OUT=var/screenshots
screenshots: $(STAMP)
	ROADRISK_HOME=$(or $(HOME_DIR),var) ROADRISK_KEYS_DIR=$(or $(KEYS_DIR),.keys) $(BIN)/python -m tests.browser.screenshots $(or $(OUT),var/screenshots)

# The three stories in a browser over a copy of a demonstration, some minutes: make demo ARGS=--exit, then make stories HOME_DIR=var KEYS_DIR=.keys
stories: $(STAMP)
	ROADRISK_TEST_BROWSER=required ROADRISK_TEST_STORY_HOME=$(abspath $(or $(HOME_DIR),var)) \
	ROADRISK_TEST_STORY_KEYS=$(abspath $(or $(KEYS_DIR),.keys)) $(BIN)/python -m pytest tests/browser/test_stories.py $(ARGS)

# The constraints are compiled by uv, which only this target needs.
lock:
	uv pip compile pyproject.toml --extra dev --extra studies --extra server --extra tracing --extra kafka --extra spark --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file constraints.txt

clean:
	rm -rf var dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

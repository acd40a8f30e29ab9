# `make run` starts the bot (or, without a token, the sandbox); `make test` runs the tests. Both set up what they need.
PYTHON := .venv/bin/python
# More options for pytest, such as --cov (the product's coverage) or the name of one test file.
PYTEST_ARGS :=

.PHONY: run test ordeals sandbox check site pins texts

run:
	@tools/set-up run
	@$(PYTHON) -c 'import sys; from core import settings; sys.exit(0 if settings.bot_is_configured() else 3)' 2>/dev/null; \
	if [ $$? != 3 ]; then exec $(PYTHON) bot.py; \
	else echo "No token is configured (see .env.example): starting the sandbox instead."; tools/set-up sandbox; \
	exec $(PYTHON) -m sandbox; fi

test:
	@tools/set-up test
	@$(PYTHON) -m pytest -n 5 --dist worksteal --durations=15 -m "not ordeal" $(PYTEST_ARGS)

# The tests that `make test` leaves out because they take long.
ordeals:
	@tools/set-up test
	@$(PYTHON) -m pytest -n 2 --dist worksteal -m ordeal

# Both products with everything around them simulated, on http://127.0.0.1:8080.
sandbox:
	@tools/set-up sandbox
	@exec $(PYTHON) -m sandbox

# Lint, types, layers, catalogues and spelling: what CI asks besides the tests.
check:
	@tools/set-up test
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) tools/check_layers.py
	@$(PYTHON) -m codespell_lib
	@if command -v msgfmt >/dev/null; then \
		for catalogue in locales/*/LC_MESSAGES/*.po; do msgfmt -c -o /dev/null $$catalogue || exit 1; done; \
	else echo "msgfmt is missing (package gettext): the catalogues are not checked"; [ -z "$$REQUIRE_ALL" ]; fi

# The documents as a site in build/site. A broken link or anchor, or a page that stands in no menu, is an error.
site:
	@tools/set-up test
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet

# Write requirements*.txt from the ranges in pyproject.toml, for all platforms. Pins that still fit are kept; to raise
# them: make pins PINS_ARGS=--upgrade
PINS_ARGS :=
PIN := .venv/bin/uv pip compile -q --universal --python-version 3.11 --no-header --no-emit-index-url pyproject.toml
pins:
	@tools/set-up run
	$(PIN) $(PINS_ARGS) -o requirements.txt
	$(PIN) $(PINS_ARGS) --group dev -c requirements.txt -o requirements-dev.txt
	$(PIN) --no-deps --extra sandbox -c requirements-dev.txt -o requirements-sandbox.txt
	@echo "Then, with the new versions installed: $(PYTHON) -m tools.licences --write"

# Bring new texts from the code into the catalogues; then translate them in locales/*/LC_MESSAGES/attendance.po.
texts:
	@mkdir -p build
	@.venv/bin/pybabel -q extract -F babel.cfg -k _ --no-location --sort-output -o build/attendance.pot .
	@.venv/bin/pybabel -q update -i build/attendance.pot -d locales -D attendance --no-fuzzy-matching --ignore-obsolete -w 120

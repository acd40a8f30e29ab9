# `make run` starts the bot (or, without a token, the sandbox); `make test` runs the tests. Both set up what they need.
PYTHON := .venv/bin/python

.PHONY: run test ordeals sandbox check pins texts

run:
	@tools/set-up
	@$(PYTHON) -c 'import settings, sys; sys.exit(0 if settings.bot_is_configured() else 3)' 2>/dev/null; \
	if [ $$? != 3 ]; then exec $(PYTHON) bot.py; \
	else echo "No token is configured (see .env.example): starting the sandbox instead."; exec $(PYTHON) -m sandbox; fi

test:
	@tools/set-up
	@$(PYTHON) -m pytest -n 3 --dist worksteal -m "not ordeal"

# The tests that `make test` leaves out because they take long.
ordeals:
	@tools/set-up
	@$(PYTHON) -m pytest -n 2 --dist worksteal -m ordeal

sandbox:
	@tools/set-up
	@exec $(PYTHON) -m sandbox

# Lint, types and layers: what CI asks besides the tests.
check:
	@tools/set-up
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) tools/check_layers.py

# Pin every package anew, for all platforms, after a change in requirements*.in.
pins:
	uv pip compile -q --universal --python-version 3.11 --no-header --no-emit-index-url requirements.in -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --no-header --no-emit-index-url requirements-dev.in -o requirements-dev.txt

# Bring new texts from the code into the catalogues; then translate them in locales/*/LC_MESSAGES/attendance.po.
texts:
	@mkdir -p build
	@.venv/bin/pybabel -q extract -F babel.cfg -k _ --no-location --sort-output -o build/attendance.pot .
	@.venv/bin/pybabel -q update -i build/attendance.pot -d locales -D attendance --no-fuzzy-matching -w 120

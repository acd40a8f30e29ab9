"""Runs the fault tests with all repetitions: `python -m tests.faults [pytest's arguments]`. Takes half an hour."""

import os
import sys

import pytest

os.environ["FAULTS"] = "full"
sys.exit(pytest.main(["tests/faults", "-q", "-s", "--timeout=3600", "--durations=0", *sys.argv[1:]]))

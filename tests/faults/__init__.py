"""Tests with injected faults: a few repetitions in `make test` and `make ordeals`, all by `python -m tests.faults`."""

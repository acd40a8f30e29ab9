"""What must survive faults: the same tests with small counts in `make test`, in full by `python -m tests.faults`."""

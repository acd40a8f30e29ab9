"""What must survive faults: a few times each in `make test` and `make ordeals`, in full by `python -m tests.faults`."""

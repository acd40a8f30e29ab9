"""How often each fault is tried: three times in `make test`, in full with FAULTS=full."""

import os

FULL = os.environ.get("FAULTS") == "full"


def times(full: int) -> int:
    """Return how often: three times, or so often in full."""
    return full if FULL else 3

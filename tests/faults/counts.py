"""How hard each fault is tried: three times in `make test` and `make ordeals`; in full and timed with FAULTS=full.

A time limit says something on a quiet machine only: otherwise what was measured is printed, and nothing asserted.
"""

import os

FULL = os.environ.get("FAULTS") == "full"


def times(full: int) -> int:
    """Return how often: three times, or so often in full."""
    return full if FULL else 3


def measured(what: str, seconds: float, limit: float) -> None:
    """Print how long something took; in full it must be below the limit."""
    print(f"{what} after {seconds:.1f} s")
    assert not FULL or seconds < limit, f"{what}: {seconds:.1f} s, more than {limit:g} s"

"""Repetitions of the fault tests: three in `make test` and `make ordeals`; all, with time limits, with FAULTS=full.

Time limits are meaningful only on a quiet machine; without FAULTS=full times are printed, not asserted.
"""

import os

FULL = os.environ.get("FAULTS") == "full"


def times(full: int) -> int:
    """Return the number of repetitions: three, or ``full`` with FAULTS=full."""
    return full if FULL else 3


def measured(what: str, seconds: float, limit: float) -> None:
    """Print how long something took; with FAULTS=full it must be below the limit."""
    print(f"{what} after {seconds:.1f} s")
    assert not FULL or seconds < limit, f"{what}: {seconds:.1f} s, more than {limit:g} s"

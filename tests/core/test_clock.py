"""The machine's own clocks, as the product asks them."""

from datetime import timedelta
from itertools import pairwise

import pytest

from core.clock import SystemClock

pytestmark = pytest.mark.unit


def test_wall_clock() -> None:
    """The wall clock's time is aware and in UTC, so that it can be compared and stored."""
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_monotonic_clock() -> None:
    """The other clock never runs backwards."""
    clock = SystemClock()
    times = [clock.monotonic() for _ in range(100)]
    assert all(before <= after for before, after in pairwise(times))

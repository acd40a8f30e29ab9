"""The system's clocks."""

from datetime import timedelta
from itertools import pairwise

import pytest

from core.clock import SystemClock

pytestmark = pytest.mark.unit


def test_wall_clock() -> None:
    """The wall clock's time is aware and in UTC, so it can be compared and stored."""
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_monotonic_clock() -> None:
    """The monotonic clock never goes backwards."""
    clock = SystemClock()
    times = [clock.monotonic() for _ in range(100)]
    assert all(before <= after for before, after in pairwise(times))

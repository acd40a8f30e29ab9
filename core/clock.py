"""The clock as a dependency that is passed in, so that tests move time instead of sleeping."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time and monotonic time."""

    def now(self) -> datetime:
        """Return the wall clock's time as an aware datetime in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards, to measure durations."""


class SystemClock:
    """The system's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

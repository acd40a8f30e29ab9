"""The simulators' clock, and a counter of changes to wait on instead of polling."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time for dates, monotonic time for durations. Tests inject their own and never sleep."""

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Signal:
    """A counter of changes that long polls wait on. ``parent`` counts them too, for who watches several."""

    def __init__(self, parent: "Signal | None" = None) -> None:
        self.version = 0
        self._parent = parent
        self._waiters: set[asyncio.Future[None]] = set()

    def bump(self) -> None:
        """Count a change and wake all waiters."""
        self.version += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
        if self._parent is not None:
            self._parent.bump()

    async def wait_past(self, seen: int, seconds: float | None) -> bool:
        """Wait until the counter is past `seen`; False after a timeout of `seconds` (None: no timeout)."""
        try:
            async with asyncio.timeout(seconds):
                while self.version <= seen:
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiters.discard(waiter)
        except TimeoutError:
            return False
        return True

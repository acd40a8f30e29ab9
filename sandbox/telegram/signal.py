"""Clock and waiting: time is handed in, and nothing polls."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time for dates, monotonic time for durations. A test hands in its own and never sleeps."""

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Signal:
    """A counter that one can wait on: how long polls sleep until something happens."""

    def __init__(self) -> None:
        self.version = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def bump(self) -> None:
        """Something happened: wake everybody who waits."""
        self.version += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def beyond(self, seen: int, seconds: float | None) -> bool:
        """Wait until the counter is past `seen`; False when so many seconds (None: any) went by."""
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

"""Rate limits for the portal, shared by all monitors: loads per second, sign-ins at a time.

The portal's server keeps the UI of each abandoned page for 3.1 heartbeats (372 s), so many students must not reload
at once.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.clock import Clock, SystemClock

# Waits for so many seconds; may raise to interrupt the caller.
Pause = Callable[[float], None]


class PortalLimits:
    """The limits; thread-safe. Waiting goes through the caller's ``pause``, so that it can be interrupted."""

    def __init__(self, loads_per_second: float = 10, parallel_sign_ins: int = 3, clock: Clock | None = None) -> None:
        self._interval = 1 / loads_per_second
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._next_load = 0.0
        self._sign_ins = threading.Semaphore(parallel_sign_ins)

    def wait_for_load(self, pause: Pause) -> None:
        with self._lock:
            now = self._clock.monotonic()
            turn = max(now, self._next_load)
            self._next_load = turn + self._interval
        if turn > now:
            pause(turn - now)

    @contextmanager
    def sign_in(self, pause: Pause) -> Iterator[None]:
        """Hold one of the sign-in places, and wait for a load too: the portal answers a sign-in with a reload."""
        while not self._sign_ins.acquire(blocking=False):
            pause(0.1)
        try:
            self.wait_for_load(pause)
            yield
        finally:
            self._sign_ins.release()

"""Limits shared by all monitors: loads per second, sign-ins at a time, seconds that a page may take.

The portal's server keeps the UI of each abandoned page for 3.1 heartbeats (372 s), so many students must not reload
at once.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.clock import Clock, SystemClock
from portal.errors import PortalSlow, PortalUnavailable

# Waits for so many seconds; may raise to interrupt the caller.
Pause = Callable[[float], None]

# Seconds. A stopped Vaadin application never becomes idle again, so the wait for it needs a limit.
READY_WITHIN, LONGEST = 15.0, 90.0
_LOOK, _LONGEST_LOOK = 0.1, 2.0  # seconds between looks of a thread that waits in line
_REQUESTS = 8  # of a page one after another: page, bootstrap, widget set, first state, form; and what files take


class Line:
    """A number of places; threads wait for one in the order in which they came.

    A waiting thread has to execute commands meanwhile, so it looks instead of sleeping until it is woken: the further
    back it stands, the more rarely.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[object] = []
        self._lock = threading.Lock()

    @contextmanager
    def place(self, pause: Pause) -> Iterator[None]:
        """Wait for a place and hold it."""
        ticket = object()
        with self._lock:
            self._waiting.append(ticket)
        try:
            while (ahead := self._take(ticket)) is not None:
                pause(min(_LOOK * (1 + ahead), _LONGEST_LOOK))
        except BaseException:
            with self._lock:
                self._waiting.remove(ticket)
            raise
        try:
            yield
        finally:
            with self._lock:
                self._free += 1

    def _take(self, ticket: object) -> int | None:
        """Take a place; where there is none, return how many are first in line."""
        with self._lock:
            at = self._waiting.index(ticket)
            if at >= self._free:
                return at - self._free
            del self._waiting[at]
            self._free -= 1
            return None


class PortalLimits:
    """The limits; thread-safe. Waiting goes through the caller's ``pause``, so that it can be interrupted."""

    def __init__(self, loads_per_second: float = 10, parallel_sign_ins: int = 3, clock: Clock | None = None) -> None:
        self.loads_per_second = loads_per_second
        self._interval = 1 / loads_per_second
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._next_load = 0.0
        self._sign_ins = Line(parallel_sign_ins)

    def interval(self, wanted: float, monitors: int) -> float:
        """Return the seconds between two checks of one monitor if so many run: the wanted ones, or more."""
        return max(wanted, monitors / self.loads_per_second)

    def wait_for_load(self, pause: Pause) -> None:
        with self._lock:
            now = self._clock.monotonic()
            turn = max(now, self._next_load)
            self._next_load = turn + self._interval
        if turn > now:
            pause(turn - now)

    def behind(self) -> float:
        """Return the seconds until a load that is asked for now would begin."""
        with self._lock:
            return max(0.0, self._next_load - self._clock.monotonic())

    @contextmanager
    def sign_in(self, pause: Pause) -> Iterator[None]:
        """Hold one of the sign-in places, and wait for a load too: the portal answers a sign-in with a reload."""
        with self._sign_ins.place(pause):
            self.wait_for_load(pause)
            yield


@dataclass(eq=False)
class Patience:
    """The seconds that a page may take: they grow with what the portal needs, from ``least`` to LONGEST, and shrink.

    Not locked: a lost update costs one longer load.
    """

    least: float = READY_WITHIN
    _learned: float = 0.0

    def within(self, slowest: float) -> float:
        """Return the limit for a page whose slowest request took so many seconds."""
        return max(self.least, min(LONGEST, max(self._learned, _REQUESTS * slowest)))

    def ready(self, after: float) -> None:
        self._learned = max(1.5 * after, self._learned / 2)

    def gave_up(self, after: float, arrived: bool) -> PortalUnavailable:
        """Return the error for a page that was not ready in time; ``arrived``: the portal has sent its beginning."""
        self._learned = max(self._learned, min(LONGEST, 2 * after))
        if arrived and after < LONGEST:
            return PortalSlow(f"the portal is slow: the page was not ready within {after:g} s")
        return PortalUnavailable(f"the page was not ready within {after:g} s")

"""Sixty monitors at once, in simulated time: the limits for the whole installation hold in every situation."""

import heapq
import itertools
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from lessons.schedule import Commands, Schedule
from monitor import AttendanceMonitor
from portal.errors import PortalUnavailable
from portal.lessons import Click
from portal.limits import Pause, PortalLimits
from portal.session import PortalAccess
from portal.views import Reading
from tests.fakes import LOGIN, NOTHING, FakeClock
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


STUDENTS = 60
LOADS_PER_SECOND, SIGN_INS = 10, 3
LOAD_TAKES, SIGN_IN_TAKES = 0.3, 4.0  # seconds


class Turns(Commands):
    """One monitor's queue within a fleet: the fleet decides when its waits end."""

    def __init__(self, fleet: "Fleet") -> None:
        super().__init__()
        self._fleet = fleet
        self._waiting: deque[Callable[[], None]] = deque()
        self.turn = threading.Event()

    def put(self, command: Callable[[], None]) -> None:
        self._waiting.append(command)

    def next(self, within: float) -> Callable[[], None] | None:
        if not self._waiting:
            self._fleet.wait(self, within)
        return self._waiting.popleft() if self._waiting else None


class Server:
    """The portal: its sessions, whether it is up, and a record of the requests."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.up = True
        self.sign_in_takes = SIGN_IN_TAKES
        self.signed_in: set[str] = set()
        self.loaded_at: list[float] = []
        self.reloaded_at: list[float] = []  # by the portal, after a sign-in
        self.most_sign_ins = 0
        self._signing_in = 0

    @contextmanager
    def sign_in(self) -> Iterator[None]:
        self._signing_in += 1
        self.most_sign_ins = max(self.most_sign_ins, self._signing_in)
        try:
            yield
        finally:
            self._signing_in -= 1

    def load(self) -> None:
        self.loaded_at.append(self._clock.passed)


class SlowPortal:
    """One student's browser, in which every step takes time."""

    def __init__(self, server: Server, clock: FakeClock, profile: str, pause: Pause) -> None:
        self._server, self._clock, self._profile, self._pause = server, clock, profile, pause

    def load(self, address: str) -> None:
        self._server.load()

    def settle(self) -> Reading:
        self._pause(LOAD_TAKES)
        if not self._server.up:
            raise PortalUnavailable("down")
        return NOTHING if self._profile in self._server.signed_in else LOGIN

    def unchanged(self) -> None:
        return None

    def changed(self, within: float = 0.0) -> bool:
        self._pause(within)
        return False

    def sign_in(self, username: str, password: str) -> Reading:
        with self._server.sign_in():
            self._pause(self._server.sign_in_takes)
        self._server.signed_in.add(self._profile)
        self._server.reloaded_at.append(self._clock.passed)
        return self.settle()

    def mark(self, lesson: object) -> Click:
        raise AssertionError("there is no lesson")

    def close_window(self) -> bool:
        raise AssertionError("there is no window")

    def evidence(self) -> tuple[str, bytes | None, str]:
        raise AssertionError("there is no unknown page")

    def leave(self) -> None:
        """There is no session to delete."""

    def end(self) -> None:
        """There is no browser to end."""

    def kill(self) -> None:
        """There is no browser to kill."""


class Fleet:
    """Many monitors whose threads take turns, one at a time, each when its wait is over; the clock is simulated."""

    def __init__(self, rests_until: Callable[[datetime], datetime | None] = lambda _now: None) -> None:
        self.clock = FakeClock()
        self.server = Server(self.clock)
        self._order = itertools.count()
        self._waits: list[tuple[float, int, Turns]] = []
        self._idle = threading.Semaphore(0)
        portal = PortalAccess(self._open, limits=PortalLimits(LOADS_PER_SECOND, SIGN_INS, self.clock))
        chance = random.Random(7)
        self.monitors = [
            AttendanceMonitor(
                f"student_{number}",
                "correct horse",
                "automatic",
                lambda _username, _status, _lesson: None,
                lambda _username, _event: None,
                portal=portal,
                schedule=Schedule(rests_until=rests_until, clock=self.clock, jitter=chance.uniform),
                commands=Turns(self),
            )
            for number in range(STUDENTS)
        ]

    def _open(self, profile: str, pause: Pause) -> SlowPortal:
        return SlowPortal(self.server, self.clock, profile, pause)

    def wait(self, turns: Turns, within: float) -> None:
        """Give the turn to the other monitors until the wait is over; on a monitor's thread."""
        self._enter(turns, within)
        self._idle.release()
        assert turns.turn.wait(PATIENCE)
        turns.turn.clear()

    def _enter(self, turns: Turns, within: float) -> None:
        heapq.heappush(self._waits, (self.clock.passed + max(within, 0.0), next(self._order), turns))

    def starts(self) -> None:
        """Start all of them at the same moment."""
        for monitor in self.monitors:
            monitor.start()
            assert self._idle.acquire(timeout=PATIENCE)

    def runs_until(self, second: float) -> None:
        """Let the monitors take turns until this second."""
        while self._waits and self._waits[0][0] <= second:
            until, _, turns = heapq.heappop(self._waits)
            self.clock.advance(until - self.clock.passed)
            turns.turn.set()
            assert self._idle.acquire(timeout=PATIENCE)
        self.clock.advance(second - self.clock.passed)

    def ends(self) -> None:
        """Stop all of them."""
        for monitor in self.monitors:
            monitor.stop()
        for _, _, turns in self._waits:
            turns.turn.set()
        assert all(monitor.join(PATIENCE) for monitor in self.monitors)

    def keeps_the_limits(self) -> None:
        """Assert both limits for all requests to the portal."""
        assert self.server.most_sign_ins <= SIGN_INS
        assert most_within(1.0, self.server.loaded_at) <= LOADS_PER_SECOND


def most_within(span: float, times: list[float]) -> int:
    """Return the highest number of times (sorted) within a span (seconds)."""
    most, first = 0, 0
    for last, time in enumerate(times):
        while times[first] <= time - span + 1e-4:  # the fake clock counts whole microseconds
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    fleet = Fleet()
    yield fleet
    fleet.ends()


def test_start_of_all(fleet: Fleet) -> None:
    """Sixty monitors that start at once, as after a restart, are signed in soon, within both limits."""
    fleet.starts()
    fleet.runs_until(120)
    assert len(fleet.server.signed_in) == STUDENTS
    assert fleet.server.most_sign_ins == SIGN_INS  # the limit was reached
    fleet.keeps_the_limits()


def test_sign_ins_count_as_loads(fleet: Fleet) -> None:
    """The reload at the end of each sign-in counts as a load; the portal chooses its moment, so over ten seconds."""
    fleet.server.sign_in_takes = 0.05
    fleet.starts()
    fleet.runs_until(40)
    assert len(fleet.server.signed_in) == STUDENTS
    both = sorted(fleet.server.loaded_at + fleet.server.reloaded_at)
    assert most_within(10.0, both) <= 10 * LOADS_PER_SECOND + SIGN_INS


@pytest.mark.ordeal
def test_after_an_outage(fleet: Fleet) -> None:
    """Sixty monitors whose sessions are lost in an outage sign in again within both limits."""
    fleet.starts()
    fleet.runs_until(100)
    fleet.server.up = False
    fleet.server.signed_in.clear()
    fleet.runs_until(300)
    fleet.server.up = True
    fleet.runs_until(700)
    assert len(fleet.server.signed_in) == STUDENTS
    fleet.keeps_the_limits()


@pytest.mark.ordeal
def test_wake_up_before_the_hours() -> None:
    """Sixty resting monitors are signed in when the active hours begin, within both limits."""
    opens_after = 3600.0

    def rests_until(now: datetime) -> datetime | None:
        opens = FakeClock().now() + timedelta(seconds=opens_after)
        return opens if now < opens else None

    fleet = Fleet(rests_until)
    try:
        fleet.starts()
        fleet.runs_until(opens_after - 1)
        assert len(fleet.server.signed_in) == STUDENTS
        assert fleet.server.loaded_at[0] > opens_after - 300
        fleet.runs_until(opens_after + 30)
        fleet.keeps_the_limits()
    finally:
        fleet.ends()

"""When a monitor reloads the page, rests, and tries again after trouble; and the waits of its thread, which execute the
commands in its queue.
"""

import logging
import queue
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from core.backoff import Backoff
from core.clock import Clock, SystemClock
from core.logs import brief
from core.sqlite import DatabaseUnavailable
from lessons.events import Event, MonitorState, StatusEvent, StatusReporter
from lessons.marking import Marking
from portal.errors import (
    BrowserFailed,
    GridFailed,
    NotThePortal,
    PortalError,
    PortalUnavailable,
    SignInFailed,
    UnknownView,
)
from portal.session import PortalClient

log = logging.getLogger(__name__)

REFRESH_INTERVAL = 20.0  # seconds between reloads
JITTER = 0.15  # of the interval, either way
FIRST_RELOAD = 1.0  # seconds before reloading a page that changed or lost its session, doubled each time
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds after trouble, doubled each time
# Pauses while the portal is down: at most half a refresh interval, after so many of them three. A try costs it little.
SHORT_PAUSES, WITH_A_LESSON = 60, 360
GRID_PAUSE = 4.0  # seconds: a place or a node of a Selenium Grid comes back within seconds, and asking costs little
FEW_SIGN_INS = 3  # in a row without a session that lasts, after which they become rare: accounts may be locked
UNANSWERED = 0.25  # of a sign-in: a portal that is slow or down answers none, and then soon again
RARE_SIGN_IN, RAREST_SIGN_IN = 300.0, 3600.0  # seconds between them then, doubled each time
AGAIN_IS_TROUBLE = 6  # loads in a row without success, after which it counts as trouble
# After unforeseen errors: a new browser after 2, 10, 50 and 250 s; the fifth error within an hour ends the monitor.
RESTART_FACTOR, MOST_RESTARTS, RESTARTS_WITHIN = 5.0, 4, 3600.0
WAKE_AHEAD = 240.0  # seconds before the active hours begin: sixty students sign in, three at a time


@dataclass(frozen=True)
class Schedule:
    """One monitor's times. All of them have jitter, so that many monitors do not act in step.

    ``refresh_interval`` is in seconds; ``rests_until(now)`` returns until when nothing is watched, None for "watch";
    ``on_check(at)`` is called now and then with the time of the last check.
    """

    refresh_interval: float = REFRESH_INTERVAL
    rests_until: Callable[[datetime], datetime | None] = lambda _now: None
    on_check: Callable[[datetime], None] = lambda _at: None
    clock: Clock = field(default_factory=SystemClock)
    jitter: Callable[[float, float], float] = random.uniform

    def until_reload(self) -> float:
        return self.refresh_interval * self.jitter(1 - JITTER, 1 + JITTER)

    def resting_until(self) -> datetime | None:
        """Return until when to rest; None to watch, or to sign in shortly before the active hours begin."""
        now = self.clock.now()
        until = self.rests_until(now)
        return None if until is None or (until - now).total_seconds() <= self.wakes_early else until

    @cached_property
    def wakes_early(self) -> float:
        """Seconds before the active hours begin at which this monitor opens its browser."""
        return WAKE_AHEAD * self.jitter(0.5, 1.0)


class StopRequested(BaseException):
    """Raised by the stop command to end every wait of the monitor's thread. It is no error, and not handled as one."""


class Commands:
    """Commands for a monitor's thread: the only way in which other threads reach it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def put(self, command: Callable[[], None]) -> None:
        self._queue.put(command)

    def next(self, within: float) -> Callable[[], None] | None:
        """Return the next command, or None if none comes within so many seconds."""
        try:
            return self._queue.get(timeout=max(within, 0))
        except queue.Empty:
            return None


@dataclass(eq=False)
class Waits:
    """Every wait of a monitor's thread. A command that needs the thread's attention sets ``woken``."""

    _commands: Commands
    _clock: Clock
    woken: bool = False

    def wake(self) -> None:
        """End the current wait, if it is one that ends when woken."""
        self.woken = True

    def pause(self, seconds: float, until_woken: bool = False) -> None:
        """Wait so many seconds and execute commands meanwhile; with ``until_woken`` return as soon as woken."""
        deadline = self._clock.monotonic() + seconds
        while True:
            command = self._commands.next(deadline - self._clock.monotonic())
            if command is not None:
                command()
            elif self._clock.monotonic() >= deadline:
                return
            if until_woken and self.woken:
                return


@dataclass(eq=False)
class Recovery:
    """One monitor's pauses after trouble. Each ends at once when the monitor has to rest."""

    _student: int
    _schedule: Schedule
    _waits: Waits
    _status: StatusReporter
    _marking: Marking

    def __post_init__(self) -> None:
        self._troubles = Backoff(FIRST_PAUSE, LONGEST_PAUSE, lambda: self._schedule.jitter(0.7, 1.0))
        self._reloads = Backoff(FIRST_RELOAD, LONGEST_PAUSE, lambda: self._schedule.jitter(0.5, 1.0))
        self._restarts = Backoff(FIRST_PAUSE, LONGEST_PAUSE, factor=RESTART_FACTOR)
        self._failed_at: list[float] = []  # monotonic times of unforeseen errors
        self._rare_sign_ins = Backoff(RARE_SIGN_IN, RAREST_SIGN_IN, lambda: self._schedule.jitter(1.0, 1.2))
        self._sign_ins, self._next_sign_in = 0.0, 0.0  # in a row; monotonic

    def checked(self) -> None:
        self._marking.metrics.checked()
        self._troubles.reset()

    def stayed_usable(self) -> None:
        """Note that the page was loaded without a sign-in, and could be used until the next reload was due."""
        self._reloads.reset()
        self._rare_sign_ins.reset()
        self._sign_ins, self._next_sign_in = 0.0, 0.0
        self._status.end_lasting()

    def before_sign_in(self) -> None:
        """Raise SignInFailed if several sign-ins in a row did not help, and it is too early for another one."""
        if self._schedule.clock.monotonic() < self._next_sign_in:
            raise SignInFailed("the login form comes back after each sign-in")

    def count_sign_in(self, answered: bool = True) -> None:
        """Count a sign-in, until ``stayed_usable`` shows that it helped; one without a proper answer counts less."""
        self._sign_ins += 1.0 if answered else UNANSWERED
        if self._sign_ins >= FEW_SIGN_INS:
            self._next_sign_in = self._schedule.clock.monotonic() + self._rare_sign_ins.next()

    def uncount_sign_in(self) -> None:
        """Note that the browser has ended by itself: that says nothing about the last sign-in."""
        self._sign_ins = max(self._sign_ins - 1, 0.0)
        if self._sign_ins < FEW_SIGN_INS:
            self._next_sign_in = 0.0

    def wait_to_load_again(self, passing: PortalError, client: PortalClient) -> None:
        """Wait before loading a page again that changed or lost its session: usually the load mends it, unreported.

        Where it does not, the waits grow, and it is reported as trouble.
        """
        wait = self._reloads.next()
        self._marking.metrics.checked(passing)
        if self._marking.has_open():
            wait = self._shortened(wait, self._reloads.failures)
        log.info("monitor %s: %s, loading again", self._student, type(passing).__name__)
        if self._reloads.failures >= AGAIN_IS_TROUBLE:
            self._marking.note_trouble()
            self._status.become(MonitorState.WAITING, trouble=str(passing), next_in=wait)
            self._status.lasting = True
            self._report(passing, client)
            client.load("about:blank")  # the page may reload itself for ever
        self._wait_unless_resting(wait)

    def wait_out(self, trouble: PortalError | DatabaseUnavailable, client: PortalClient | None = None) -> None:
        """Report trouble that may pass and pause; of a page that needs a person a copy is reported too."""
        self._marking.note_trouble()
        self._marking.metrics.checked(trouble)
        if isinstance(trouble, GridFailed):
            wait = GRID_PAUSE * self._schedule.jitter(0.7, 1.0)
        else:
            wait = self._troubles.next()
        if isinstance(trouble, PortalUnavailable | (UnknownView if self._marking.has_open() else NotThePortal)):
            wait = self._shortened(wait, self._troubles.failures)
        until_sign_in = self._next_sign_in - self._schedule.clock.monotonic()
        if isinstance(trouble, SignInFailed) and until_sign_in > 0:
            self._status.lasting, wait = True, max(wait, until_sign_in)
        log.warning("monitor %s: %s: %s; again in %.0f s", self._student, type(trouble).__name__, trouble, wait)
        self._status.become(MonitorState.WAITING, trouble=str(trouble), next_in=wait)
        self._report(trouble, client)
        self._wait_unless_resting(wait)

    def restart_after(self, error: Exception) -> None:
        """Report an unforeseen error and pause before a new browser; raise the error again if there were too many.

        What the machine lacks, such as descriptors, memory or disk space, is trouble that may pass.
        """
        log.error("monitor %s: failed", self._student, exc_info=error)
        if isinstance(error, OSError | MemoryError):
            return self.wait_out(BrowserFailed(f"this machine: {getattr(error, 'strerror', None) or 'no memory'}"))
        now = self._schedule.clock.monotonic()
        self._failed_at = [at for at in self._failed_at if now - at < RESTARTS_WITHIN] + [now]
        if len(self._failed_at) > MOST_RESTARTS:
            raise error
        self._restarts.failures = len(self._failed_at) - 1
        wait = self._restarts.next()
        self._marking.note_trouble()
        self._status.become(MonitorState.STARTING, next_in=wait)
        self._status.report(StatusEvent(Event.RESTARTED, brief(error)))
        return self._wait_unless_resting(wait)

    def _report(self, trouble: PortalError | DatabaseUnavailable, client: PortalClient | None) -> None:
        kind = Event.UNKNOWN_VIEW if isinstance(trouble, UnknownView) else Event.TROUBLE
        lasting, words = self._status.lasting, getattr(trouble, "words", "")
        event = StatusEvent(kind, str(trouble), code=type(trouble).__name__, words=words, lasting=lasting)
        if client is not None and (lasting or getattr(trouble, "pictured", False)):
            page, picture, source = client.evidence()
            event = replace(event, kind=page, picture=picture, source=source)
        self._status.report(event)

    def _shortened(self, wait: float, failures: int) -> float:
        """Return a pause that is short at first: what has just come back is checked soon."""
        short = failures <= (WITH_A_LESSON if self._marking.has_open() else SHORT_PAUSES)
        return min(wait, self._schedule.refresh_interval * (0.5 if short else 3) * self._schedule.jitter(0.7, 1.0))

    def _wait_unless_resting(self, seconds: float) -> None:
        deadline = self._schedule.clock.monotonic() + seconds
        while (left := deadline - self._schedule.clock.monotonic()) > 0 and self._schedule.resting_until() is None:
            self._waits.woken = False
            self._waits.pause(left, until_woken=True)

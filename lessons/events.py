"""What a monitor reports: its state, its status and its events."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from core.clock import Clock
from portal.lessons import Lesson

log = logging.getLogger(__name__)

CHECKED_EVERY = 300.0  # seconds between two calls of ``on_check``, which stores the time


class MonitorState(Enum):
    STARTING = "starting"
    SIGNING_IN = "signing in"
    WATCHING = "watching"
    WAITING = "waiting"
    RESTING = "resting"  # outside of the active hours, or on a day that the student skips; no browser
    STOPPED = "stopped"


class Event(Enum):
    """The kinds of ``StatusEvent``."""

    SIGNING_IN = "signing in"
    WATCHING = "watching"
    RESTING = "resting"
    TROUBLE = "trouble"
    UNKNOWN_VIEW = "unknown view"
    MARK_REFUSED = "mark refused"  # several clicks on a lesson were not confirmed; the text is the portal's own
    REFUSED = "refused"  # permanent: wrong username or password
    BLOCKED = "blocked"  # permanent: the portal blocked the account, or locked it for a while, or it has expired
    PASSWORD_EXPIRED = "password expired"  # noqa: S105  # permanent: the portal wants a new one
    NO_BROWSER = "no browser"  # permanent: the operator has to install one
    RESTARTED = "restarted"  # an unforeseen error, for the admin; the text is its kind and place. Tried again
    FAILED = "failed"  # permanent: too many unforeseen errors; the log has the tracebacks
    UNKNOWN_CARD = "unknown card"  # one of the page's lessons has no button that is known; the others are handled
    LESSON_CLOSED = "lesson closed"  # an open lesson disappeared unmarked; the text is a ``CloseReason``
    LESSON_MARKED_ELSEWHERE = "lesson marked elsewhere"  # marked, but not by us
    STOPPED = "stopped"


ENDS = (Event.REFUSED, Event.BLOCKED, Event.PASSWORD_EXPIRED, Event.NO_BROWSER, Event.FAILED)  # the permanent ones


class CloseReason(Enum):
    """Why a lesson closed without our mark."""

    NOT_PRESSED = "not pressed"  # it was offered, and the student did not press Mark Now
    TOO_LATE = "too late"  # Mark Now was pressed, and the lesson had closed
    NOT_CONFIRMED = "not confirmed"  # clicked, but the portal went on to show it as open
    TAKEN_AWAY = "taken away"  # clicked, and gone at the next load, which may be how the portal shows a mark
    NOT_PRESSABLE = "not pressable"  # the button was gone or covered at each click
    INTERRUPTED = "interrupted"  # an earlier process was about to click, or had clicked
    TROUBLE = "trouble"  # the page could not be read
    AWAY = "away"  # monitoring was off
    TOO_SHORT = "too short"  # open in one reading, gone in the next


@dataclass(frozen=True)
class StatusEvent:
    """One status update. ``text`` is the portal's own text or describes the trouble; ``lesson`` only where it fits.

    ``code`` is the error's type, ``words`` are the portal's own. A page for the admin comes with its ``kind`` (equal
    for equal pages), a screenshot (PNG) and its HTML source. ``lasting``: several tries did not end this trouble;
    with WATCHING: the page is read, but the trouble is not over.
    """

    event: Event
    text: str = ""
    lesson: Lesson | None = None
    kind: str = ""
    picture: bytes | None = field(default=None, repr=False)
    source: str = field(default="", repr=False)
    code: str = ""
    words: str = ""
    lasting: bool = False

    @property
    def cause(self) -> str:
        """Return a stable name for what is wrong."""
        return self.code or self.event.value

    @property
    def detail(self) -> str:
        """Return what may be shown in any language: the portal's own words, or else an error code."""
        if self.event.value in ("refused", "blocked", "mark refused", "password expired"):
            return self.text
        return self.words or "".join(re.findall(r"HTTP \d{3}|net::\w+", self.text)[:1])


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Return a callback whose errors are only logged: an error of the caller must not end a monitor."""

    def call(*arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            log.exception("a monitor's callback failed")

    return call


@dataclass(frozen=True)
class MonitorStatus:
    """A snapshot of a monitor for display. Times are UTC, None where it has not happened yet."""

    state: MonitorState
    since: datetime  # when this state began
    started: datetime  # when monitoring began
    last_check: datetime | None = None
    next_check: datetime | None = None
    trouble: str = ""


_REPORTED = {MonitorState.WATCHING: Event.WATCHING, MonitorState.RESTING: Event.RESTING}


@dataclass(eq=False)
class StatusReporter:
    """One monitor's status. Changed on the monitor's thread only; ``current`` may be read from any thread.

    ``on_check(at)`` is called with the time of the last check, at most every five minutes and at the end.
    """

    _username: str
    _student: int
    _clock: Clock
    _on_status_update: Callable[[str, StatusEvent], None]
    _on_check: Callable[[datetime], None]
    _stored_at: float = -CHECKED_EVERY  # monotonic
    lasting: bool = False  # a trouble that is not over because the page can be read

    def __post_init__(self) -> None:
        now = self._clock.now()
        self.current = MonitorStatus(MonitorState.STARTING, since=now, started=now)

    def report(self, event: StatusEvent) -> None:
        self._on_status_update(self._username, event)

    def become(self, state: MonitorState, next_in: float | None = None, trouble: str = "") -> None:
        """Replace the snapshot; report the beginning of watching and of resting."""
        before, now = self.current, self._clock.now()
        since = before.since if before.state is state else now
        next_check = before.next_check if next_in is None else now + timedelta(seconds=next_in)
        self.current = replace(before, state=state, since=since, next_check=next_check, trouble=trouble)
        if state is before.state:
            return
        if state is not MonitorState.STOPPED:  # ``stop`` logs the end with its reason
            log.info("monitor %s: %s", self._student, state.value)
        if state in _REPORTED:
            self.report(StatusEvent(_REPORTED[state], lasting=self.lasting))

    def end_lasting(self) -> None:
        """Report, while watching, that a lasting trouble is over."""
        if self.lasting:
            self.lasting = False
            self.report(StatusEvent(Event.WATCHING))

    def checked(self) -> datetime:
        """Record a check of the portal that succeeded now; return the time."""
        now = self._clock.now()
        self.current = replace(self.current, last_check=now)
        self.become(MonitorState.WATCHING)
        if self._clock.monotonic() - self._stored_at >= CHECKED_EVERY:
            self._stored_at = self._clock.monotonic()
            self._on_check(now)
        return now

    def stop(self, last: StatusEvent) -> None:
        if self.current.last_check is not None:
            self._on_check(self.current.last_check)
        self.become(MonitorState.STOPPED, trouble=last.text)
        log.info("monitor %s: stopped (%s)", self._student, last.event.value)
        self.report(last)

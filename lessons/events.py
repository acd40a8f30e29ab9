"""What a monitor reports: its state, its status and its events."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from portal.lessons import Lesson


class MonitorState(Enum):
    """What a monitor is doing."""

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
    REFUSED = "refused"  # permanent: wrong username or password
    BLOCKED = "blocked"  # permanent: the portal blocked the account
    NO_BROWSER = "no browser"  # permanent: the operator has to install one
    FAILED = "failed"  # permanent: a bug of ours; the log has the traceback
    LESSON_CLOSED = "lesson closed"  # an open lesson disappeared unmarked; the text is a ``CloseReason``
    LESSON_MARKED_ELSEWHERE = "lesson marked elsewhere"  # marked, but not by us
    STOPPED = "stopped"


class CloseReason(Enum):
    """Why a lesson closed unmarked."""

    NOT_PRESSED = "not pressed"  # manual mode, and nobody asked to mark it
    NOT_CONFIRMED = "not confirmed"  # clicked, but the portal never showed it as marked
    TROUBLE = "trouble"  # the page could not be read meanwhile, or monitoring was off
    TOO_SHORT = "too short"  # open in one reading, gone in the next


@dataclass(frozen=True)
class StatusEvent:
    """One status update. ``text`` is the portal's own text or describes the trouble; ``lesson`` only where it fits.

    An unknown page comes with its ``kind`` (equal for equal pages), a screenshot (PNG) and its HTML source.
    """

    event: Event
    text: str = ""
    lesson: Lesson | None = None
    kind: str = ""
    picture: bytes | None = field(default=None, repr=False)
    source: str = field(default="", repr=False)


@dataclass(frozen=True)
class Trouble:
    """The last trouble of a student. ``text`` is the portal's own text, or empty for a bug of ours."""

    event: Event
    text: str
    at: datetime


@dataclass(frozen=True)
class MonitorStatus:
    """A snapshot of a monitor for display. Times are UTC, None where it has not happened yet."""

    state: MonitorState
    since: datetime  # when this state began
    started: datetime  # when monitoring began
    last_check: datetime | None = None
    next_check: datetime | None = None
    trouble: str = ""

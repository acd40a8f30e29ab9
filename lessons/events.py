"""What a monitor tells the world: its state, its events."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from portal.lessons import Lesson


class State(Enum):
    """What a monitor is doing."""

    STARTING = "starting"
    SIGNING_IN = "signing in"
    WATCHING = "watching"
    WAITING = "waiting"
    RESTING = "resting"  # outside of the active hours, or on a day that the student skips; no browser
    STOPPED = "stopped"


class Event(Enum):
    """What ``on_status_update`` tells. The text beside it is the portal's own or the trouble's."""

    SIGNING_IN = "signing in"
    WATCHING = "watching"
    RESTING = "resting"
    TROUBLE = "trouble"
    UNKNOWN_VIEW = "unknown view"
    REFUSED = "refused"  # permanent: wrong username or password
    BLOCKED = "blocked"  # permanent: the portal blocked the account
    NO_BROWSER = "no browser"  # permanent: the operator has to install one
    FAILED = "failed"  # permanent: a mistake of ours, with its cause in the log
    LESSON_CLOSED = "lesson closed"  # an open lesson went away unmarked
    LESSON_MARKED_ELSEWHERE = "lesson marked elsewhere"  # marked, but not by us
    STOPPED = "stopped"


class Why(Enum):
    """Why a lesson closed unmarked; the text of ``Event.LESSON_CLOSED``."""

    NOT_PRESSED = "not pressed"  # manual mode, and nobody asked to mark it
    NOT_CONFIRMED = "not confirmed"  # clicked, but the portal never showed that it is marked
    TROUBLE = "trouble"  # the page could not be read meanwhile, or monitoring was off
    TOO_SHORT = "too short"  # open at one look, gone at the next


@dataclass(frozen=True)
class StatusEvent:
    """One status update: the event, the words that belong to it, the lesson where it is about one.

    A page that is not known comes with its ``kind`` (the same for the same page), a picture (PNG) and its source.
    """

    event: Event
    text: str = ""
    lesson: Lesson | None = None
    kind: str = ""
    picture: bytes | None = field(default=None, repr=False)
    source: str = field(default="", repr=False)


@dataclass(frozen=True)
class Trouble:
    """The last thing that went wrong for a student; the text is the portal's own, or empty where it was our fault."""

    event: Event
    text: str
    at: datetime


@dataclass(frozen=True)
class Status:
    """A snapshot of a monitor, for people to read. Times are UTC, None where it has not happened yet."""

    state: State
    since: datetime  # when this state began
    started: datetime  # when monitoring began
    last_check: datetime | None = None
    next_check: datetime | None = None
    trouble: str = ""

"""State of the simulated university: students, lessons, marks, and an event log.

Marks are made here, on the server, never by a page. Passwords are compared and never logged.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from sandbox.signal import Signal

MAIL_DOMAIN = "@kbtu.kz"
DEFAULT_MINUTES = 10
STANDARD_LABEL = ("{subject}", "{teacher}", "{time}", "{countdown}")


class UnknownEntry(LookupError):
    """The control API named a student or a lesson that does not exist."""


class Clock(Protocol):
    """The simulator's clocks, injected so that tests can advance them."""

    def wall(self) -> datetime:
        """The current time with a zone."""

    def monotonic(self) -> float:
        """Monotonic seconds."""


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class PortalAccount:
    """A student's account. `blocked` is the reason that is shown instead of lessons."""

    username: str
    password: str = field(repr=False)
    blocked: str | None = None


@dataclass
class Lesson:
    """A lesson whose attendance is or was open."""

    id: int
    subject: str
    teacher: str
    time: str
    opened: float
    minutes: float
    students: frozenset[str] | None
    live: bool
    label: tuple[str, ...] = STANDARD_LABEL
    """The label's lines; `{n}` is the number of minutes, `{countdown}` the portal's line with it."""
    open: bool = True

    def seconds_left(self, now: float) -> float:
        """Seconds until it closes; zero once closed."""
        return max(0.0, self.opened + self.minutes * 60 - now) if self.open else 0.0

    def minutes_left(self, now: float) -> int:
        """The number on the card, rounded up so that an open lesson never shows zero (a guess)."""
        return math.ceil(self.seconds_left(now) / 60)

    def is_for(self, student: str) -> bool:
        """Whether the student with this key has this lesson."""
        return self.students is None or student in self.students


@dataclass(frozen=True)
class Mark:
    """An attendance mark made by the server."""

    lesson: int
    username: str
    at: str
    monotonic: float


def student_key(username: str) -> str:
    """The same key for both forms of a user name, `a_student` and `A_Student@kbtu.kz`."""
    return username.strip().casefold().removesuffix(MAIL_DOMAIN)


class PortalWorld:
    """Students, lessons, marks and the log, in memory, for use by one thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.changed = Signal()
        self.reset()

    def reset(self) -> None:
        """Delete all state; lesson ids and log numbers start again."""
        self.students: dict[str, PortalAccount] = {}
        self.lessons: dict[int, Lesson] = {}
        self._marks: dict[tuple[int, str], Mark] = {}
        self._earlier_marks: list[Mark] = []
        self._log: list[dict[str, Any]] = []
        self.changed.bump()

    def log(
        self, event: str, username: str | None = None, lesson: int | None = None, detail: str | None = None
    ) -> None:
        """Add an event to the log; unknown fields are omitted."""
        known = {"username": username, "lesson": lesson, "detail": detail}
        self._log.append(
            {"n": len(self._log) + 1, "at": self._wall(), "monotonic": self.clock.monotonic(), "event": event}
            | {name: value for name, value in known.items() if value is not None}
        )
        self.changed.bump()

    def log_since(self, number: int) -> list[dict[str, Any]]:
        """Log events after the one with this number."""
        return self._log[max(0, number) :]

    def put_student(self, username: str, password: str, blocked: str | None = None) -> PortalAccount:
        """Add a student, or change the existing one with this name in either form."""
        student = self.students.setdefault(student_key(username), PortalAccount(username.strip(), password))
        student.password, student.blocked = password, blocked
        self.changed.bump()
        return student

    def sign_in(self, username: str, password: str) -> str | None:
        """The student's key if name and password match, else None."""
        key = student_key(username)
        student = self.students.get(key)
        fits = hmac.compare_digest((student.password if student else "").encode(), password.encode())
        return key if student is not None and password and fits else None

    def open_lesson(
        self,
        subject: str,
        teacher: str,
        time_text: str,
        minutes: float = DEFAULT_MINUTES,
        students: Iterable[str] | None = None,
        live: bool = False,
        label: Iterable[str] = STANDARD_LABEL,
    ) -> Lesson:
        """Open a lesson's attendance now, for all or for the named students."""
        keys = None if students is None else frozenset(student_key(name) for name in students)
        if unknown := sorted((keys or frozenset()) - self.students.keys()):
            raise UnknownEntry(f"no such student: {', '.join(unknown)}")
        lesson = Lesson(
            id=len(self.lessons) + 1,
            subject=subject,
            teacher=teacher,
            time=time_text,
            opened=self.clock.monotonic(),
            minutes=minutes,
            students=keys,
            live=live,
            label=tuple(label),
        )
        self.lessons[lesson.id] = lesson
        self.log("opened", lesson=lesson.id, detail=subject)
        return lesson

    def close_lesson(self, lesson_id: int, why: str = "by hand") -> Lesson:
        """Close a lesson; closing it again has no effect."""
        lesson = self.lessons.get(lesson_id)
        if lesson is None:
            raise UnknownEntry(f"no such lesson: {lesson_id}")
        if lesson.open:
            lesson.open = False
            self.log("closed", lesson=lesson.id, detail=why)
        return lesson

    def check_again(self, lesson_id: int) -> Lesson:
        """Ask for the attendance of an open lesson once more: its marks stay in the list, its buttons are enabled."""
        lesson = self.lessons.get(lesson_id)
        if lesson is None:
            raise UnknownEntry(f"no such lesson: {lesson_id}")
        for key in [key for key in self._marks if key[0] == lesson_id]:
            self._earlier_marks.append(self._marks.pop(key))
        self.log("checked_again", lesson=lesson_id)
        return lesson

    def close_overdue(self) -> bool:
        """Close the lessons whose time is over; True if there was one."""
        now = self.clock.monotonic()
        overdue = [each for each in self.lessons.values() if each.open and each.seconds_left(now) <= 0]
        for lesson in overdue:
            self.close_lesson(lesson.id, "time is over")
        return bool(overdue)

    def seconds_to_next_end(self) -> float | None:
        """Seconds until the next lesson closes; None if none is open."""
        now = self.clock.monotonic()
        return min((each.seconds_left(now) for each in self.lessons.values() if each.open), default=None)

    def open_for(self, student: str) -> list[Lesson]:
        """The student's open lessons, oldest first."""
        return [lesson for lesson in self.lessons.values() if lesson.open and lesson.is_for(student)]

    def is_marked(self, lesson: int, student: str) -> bool:
        """Whether the student has a mark for this lesson."""
        return (lesson, student) in self._marks

    def mark(self, lesson: int, student: str) -> bool:
        """Mark the student's attendance once; False if no mark was made (the log has the reason)."""
        name = self.username(student)
        if self.is_marked(lesson, student):
            self.log("already_marked", name, lesson)
            return False
        if not self.lessons[lesson].open:
            self.log("too_late", name, lesson)
            return False
        self._marks[lesson, student] = Mark(lesson, name or student, self._wall(), self.clock.monotonic())
        self.log("marked", name, lesson)
        return True

    def marks(self) -> list[Mark]:
        """All marks, oldest first."""
        return [*self._earlier_marks, *self._marks.values()]

    def username(self, student: str | None) -> str | None:
        """The registered name of the student with this key."""
        known = self.students.get(student) if student is not None else None
        return known.username if known else student

    def lesson_json(self, lesson: Lesson) -> dict[str, Any]:
        """A lesson as JSON for the control API."""
        return {
            "id": lesson.id,
            "subject": lesson.subject,
            "teacher": lesson.teacher,
            "time": lesson.time,
            "minutes_left": lesson.minutes_left(self.clock.monotonic()),
            "open": lesson.open,
            "live": lesson.live,
            "marked": [mark.username for mark in self.marks() if mark.lesson == lesson.id],
        }

    def _wall(self) -> str:
        return self.clock.wall().isoformat(timespec="milliseconds")

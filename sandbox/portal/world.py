"""What the simulated university knows: students, lessons, marks, and a log of all that happened.

Everything is decided here, on the server; no page can claim a mark. Passwords are compared and never logged.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

MAIL_DOMAIN = "@kbtu.kz"
DEFAULT_MINUTES = 10


class UnknownEntry(LookupError):
    """The control API named a student or a lesson that does not exist."""


class Clock(Protocol):
    """The two clocks of the simulator, handed in so that tests can move them."""

    def wall(self) -> datetime:
        """Now, with a zone."""

    def monotonic(self) -> float:
        """Seconds that never jump, to measure with."""


class SystemClock:
    """The clocks of this computer."""

    def wall(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some time ago."""
        return time.monotonic()


@dataclass
class Student:
    """One account of the portal. `blocked` holds the reason shown instead of any lesson."""

    username: str
    password: str = field(repr=False)
    blocked: str | None = None


@dataclass
class Lesson:
    """One lesson whose attendance is, or was, open."""

    id: int
    subject: str
    teacher: str
    time: str
    opened: float
    minutes: float
    students: frozenset[str] | None
    live: bool
    open: bool = True

    def seconds_left(self, now: float) -> float:
        """How long it stays open: never negative, zero once closed."""
        return max(0.0, self.opened + self.minutes * 60 - now) if self.open else 0.0

    def minutes_left(self, now: float) -> int:
        """The number on the card. Rounded up, so that an open lesson never shows zero (a guess)."""
        return math.ceil(self.seconds_left(now) / 60)

    def is_for(self, student: str) -> bool:
        """Whether the student with this key has the lesson."""
        return self.students is None or student in self.students


@dataclass(frozen=True)
class Mark:
    """An attendance mark, as the server decided it."""

    lesson: int
    username: str
    at: str
    monotonic: float


def student_key(username: str) -> str:
    """One key for both forms people sign in with, `a_student` and `A_Student@kbtu.kz`."""
    return username.strip().casefold().removesuffix(MAIL_DOMAIN)


class World:
    """Students, lessons, marks and the log, in memory. To be used from one thread only."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget everything; lesson ids and log numbers begin anew."""
        self.students: dict[str, Student] = {}
        self.lessons: dict[int, Lesson] = {}
        self._marks: dict[tuple[int, str], Mark] = {}
        self._log: list[dict[str, Any]] = []

    def log(
        self, event: str, username: str | None = None, lesson: int | None = None, detail: str | None = None
    ) -> None:
        """Add a line to the log; what is not known is left out of it."""
        known = {"username": username, "lesson": lesson, "detail": detail}
        self._log.append(
            {"n": len(self._log) + 1, "at": self._wall(), "monotonic": self.clock.monotonic(), "event": event}
            | {name: value for name, value in known.items() if value is not None}
        )

    def log_since(self, number: int) -> list[dict[str, Any]]:
        """The lines of the log after the one with this number."""
        return self._log[max(0, number) :]

    def put_student(self, username: str, password: str, blocked: str | None = None) -> Student:
        """Add a student, or change the one who has this name in either form."""
        student = self.students.setdefault(student_key(username), Student(username.strip(), password))
        student.password, student.blocked = password, blocked
        return student

    def sign_in(self, username: str, password: str) -> str | None:
        """The student's key where name and password fit, else None."""
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
    ) -> Lesson:
        """Open a lesson's attendance now, for everybody or for the named students."""
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
        )
        self.lessons[lesson.id] = lesson
        self.log("opened", lesson=lesson.id, detail=subject)
        return lesson

    def close_lesson(self, lesson_id: int, why: str = "by hand") -> Lesson:
        """Close a lesson; closing it again changes nothing."""
        lesson = self.lessons.get(lesson_id)
        if lesson is None:
            raise UnknownEntry(f"no such lesson: {lesson_id}")
        if lesson.open:
            lesson.open = False
            self.log("closed", lesson=lesson.id, detail=why)
        return lesson

    def close_overdue(self) -> bool:
        """Close the lessons whose minutes are over; True where there was one."""
        now = self.clock.monotonic()
        overdue = [each for each in self.lessons.values() if each.open and each.seconds_left(now) <= 0]
        for lesson in overdue:
            self.close_lesson(lesson.id, "time is over")
        return bool(overdue)

    def seconds_to_next_end(self) -> float | None:
        """How long until the next lesson closes; None: nothing to wait for."""
        now = self.clock.monotonic()
        return min((each.seconds_left(now) for each in self.lessons.values() if each.open), default=None)

    def open_for(self, student: str) -> list[Lesson]:
        """The student's open lessons, in the order of their opening."""
        return [lesson for lesson in self.lessons.values() if lesson.open and lesson.is_for(student)]

    def is_marked(self, lesson: int, student: str) -> bool:
        """Whether the student has a mark for this lesson."""
        return (lesson, student) in self._marks

    def mark(self, lesson: int, student: str) -> bool:
        """Mark the student's attendance once. False: no mark was made, the log says why."""
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
        """All marks, in the order they were made."""
        return list(self._marks.values())

    def username(self, student: str | None) -> str | None:
        """The name as it was registered, for the student with this key."""
        known = self.students.get(student) if student is not None else None
        return known.username if known else student

    def lesson_json(self, lesson: Lesson) -> dict[str, Any]:
        """A lesson as the control API shows it."""
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

"""A lesson as its card on the page shows it, and the key that identifies it across reloads."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import date

# `Л27 (15:00 - 16:00)`: kind and number of the lesson, then its hours (captured from the live page, 2026).
_TIME = re.compile(r"\(\s*\d{1,2}:\d{2}\s*[-–]\s*\d{1,2}:\d{2}\s*\)")  # or an en dash
# Lines are cut to so many characters: longer ones would not fit into a message.
LONGEST_LINE = 300
_NUMBER = re.compile(r"\d+")
_HOURS = re.compile(r"(\d+)\s*(?:h|ч|сағ)")


@dataclass(frozen=True)
class Lesson:
    """One lesson. ``minutes_left`` is the page's countdown, None without one; ``key`` identifies the lesson."""

    subject: str
    teacher: str
    time: str
    minutes_left: int | None = None
    key: str = field(default="", compare=False)

    def identified(self, portal: str, account: str, day: date) -> "Lesson":
        """Return this lesson with its key for one student: 16 hexadecimal digits, short enough for a button.

        The key does not depend on the countdown or the language of the page, so that it is the same after a reload
        or in another language. It depends on the local date, because the same hours repeat every week. A second
        opening under the same label on the same day therefore has the same key: it counts as the same lesson.
        """
        parts = (portal, account, day.isoformat(), self.subject, self.teacher, self.time)
        return replace(self, key=hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest())

    def describe(self) -> str:
        """Return the lesson as lines of text, without the countdown."""
        return "\n".join(part for part in (self.subject, self.teacher, self.time) if part)


@dataclass(frozen=True)
class Click:
    """The portal's answer to a click on a lesson's button; ``words`` are those of a window that it shows."""

    confirmed: bool
    words: str = ""


def parse_card(lines: list[str]) -> tuple[Lesson, int]:
    """Parse a card's label: subject, teacher, hours and an optional countdown, in three languages.

    Returns the lesson, and the number of lines that identify it: those before the countdown.
    """
    lines = [" ".join(line.split())[:LONGEST_LINE] for line in lines]
    at = next((i for i, line in enumerate(lines) if _TIME.search(line)), None)
    if at is None:  # never seen; keep the lines, so that at least the lesson's name is reported
        subject, teacher, time = [*lines, "", "", ""][:3]
        return Lesson(subject, teacher, time), min(len(lines), 3)
    countdown = " ".join(lines[at + 1 :])
    hours = _HOURS.search(countdown)
    minutes = _NUMBER.search(countdown, hours.end() if hours else 0)
    left = int(hours.group(1) if hours else 0) * 60 + int(minutes.group() if minutes else 0)
    lesson = Lesson(lines[0] if at else "", ", ".join(lines[1:at]), lines[at], left if hours or minutes else None)
    return lesson, at + 1

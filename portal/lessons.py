"""A lesson as a card on the page shows it, and what makes it the same lesson tomorrow's reload shows."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import date

# `Л27 (15:00 - 16:00)`: kind and number of the lesson, then its hours (capture of the live page, 2026).
_TIME = re.compile(r"\(\s*\d{1,2}:\d{2}\s*[-–]\s*\d{1,2}:\d{2}\s*\)")  # an en dash may stand there
# Characters of a line that are kept: what is longer would not fit a message.
LONGEST_LINE = 300
_NUMBER = re.compile(r"\d+")
_HOURS = re.compile(r"(\d+)\s*(?:h|ч|сағ)")


@dataclass(frozen=True)
class Lesson:
    """One lesson. ``minutes_left`` is the page's countdown, None where it shows none; ``key`` is its identity."""

    subject: str
    teacher: str
    time: str
    minutes_left: int | None = None
    key: str = field(default="", compare=False)

    def identified(self, portal: str, account: str, day: date) -> "Lesson":
        """Return this lesson with its key for one student: 16 hexadecimal digits, short enough for a button.

        The countdown and the language of the page are no part of it, so a reload or another language find the
        same lesson; the local date is, since the same hours come back every week.
        """
        parts = (portal, account, day.isoformat(), self.subject, self.teacher, self.time)
        return replace(self, key=hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest())

    def describe(self) -> str:
        """Return the lesson as lines for a person, without the countdown."""
        return "\n".join(part for part in (self.subject, self.teacher, self.time) if part)


def parse_card(lines: list[str]) -> tuple[Lesson, int]:
    """Read a card's label: subject, teacher, hours, countdown (the last may be missing, and in three languages).

    Returns:
        The lesson, and how many of the lines belong to its identity: those before the countdown.
    """
    lines = [" ".join(line.split())[:LONGEST_LINE] for line in lines]
    at = next((i for i, line in enumerate(lines) if _TIME.search(line)), None)
    if at is None:  # never seen; keep what is there, so that at least the lesson's name is told
        subject, teacher, time = [*lines, "", "", ""][:3]
        return Lesson(subject, teacher, time), min(len(lines), 3)
    countdown = " ".join(lines[at + 1 :])
    hours = _HOURS.search(countdown)
    minutes = _NUMBER.search(countdown, hours.end() if hours else 0)
    lesson = Lesson(
        subject=lines[0] if at else "",
        teacher=", ".join(lines[1:at]),
        time=lines[at],
        minutes_left=_minutes(hours and hours.group(1), minutes and minutes.group()),
    )
    return lesson, at + 1


def _minutes(hours: str | None, minutes: str | None) -> int | None:
    return None if hours is None and minutes is None else int(hours or 0) * 60 + int(minutes or 0)

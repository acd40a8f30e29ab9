"""Which round of which lesson a card shows: a lesson that is open again, after a load showed it gone or disabled, is in
its next round.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from lessons.journal import LessonRow
from portal.lessons import RANGE, Lesson
from portal.views import Card

CARRIED_OVER = timedelta(hours=12)  # a round of yesterday that began so long ago is not today's
_NUMBERS = re.compile(rf"({RANGE.pattern})|\d+")

# Returns a lesson with its key, by the local date and the round.
Identify = Callable[[Lesson, date, int], Lesson]


@dataclass(frozen=True)
class ShownLesson:
    """A lesson as a reading shows it. ``row`` is its round in the journal; None: it begins with this reading."""

    lesson: Lesson
    enabled: bool
    row: LessonRow | None
    round: int = 1


def lessons_shown(
    cards: Sequence[Card], rows: Sequence[LessonRow], identify: Identify, now: datetime, running: set[str]
) -> list[ShownLesson]:
    """Return the lessons of a reading with their rounds, each once: of cards with the same label an open one counts.

    ``now`` is local; ``rows`` are the journal's in their order, ``running`` the keys of rounds that were open in the
    last reading. A label without a round of its own is one whose number ticks, if its round is not shown otherwise.
    """
    by_label = {card.lesson.label: card for card in sorted(cards, key=lambda card: card.enabled)}
    known = [row for row in rows if _belongs(row, identify) and (row.key in running or _is_recent(row, now))]
    shown = []
    for label, card in by_label.items():
        same = [row for row in known if _label(row) == label]
        same = same or [row for row in known if _still(_label(row)) == _still(label) and _label(row) not in by_label]
        row, number = (same[-1], same[-1].round) if same else (None, 1)
        lesson = identify(card.lesson, now.date(), 1)
        if row is not None and row.over_at is None:
            lesson = replace(card.lesson, key=row.key)
        elif row is not None and card.enabled:
            number = number + 1 if row.local_date == now.date().isoformat() else 1
            lesson = identify(card.lesson, now.date(), number)
        shown.append(ShownLesson(lesson, card.enabled, row, number))
    return shown


def _label(row: LessonRow) -> tuple[str, str, str]:
    return row.subject, row.teacher, row.time


def _belongs(row: LessonRow, identify: Identify) -> bool:
    """Say whether a row is of this account and portal: a student may have had another one."""
    lesson = Lesson(*_label(row))
    return identify(lesson, date.fromisoformat(row.local_date), row.round).key == row.key


def _is_recent(row: LessonRow, now: datetime) -> bool:
    return row.local_date == now.date().isoformat() or now - datetime.fromisoformat(row.seen_at) < CARRIED_OVER


def _still(label: tuple[str, ...]) -> str:
    """Return a label without the numbers that may tick: all but those of the lesson's hours."""
    return _NUMBERS.sub(lambda found: found[1] or "#", "\x1f".join(label))

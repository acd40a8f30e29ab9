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
    last reading. A label without a round of its own may be that of a round that is not shown otherwise, with a lower
    number: a countdown in words that are not known.
    """
    by_label = {card.lesson.label: card for card in sorted(cards, key=lambda card: card.enabled)}
    today, shown = now.date().isoformat(), []
    known = list[tuple[tuple[str, str, str], LessonRow]]()
    for each in rows:
        lesson, recent = Lesson(each.subject, each.teacher, each.time), each.local_date == today or each.key in running
        recent |= now - datetime.fromisoformat(each.seen_at) < CARRIED_OVER
        # a student may have had another account, or the portal another address
        if recent and identify(lesson, date.fromisoformat(each.local_date), each.round).key == each.key:
            known.append((lesson.label, each))
    for label, card in by_label.items():
        same = [row for its_label, row in known if its_label == label] or [
            row for its_label, row in known if _counts_down(its_label, label) and its_label not in by_label
        ]
        row, number = (same[-1], same[-1].round) if same else (None, 1)
        known = [each for each in known if each[1] is not row]  # one card for one round
        lesson = identify(card.lesson, now.date(), 1)
        if row is not None and (row.over_at is None or (row.local_date == today and not card.enabled)):
            lesson = replace(card.lesson, key=row.key)
        elif row is not None and card.enabled:
            number = number + 1 if row.local_date == today else 1
            lesson = identify(card.lesson, now.date(), number)
        shown.append(ShownLesson(lesson, card.enabled, row, number))
    return shown


def _counts_down(before: tuple[str, ...], label: tuple[str, ...]) -> bool:
    """Say whether a label is an earlier one with lower numbers; those of the lesson's hours do not change."""
    (same, numbers), (now_same, now_numbers) = still(before), still(label)
    return same == now_same and now_numbers < numbers


def still(label: tuple[str, ...]) -> tuple[str, list[int]]:
    """Return a label with only those numbers that are the lesson's hours, and the others."""
    text = "\x1f".join(label)
    numbers = [int(found[0]) for found in _NUMBERS.finditer(text) if not found[1]]
    return _NUMBERS.sub(lambda found: found[1] or "#", text), numbers

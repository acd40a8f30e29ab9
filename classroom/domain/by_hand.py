"""Rules of marks by hand: whom *All Present* marks, and on which days a lesson without phones may be."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from classroom.domain.sessions import CheckIn, CheckInStep, Mark, Status, folded

DAYS_BACK = 14  # the oldest day of which a lesson is taken, or opened from the history
LASTS = timedelta(hours=12)  # after this long a lesson without phones ends by itself


@dataclass(frozen=True)
class AllPresent:
    """Whom *All Present* marks, by student ID. Nobody who has a mark, or was not accepted, is among them.

    ``unmarked`` have not begun a check-in. ``undecided`` have, but it was not finished, or waits for the teacher: they
    are marked only after a question that names them. ``stay`` counts the others who are not present.
    """

    unmarked: tuple[str, ...]
    undecided: tuple[str, ...]
    stay: Counter[Status]
    not_accepted: int


def all_present(student_ids: Iterable[str], marks: Mapping[str, Mark], check_ins: Mapping[str, CheckIn]) -> AllPresent:
    """Sort the students of a session; marks and check-ins are by folded ID."""
    unmarked, undecided, stay, not_accepted = [], [], Counter[Status](), 0
    for student_id in student_ids:
        mark, check_in = marks.get(folded(student_id)), check_ins.get(folded(student_id))
        if mark is not None:
            stay[mark.status] += 1
        elif check_in is None:
            unmarked.append(student_id)
        elif check_in.step is CheckInStep.REJECTED and not check_in.rivals:
            not_accepted += 1
        else:
            undecided.append(student_id)
    del stay[Status.PRESENT]
    return AllPresent(tuple(unmarked), tuple(undecided), stay, not_accepted)


def days(today: date, kept: int) -> list[date]:
    """Return the days of which a lesson without phones can be taken, today first.

    ``kept`` is RETENTION_DAYS: of an older day another lesson may be deleted already, and its marks in the LMS's record
    of that day would be overwritten.
    """
    return [today - timedelta(days=back) for back in range(min(DAYS_BACK, kept - 1) + 1)]

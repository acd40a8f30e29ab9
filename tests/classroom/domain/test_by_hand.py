"""Rules of marks by hand."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from classroom.domain.by_hand import all_present, days
from classroom.domain.sessions import CheckIn, CheckInStep, Mark, Rival, Status

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)


def check_in(student_id: str, step: CheckInStep) -> CheckIn:
    """Return a check-in."""
    return CheckIn("a" * 12, student_id, 2001, step, code_at=NOW)


def test_all_present() -> None:
    """Whoever has a mark or was not accepted stays; whose check-in is not decided is named; the rest is marked."""
    decided = {f"m-{each}": Mark(f"M-{each}", each, NOW) for each in Status}
    steps = {f"c-{each}": check_in(f"C-{each}", each) for each in CheckInStep}
    students = ["New", *(f"M-{each}" for each in Status), *(f"C-{each}" for each in CheckInStep)]
    found = all_present(students, decided, steps)
    assert found.unmarked == ("New",)
    assert found.undecided == tuple(f"C-{each}" for each in CheckInStep if each is not CheckInStep.REJECTED)
    assert found.stay == Counter({Status.LATE: 1, Status.EXCUSED: 1, Status.ABSENT: 1})
    assert found.not_accepted == 1


@pytest.mark.parametrize("step", list(CheckInStep))
def test_a_mark_is_stronger_than_a_check_in(step: CheckInStep) -> None:
    """A student with a mark is never asked about, at whatever step the check-in stands."""
    found = all_present(["S-1"], {"s-1": Mark("S-1", Status.LATE, NOW)}, {"s-1": check_in("S-1", step)})
    assert (found.unmarked, found.undecided, found.stay) == ((), (), Counter({Status.LATE: 1}))


def test_claimed_by_several() -> None:
    """Where another account has sent the ID of a student who was not accepted, the teacher is asked by name."""
    rejected = replace(check_in("S-1", CheckInStep.REJECTED), rivals=(Rival(2002, NOW),))
    found = all_present(["S-1"], {}, {"s-1": rejected})
    assert (found.undecided, found.not_accepted) == (("S-1",), 0)


def test_days() -> None:
    """A lesson without phones is of today or one of the last 14 days, also across the end of a month."""
    found = days(date(2026, 3, 3), 180)
    assert (found[0], found[1], found[3], found[-1], len(found)) == (
        date(2026, 3, 3),
        date(2026, 3, 2),
        date(2026, 2, 28),
        date(2026, 2, 17),
        15,
    )


@pytest.mark.parametrize(("kept", "oldest"), [(1, date(2026, 3, 3)), (3, date(2026, 3, 1)), (15, date(2026, 2, 17))])
def test_days_that_are_kept(kept: int, oldest: date) -> None:
    """A day of which lessons may be deleted already is not offered: the record of that day would lose their marks."""
    assert days(date(2026, 3, 3), kept)[-1] == oldest

"""The one record of several lessons of a day: whose status it has, and which lessons are confirmed with it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain.sessions import Enrolled, LmsRecord, Mark, ReadBack, Session, Sheet, Status, folded
from classroom.domain.shared_records import (
    Lesson,
    SharedRecord,
    confirmed,
    is_sent,
    parts_of,
    record_of_day,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
IDS = ["S-1", "s-1", "S-2", "S-3", "Ѕ-3"]  # the last one begins with a Cyrillic letter that looks the same


def lesson(number: int, marks: dict[str, Status], roster: list[str] | None = None, **changes: object) -> Lesson:
    """Return the sheet and session of a lesson that has ended."""
    opened_at = NOW + timedelta(hours=number)
    ended_at = opened_at + timedelta(minutes=2)
    place, ids = None, roster if roster is not None else ["S-1", "S-2", "S-3"]
    session = Session(
        f"{number:012}", 7, "Main", "Algebra", ("A",), "2026-09-01", place, opened_at, ended_at, 0, ended_at
    )
    students = tuple(Enrolled(each, f"Student {each}", "A") for each in ids)
    sheet = Sheet(session.id, "Main", "A", "Algebra", "2026-09-01", 7, students)
    kept = {each: Mark(each, status, opened_at) for each, status in marks.items()}
    of_session = {name: changes.pop(name) for name in ("ended_at", "cancelled") if name in changes}
    sheet = replace(sheet, marks=kept, version=len(kept), **changes)  # type: ignore[arg-type]
    return sheet, replace(session, **of_session)  # type: ignore[arg-type]


@st.composite
def days(draw: st.DrawFn) -> list[Lesson]:
    """Draw the lessons of a day with rosters that differ, and IDs that are spelled differently."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        roster = draw(st.lists(st.sampled_from(IDS), unique_by=folded, min_size=1))
        marks = draw(st.dictionaries(st.sampled_from(roster), st.sampled_from(list(Status))))
        acked = draw(st.integers(-1, len(marks)))
        cancelled = draw(st.booleans())
        found.append(lesson(number, marks, roster, acked_version=acked, in_lms=cancelled, cancelled=cancelled))
    return found


@given(days())
def test_union(day: list[Lesson]) -> None:
    """A student is present in any lesson, else late, else excused, else absent; cancelled lessons don't count."""
    record, sessions = record_of_day(day)
    counted = [sheet for sheet, session in day if not session.cancelled] or [day[-1][0]]
    assert [session.id for session in sessions] == [sheet.session for sheet in counted]
    expected: dict[str, Status] = {}
    for sheet in counted:
        for student in sheet.roster:
            key = folded(student.student_id)
            statuses = {expected.get(key, Status.ABSENT), sheet.status_of(student.student_id)}
            expected[key] = next(status for status in Status if status in statuses)
    assert {folded(each.student_id): record.status_of(each.student_id) for each in record.roster} == expected
    assert len(record.roster) == len(expected)


@given(days())
def test_confirmed_together(day: list[Lesson]) -> None:
    """A record is confirmed exactly when all of its lessons are, and confirming it confirms each of them."""
    record, _sessions = record_of_day(day)
    parts = parts_of(record)
    assert {part.session for part in parts} == {sheet.session for sheet, _session in day}
    assert (record.acked_version == record.version) == all(part.acked_version == part.version for part in parts)
    assert (record.acked_version == -1) == all(part.acked_version == -1 for part in parts)
    after = confirmed(record, None)
    assert (after.acked_version, after.in_lms) == (record.version, True)
    assert all((part.acked_version, part.in_lms) == (part.version, True) for part in parts_of(after))
    assert [part.marks for part in parts_of(after)] == [part.marks for part in parts]


def test_alone() -> None:
    """A lesson that is alone is its own record."""
    alone = lesson(1, {"S-1": Status.PRESENT})
    assert record_of_day([alone]) == (alone[0], [alone[1]])
    assert not isinstance(record_of_day([alone])[0], SharedRecord)


def test_differences() -> None:
    """What the LMS has otherwise is told with the lessons that decide on it, so that what is to be changed is right."""
    day = [lesson(1, {"S-1": Status.PRESENT}), lesson(2, {"S-2": Status.LATE})]
    record, _sessions = record_of_day(day)
    read_back = ReadBack(record.version, NOW, differs={"S-1": "absent", "S-3": "present"})
    first, second = parts_of(confirmed(record, read_back))
    assert (first.differing, second.differing) == ({"S-1": "absent", "S-3": "present"}, {"S-3": "present"})
    again, _sessions = record_of_day([(first, day[0][1]), (second, day[1][1])])
    assert again.differing == read_back.differs


def test_refused() -> None:
    """A lesson that the LMS refuses is not confirmed with the others, until a newer one is written with it."""
    refused = lesson(1, {"S-1": Status.PRESENT}, refused="403")
    known = lesson(2, {"S-2": Status.PRESENT}, acked_version=1)
    record, _sessions = record_of_day([refused, known])
    assert [part.session for part in parts_of(record)] == [known[0].session]
    assert (record.acked_version, record.status_of("S-1")) == (record.version, Status.PRESENT)
    newer = lesson(2, {"S-2": Status.PRESENT}, acked_version=0)
    record, _sessions = record_of_day([refused, newer])
    assert [part.refused for part in parts_of(confirmed(record, None))] == ["", ""]


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({}, True),
        ({"lms_record": LmsRecord.NONE}, False),
        ({"cancelled": True}, False),
        ({"cancelled": True, "in_lms": True}, True),
        ({"ended_at": None}, False),
        ({"ended_at": None, "acked_version": 0}, True),
        ({"ended_at": None, "version": 1}, True),
    ],
)
def test_is_sent(changes: dict[str, object], sent: bool) -> None:
    """A lesson to which nobody has come yet is not sent, nor is a cancelled one that the LMS does not have."""
    sheet, session = lesson(1, {}, None, **{name: each for name, each in changes.items() if name != "version"})
    assert is_sent((replace(sheet, version=int("version" in changes)), session)) == sent

"""The overview of a session: every student is in exactly one group, and no two students look the same."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain.sessions import CheckIn, CheckInStep, Enrolled, Mark, Place, Session, Sheet, Status, folded
from classroom.overview import Group, SessionOverview

pytestmark = pytest.mark.unit

EXPIRED = CheckInStep.EXPIRED
BEGIN = datetime(2026, 11, 21, 4, tzinfo=UTC)
SESSION = Session("0123456789ab", 1, "Main", "Algebra", ("A", "B"), "2026-11-21", Place(0, 0), BEGIN, BEGIN, 0)
NAMES = st.sampled_from(["", "Aida", "AIDA", " Aida  ", "Aida B.", "Ben", "W" * 200 + "a", "W" * 200 + "b"])
IDS = st.sampled_from([f"{letter}{number}" for letter in "Ss" for number in range(6)] + ["X" * 80])
STUDENTS = st.lists(st.tuples(IDS, NAMES), max_size=10)


@st.composite
def overviews(draw: st.DrawFn) -> SessionOverview:
    """Give a session of two batches that share students, with any marks and check-ins."""
    sheets = []
    for batch in SESSION.batches:
        roster = tuple(Enrolled(each, name, batch) for each, name in draw(STUDENTS))
        ids = sorted({each.student_id for each in roster})
        statuses = draw(st.dictionaries(st.sampled_from(ids), st.sampled_from(Status))) if ids else {}
        marks = {each: Mark(each, status, BEGIN, by=draw(st.integers(0, 1))) for each, status in statuses.items()}
        sheets.append(Sheet(SESSION.id, "Main", batch, "Algebra", SESSION.date, 1, roster, marks))
    ids = sorted({each.student_id for sheet in sheets for each in sheet.roster})
    steps = draw(st.dictionaries(st.sampled_from(ids), st.sampled_from(CheckInStep))) if ids else {}
    check_ins = [
        CheckIn(SESSION.id, each, 1, step, BEGIN, distance=draw(st.sampled_from([None, 5.0])))
        for each, step in steps.items()
    ]
    return SessionOverview(SESSION, sheets, check_ins)


@given(overviews())
def test_each_student_is_in_one_group(overview: SessionOverview) -> None:
    """The groups have every student of the rosters exactly once, one on two batches, too, and their numbers add up."""
    groups = overview.groups()
    everybody = {folded(each.student_id) for sheet in overview.sheets for each in sheet.roster}
    found = [folded(each) for group in groups.values() for each in group]
    assert sorted(found) == sorted(everybody)
    assert len(found) == overview.students
    named = (*overview.marked.values(), overview.missing, overview.awaited)
    assert sum(map(len, named)) == overview.students
    assert len(overview.awaited) == len(groups[Group.WAITING])
    assert len(groups[Group.IN]) == sum(len(overview.marked.get(each, [])) for each in (Status.PRESENT, Status.LATE))


@given(overviews())
def test_who_waits_is_waiting(overview: SessionOverview) -> None:
    """Whom the teacher can decide about is in the group that waits, and nobody else is."""
    waiting = {folded(each.student_id) for each in overview.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW)}
    # of two check-ins under one ID in two spellings the newer one counts; the store keeps only one
    newest = {folded(each.student_id): each.step for each in overview.check_ins}
    waiting = {each for each in waiting if newest[each] in (CheckInStep.CONFIRM, CheckInStep.REVIEW)}
    assert {folded(each) for each in overview.groups()[Group.WAITING]} == waiting


@given(overviews())
def test_what_has_ended_is_not_on_the_way(overview: SessionOverview) -> None:
    """Once check-ins have expired, only a video that is being checked is on the way, and the others are named."""
    open_steps = (CheckInStep.PLACE, CheckInStep.FACE)
    over = [replace(each, step=EXPIRED) if each.step in open_steps else each for each in overview.check_ins]
    overview = SessionOverview(SESSION, overview.sheets, over)
    groups = {group: {folded(each) for each in found} for group, found in overview.groups().items()}
    assert groups[Group.ON_THE_WAY] <= {folded(each.student_id) for each in overview.waiting(CheckInStep.CHECKING)}
    newest = {folded(each.student_id): each.step for each in overview.check_ins}
    ended = {each for each, step in newest.items() if step is EXPIRED and each not in overview.marks}
    assert ended <= groups[Group.NOT_COMPLETED]


@given(overviews(), st.sampled_from([25, 40, 120]), st.booleans())
def test_no_two_look_the_same(overview: SessionOverview, longest: int, with_id: bool) -> None:
    """Different students have different names on any screen; a name that nobody else has stands alone."""
    names = [overview.name(each.student_id, longest, with_id=with_id) for each in overview.people.values()]
    assert len({each.casefold() for each in names}) == len(names)
    for student in overview.people.values():
        if (
            not with_id
            and [folded(" ".join(each.name.split())) for each in overview.people.values()].count(
                folded(" ".join(student.name.split()))
            )
            == 1
            and 0 < len(student.name) <= longest
        ):
            assert overview.name(student.student_id, longest) == " ".join(student.name.split())

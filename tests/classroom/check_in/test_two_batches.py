"""Students on two batches of one session: one check-in marks every sheet that has them."""

import pytest

from classroom.domain.sessions import Mark, Session, Status
from classroom.lms.sheet_writer import record_of
from classroom.overview import SessionOverview
from classroom.reports.sheet import sheet_table
from classroom.reports.texts import report_texts
from telegram_app.i18n import texts
from tests.classroom.check_in.scenario import CODE, OPENED, TEACHER, CheckInScenario
from tests.classroom.reports.test_texts import BEGIN, ZONE, plain

pytestmark = pytest.mark.integration
_ = texts("en")


@pytest.fixture
async def shared(scenario: CheckInScenario) -> Session:
    """A session of two students on batch CS-1, two on CS-2, one of them on both and marked in CS-1 only."""
    session = await scenario.opens_two(3, 1)
    await scenario.store.mark(session.id, Mark("S002", Status.PRESENT, OPENED, came_at=OPENED), overwrite=False)
    await scenario.store.run(lambda db: db.execute("DELETE FROM marks WHERE batch = 'CS-2'"))
    await scenario.store.acked(session.id, "CS-2", 1)
    return session


@pytest.mark.ordeal
async def test_a_class_of_500(scenario: CheckInScenario) -> None:
    """Of 500 students on two batches that share 20 everybody is in, once; and each batch has all of its own."""
    session = await scenario.opens_two(500, 20)
    for number in range(1, 501):
        person, student_id = 2000 + number, f"S{number:03}"
        await scenario.enters(student_id, CODE, person)
        scenario.clock.seconds += 0.1
        await scenario.shares(person=person)
    everybody = {f"S{number:03}" for number in range(1, 501)}
    await scenario.check_ins.decide(session, everybody, accept=True, why=lambda _check_in: "seen")
    sheets = await scenario.store.sheets(session.id)
    assert [(len(sheet.roster), len(sheet.marks), sheet.version) for sheet in sheets] == [(260, 260, 260)] * 2
    for sheet in sheets:
        assert {line.status for line in record_of(sheet).lines} == {Status.PRESENT}
    overview = SessionOverview(session, sheets, await scenario.store.check_ins(session.id))
    assert (overview.students, len(overview.marked[Status.PRESENT]), overview.missing) == (500, 500, [])
    assert len(sheet_table(_, overview, ZONE, "A. Teacher", BEGIN).rows) == 520
    text = plain(report_texts(_, overview, final=True, zone=ZONE))
    assert "Present: 500\n" in text
    assert "Absent: 0 of 500" in text
    assert text.count("- Student S250") == 1
    assert len(scenario.notified) == 500


async def test_two_spellings(scenario: CheckInScenario) -> None:
    """A student whose batches spell the ID differently has one check-in, under the ID that the overview shows."""
    session = await scenario.opens_batches({"CS-10": ["S001"], "CS-2": ["s 001"]})
    await scenario.enters("S001")
    await scenario.shares()
    store = scenario.store
    overview = SessionOverview(session, await store.sheets(session.id), await store.check_ins(session.id))
    (student,), (check_in,) = overview.people.values(), overview.check_ins
    assert (student.student_id, check_in.student_id) == ("s 001", "s 001")
    assert await scenario.check_ins.decide(session, {student.student_id}, accept=True)
    assert [set(sheet.marks) for sheet in await store.sheets(session.id)] == [{"S001"}, {"s 001"}]


class TestMarkedInOne:
    """Sessions in which a student is marked in one of two batches: of an older version, or after a crash."""

    async def test_completed(self, scenario: CheckInScenario, shared: Session) -> None:
        """At the start the mark is added, and the LMS is told; a second time nothing changes."""
        for _again in range(2):
            await scenario.check_ins.settle(shared, await scenario.store.sheets(shared.id))
            both = await scenario.store.sheets_of(shared.id, "S002")
            assert [each.status_of("S002") for each in both] == [Status.PRESENT, Status.PRESENT]
            assert [each.version for each in both] == [1, 2]
        assert [each.batch for each in await scenario.store.unacked()] == ["CS-1", "CS-2"]

    async def test_different(self, scenario: CheckInScenario, shared: Session) -> None:
        """Of two different marks the newer one, the teacher's, is kept in both."""
        scenario.clock.seconds = 5
        by_hand = Mark("S002", Status.EXCUSED, scenario.clock.now(), TEACHER, "ill")
        await scenario.store.mark(shared.id, by_hand, overwrite=False)  # as where a crash came before the first batch
        await scenario.check_ins.settle(shared, await scenario.store.sheets(shared.id))
        assert [each.marks["S002"] for each in await scenario.store.sheets_of(shared.id, "S002")] == [by_hand] * 2

    async def test_by_hand(self, scenario: CheckInScenario, shared: Session) -> None:
        """The teacher's mark goes into both batches, also after the session was reported."""
        await scenario.store.end_session(shared.id, OPENED)
        await scenario.store.set_reported(shared.id, OPENED, final=True)
        assert await scenario.check_ins.mark_by_hand(shared, "S002", Status.PRESENT, "was there", TEACHER)
        both = await scenario.store.sheets_of(shared.id, "S002")
        assert [(each.marks["S002"].reason, each.version) for each in both] == [("was there", 2), ("was there", 2)]

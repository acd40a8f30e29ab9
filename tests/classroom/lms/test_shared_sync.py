"""LmsSync with several lessons of a batch and subject a day: one record of the LMS has their union."""

import asyncio
from dataclasses import replace

import pytest

from classroom.domain.sessions import LmsRecord, Sheet, Status
from classroom.domain.shared_records import Lesson
from classroom.lms import LmsRefused, LmsTimedOut, LmsUnavailable, SignInNeeded
from tests.classroom.lms.fakes import TEACHER
from tests.classroom.lms.test_sync import Scene
from tests.fakes import moved_time

pytestmark = [pytest.mark.unit, pytest.mark.moved_time]

OTHER = replace(TEACHER, telegram_id=8, email="other@example.org", phone="77010000002")


class Day(Scene):
    """A lecture, a1, and a lab, b1, of one batch on one day."""

    def opens(self, lms_record: LmsRecord = LmsRecord.SHARED, **more: object) -> None:
        self.store.opens(self.clock.now(), {"A": 30}, "b1", lesson="Lab", lms_record=lms_record, **more)

    def lab(self, number: int, status: Status = Status.PRESENT) -> None:
        self.store.marks("A", number, self.clock.now(), status, "b1")
        self.sync.wake("b1")

    def end(self, name: str, *, cancelled: bool = False) -> None:
        self.store.ends(self.clock.now(), name, cancelled=cancelled)
        self.sync.wake(name, at_once=True)

    def is_exact(self) -> bool:
        """Whether the LMS has as present who is so in any lesson that is not cancelled, and all is confirmed."""
        sheets = [
            sheet for (name, _), sheet in self.store.all_sheets.items() if not self.store.sessions[name].cancelled
        ]
        ours = {
            each.student_id: any(sheet.status_of(each.student_id).counts for sheet in sheets)
            for each in sheets[0].roster
        }
        theirs = {student: status.counts for student, status in self.lms.records["A"].items()}
        return ours == theirs and all(sheet.acked_version == sheet.version for sheet in sheets)

    def settles_lecture(self) -> bool:
        return self.sync.settle(self.store.sessions["a1"], [self.store.sheet("A")])

    async def signs_out(self, sheet: Sheet) -> None:
        self.asked.append(sheet.teacher)
        del self.store.teachers[sheet.teacher]

    def both(self) -> tuple[Sheet, Sheet]:
        return self.store.sheet("A"), self.store.sheet("A", "b1")


@pytest.fixture
async def day() -> Day:
    """A lecture with two students in the LMS."""
    day = Day(moved_time())
    day.store.opens(day.clock.now(), {"A": 30}, lms_record=LmsRecord.SHARED)
    return day


async def test_present_in_any(day: Day) -> None:
    """The record is written anew when any lesson changes, with everybody who was in any; all lessons are confirmed."""
    async with day.running():
        day.marks(1)
        day.marks(2)
        await asyncio.sleep(3)
        day.end("a1")
        await asyncio.sleep(3)
        await asyncio.sleep(7200)
        day.opens()
        day.lab(2, Status.LATE)
        day.lab(3)
        await asyncio.sleep(35)
        assert (day.present(), day.is_exact()) == ({"A-001", "A-002", "A-003"}, True)
        day.marks(4)  # a correction of the lecture, while the lab runs
        await asyncio.sleep(35)
        assert day.is_exact()
        day.end("b1")
        await asyncio.sleep(3)
        day.marks(4, status=Status.ABSENT)
        day.lab(1, Status.EXCUSED)
        await asyncio.sleep(60)
        assert (day.present(), day.is_exact()) == ({"A-001", "A-002", "A-003"}, True)
        for name in ("a1", "b1"):
            assert day.sync.settle(day.store.sessions[name], [day.store.sheet("A", name)])
    assert day.what()[0] == "create"
    assert set(day.what()[1:]) == {"update"}
    assert [sheet.differing for sheet in day.both()] == [{}, {}]


async def test_nobody_has_come_to_the_lab_yet(day: Day) -> None:
    """A lab that was opened and has nobody yet neither delays nor changes the lecture's record."""
    async with day.running():
        day.marks(1)
        await asyncio.sleep(3)
        day.end("a1")
        day.opens()
        await asyncio.sleep(3)
        day.settles_lecture()
        await asyncio.sleep(3)
        assert day.settles_lecture()
        assert day.what() == ["create"]
        day.end("b1")
        await asyncio.sleep(3)
        assert (day.what(), day.is_exact()) == (["create", "update"], True)


@pytest.mark.parametrize("cancelled", ["a1", "b1"])
@pytest.mark.parametrize("answer", ["answered", "lost", "late"])
async def test_cancelled(day: Day, cancelled: str, answer: str) -> None:
    """A cancelled lesson's marks leave the record, also where the write that brought them got no answer."""
    async with day.running():
        day.marks(1)
        await asyncio.sleep(31)
        day.opens()
        if answer == "lost":
            day.lms.lost_answers.append(LmsTimedOut("lost"))
        elif answer == "late":
            day.lms.late.append(20)
        day.lab(2)
        await asyncio.sleep(1)
        day.end(cancelled, cancelled=True)
        await asyncio.sleep(200)
    assert day.present() == {"A-002" if cancelled == "a1" else "A-001"}
    assert day.is_exact()


async def test_cancelled_while_it_is_read(day: Day) -> None:
    """A lab that is cancelled while the day's lessons are read is not confirmed with its marks."""
    right = day.store.other_lessons

    async def cancelling(sheet: Sheet) -> list[Lesson]:
        day.store.other_lessons = right  # type: ignore[method-assign]  # our own plain fake
        day.store.ends(day.clock.now(), "b1", cancelled=True)
        return await right(sheet)

    day.lms.reads = False  # else the record would be put right by reading it back
    async with day.running():
        day.marks(1)
        await asyncio.sleep(31)
        day.opens()
        day.store.other_lessons = cancelling  # type: ignore[method-assign]
        day.lab(2)
        await asyncio.sleep(200)
    assert (day.present(), day.is_exact()) == ({"A-001"}, True)


async def test_all_cancelled(day: Day) -> None:
    """The record stays as it is when its last lesson is cancelled; what was cancelled before does not come back."""
    async with day.running():
        day.marks(1)
        await asyncio.sleep(3)
        day.opens()
        day.lab(2)
        await asyncio.sleep(35)
        day.end("a1", cancelled=True)
        await asyncio.sleep(60)
        await asyncio.sleep(10)
        day.end("b1", cancelled=True)
        await asyncio.sleep(60)
    assert day.present() == {"A-002"}
    assert await day.store.unacked() == []


async def test_refused_together(day: Day) -> None:
    """The LMS's refusal is told for each lesson that waits, once; trying one again confirms both."""
    day.lms.always = LmsRefused("the LMS refuses this (403)", "403")
    async with day.running():
        day.marks(1)
        day.opens()
        day.lab(2)
        await asyncio.sleep(300)
        assert [sheet.refused for sheet in day.both()] == ["403", "403"]
        assert day.refused == ["the LMS refuses this (403)"] * 2
        day.lms.always = None
        await day.store.set_refused("b1", "A", "")
        day.sync.wake("b1", at_once=True)
        await asyncio.sleep(3)
        assert [sheet.refused for sheet in day.both()] == ["", ""]
    assert day.is_exact()


async def test_refused_before_the_lab(day: Day) -> None:
    """A lab after a refused lecture is tried with it, once; its refusal is told with the lab alone."""
    day.lms.always = LmsRefused("the LMS refuses this (403)", "403")
    async with day.running():
        day.marks(1)
        await asyncio.sleep(35)
        day.opens()
        day.lab(2)
        day.lab(3)
        await asyncio.sleep(120)
        assert len(day.refused) == 2
        assert day.what() == ["create", "create"]


async def test_two_teachers(day: Day) -> None:
    """The record is written with the first teacher's sign-in; where that is over, with the other's."""
    day.store.teachers[OTHER.telegram_id] = OTHER
    async with day.running():
        day.marks(1)
        await asyncio.sleep(3)
        day.opens()
        day.store.all_sheets["b1", "A"] = replace(day.store.sheet("A", "b1"), teacher=OTHER.telegram_id)
        day.lms.outcomes.append(SignInNeeded("the tokens are refused"))
        day.sync.on_sign_in_needed = day.signs_out
        day.lab(2)
        await asyncio.sleep(60)
        assert day.asked == [TEACHER.telegram_id]
    assert day.is_exact()


@pytest.mark.parametrize("fault", [LmsUnavailable("down"), LmsTimedOut("late")])
async def test_restarts(day: Day, fault: Exception) -> None:
    """Lessons of which one is confirmed and one is not are written together after a restart."""
    async with day.running():
        day.marks(1)
        await asyncio.sleep(3)
        day.opens()
        day.lms.always = fault  # type: ignore[assignment]
        day.lab(2)
        await asyncio.sleep(3)
    day.lms.always = None
    async with day.running():
        await asyncio.sleep(120)
    assert day.is_exact()


async def test_half_confirmed(day: Day) -> None:
    """Where a crash came between the confirmations of two lessons the next start writes the record again."""
    day.opens()
    day.store.fails["acked"] = 0
    day.store.marks("A", 1, day.clock.now())
    day.store.marks("A", 2, day.clock.now(), name="b1")
    await day.store.acked("a1", "A", 1)
    day.lms.records["A"] = {each.student_id: Status.ABSENT for each in day.store.sheet("A").roster}
    async with day.running():
        await asyncio.sleep(120)
    assert day.is_exact()


@pytest.mark.parametrize("not_sent", ["a1", "b1"])
async def test_not_sent(day: Day, not_sent: str) -> None:
    """A lesson that is not sent leaves the other's record alone, whichever came first, and waits for nothing."""
    day.opens(LmsRecord.OWN)
    day.store.all_sheets[not_sent, "A"] = replace(day.store.sheet("A", not_sent), lms_record=LmsRecord.NONE)
    async with day.running():
        day.marks(1)
        day.lab(2)
        await asyncio.sleep(3)
        for name in ("a1", "b1"):
            day.end(name)
        await asyncio.sleep(60)
        assert day.present() == {"A-002" if not_sent == "a1" else "A-001"}
        assert day.sync.settle(day.store.sessions[not_sent], [day.store.sheet("A", not_sent)])
    assert day.store.sheet("A", not_sent).acked_version == -1


async def test_records_apart(day: Day) -> None:
    """Where the LMS keeps the records of each kind of teachers apart another kind's lab is not in the lecture's."""
    async with day.running():
        day.marks(1)
        await asyncio.sleep(3)
        day.opens()
        day.store.all_sheets["b1", "A"] = replace(day.store.sheet("A", "b1"), lms_kind="Practice_Mentors")
        day.lab(2)
        await asyncio.sleep(35)
    assert day.present() == {"A-002"}  # the fake has one of both: the last write is the lab's alone
    assert [sheet.acked_version for sheet in day.both()] == [1, 1]


async def test_other_days_and_subjects(day: Day) -> None:
    """Lessons that are alone have records of their own."""
    day.lms.one_record_a_day = False
    async with day.running():
        day.marks(1)
        await asyncio.sleep(3)
        day.opens()
        day.lab(2)
        await asyncio.sleep(3)
    assert day.present() == {"A-002"}  # as two lessons with a file each: the fake has one by batch


async def test_older(day: Day) -> None:
    """An LMS that can't change its record gets it once, when both lessons are settled."""
    day.lms.updates = False
    async with day.running():
        day.opens()
        day.marks(1)
        day.lab(2)
        await asyncio.sleep(3)
        day.end("a1")
        day.settles_lecture()
        await asyncio.sleep(30)
        assert day.what() == []
        day.end("b1")
        day.sync.settle(day.store.sessions["b1"], [day.store.sheet("A", "b1")])
        day.settles_lecture()
        await asyncio.sleep(30)
        assert day.what() == ["create"]
    assert day.is_exact()


@pytest.mark.parametrize("reads", [True, False])
async def test_older_that_has_the_lecture(day: Day, reads: bool) -> None:
    """Where the older LMS has the lecture's record, those who came to the lab alone are told, with the lab."""
    day.lms.updates, day.lms.reads = False, reads
    async with day.running():
        day.marks(1)
        day.end("a1")
        day.settles_lecture()
        await asyncio.sleep(60)
        await asyncio.sleep(7200)
        day.opens()
        day.lab(1)
        day.lab(2)
        day.end("b1")
        day.sync.settle(day.store.sessions["b1"], [day.store.sheet("A", "b1")])
        await asyncio.sleep(120)
    lecture, lab = day.both()
    assert (lecture.differing, lab.differing) == ({}, {"A-002": "absent" if reads else ""})
    assert day.lms.copies == {"A": 1}

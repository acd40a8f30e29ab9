"""LmsSync: every mark arrives, no sheet is written twice at once, and with few calls."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain.sessions import Mark, Sheet, Status
from classroom.lms import (
    NOT_CONFIRMED,
    Duplicate,
    LmsError,
    LmsRefused,
    LmsTimedOut,
    LmsUnavailable,
    NotThere,
    SignedInElsewhere,
    SignInNeeded,
    Unclear,
)
from classroom.lms.sheet_writer import SyncPace, record_of
from classroom.lms.sync import LmsSync
from classroom.store import Store
from tests.classroom.lms.fakes import DATE, TEACHER, FakeLms, MemoryStore, students
from tests.fakes import FakeClock, MovedTimeLoop, moved_time

pytestmark = [pytest.mark.unit, pytest.mark.moved_time]
DOWN = LmsUnavailable("the LMS did not answer in time")


class Scene:
    """A store, an LMS, LmsSync between them, and the calls of its callbacks."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.store, self.lms = MemoryStore(), FakeLms()
        self.acked: list[Sheet] = []
        self.compared: list[Sheet] = []
        self.refused: list[str] = []
        self.asked: list[int] = []
        self.parallel = 8
        self.sync = self.new_sync()

    def new_sync(self) -> LmsSync:
        async def on_acked(sheet: Sheet) -> None:
            (self.acked if sheet.compared is None else self.compared).append(sheet)

        async def on_refused(sheet: Sheet, why: str) -> None:
            self.refused.append(why)

        async def on_sign_in_needed(sheet: Sheet) -> None:
            self.asked.append(sheet.teacher)

        return LmsSync(
            cast(Store, self.store),
            self.lms,
            self.clock,
            on_acked=on_acked,
            on_refused=on_refused,
            on_sign_in_needed=on_sign_in_needed,
            jitter=lambda: 1.0,
            parallel=self.parallel,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.sync = self.new_sync()
        self.sync.start()
        await asyncio.sleep(0)  # it has caught up before the next mark comes
        yield
        await self.sync.close()

    def marks(self, number: int, batch: str = "A", status: Status = Status.PRESENT) -> None:
        self.store.marks(batch, number, self.clock.now(), status)
        self.sync.wake("a1")

    def ends(self) -> None:
        self.store.ends(self.clock.now())
        self.sync.wake("a1", at_once=True)

    def settles(self) -> bool:
        """Tell that nothing changes any more by itself; return whether all is in the LMS and was read back."""
        return self.sync.settle(self.store.sessions["a1"], self.store.all_sheets.values())

    def present(self, batch: str = "A") -> set[str]:
        return {student for student, status in self.lms.records[batch].items() if status.counts}

    def is_exact(self) -> bool:
        """Whether the LMS holds exactly our record, as 1 and 0, and the store has it as confirmed."""
        return all(
            {student: status.counts for student, status in self.lms.records.get(sheet.batch, {}).items()}
            == {each.student_id: sheet.status_of(each.student_id).counts for each in sheet.roster}
            and sheet.acked_version == sheet.version
            for sheet in self.store.all_sheets.values()
        )

    def what(self) -> list[str]:
        return [what for _, what, _ in self.lms.calls]


@pytest.fixture
async def scene() -> Scene:
    """A session with one batch of 30."""
    scene = Scene(moved_time())
    scene.store.opens(scene.clock.now(), {"A": 30})
    return scene


async def test_first_mark_creates_and_further_ones_are_gathered(scene: Scene) -> None:
    """The first check-in is written at once, with the whole roster; later ones are written together."""
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        assert (scene.what(), scene.present(), len(scene.lms.records["A"])) == (["create"], {"A-001"}, 30)
        for number in (2, 3, 4):
            scene.marks(number)
            await asyncio.sleep(1)
        assert scene.what() == ["create"]
        await asyncio.sleep(30)
        assert scene.what() == ["create", "update"]
    assert scene.is_exact()
    assert [sheet.acked_version for sheet in scene.acked] == [1, 4]


async def test_nobody_came(scene: Scene) -> None:
    """A session without marks is not written until it has ended; then all are absent."""
    async with scene.running():
        await asyncio.sleep(120)
        assert scene.what() == []
        scene.ends()
        await asyncio.sleep(1)
    assert scene.what() == ["create"]
    assert scene.is_exact()


async def test_end_of_the_session_hurries(scene: Scene) -> None:
    """After the session's end changes are written within seconds, also without a wake-up."""
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(3)
        scene.marks(2)
        await asyncio.sleep(1)
        scene.ends()
        await asyncio.sleep(1)
        assert scene.is_exact()
        scene.store.marks("A", 3, scene.clock.now())
        await asyncio.sleep(16)
        assert scene.is_exact()


async def test_change_during_a_write(scene: Scene) -> None:
    """A mark made during a write is confirmed by a later write, not by that one."""
    scene.lms.takes = 5
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(2)
        scene.marks(2)
        await asyncio.sleep(4)
        assert (scene.store.sheet("A").acked_version, scene.store.sheet("A").version) == (1, 2)
        await asyncio.sleep(60)
    assert scene.is_exact()


@pytest.mark.parametrize(("batches", "size"), [(1, 500), (5, 100), (10, 50)])
async def test_calls_for_500_students(batches: int, size: int) -> None:
    """500 check-ins within a minute cost at most one call for 10 students, however they are spread over batches."""
    scene = Scene(moved_time())
    names = [f"B{number}" for number in range(batches)]
    scene.store.opens(scene.clock.now(), dict.fromkeys(names, size))
    scene.lms.takes = 0.2
    async with scene.running():
        for number, name in itertools.product(range(1, size + 1), names):
            scene.marks(number, name)
            await asyncio.sleep(60 / 500)
        await asyncio.sleep(10)
        scene.ends()
        await asyncio.sleep(5)
    assert scene.is_exact()
    assert len(scene.lms.calls) <= 50


@pytest.mark.parametrize("students", [1, 10, 100, 10_000])
def test_spacing(students: int) -> None:
    """Writes of a live session are 2 to 30 s apart; afterwards always 2 s."""
    assert 2 <= SyncPace().spacing(students, live=True) <= 30
    assert SyncPace().spacing(students, live=False) == 2


async def test_somebody_else_was_first(scene: Scene) -> None:
    """A record that the LMS already has is replaced by ours."""
    scene.lms.records["A"] = {"A-009": Status.PRESENT}
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
    assert scene.what() == ["create", "update"]
    assert scene.is_exact()


async def test_record_is_gone(scene: Scene) -> None:
    """A record that has vanished from the LMS is created again."""
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        del scene.lms.records["A"]
        scene.marks(2)
        await asyncio.sleep(31)
    assert scene.what() == ["create", "update", "create"]
    assert scene.is_exact()


async def test_lms_contradicts_itself(scene: Scene) -> None:
    """An LMS that wants an update and then a create is called again after a pause."""
    scene.lms.outcomes += [Duplicate(""), NotThere("")]
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        assert scene.what() == ["create", "update"]
        await asyncio.sleep(3)
    assert scene.is_exact()


async def test_down_for_hours(scene: Scene) -> None:
    """While the LMS is down writes are tried each minute, after the lesson more rarely; then all is written."""
    scene.lms.always = DOWN
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(300)
        scene.ends()
        await asyncio.sleep(5 * 3600)
        gaps = [later - earlier for (earlier, *_), (later, *_) in itertools.pairwise(scene.lms.calls)]
        assert max(gaps[:10]) <= 61
        assert 600 <= max(gaps) <= 616
        assert len(gaps) < 110
        scene.lms.always = None
        await asyncio.sleep(616)
        assert scene.is_exact()
    assert len(scene.acked) == 1


async def test_check_ins_do_not_hurry_a_failing_lms(scene: Scene) -> None:
    """Check-ins do not shorten the pauses after failures; "Try again" does."""
    scene.lms.always = DOWN
    async with scene.running():
        for number in range(1, 31):
            scene.marks(number)
            await asyncio.sleep(2)
        assert len(scene.lms.calls) == 5
        scene.lms.always = None
        scene.sync.wake("a1", at_once=True)
        await asyncio.sleep(1)
    assert scene.is_exact()


async def test_restarts_while_down(scene: Scene) -> None:
    """Marks made while the LMS is down arrive, also with restarts in between."""
    scene.lms.always = DOWN
    for number in range(1, 6):
        async with scene.running():
            scene.marks(number)
            await asyncio.sleep(100)
    scene.store.ends(scene.clock.now())
    scene.lms.always = None
    async with scene.running():
        await asyncio.sleep(1)
        assert len(scene.present()) == 5
        await asyncio.sleep(60)  # a write of the process before could still be executed
    assert scene.is_exact()


async def test_answer_lost_after_the_work(scene: Scene) -> None:
    """After a lost answer the next write finds the record and updates it."""
    scene.lms.lost_answers.append(DOWN)
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(5)
    assert scene.what() == ["create", "create", "update"]
    assert scene.is_exact()


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("late", [0.5, 5.0, 20.0, 55.0])
async def test_done_late(scene: Scene, late: float, reads: bool) -> None:
    """A timed-out write that is executed after a newer one is overwritten before the sheet counts as confirmed."""
    scene.lms.reads = reads
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(31)
        scene.lms.late.append(late)
        scene.marks(2)
        await asyncio.sleep(0.3)
        scene.marks(3)
        await asyncio.sleep(55)
        assert [sheet.acked_version for sheet in scene.acked] == [1]
        await asyncio.sleep(10)
        in_order = reads and late < 2  # it was executed before the newer one: reading back shows that
        assert scene.what() == ["create", "update", "update"] + ["update"] * (not in_order)
        assert [sheet.acked_version for sheet in scene.acked] == [1, 3]
    assert scene.is_exact()


async def test_read_back(scene: Scene) -> None:
    """A confirmed sheet is read back when it has been quiet, and again when its session is settled."""
    async with scene.running():
        for number in (1, 2, 3):
            scene.marks(number)
            await asyncio.sleep(14)
        assert scene.lms.read_at == []
        await asyncio.sleep(60)
        assert len(scene.lms.read_at) == 1
        scene.ends()
        await asyncio.sleep(1)
        assert not scene.settles()
        await asyncio.sleep(1)
        assert scene.settles()
    assert len(scene.lms.read_at) == 2
    assert [(sheet.version, sheet.differing) for sheet in scene.compared] == [(3, {}), (3, {})]
    assert scene.is_exact()


@pytest.mark.parametrize("ignored", [1, 5])
async def test_confirmed_and_not_stored(scene: Scene, ignored: int) -> None:
    """What the LMS confirmed and has not is written again, once; what differs still is told, by student."""
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        scene.lms.ignored = ignored
        scene.marks(2)
        scene.ends()
        await asyncio.sleep(2)
        scene.settles()
        await asyncio.sleep(120)
        assert scene.settles()
    assert scene.what() == ["create", "update", "update"]
    assert scene.compared[-1].differing == ({} if ignored == 1 else {"A-002": "absent"})


async def test_record_vanishes_at_the_end(scene: Scene) -> None:
    """A record that the LMS has lost is written again before the report, also where it can't be changed."""
    for scene.lms.updates in (True, False):
        scene.store.opens(scene.clock.now(), {"A": 3})
        async with scene.running():
            scene.marks(1)
            scene.ends()
            scene.settles()
            await asyncio.sleep(20)
            scene.lms.records.clear()
            sheet = scene.store.sheet("A")
            scene.sync.compare(sheet)
            await asyncio.sleep(20)
            assert (scene.present(), scene.compared[-1].differing) == ({"A-001"}, {})
        scene.lms.records.clear()


async def test_reads_fail(scene: Scene) -> None:
    """A failed read is no empty record: nothing is written, and after some minutes nothing more is said than known."""
    async with scene.running():
        scene.marks(1)
        scene.ends()
        await asyncio.sleep(2)
        scene.lms.reads = DOWN
        scene.settles()
        await asyncio.sleep(30)
        assert not scene.settles()
        await asyncio.sleep(200)
        assert scene.settles()
    assert scene.what() == ["create"]
    assert [(sheet.compared.possible, sheet.differing) for sheet in scene.compared if sheet.compared] == [(False, {})]


@pytest.mark.parametrize("stored", [True, False])
async def test_unclear_answer(scene: Scene, stored: bool) -> None:
    """A write whose answer says nothing is read back: it is confirmed only if the LMS has it."""
    for_once = scene.lms.lost_answers if stored else scene.lms.outcomes
    for_once.append(Unclear("200 and nothing"))
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        assert [sheet.acked_version for sheet in scene.acked] == ([1] if stored else [])
        await asyncio.sleep(90)
    assert scene.is_exact()


@pytest.mark.parametrize("updates", [True, False], ids=["newer", "older"])
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(
    ("reads", "after"), [(True, 60), (False, 60), (DOWN, 600)], ids=["read", "unread", "read fails"]
)
async def test_never_clear(scene: Scene, reads: bool | LmsError, after: int, updates: bool, stored: bool) -> None:
    """Unclear answers are a refusal in the end, told once, and later where reading back fails, as in an outage.

    Only if the record is found there, or a second attempt to create it finds the first, it is none. After Try Again
    there is one record.
    """
    scene.lms.reads, scene.lms.updates = reads, updates
    nothing = Unclear("200 and nothing")
    if stored:
        scene.lms.lost_answers.extend([nothing] * 1000)
    else:
        scene.lms.always = nothing
    async with scene.running():
        scene.marks(1)
        scene.ends()
        scene.settles()
        await asyncio.sleep(after - 1)
        assert scene.refused == []
        await asyncio.sleep(150 if after == 60 else 1500)
        is_found = stored and (reads is True or (reads is False and not updates))
        sheet = scene.store.sheet("A")
        assert (len(scene.refused), sheet.refused) == ((0, "") if is_found else (1, NOT_CONFIRMED))
        assert sheet.acked_version == (1 if is_found else -1)
        assert not sheet.differing
        before = len(scene.lms.calls)
        await asyncio.sleep(3000)
        assert len(scene.lms.calls) == before
        scene.lms.always, scene.lms.reads = None, reads is not False
        scene.lms.lost_answers.clear()
        await scene.store.set_refused("a1", "A", "")
        scene.sync.wake("a1", at_once=True)
        await asyncio.sleep(130)
    assert scene.lms.copies == {"A": 1}
    assert scene.is_exact()


async def test_unclear_for_a_while(scene: Scene) -> None:
    """A proxy's page instead of every answer is an outage: after five minutes of it the marks arrive by themselves."""
    scene.lms.always, scene.lms.reads = Unclear("200 and a page"), DOWN
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(300)
        scene.lms.always, scene.lms.reads = None, True
        await asyncio.sleep(130)
    assert (scene.is_exact(), scene.refused) == (True, [])


@pytest.mark.parametrize("between", [DOWN, SignInNeeded("")], ids=["down", "signed out"])
async def test_unclear_again(scene: Scene, between: LmsError) -> None:
    """Two unclear answers with an outage between them, or a teacher who was signed out, are no minute of them."""
    nothing = Unclear("200 and nothing")
    scene.lms.outcomes.append(nothing)
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        scene.lms.always = between
        await asyncio.sleep(300)
        scene.lms.always = None
        scene.lms.outcomes.append(nothing)
        scene.sync.signed_in(TEACHER.telegram_id)
        await asyncio.sleep(130)
    assert (scene.is_exact(), scene.refused) == (True, [])


async def test_unclear_at_the_end_of_an_outage(scene: Scene) -> None:
    """After minutes of a proxy's page the first write that is read back is no refusal yet."""
    page = Unclear("200 and a page")
    scene.lms.always, scene.lms.reads = page, DOWN
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(300)
        scene.lms.always, scene.lms.reads = None, True
        scene.lms.outcomes.append(page)
        await asyncio.sleep(130)
    assert (scene.is_exact(), scene.refused) == (True, [])


async def test_unclear_correction(scene: Scene) -> None:
    """What a comparison finds different, and can't be written clearly, is told by name."""
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(2)
        scene.lms.records["A"]["A-001"] = Status.ABSENT
        scene.lms.always = Unclear("200 and nothing")
        await asyncio.sleep(30)
    assert scene.store.sheet("A").differing == {"A-001": "absent"}
    assert scene.refused == []


class TestOlder:
    """An LMS that can't change a record."""

    @pytest.fixture
    def scene(self, scene: Scene) -> Scene:
        scene.lms.updates = False
        return scene

    async def test_written_once(self, scene: Scene) -> None:
        """The record is written once, complete, when nothing changes any more by itself."""
        async with scene.running():
            for number in (1, 2):
                scene.marks(number)
                await asyncio.sleep(60)
            scene.ends()
            await asyncio.sleep(60)
            scene.marks(3, status=Status.LATE)
            await asyncio.sleep(60)
            assert scene.what() == []
            scene.settles()
            await asyncio.sleep(3)
            assert scene.settles()
        assert (scene.what(), scene.lms.copies) == (["create"], {"A": 1})
        assert scene.is_exact()

    @pytest.mark.parametrize("reads", [True, False])
    async def test_corrections(self, scene: Scene, reads: bool) -> None:
        """Each later correction is told by name, once, with what the LMS still has where that can be read."""
        scene.lms.reads = reads
        async with scene.running():
            scene.marks(1)
            scene.ends()
            scene.settles()
            await asyncio.sleep(20)
            told = []
            for number, status in ((2, Status.PRESENT), (1, Status.EXCUSED)):
                scene.marks(number, status=status)
                await asyncio.sleep(600)
                told.append(scene.store.sheet("A").differing)
        absent, present = ("absent", "present") if reads else ("", "")
        assert told == [{"A-002": absent}, {"A-002": absent, "A-001": present}]
        assert scene.what() == ["create", "update"]
        assert len([sheet for sheet in scene.compared if sheet.differing]) == 2
        assert await scene.store.unacked() == []

    async def test_that_changes_records_after_all(self, scene: Scene) -> None:
        """The first correction is tried: a server that takes it is given the others, too."""
        scene.lms.updates, scene.lms.says_updates = True, False
        async with scene.running():
            scene.marks(1)
            scene.ends()
            scene.settles()
            await asyncio.sleep(20)
            scene.lms.says_updates = None
            scene.marks(2)
            await asyncio.sleep(20)
        assert scene.what() == ["create", "update"]
        assert scene.is_exact()

    async def test_changed_there_by_hand(self, scene: Scene) -> None:
        """After the teacher has changed it in the LMS, reading back once more finds nothing different."""
        async with scene.running():
            scene.ends()
            scene.settles()
            await asyncio.sleep(20)
            scene.marks(1)
            await asyncio.sleep(20)
            scene.lms.records["A"]["A-001"] = Status.PRESENT
            scene.sync.compare(scene.store.sheet("A"))
            await asyncio.sleep(20)
        assert scene.store.sheet("A").differing == {}
        assert scene.is_exact()

    @pytest.mark.parametrize("reads", [True, False])
    @pytest.mark.parametrize("late", [0.5, 20.0, 55.0, None])
    async def test_create_without_an_answer(self, scene: Scene, late: float | None, reads: bool) -> None:
        """A create that got no answer is waited for: there are never two at once, and one record in the end."""
        scene.lms.reads = reads
        if late is None:
            scene.lms.outcomes.append(LmsTimedOut(""))
        else:
            scene.lms.late.append(late)
        async with scene.running():
            scene.marks(1)
            scene.ends()
            scene.settles()
            await asyncio.sleep(5)
            scene.marks(2)  # meanwhile
            await asyncio.sleep(50)
            assert scene.what() == ["create"]
            await asyncio.sleep(30)
        assert scene.lms.copies == {"A": 1}
        if late is None:
            assert scene.is_exact()
        elif reads:
            assert scene.store.sheet("A").differing == {"A-002": "absent"}

    @pytest.mark.parametrize("late", [5.0, 55.0])
    async def test_killed_during_a_create(self, scene: Scene, late: float) -> None:
        """A create whose process has ended is waited for by the next one, too."""
        scene.lms.late.append(late)
        async with scene.running():
            scene.marks(1)
            scene.ends()
            scene.settles()
            await asyncio.sleep(1)
        async with scene.running():
            scene.settles()
            await asyncio.sleep(90)
            assert scene.settles()
        assert scene.lms.copies == {"A": 1}
        assert scene.is_exact()

    async def test_somebody_elses_record(self, scene: Scene) -> None:
        """A record that another person made is compared: what differs is told; unread it is a refusal."""
        scene.lms.records["A"] = {each.student_id: Status.ABSENT for each in scene.store.sheet("A").roster}
        async with scene.running():
            scene.marks(1)
            scene.ends()
            scene.settles()
            await asyncio.sleep(20)
            assert scene.store.sheet("A").differing == {"A-001": "absent"}
            scene.store.opens(scene.clock.now(), {"B": 2}, "b1")
            scene.store.ends(scene.clock.now(), "b1")
            scene.lms.records["B"], scene.lms.reads = {}, False
            scene.sync.settle(scene.store.sessions["b1"], [scene.store.sheet("B", "b1")])
            await asyncio.sleep(30)
        assert scene.store.sheet("B", "b1").refused == "409 duplicate"

    async def test_found_out_late(self, scene: Scene) -> None:
        """A server that refuses the first update (405) gets no further ones: what differs at the end is told."""
        scene.lms.says_updates = True
        async with scene.running():
            for number in (1, 2):
                scene.marks(number)
                await asyncio.sleep(40)
            scene.ends()
            scene.settles()
            await asyncio.sleep(40)
            assert scene.settles()
        assert scene.what() == ["create", "update"]
        assert scene.store.sheet("A").differing == {"A-002": "absent"}


async def test_refused(scene: Scene) -> None:
    """A permanent refusal is stored and reported once; the sheet is tried again only on request."""
    scene.lms.always = LmsRefused("the LMS refuses this (403)", "403")
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(300)
        scene.marks(2)
        await asyncio.sleep(300)
        assert scene.what() == ["create"]
        assert (scene.refused, scene.store.sheet("A").refused) == (["the LMS refuses this (403)"], "403")
        scene.lms.always = None
        await scene.store.set_refused("a1", "A", "")
        scene.sync.wake("a1", at_once=True)
        await asyncio.sleep(1)
    assert scene.is_exact()


async def test_teacher_has_to_sign_in(scene: Scene) -> None:
    """The teacher is asked to sign in once, however many check-ins come; then all is written."""
    scene.lms.always = SignInNeeded("the tokens are refused")
    async with scene.running():
        for number in range(1, 11):
            scene.marks(number)
            await asyncio.sleep(5)
        await asyncio.sleep(40)
        before = len(scene.lms.calls)
        await asyncio.sleep(3000)
        assert scene.asked == [TEACHER.telegram_id]
        assert len(scene.lms.calls) - before <= 5
        scene.lms.always = None
        scene.sync.signed_in(TEACHER.telegram_id)
        await asyncio.sleep(1)
    assert scene.is_exact()


async def test_teacher_is_signed_in_elsewhere(scene: Scene) -> None:
    """A session elsewhere is reported once, and the sheet is tried until that session has ended."""
    scene.lms.always = SignedInElsewhere("the LMS has another session of this teacher")
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(300)
        assert scene.asked == [TEACHER.telegram_id]
        scene.lms.always = None
        await asyncio.sleep(61)
    assert scene.is_exact()


async def test_teacher_is_signed_out(scene: Scene) -> None:
    """Without a teacher in the store the LMS is not called until there is one again."""
    teacher = scene.store.teachers.pop(TEACHER.telegram_id)
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(60)
        assert (scene.asked, scene.what()) == ([TEACHER.telegram_id], [])
        scene.store.teachers[TEACHER.telegram_id] = teacher
        scene.sync.wake("a1")
        await asyncio.sleep(31)
    assert scene.is_exact()


async def test_cancelled(scene: Scene) -> None:
    """A cancelled session that the LMS has no record of is not written."""
    scene.lms.always = DOWN
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        scene.store.ends(scene.clock.now(), cancelled=True)
        scene.lms.always = None
        await asyncio.sleep(3600)
    assert scene.lms.records == {}


@pytest.mark.parametrize("call", ["unacked", "teacher", "acked"])
async def test_store_fails(scene: Scene, call: str) -> None:
    """A temporary failure of the store only delays the write."""
    scene.store.fails[call] = 4
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(200)
    assert scene.is_exact()
    assert len(scene.acked) == 1


async def test_told_after_a_crash(scene: Scene) -> None:
    """At the start the callback is called for sheets confirmed before a crash; newer versions follow later."""
    scene.store.marks("A", 1, scene.clock.now())
    await scene.store.acked("a1", "A", 1)
    async with scene.running():
        await asyncio.sleep(1)
        assert [sheet.version for sheet in scene.acked] == [1]
    scene.lms.always = DOWN
    scene.store.marks("A", 2, scene.clock.now())
    async with scene.running():
        await asyncio.sleep(60)
    assert len(scene.acked) == 1


async def test_telling_fails(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """An error of a callback is logged and stops nothing."""

    async def fails(_sheet: Sheet) -> None:
        raise RuntimeError("a bug elsewhere")

    async def never(*_: object) -> None:
        raise AssertionError

    scene.sync = LmsSync(
        cast(Store, scene.store),
        scene.lms,
        scene.clock,
        on_acked=fails,
        on_refused=never,
        on_sign_in_needed=never,
    )
    scene.sync.start()
    for number in (1, 2):
        scene.marks(number)
        await asyncio.sleep(31)
    await scene.sync.close()
    assert scene.is_exact()
    assert "a bug elsewhere" in caplog.text


async def test_error_of_ours(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error in writing is logged and causes no busy loop."""
    scene.store.opens(scene.clock.now(), {"B": 3}, "b1")

    async def broken(telegram_id: int) -> None:
        if not scene.lms.records:
            raise ZeroDivisionError

    scene.store.teacher = broken  # type: ignore[method-assign]  # our own plain fake
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(60)
    assert 3 <= caplog.text.count("ended by an error of ours") <= 8


async def test_error_of_ours_while_looking(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error in reading the store is logged, and the store is read again."""
    right = scene.store.unacked

    async def broken() -> list[Sheet]:
        scene.store.unacked = right  # type: ignore[method-assign]  # our own plain fake
        raise ZeroDivisionError

    scene.store.unacked = broken  # type: ignore[method-assign]
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(70)
    assert scene.is_exact()
    assert "ZeroDivisionError" in caplog.text


async def test_closing_with_a_hung_lms(scene: Scene) -> None:
    """Closing takes seconds even if the LMS hangs; the next start repeats the unfinished write."""
    scene.lms.takes = 10_000
    async with scene.running():
        scene.marks(1)
        await asyncio.sleep(1)
        before = scene.clock.passed
    assert scene.clock.passed - before < 5
    scene.lms.takes = 0
    async with scene.running():
        await asyncio.sleep(61)
    assert scene.is_exact()


async def test_bounded_parallelism() -> None:
    """At most ``parallel`` writes run at once, and each sheet is written."""
    scene = Scene(moved_time())
    scene.parallel, scene.lms.takes = 3, 1
    scene.store.opens(scene.clock.now(), {f"B{number}": 2 for number in range(10)})
    scene.store.ends(scene.clock.now())
    async with scene.running():
        await asyncio.sleep(70)
    assert scene.is_exact()
    assert scene.lms.most_at_once == 3


LOST = [DOWN, LmsTimedOut(""), Unclear("")]
FAULTS = st.sampled_from([None, None, *LOST, Duplicate(""), NotThere(""), SignInNeeded("")])
STEPS = st.lists(st.tuples(st.integers(1, 30), st.sampled_from(Status), st.integers(0, 40)), max_size=12)


@given(
    steps=STEPS,
    faults=st.lists(FAULTS, max_size=10),
    lost=st.lists(st.sampled_from(LOST), max_size=3),
    late=st.lists(st.floats(0, 55), max_size=3),
    restart_at=st.integers(0, 12),
    updates=st.booleans(),
)
def test_whatever_happens(
    steps: list[tuple[int, Status, int]],
    faults: list[LmsUnavailable | None],
    lost: list[LmsUnavailable],
    late: list[float],
    restart_at: int,
    updates: bool,
) -> None:
    """With any faults of the LMS and a restart at any point it finally holds exactly our record, once."""

    async def play() -> None:
        scene = Scene(moved_time())
        scene.store.opens(scene.clock.now(), {"A": 30})
        scene.lms.outcomes.extend(faults)
        scene.lms.lost_answers.extend(lost)
        scene.lms.late.extend(late)
        scene.lms.updates = updates
        for part in (steps[:restart_at], steps[restart_at:]):
            async with scene.running():
                for number, status, seconds in part:
                    scene.marks(number, status=status)
                    await asyncio.sleep(seconds)
        async with scene.running():
            scene.ends()
            for _ in range(30):
                scene.sync.signed_in(TEACHER.telegram_id)
                if scene.store.sheet("A").refused:  # after unclear answers: the teacher presses Try Again
                    await scene.store.set_refused("a1", "A", "")
                    scene.sync.wake("a1", at_once=True)
                scene.settles()
                await asyncio.sleep(60)
            assert scene.settles()
        assert scene.is_exact()
        assert scene.lms.copies == {"A": 1}

    _on_moved_time(play)


def _on_moved_time(play: Callable[[], Awaitable[None]]) -> None:
    loop = MovedTimeLoop()
    try:
        loop.run_until_complete(play())
    finally:
        loop.close()


def test_record() -> None:
    """A record has the whole roster: without a mark absent; late, excused and reasons are in the remark."""
    clock = FakeClock()
    marks = {
        f"A-00{number}": Mark(f"A-00{number}", status, clock.now() + timedelta(seconds=number), 7, reason)
        for number, status, reason in [
            (1, Status.PRESENT, ""),
            (2, Status.LATE, "bus"),
            (3, Status.EXCUSED, ""),
            (4, Status.ABSENT, "left"),
        ]
    }
    record = record_of(Sheet("a1", "Main", "A", "Algorithms", DATE, 7, students("A", 5), marks, 4))
    assert (record.campus, record.batch, record.subject, record.date) == ("Main", "A", "Algorithms", DATE)
    assert [(line.student_id, line.status.counts, line.remark) for line in record.lines] == [
        ("A-001", True, ""),
        ("A-002", True, "late: bus"),
        ("A-003", False, "excused"),
        ("A-004", False, "left"),
        ("A-005", False, ""),
    ]

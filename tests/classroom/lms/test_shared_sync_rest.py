"""The one record of a day's lessons in the simulated LMS, with faults, kills and cancellations: always their union."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from classroom.domain.sessions import LmsRecord, Status
from classroom.lms.sync import LmsSync
from sandbox.lms.world import NEWER, OLDER
from tests.classroom.lms.simulated import Scene
from tests.classroom.lms.test_sync_rest import Class, eventually

pytestmark = pytest.mark.integration

NAMES = ("a1", "b1", "c1")


class Day(Class):
    """A lecture, a lab and a seminar of one batch of ten."""

    def opens(self, name: str, lesson: str) -> None:
        self.store.opens(self.clock.now(), {"A": 10}, name, lesson=lesson, lms_record=LmsRecord.SHARED)

    def mark(self, name: str, number: int, status: Status = Status.PRESENT) -> None:
        self.store.marks("A", number, self.clock.now(), status, name)
        if self.sync is not None:
            self.sync.wake(name)

    def end(self, name: str, *, cancelled: bool = False) -> None:
        self.store.ends(self.clock.now(), name, cancelled=cancelled)
        if self.sync is not None:
            self.sync.wake(name, at_once=True)

    @property
    def live(self) -> list[str]:
        return [name for name, session in self.store.sessions.items() if not session.cancelled]

    @property
    def ours(self) -> set[str]:
        sheets = [self.store.sheet("A", name) for name in self.live]
        return {each.student_id for sheet in sheets for each in sheet.roster if sheet.status_of(each.student_id).counts}

    def is_written(self) -> bool:
        sheets = [self.store.sheet("A", name) for name in self.live]
        return all(sheet.acked_version == sheet.version for sheet in sheets)

    def settles(self) -> bool:
        """End what has not ended; return whether all lessons were read back."""
        assert self.sync is not None
        done = []
        for name in self.live:
            if self.store.sessions[name].ended_at is None:
                self.end(name)
            done.append(self.sync.settle(self.store.sessions[name], [self.store.sheet("A", name)]))
        return all(done)


@pytest.fixture(params=[NEWER])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with Scene(request.param).playing(10) as scene:
        await scene.signs_in()
        yield scene


@pytest.fixture
def day(scene: Scene) -> Day:
    day = Day(scene.store, scene.lms, scene.clock)
    day.opens("b1", "Lab")
    return day


async def kill(sync: LmsSync) -> None:
    """End a sync as kill -9 would: without waiting or cleaning up."""
    for task in [sync._watching, *sync._writes]:
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_union(scene: Scene, day: Day) -> None:
    """The record of two lessons is written by one writer and read back against the union."""
    async with day.running():
        day.mark("a1", 1)
        day.mark("b1", 2, Status.LATE)
        await eventually(day.is_written)
        day.mark("a1", 3)
        await eventually(day.is_written)
        await eventually(day.settles)
    assert scene.present() == day.ours == {"A-001", "A-002", "A-003"}
    assert [record.copies for record in scene.world.records.values()] == [1]
    assert {sheet.session: sheet.differing for sheet in day.compared} == {"a1": {}, "b1": {}}


@pytest.mark.parametrize(
    "fault", [{"drop_answers": 1}, {"late": 1, "late_ms": 150}, {"unanswered": 1}, {"status": 503}]
)
async def test_cancelled_in_a_fault(scene: Scene, day: Day, fault: dict[str, object]) -> None:
    """A cancelled lab's marks are not in the record in the end, also where the process is killed just then."""
    sync = day.begin()
    day.mark("a1", 1)
    await eventually(lambda: day.store.sheet("A").acked_version == 1)
    await scene.behave(**fault)
    day.mark("b1", 2)
    await asyncio.sleep(0.02)
    day.end("b1", cancelled=True)
    await kill(sync)
    await scene.behave(status=None, drop_answers=0, unanswered=0)
    async with day.running():
        await eventually(day.is_written)
        await eventually(day.settles)
    assert scene.present() == {"A-001"}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.ordeal
async def test_any_faults_with_crashes(scene: Scene, day: Day, seed: int) -> None:
    """With random faults, kills, corrections and cancellations the record is the union of the lessons that count."""
    chance = random.Random(seed)
    faults: list[dict[str, object]] = [
        {"drop_answers": 2},
        {"broken_json": 2},
        {"expire_in_call": 1},
        {"status": 503},
        {"down": True},
        {"late": 2, "late_ms": 150},
        {"unanswered": 2},
        {"ignored": 1},
        {},
    ]
    calm: dict[str, object] = {"status": None, "down": False, "late": 0, "ignored": 0}
    for step in range(12):
        sync = day.begin()
        await scene.behave(**{**calm, **chance.choice(faults)})
        if step == 4:
            day.opens("c1", "Seminar")
        for _ in range(2):
            status = chance.choice(list(Status))
            day.mark(chance.choice(day.live), chance.randint(1, 10), status)
        if step == 8:
            day.end(chance.choice(["b1", "c1"]), cancelled=True)
        await asyncio.sleep(chance.random() * 0.06)
        if chance.random() < 0.7:
            await kill(sync)
        else:
            await sync.close()
        if chance.random() < 0.3:
            day.lms = await scene.restarts()
    await scene.behave(**calm, drop_answers=0, broken_json=0, expire_in_call=0, unanswered=0)
    async with day.running():
        await eventually(day.is_written_in_the_end)
        await eventually(day.settles)
    assert scene.present() == day.ours
    assert [record.copies for record in scene.world.records.values()] == [1]


@pytest.mark.parametrize("scene", [OLDER], indirect=True)
async def test_older(scene: Scene, day: Day) -> None:
    """An LMS that can't change records gets the union once, when all lessons that have begun are settled."""
    async with day.running():
        day.mark("a1", 1)
        day.mark("b1", 2)
        await asyncio.sleep(0.1)
        assert scene.world.records == {}
        await eventually(day.settles)
    assert scene.present() == {"A-001", "A-002"}
    assert [record.copies for record in scene.world.records.values()] == [1]

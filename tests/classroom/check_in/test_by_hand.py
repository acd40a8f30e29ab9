"""Marks of a whole class by hand: students hear of the last one, once, also after failures."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from classroom.check_in.by_hand import SETTLED_AFTER, HandMarks
from classroom.database import open_database
from classroom.domain.sessions import Mark, Session, Status
from classroom.metrics import ClassroomMetrics
from classroom.store import StoreUnavailable
from core.metrics import Metrics
from telegram_app.claims import Claims
from tests.classroom.check_in.scenario import TEACHER, CheckInScenario

pytestmark = pytest.mark.integration


class Hand:
    """Marks by hand, and who was told what of them."""

    def __init__(self, scenario: CheckInScenario) -> None:
        self.scenario = scenario
        self.told: list[tuple[str, Status]] = []
        self.settled: list[str] = []
        self.starts()

    def starts(self) -> None:
        """Begin anew, as a new process does."""
        self.marks = HandMarks(self.scenario.classroom, self._tell, self._settled)

    async def _tell(self, _session: Session, student_id: str, mark: Mark) -> None:
        self.told.append((student_id, mark.status))

    async def _settled(self, session: Session) -> None:
        self.settled.append(session.id)

    async def marks_all(self, session: Session, status: Status, *ids: str) -> int:
        """Mark students as the list does."""
        return await self.marks.mark(session, ids, status, "by hand", overwrite=True)


@pytest.fixture
def hand(scenario: CheckInScenario, tmp_path: Path) -> Iterator[Hand]:
    """Give marks by hand over a real store and real claims."""
    folder = tmp_path / "classroom"
    folder.mkdir()
    with closing(open_database(folder)) as database:
        scenario.classroom.student = cast("Any", SimpleNamespace(claims=Claims(database, "student")))
        yield Hand(scenario)


@pytest.fixture
async def session(hand: Hand) -> Session:
    """Give a session of three students."""
    return await hand.scenario.opens()


async def test_marks_are_counted(hand: Hand, session: Session) -> None:
    """Each mark that changes something counts in the metrics as one by hand, as those of single students do."""
    metrics = Metrics()
    hand.scenario.classroom.metrics = ClassroomMetrics(metrics)
    await hand.marks_all(session, Status.PRESENT, "S001", "S002")
    await hand.marks_all(session, Status.PRESENT, "S001", "S002", "S003")
    counted = metrics.registry.get_sample_value("attendance_check_ins_total", {"outcome": "by hand"})
    assert counted == 3


async def test_once_after_the_last_change(hand: Hand, session: Session) -> None:
    """Nobody is told while marks change; after a quiet time each student is told the last mark, once."""
    clock = hand.scenario.clock
    assert await hand.marks_all(session, Status.PRESENT, "S001", "S002") == 2
    clock.seconds += SETTLED_AFTER - 1
    assert await hand.marks_all(session, Status.ABSENT, "S002") == 1
    clock.seconds += SETTLED_AFTER - 1
    assert await hand.marks.settle() == {session.id}
    assert hand.told == []
    clock.seconds += 1
    assert await hand.marks.settle() == set()
    assert hand.told == [("S001", Status.PRESENT), ("S002", Status.ABSENT)]
    assert await hand.marks.settle() == set()
    assert (len(hand.told), hand.settled) == (2, [session.id])
    mark = (await hand.scenario.marks(session))["S002"]
    assert (mark.by, mark.reason, mark.came_at) == (TEACHER, "by hand", None)


async def test_changed_while_told(hand: Hand, session: Session) -> None:
    """A tap while the students are being told is told after the next quiet time."""
    await hand.marks_all(session, Status.PRESENT, "S001", "S002")

    async def tell(_session: Session, student_id: str, mark: Mark) -> None:
        hand.told.append((student_id, mark.status))
        if len(hand.told) == 1:
            hand.scenario.clock.seconds += 1
            await hand.marks_all(session, Status.ABSENT, "S001")

    hand.marks.tell = tell
    await hand.marks.settle(session)
    assert (hand.told, hand.settled) == ([("S001", Status.PRESENT), ("S002", Status.PRESENT)], [])
    hand.scenario.clock.seconds += SETTLED_AFTER
    assert await hand.marks.settle() == set()
    assert ("S001", Status.ABSENT) in hand.told
    assert hand.settled == [session.id]


async def test_one_fails(hand: Hand, session: Session) -> None:
    """A notice that fails delays neither the others of its session nor other sessions, and is tried again."""
    other = await hand.scenario.opens(2, code="222222", ids=("S101",))
    await hand.marks_all(session, Status.PRESENT, "S001", "S002")
    await hand.marks_all(other, Status.PRESENT, "S101")
    hand.scenario.clock.seconds += SETTLED_AFTER
    failing = ["S001"]

    async def tell(_session: Session, student_id: str, mark: Mark) -> None:
        if student_id in failing:
            raise StoreUnavailable("damaged")
        hand.told.append((student_id, mark.status))

    hand.marks.tell = tell
    assert await hand.marks.settle() == {session.id}
    assert sorted(hand.told) == [("S002", Status.PRESENT), ("S101", Status.PRESENT)]
    assert hand.settled == [other.id]
    with pytest.raises(StoreUnavailable):
        await hand.marks.settle(session)
    failing.clear()
    assert await hand.marks.settle() == set()
    assert ("S001", Status.PRESENT) in hand.told


async def test_after_a_crash(hand: Hand, session: Session) -> None:
    """What a process left untold the next one tells at once."""
    await hand.marks_all(session, Status.PRESENT, "S003")
    hand.starts()
    assert await hand.marks.settle() == set()
    assert hand.told == [("S003", Status.PRESENT)]


async def test_failing_store(hand: Hand, session: Session) -> None:
    """A mark that is not stored is not told; repeated it is stored and told once."""
    hand.scenario.store.fails = "mark_all"
    with pytest.raises(StoreUnavailable):
        await hand.marks_all(session, Status.PRESENT, "S001")
    assert await hand.scenario.marks(session) == {}
    assert await hand.marks_all(session, Status.PRESENT, "S001") == 1
    await hand.marks.settle(session)
    assert hand.told == [("S001", Status.PRESENT)]


async def test_at_once(hand: Hand, session: Session) -> None:
    """Many taps at once are all stored, in as many versions of the sheet as there were changes."""
    ids = ("S001", "S002", "S003")
    taps = [hand.marks_all(session, Status.PRESENT, each) for each in ids * 3]
    changed = await asyncio.gather(*taps, hand.marks_all(session, Status.PRESENT, *ids))
    assert sum(changed) == 3
    (sheet,) = await hand.scenario.store.sheets(session.id)
    assert ({each.status for each in sheet.marks.values()}, sheet.version) == ({Status.PRESENT}, 3)


async def test_cancelled(hand: Hand, session: Session) -> None:
    """Of a cancelled session nobody is told a mark: that it is cancelled is told elsewhere."""
    await hand.marks_all(session, Status.PRESENT, "S001")
    await hand.scenario.store.end_session(session.id, hand.scenario.clock.now(), cancelled=True)
    assert await hand.marks.settle(replace(session, cancelled=True)) == set()
    assert hand.told == []

"""A check-in from code to mark over the real store: what comes in between, twice, or half way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.check_ins import Answer, CheckIns, Told
from classroom.domain import location_policy as policy
from classroom.domain.sessions import CheckIn, Enrolled, Mark, Place, Session, Sheet, Status, Step
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.running import KEY, METRE, STUDENT_TOKEN

pytestmark = pytest.mark.integration


OPENED = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
CODE, WRONG = "482913", "111111"
TEACHER, STUDENT = 7, 2001


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """Return the wall clock's time."""
        return OPENED + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the same in seconds."""
        return self.seconds


class FailingStore(SqliteStore):
    """The store, where the next call of one method fails, as on a full disk."""

    fails = ""

    def __getattribute__(self, name: str) -> Any:
        if name != "fails" and name == self.fails:
            self.fails = ""
            raise StoreUnavailable("full")
        return super().__getattribute__(name)


class Class:
    """A session with its check-ins, and what was told of marks."""

    def __init__(self, room: Classroom, store: FailingStore, clock: SetClock) -> None:
        self.clock, self.store = clock, store
        self.told: list[tuple[str, Mark]] = []
        self.check_ins = CheckIns(room, self._on_mark)

    async def _on_mark(self, session: Session, student_id: str, mark: Mark) -> None:
        self.told.append((student_id, mark))

    async def opens(self, number: int = 1, *, code: str = CODE, students: int = 3) -> Session:
        """Open a session of one batch, with the same students in each."""
        session = Session(
            id=f"{number:012}",
            teacher=TEACHER,
            campus="Main",
            subject=f"Subject {number}",
            batches=("CS-1",),
            date="2026-09-01",
            place=Place(43.25, 76.95),
            opened_at=self.clock.now(),
            closes_at=self.clock.now() + timedelta(seconds=120),
            rotate_seconds=0,
        )
        roster = tuple(Enrolled(f"S{each:03}", f"Student {each}", "CS-1") for each in range(1, students + 1))
        sheet = Sheet(session.id, "Main", "CS-1", session.subject, session.date, TEACHER, roster)
        assert await self.store.create_session(session, [sheet], code, session.closes_at)
        return session

    async def enters(self, student_id: str | None = "S001", code: str = CODE, person: int = STUDENT) -> Answer:
        """Enter an ID and a code."""
        return (await self.check_ins.enter(person, student_id, code)).answer

    async def shares(self, metres: float = 0.0, person: int = STUDENT, **more: Any) -> Told:
        """Share a location so far from the class."""
        evidence = policy.Evidence(43.25 + metres * METRE, 76.95, None, self.clock.now())
        return await self.check_ins.place(person, replace(evidence, **more))

    async def marks(self, session: Session) -> dict[str, Mark]:
        """Return the record's marks."""
        return (await self.store.sheets(session.id))[0].marks

    async def step(self, session: Session, student_id: str = "S001") -> Step | None:
        """Return how far a check-in is."""
        found = await self.store.check_in(session.id, student_id)
        return found.step if found is not None else None


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Class]:
    """Give a class without a session."""
    store, clock = FailingStore(tmp_path / "store.sqlite3", Cipher(KEY)), SetClock()
    await store.open()
    settings = Settings(  # type: ignore[call-arg]  # pydantic-settings' own keyword
        _env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN), face_engine="none"
    )
    side = cast("Side", None)  # people and messages are the bot's
    classroom = Classroom(settings, clock, store, cast("Any", None), side, side, cast("Any", None), lambda n: n - 1)
    yield Class(classroom, store, clock)
    await store.close()


class TestTime:
    async def test_the_id_comes_after(self, room: Class) -> None:
        """A code that came in time is good for an ID that comes within the grace, and no longer."""
        session = await room.opens()
        typed_at = OPENED + timedelta(seconds=119)
        await room.store.end_session(session.id, OPENED + timedelta(seconds=120))
        room.clock.seconds = 200
        assert (await room.check_ins.enter(STUDENT, "S001", CODE, typed_at)).answer is Answer.PLACE
        room.clock.seconds = 209
        assert (await room.shares()).answer is Answer.WAITING
        room.clock.seconds = 210
        assert (await room.check_ins.enter(2002, "S002", CODE, typed_at)).answer is Answer.WRONG

    async def test_too_late_for_the_place(self, room: Class) -> None:
        """The place has to come within the grace; an hour later a location is none to that check-in any more."""
        await room.opens()
        room.clock.seconds = 100
        assert await room.enters() is Answer.PLACE
        room.clock.seconds = 191
        assert (await room.shares()).answer is Answer.OVER
        room.clock.seconds = 7200
        assert (await room.shares()).answer is Answer.NOTHING

    @pytest.mark.parametrize(("at", "status"), [(120, Status.PRESENT), (121, Status.LATE)])
    async def test_late(self, room: Class, at: float, status: Status) -> None:
        """What counts is when the place was proven, not when the teacher confirms."""
        session = await room.opens()
        room.clock.seconds = 60
        await room.enters()
        room.clock.seconds = at
        await room.shares()
        room.clock.seconds = 1000
        await room.check_ins.decide(session, {"S001"}, accept=True)
        assert (await room.marks(session))["S001"].status is status

    async def test_cancelled(self, room: Class) -> None:
        """In a cancelled session nothing is entered, shared or decided."""
        session = await room.opens()
        await room.enters()
        await room.store.end_session(session.id, OPENED, cancelled=True)
        found = await room.store.session(session.id)
        assert found is not None
        assert (await room.shares()).answer is Answer.NOTHING
        assert await room.enters() is Answer.WRONG
        assert await room.check_ins.decide(found, {"S001"}, accept=True) == []


class TestPlace:
    async def test_from_the_door_into_the_class(self, room: Class) -> None:
        """Who was just outside and is inside a moment later needs no closer look; the way back changes nothing."""
        session = await room.opens()
        await room.enters()
        assert (await room.shares(80)).answer is Answer.REVIEW
        assert (await room.shares(90)).answer is Answer.REVIEW
        found = await room.shares(10)
        assert (found.answer, found.is_new) == (Answer.WAITING, False)
        assert await room.step(session) is Step.CONFIRM
        assert (await room.shares(80)).answer is Answer.WAITING
        assert (await room.store.check_in(session.id, "S001")).distance == pytest.approx(10, abs=0.5)  # type: ignore[union-attr]

    async def test_after_the_end_the_door_stays(self, room: Class) -> None:
        """Who was just outside in time is not made late by coming in after the end: the review stands."""
        session = await room.opens()
        await room.enters()
        await room.shares(80)
        room.clock.seconds = 121
        assert (await room.shares(0)).answer is Answer.REVIEW
        await room.check_ins.decide(session, {"S001"}, accept=True)
        assert (await room.marks(session))["S001"].status is Status.PRESENT

    async def test_from_far_away_to_the_door(self, room: Class) -> None:
        """A first location from far away is not held against a later one; the note says what the last was."""
        session = await room.opens()
        await room.enters()
        assert (await room.shares(500)).answer is Answer.OUTSIDE
        assert (await room.shares(80)).answer is Answer.REVIEW
        found = await room.store.check_in(session.id, "S001")
        assert found is not None
        assert found.note == policy.JUST_OUTSIDE

    async def test_two_sessions(self, room: Class) -> None:
        """With two check-ins begun, the location is for the one whose code was entered last, also once more."""
        first = await room.opens()
        second = await room.opens(2, code="222222")
        await room.enters()
        room.clock.seconds = 1
        await room.enters(code="222222")
        room.clock.seconds = 2
        assert await room.enters() is Answer.PLACE
        assert (await room.shares()).answer is Answer.WAITING
        assert (await room.step(first), await room.step(second)) == (Step.CONFIRM, Step.PLACE)


class TestByHand:
    async def test_before_the_word(self, room: Class) -> None:
        """A mark by hand stands against the word on the check-in, and the student is told what the record has."""
        session = await room.opens()
        await room.enters()
        await room.shares()
        assert await room.check_ins.mark_by_hand(session, "S001", Status.ABSENT, "left", TEACHER)
        await room.check_ins.decide(session, {"S001"}, accept=True)
        assert (await room.marks(session))["S001"].status is Status.ABSENT
        assert {mark.status for _student, mark in room.told} == {Status.ABSENT}

    async def test_before_the_place(self, room: Class) -> None:
        """Who is marked by hand meanwhile hears that, by code or by location, and no teacher is asked again."""
        session = await room.opens()
        await room.enters()
        await room.check_ins.mark_by_hand(session, "S001", Status.LATE, "", TEACHER)
        by_place = await room.shares()
        by_code = await room.check_ins.enter(STUDENT, None, CODE)
        for told in (by_place, by_code):
            assert told.answer is Answer.MARKED
            assert told.mark is not None
            assert told.mark.status is Status.LATE
        assert await room.step(session) is Step.PLACE


class TestGuessing:
    async def test_one_account(self, room: Class) -> None:
        """Five wrong tries lock an account for the window, whatever IDs they were on, then it is free."""
        await room.opens()
        for tries in range(5):
            assert await room.enters(f"S00{1 + tries % 3}", WRONG) is Answer.WRONG
        assert await room.enters() is Answer.LOCKED
        room.clock.seconds = 15 * 60 + 1
        await room.opens(2, code="222222")
        assert await room.enters(code="222222") is Answer.PLACE

    async def test_deleting_is_no_way_out(self, room: Class) -> None:
        """An account that has its data deleted has its tries still."""
        await room.opens()
        for _ in range(5):
            await room.enters(code=WRONG)
        await room.store.forget_student(STUDENT)
        assert await room.enters() is Answer.LOCKED

    async def test_many_accounts(self, room: Class) -> None:
        """Forty tries by many accounts on many IDs: who comes after them is looked at, who came before is not."""
        session = await room.opens(students=30)
        room.clock.seconds = 1
        assert await room.enters() is Answer.PLACE
        for account in range(8):
            for each in range(5):
                assert await room.enters(f"S{2 + (account * 5 + each) % 29:03}", WRONG, 3000 + account) is Answer.WRONG
        assert (await room.shares()).answer is Answer.WAITING
        assert await room.enters("S030", CODE, 2030) is Answer.PLACE
        assert (await room.shares(person=2030)).answer is Answer.REVIEW
        assert await room.step(session, "S030") is Step.REVIEW

    async def test_mistyping_class(self, room: Class) -> None:
        """A class where everybody mistypes once or twice, and then is in, is not suspected."""
        await room.opens(students=30)
        room.clock.seconds = 1
        for each in range(1, 31):
            await room.enters(f"S{each:03}", WRONG, 2000 + each)
            await room.enters(f"S{each:03}", "222222", 2000 + each)
            assert await room.enters(f"S{each:03}", CODE, 2000 + each) is Answer.PLACE
            assert (await room.shares(person=2000 + each)).answer is Answer.WAITING

    async def test_own_id(self, room: Class) -> None:
        """Tries on one's ID by others are held against a new account, not against the one it is bound to."""
        await room.opens()
        assert await room.enters() is Answer.PLACE
        for account in range(4):
            for _ in range(5):
                await room.enters("S001", WRONG, 3000 + account)
                await room.enters("S002", WRONG, 3000 + account)
        second = await room.opens(2, code="222222")
        assert await room.enters(None, "222222") is Answer.PLACE
        assert (await room.shares()).answer is Answer.WAITING
        assert await room.step(second) is Step.CONFIRM


class TestHalfWay:
    @pytest.mark.parametrize("fails", ["wrong_tries", "session_by_code", "bind", "begin_check_in"])
    async def test_entering_again(self, room: Class, fails: str) -> None:
        """Whatever call of the store fails, entering the same again does all of it."""
        session = await room.opens()
        room.store.fails = fails
        with pytest.raises(StoreUnavailable):
            await room.enters()
        assert await room.enters() is Answer.PLACE
        assert await room.step(session) is Step.PLACE

    @pytest.mark.parametrize("fails", ["mark", "move_check_in"])
    async def test_deciding_again(self, room: Class, fails: str) -> None:
        """Whatever call of the store fails, the teacher's second word does the rest, and the record has one mark."""
        session = await room.opens()
        await room.enters()
        await room.shares()
        room.store.fails = fails
        with pytest.raises(StoreUnavailable):
            await room.check_ins.decide(session, {"S001"}, accept=True)
        room.clock.seconds = 1
        await room.check_ins.decide(session, {"S001"}, accept=True)
        assert await room.step(session) is Step.DONE
        assert (await room.store.sheets(session.id))[0].version == 1
        assert {(student, mark.status) for student, mark in room.told} == {("S001", Status.PRESENT)}

    async def test_settled(self, room: Class) -> None:
        """A check-in that has its mark from a process that ended half way is done at the next start."""
        session = await room.opens()
        await room.enters()
        await room.shares()
        await room.store.mark(session.id, Mark("S001", Status.PRESENT, OPENED), overwrite=False)
        await room.check_ins.settle(session, await room.store.sheets(session.id))
        assert await room.step(session) is Step.DONE

    async def test_decided_once(self, room: Class) -> None:
        """Of accepting and rejecting the first counts, and a word on nobody who waits does nothing."""
        session = await room.opens()
        await room.enters()
        assert await room.check_ins.decide(session, {"S001", "S002"}, accept=True) == []
        await room.shares()
        decided = await room.check_ins.decide(session, {"S001"}, accept=False)
        assert [each.step for each in decided] == [Step.REJECTED]
        assert await room.check_ins.decide(session, {"S001"}, accept=True) == []
        assert await room.enters() is Answer.REJECTED
        assert (await room.shares()).answer is Answer.REJECTED
        assert await room.marks(session) == {}


class TestBinding:
    async def test_a_freed_id(self, room: Class) -> None:
        """A teacher frees an ID; the check-in that was begun with it goes to the account that has it now."""
        session = await room.opens()
        await room.enters()
        assert await room.enters("S001", CODE, 2002) is Answer.WRONG
        await room.store.unbind("S001", TEACHER, OPENED, "new phone")
        assert await room.enters("S001", CODE, 2002) is Answer.PLACE
        assert (await room.shares(person=STUDENT)).answer is Answer.NOTHING
        assert (await room.shares(person=2002)).answer is Answer.WAITING
        check_in: CheckIn | None = await room.store.check_in(session.id, "S001")
        assert check_in is not None
        assert check_in.telegram_id == 2002

    @pytest.mark.parametrize("shared", [False, True], ids=["before the place", "after it"])
    async def test_claimed_twice(self, room: Class, shared: bool) -> None:
        """A second account with an ID that is taken gets nothing, and the teacher looks at the first one's check-in."""
        session = await room.opens()
        await room.enters()
        if shared:
            assert (await room.shares()).answer is Answer.WAITING
        assert await room.enters("S001", CODE, 2002) is Answer.WRONG
        assert (await room.shares()).answer is Answer.REVIEW
        found = await room.store.check_in(session.id, "S001")
        assert found is not None
        assert (found.telegram_id, found.note) == (STUDENT, policy.CLAIMED_TWICE)
        await room.check_ins.decide(session, {"S001"}, accept=True)
        assert await room.enters("S001", CODE, 2002) is Answer.WRONG
        assert await room.step(session) is Step.DONE

    @pytest.mark.parametrize("shared", [False, True], ids=["before the place", "after it"])
    async def test_freed_in_the_middle(self, room: Class, shared: bool) -> None:
        """An account whose ID a teacher frees goes no further with it; who has it next proves the place anew."""
        session = await room.opens()
        await room.enters()
        if shared:
            await room.shares()
        assert await room.check_ins.set_free(session, "S001")
        assert not await room.check_ins.set_free(session, "S001")
        assert await room.check_ins.decide(session, {"S001"}, accept=True) == []
        assert (await room.shares()).answer is Answer.NOTHING
        assert await room.enters("S001", CODE, 2002) is Answer.PLACE
        assert await room.step(session) is Step.PLACE
        assert (await room.shares(person=2002)).answer is Answer.WAITING

    async def test_a_race_for_an_id(self, room: Class) -> None:
        """Of many accounts that take one ID at once, one gets it, and the others the answer of a wrong code."""
        await room.opens()
        answers = await asyncio.gather(*(room.enters("S001", CODE, 2000 + each) for each in range(8)))
        assert sorted(answer.value for answer in answers) == ["place", *["wrong"] * 7]

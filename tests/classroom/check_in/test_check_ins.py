"""Check-ins from code to mark with the real store: interruptions, repetitions, failures half way."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.answers import AnswerKind
from classroom.check_in.check_ins import Typed
from classroom.domain import code_attempts as codes
from classroom.domain import location_policy as policy
from classroom.domain.sessions import CheckIn, CheckInStep, Mark, Status
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.check_in.scenario import (
    CODE,
    OPENED,
    STUDENT,
    TEACHER,
    WRONG,
    CheckInScenario,
    FailingStore,
    SetClock,
)
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


@pytest.fixture
async def scenario(tmp_path: Path) -> AsyncIterator[CheckInScenario]:
    """A class without a session."""
    store, clock = FailingStore(tmp_path / "store.sqlite3", Cipher(KEY)), SetClock()
    await store.open()
    settings = Settings(  # type: ignore[call-arg]  # pydantic-settings' own keyword
        _env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN), face_engine="none"
    )
    side = cast("Side", None)  # people and messages are the bot's
    classroom = Classroom(settings, clock, store, cast("Any", None), side, side, cast("Any", None), lambda n: n - 1)
    yield CheckInScenario(classroom, store, clock)
    await store.close()


class TestTime:
    async def test_the_id_comes_after(self, scenario: CheckInScenario) -> None:
        """A code sent in time is valid for an ID that follows within the grace, and no longer."""
        session = await scenario.opens()
        typed_at = OPENED + timedelta(seconds=119)
        await scenario.store.end_session(session.id, OPENED + timedelta(seconds=120))
        scenario.clock.seconds = 200
        assert (
            await scenario.check_ins.enter(STUDENT, "S001", CODE, Typed(typed_at, typed_at))
        ).kind is AnswerKind.PLACE
        scenario.clock.seconds = 209
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        scenario.clock.seconds = 210
        assert (await scenario.check_ins.enter(2002, "S002", CODE, Typed(typed_at, typed_at))).kind is AnswerKind.WRONG

    async def test_too_late_for_the_place(self, scenario: CheckInScenario) -> None:
        """The place has to come within the grace; an hour later a location no longer belongs to that check-in."""
        await scenario.opens()
        scenario.clock.seconds = 100
        assert await scenario.enters() is AnswerKind.PLACE
        scenario.clock.seconds = 191
        assert (await scenario.shares()).kind is AnswerKind.OVER
        scenario.clock.seconds = 7200
        assert (await scenario.shares()).kind is AnswerKind.NOTHING

    async def test_questions_delayed(self, scenario: CheckInScenario) -> None:
        """Where both questions came late, each has its own time, and the student who answers them is present."""
        session = await scenario.opens()
        typed_at, asked = OPENED + timedelta(seconds=119), OPENED + timedelta(seconds=200)
        await scenario.store.end_session(session.id, OPENED + timedelta(seconds=120))
        scenario.clock.seconds = 205
        answer = await scenario.check_ins.enter(STUDENT, "S001", CODE, Typed(typed_at, asked))
        assert answer.kind is AnswerKind.PLACE
        scenario.clock.seconds = 300
        await scenario.delivered(answer, waited=95)
        scenario.clock.seconds = 310
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    async def test_asked_again(self, scenario: CheckInScenario) -> None:
        """A location from outside does not start the clock anew; the same code sent again does."""
        session = await scenario.opens()
        await scenario.enters()
        scenario.clock.seconds = 100
        assert (await scenario.shares(500)).kind is AnswerKind.OUTSIDE
        scenario.clock.seconds = 121
        assert (await scenario.shares()).kind is AnswerKind.OVER
        scenario.clock.seconds = 119
        await scenario.enters()
        scenario.clock.seconds = 209
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        assert await scenario.step(session) is CheckInStep.CONFIRM

    async def test_not_finished(self, scenario: CheckInScenario) -> None:
        """What was not finished in time expires once, also for a later location; a reopened session begins it anew."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.enters("S002", person=2002)
        await scenario.store.end_session(session.id, OPENED + timedelta(seconds=120))
        scenario.clock.seconds = 120
        await scenario.check_ins.expire(session, set())
        assert await scenario.step(session) is CheckInStep.PLACE
        scenario.clock.seconds = 121
        await scenario.check_ins.expire(session, {"S002"})
        assert await scenario.step(session, "S002") is CheckInStep.PLACE
        assert await scenario.step(session) is CheckInStep.EXPIRED
        assert (await scenario.shares()).kind is AnswerKind.OVER
        reopened = await scenario.store.reopen(session.id, "333333", OPENED + timedelta(seconds=300), OPENED)
        assert reopened is not None
        assert (await scenario.shares()).kind is AnswerKind.NOTHING  # the new code comes first
        assert await scenario.enters(code="333333") is AnswerKind.PLACE
        assert (await scenario.shares()).kind is AnswerKind.WAITING

    async def test_marked_by_hand_afterwards(self, scenario: CheckInScenario) -> None:
        """After a mark by hand a late location gets the mark, not the end of the check-in."""
        session = await scenario.opens()
        await scenario.enters()
        scenario.clock.seconds = 121
        await scenario.check_ins.expire(session, set())
        await scenario.check_ins.mark_by_hand(session, "S001", Status.PRESENT, "", 7)
        assert (await scenario.shares()).kind is AnswerKind.MARKED

    @pytest.mark.parametrize(("at", "status"), [(120, Status.PRESENT), (121, Status.LATE)])
    async def test_late(self, scenario: CheckInScenario, at: float, status: Status) -> None:
        """The time of the location decides the status, not the time of the confirmation."""
        session = await scenario.opens()
        scenario.clock.seconds = 60
        await scenario.enters()
        scenario.clock.seconds = at
        await scenario.shares()
        scenario.clock.seconds = 1000
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is status

    async def test_cancelled(self, scenario: CheckInScenario) -> None:
        """In a cancelled session codes, locations and decisions do nothing."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.store.end_session(session.id, OPENED, cancelled=True)
        found = await scenario.store.session(session.id)
        assert found is not None
        assert (await scenario.shares()).kind is AnswerKind.OVER
        assert await scenario.enters() is AnswerKind.WRONG
        assert await scenario.check_ins.decide(found, {"S001"}, accept=True) == []


class TestPlace:
    async def test_from_the_door_into_the_class(self, scenario: CheckInScenario) -> None:
        """After a location just outside, one inside removes the review; going back changes nothing."""
        session = await scenario.opens()
        await scenario.enters()
        assert (await scenario.shares(80)).kind is AnswerKind.REVIEW
        assert (await scenario.shares(90)).kind is AnswerKind.REVIEW
        found = await scenario.shares(10)
        assert (found.kind, found.is_new) == (AnswerKind.WAITING, False)
        assert await scenario.step(session) is CheckInStep.CONFIRM
        assert (await scenario.shares(80)).kind is AnswerKind.WAITING
        assert (await scenario.store.check_in(session.id, "S001")).distance == pytest.approx(10, abs=0.5)  # type: ignore[union-attr]

    async def test_after_the_end_the_door_stays(self, scenario: CheckInScenario) -> None:
        """A student just outside in time is not late by coming in after the end: the review stays."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.shares(80)
        scenario.clock.seconds = 121
        assert (await scenario.shares(0)).kind is AnswerKind.REVIEW
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    async def test_from_far_away_to_the_door(self, scenario: CheckInScenario) -> None:
        """A location far away does not count against a later one; the note is about the last one."""
        session = await scenario.opens()
        await scenario.enters()
        assert (await scenario.shares(500)).kind is AnswerKind.OUTSIDE
        assert (await scenario.shares(80)).kind is AnswerKind.REVIEW
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert found.note == policy.JUST_OUTSIDE

    async def test_two_sessions(self, scenario: CheckInScenario) -> None:
        """With two open check-ins, a location belongs to the one whose code was entered last."""
        first = await scenario.opens()
        second = await scenario.opens(2, code="222222")
        await scenario.enters()
        scenario.clock.seconds = 1
        await scenario.enters(code="222222")
        scenario.clock.seconds = 2
        assert await scenario.enters() is AnswerKind.PLACE
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        assert (await scenario.step(first), await scenario.step(second)) == (CheckInStep.CONFIRM, CheckInStep.PLACE)


class TestByHand:
    async def test_before_the_decision(self, scenario: CheckInScenario) -> None:
        """A mark by hand is not changed by accepting the check-in, and the student gets the stored mark."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.shares()
        assert await scenario.check_ins.mark_by_hand(session, "S001", Status.ABSENT, "left", TEACHER)
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.ABSENT
        assert {mark.status for _student, mark in scenario.notified} == {Status.ABSENT}

    async def test_before_the_place(self, scenario: CheckInScenario) -> None:
        """After a mark by hand, a code or a location is answered with it, and the teacher is not asked again."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.check_ins.mark_by_hand(session, "S001", Status.LATE, "", TEACHER)
        by_place = await scenario.shares()
        by_code = await scenario.check_ins.enter(STUDENT, None, CODE)
        for answer in (by_place, by_code):
            assert answer.kind is AnswerKind.MARKED
            assert answer.mark is not None
            assert answer.mark.status is Status.LATE
        assert await scenario.step(session) is CheckInStep.PLACE


class TestGuessing:
    async def test_one_account(self, scenario: CheckInScenario) -> None:
        """Five wrong codes on any IDs lock an account for 15 minutes."""
        await scenario.opens()
        for tries in range(5):
            assert await scenario.enters(f"S00{1 + tries % 3}", WRONG) is AnswerKind.WRONG
        assert await scenario.enters() is AnswerKind.LOCKED
        scenario.clock.seconds = 15 * 60 + 1
        await scenario.opens(2, code="222222")
        assert await scenario.enters(code="222222") is AnswerKind.PLACE

    async def test_deleting_keeps_the_tries(self, scenario: CheckInScenario) -> None:
        """Deleting the data of an account keeps its wrong tries."""
        await scenario.opens()
        for _ in range(5):
            await scenario.enters(code=WRONG)
        await scenario.store.forget_student(STUDENT)
        assert await scenario.enters() is AnswerKind.LOCKED

    async def test_many_accounts(self, scenario: CheckInScenario) -> None:
        """After forty wrong codes by many accounts on many IDs, later check-ins are reviewed, earlier ones are not."""
        session = await scenario.opens(students=30)
        scenario.clock.seconds = 1
        assert await scenario.enters() is AnswerKind.PLACE
        for account in range(8):
            for each in range(5):
                assert (
                    await scenario.enters(f"S{2 + (account * 5 + each) % 29:03}", WRONG, 3000 + account)
                    is AnswerKind.WRONG
                )
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        assert await scenario.enters("S030", CODE, 2030) is AnswerKind.PLACE
        assert (await scenario.shares(person=2030)).kind is AnswerKind.REVIEW
        assert await scenario.step(session, "S030") is CheckInStep.REVIEW

    async def test_mistyping_class(self, scenario: CheckInScenario) -> None:
        """A class in which everybody mistypes once or twice is not reviewed."""
        await scenario.opens(students=30)
        scenario.clock.seconds = 1
        for each in range(1, 31):
            await scenario.enters(f"S{each:03}", WRONG, 2000 + each)
            await scenario.enters(f"S{each:03}", "222222", 2000 + each)
            assert await scenario.enters(f"S{each:03}", CODE, 2000 + each) is AnswerKind.PLACE
            assert (await scenario.shares(person=2000 + each)).kind is AnswerKind.WAITING

    async def test_own_id(self, scenario: CheckInScenario) -> None:
        """Wrong codes of others on an ID count against a new account, not against the bound one."""
        await scenario.opens()
        assert await scenario.enters() is AnswerKind.PLACE
        for account in range(4):
            for _ in range(5):
                await scenario.enters("S001", WRONG, 3000 + account)
                await scenario.enters("S002", WRONG, 3000 + account)
        second = await scenario.opens(2, code="222222")
        assert await scenario.enters(None, "222222") is AnswerKind.PLACE
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        assert await scenario.step(second) is CheckInStep.CONFIRM


class TestHalfWay:
    @pytest.mark.parametrize("fails", ["wrong_tries", "session_by_code", "bind", "begin_check_in"])
    async def test_entering_again(self, scenario: CheckInScenario, fails: str) -> None:
        """After a failure of any store call, entering the same again succeeds."""
        session = await scenario.opens()
        scenario.store.fails = fails
        with pytest.raises(StoreUnavailable):
            await scenario.enters()
        assert await scenario.enters() is AnswerKind.PLACE
        assert await scenario.step(session) is CheckInStep.PLACE

    @pytest.mark.parametrize("fails", ["mark", "move_check_in"])
    async def test_deciding_again(self, scenario: CheckInScenario, fails: str) -> None:
        """After a failure of any store call, deciding again completes it, with one mark."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.shares()
        scenario.store.fails = fails
        with pytest.raises(StoreUnavailable):
            await scenario.check_ins.decide(session, {"S001"}, accept=True)
        scenario.clock.seconds = 1
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert await scenario.step(session) is CheckInStep.DONE
        assert (await scenario.store.sheets(session.id))[0].version == 1
        assert {(student, mark.status) for student, mark in scenario.notified} == {("S001", Status.PRESENT)}

    async def test_settled(self, scenario: CheckInScenario) -> None:
        """A check-in that got its mark before a crash is DONE after the next start."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.shares()
        await scenario.store.mark(session.id, Mark("S001", Status.PRESENT, OPENED), overwrite=False)
        await scenario.check_ins.settle(session, await scenario.store.sheets(session.id))
        assert await scenario.step(session) is CheckInStep.DONE

    async def test_decided_once(self, scenario: CheckInScenario) -> None:
        """The first decision counts, and a decision on a check-in that does not wait does nothing."""
        session = await scenario.opens()
        await scenario.enters()
        assert await scenario.check_ins.decide(session, {"S001", "S002"}, accept=True) == []
        await scenario.shares()
        decided = await scenario.check_ins.decide(session, {"S001"}, accept=False)
        assert [each.step for each in decided] == [CheckInStep.REJECTED]
        assert await scenario.check_ins.decide(session, {"S001"}, accept=True) == []
        assert await scenario.enters() is AnswerKind.REJECTED
        assert (await scenario.shares()).kind is AnswerKind.REJECTED
        assert await scenario.marks(session) == {}


class TestBinding:
    async def test_a_freed_id(self, scenario: CheckInScenario) -> None:
        """After unbinding an ID, its check-in passes to the account that binds it next."""
        session = await scenario.opens()
        await scenario.enters()
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.WRONG
        await scenario.store.unbind("S001", TEACHER, OPENED, "new phone")
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.PLACE
        assert (await scenario.shares(person=STUDENT)).kind is AnswerKind.NOTHING
        assert (await scenario.shares(person=2002)).kind is AnswerKind.WAITING
        check_in: CheckIn | None = await scenario.store.check_in(session.id, "S001")
        assert check_in is not None
        assert check_in.telegram_id == 2002

    @pytest.mark.parametrize("shared", [False, True], ids=["before the place", "after it"])
    async def test_claimed_twice(self, scenario: CheckInScenario, shared: bool) -> None:
        """A second account with a bound ID is refused, and the teacher reviews the first one's check-in."""
        session = await scenario.opens()
        await scenario.enters()
        if shared:
            assert (await scenario.shares()).kind is AnswerKind.WAITING
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.WRONG
        assert (await scenario.shares()).kind is AnswerKind.REVIEW
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert (found.telegram_id, found.note) == (STUDENT, codes.CLAIMED_TWICE)
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.WRONG
        assert await scenario.step(session) is CheckInStep.DONE

    @pytest.mark.parametrize("shared", [False, True], ids=["before the place", "after it"])
    async def test_freed_in_the_middle(self, scenario: CheckInScenario, shared: bool) -> None:
        """An account whose ID was unbound can't continue; the next account shares the place again."""
        session = await scenario.opens()
        await scenario.enters()
        if shared:
            await scenario.shares()
        assert await scenario.check_ins.unbind(session, "S001")
        assert not await scenario.check_ins.unbind(session, "S001")
        assert await scenario.check_ins.decide(session, {"S001"}, accept=True) == []
        assert (await scenario.shares()).kind is AnswerKind.NOTHING
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.PLACE
        assert await scenario.step(session) is CheckInStep.PLACE
        assert (await scenario.shares(person=2002)).kind is AnswerKind.WAITING

    async def test_a_race_for_an_id(self, scenario: CheckInScenario) -> None:
        """Of many accounts that claim one ID simultaneously one succeeds; the others get the answer of a wrong code."""
        await scenario.opens()
        answers = await asyncio.gather(*(scenario.enters("S001", CODE, 2000 + each) for each in range(8)))
        assert sorted(answer.value for answer in answers) == ["place", *["wrong"] * 7]

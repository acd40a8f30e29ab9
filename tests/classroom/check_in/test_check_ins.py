"""Check-ins from code to mark with the real store: interruptions, repetitions, failures half way."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from classroom.check_in.answers import AnswerKind
from classroom.check_in.claims import MOST_RIVALS
from classroom.check_in.code_entry import Typed
from classroom.domain import code_attempts as codes
from classroom.domain import location_policy as policy
from classroom.domain.sessions import CheckIn, CheckInStep, Mark, Place, Rival, Status
from classroom.metrics import ClassroomMetrics
from classroom.store import StoreUnavailable
from core.metrics import Metrics
from tests.classroom.check_in.scenario import (
    CODE,
    OPENED,
    STUDENT,
    TEACHER,
    WRONG,
    CheckInScenario,
)
from tests.classroom.running import METRE

pytestmark = pytest.mark.integration


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
        typed = Typed(typed_at, typed_at)
        assert (await scenario.check_ins.enter(2002, "S002", CODE, typed)).kind is AnswerKind.EXPIRED

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

    async def test_ends_are_counted(self, scenario: CheckInScenario) -> None:
        """Each end of a check-in counts once in the metrics: confirmed, rejected, not finished, marked by hand."""
        metrics = Metrics()
        scenario.classroom.metrics = ClassroomMetrics(metrics)
        session = await scenario.opens(students=4)
        for number in (1, 2, 3):
            await scenario.enters(f"S00{number}", person=2000 + number)
        for number in (1, 2):
            await scenario.shares(person=2000 + number)
        for _twice in range(2):
            await scenario.check_ins.decide(session, {"S001"}, accept=True)
            await scenario.check_ins.decide(session, {"S002"}, accept=False)
            await scenario.check_ins.mark_by_hand(session, "S004", Status.LATE, "", 7)
            scenario.clock.seconds = 121
            await scenario.check_ins.expire(session, {"S001", "S004"})
        await scenario.check_ins.notify_again(session, (await scenario.marks(session))["S001"])
        ends = ("face", "confirmed", "by hand", "rejected", "expired")
        series = "attendance_check_ins_total"
        counted = [metrics.registry.get_sample_value(series, {"outcome": end}) for end in ends]
        assert counted == [0, 1, 1, 1, 1]

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
        assert await scenario.enters() is AnswerKind.EXPIRED
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

    async def test_coarse(self, scenario: CheckInScenario) -> None:
        """A coarse location is asked for again and shown to the teacher; a good one afterwards counts as the first."""
        session = await scenario.opens()
        await scenario.enters()
        for metres, accuracy in ((900, 1500.0), (10, 101.0)):
            told = await scenario.shares(metres, accuracy=accuracy)
            assert (told.kind, told.refusal) == (AnswerKind.REFUSED, policy.LocationRefusal.COARSE)
            assert told.check_in is not None
            assert told.check_in.accuracy == accuracy
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert (found.step, found.note) == (CheckInStep.PLACE, policy.IMPRECISE)
        assert (await scenario.shares(10, accuracy=100.0)).kind is AnswerKind.WAITING
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert found.note == ""

    @pytest.mark.parametrize("numbers", [(0.0, 0.0), (float("nan"), 76.95), (91.0, 0.0)])
    async def test_no_fix(self, scenario: CheckInScenario, numbers: tuple[float, float]) -> None:
        """A location at 0, 0 or with impossible numbers changes nothing."""
        session = await scenario.opens()
        await scenario.enters()
        before = await scenario.store.check_in(session.id, "S001")
        told = await scenario.shares(latitude=numbers[0], longitude=numbers[1])
        assert (told.kind, told.refusal) == (AnswerKind.REFUSED, policy.LocationRefusal.NOT_FOUND)
        assert await scenario.store.check_in(session.id, "S001") == before

    async def test_uncertain_place(self, scenario: CheckInScenario) -> None:
        """Where the teacher's place is uncertain nobody is refused: those outside wait for the teacher."""
        session = await scenario.opens()
        await scenario.store.set_place(session.id, Place(43.25, 76.95, 1500.0))
        for number, (metres, kind) in enumerate(((5000, AnswerKind.REVIEW), (10, AnswerKind.WAITING)), 1):
            await scenario.enters(f"S00{number}", person=2000 + number)
            assert (await scenario.shares(metres, person=2000 + number)).kind is kind
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert found.note == policy.UNCERTAIN
        assert (await scenario.shares(20, person=2001)).kind is AnswerKind.WAITING

    async def test_changed_place(self, scenario: CheckInScenario) -> None:
        """After a change of place, those kept out are evaluated anew; a mark and a confirmed place stay."""
        session = await scenario.opens(students=4)
        wrong = Place(43.25 + 900 * METRE, 76.95)
        await scenario.store.set_place(session.id, wrong)
        for number, metres in enumerate((0, 820, 900, 900), 1):
            await scenario.enters(f"S00{number}", person=2000 + number)
            await scenario.shares(metres, person=2000 + number)
        await scenario.check_ins.decide(session, {"S003"}, accept=True)
        moved = await scenario.store.set_place(session.id, Place(43.25, 76.95))
        assert moved is not None
        kept_out = await scenario.check_ins.place_changed(moved)
        assert [(each.student_id, each.note, each.distance) for each in kept_out] == [
            ("S001", "", None),
            ("S002", policy.JUST_OUTSIDE, None),
        ]
        assert (await scenario.shares(0, person=2001)).kind is AnswerKind.WAITING
        assert (await scenario.shares(820, person=2002)).kind is AnswerKind.OUTSIDE
        assert await scenario.step(session, "S002") is CheckInStep.PLACE
        assert list(await scenario.marks(session)) == ["S003"]
        assert await scenario.step(session, "S004") is CheckInStep.CONFIRM
        assert await scenario.check_ins.place_changed(moved) != []  # S002 again, measured from the new place

    async def test_changed_place_and_marked_by_hand(self, scenario: CheckInScenario) -> None:
        """Whom the teacher has marked by hand meanwhile is not asked again."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.shares(5000)
        await scenario.check_ins.mark_by_hand(session, "S001", Status.PRESENT, "seen", TEACHER)
        assert await scenario.check_ins.place_changed(session) == []

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
        """Accepting after marking absent by hand is the newer decision; the student gets each mark as it is stored."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.shares()
        assert await scenario.check_ins.mark_by_hand(session, "S001", Status.ABSENT, "left", TEACHER)
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT
        assert [mark.status for _student, mark in scenario.notified] == [Status.ABSENT, Status.PRESENT]

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
        """Five wrong codes on any IDs lock an account until the session ends."""
        session = await scenario.opens()
        for tries in range(5):
            assert await scenario.enters(f"S00{1 + tries % 3}", WRONG) is AnswerKind.WRONG
        locked = await scenario.check_ins.enter(STUDENT, "S001", CODE)
        assert (locked.kind, locked.until) == (AnswerKind.LOCKED, session.closes_at)
        scenario.clock.seconds = 119
        assert await scenario.enters() is AnswerKind.LOCKED
        scenario.clock.seconds = 121
        await scenario.opens(2, code="222222")
        assert await scenario.enters(code="222222") is AnswerKind.PLACE

    async def test_opened_again(self, scenario: CheckInScenario) -> None:
        """Who is locked in a session that is closed and opened again can enter its new code at once."""
        session = await scenario.opens()
        for _ in range(5):
            await scenario.enters(code=WRONG)
        assert await scenario.enters() is AnswerKind.LOCKED
        scenario.clock.seconds = 30
        await scenario.store.end_session(session.id, scenario.clock.now())
        scenario.clock.seconds = 40
        closes_at = scenario.clock.now() + timedelta(seconds=120)
        await scenario.store.reopen(session.id, "222222", closes_at, scenario.clock.now())
        scenario.clock.seconds = 41
        for _ in range(4):
            assert await scenario.enters(code=WRONG) is AnswerKind.WRONG
        assert await scenario.enters(code="222222") is AnswerKind.PLACE
        await scenario.enters(code=WRONG)
        locked = await scenario.check_ins.enter(STUDENT, "S001", "222222")
        assert (locked.kind, locked.until) == (AnswerKind.LOCKED, closes_at)

    @pytest.mark.parametrize(("code", "free_at"), [(CODE, 120), (WRONG, 900)], ids=["right", "wrong"])
    async def test_stranger(self, scenario: CheckInScenario, code: str, free_at: int) -> None:
        """IDs of no roster lock an account for 15 minutes, or until the end of the session whose code was right.

        While that session is open nothing depends on whether the code was right: guessing must not pay.
        """
        await scenario.opens()
        for _ in range(5):
            assert await scenario.enters("X", code) is AnswerKind.WRONG
        for seconds in (0, 119):
            scenario.clock.seconds = seconds
            locked = await scenario.check_ins.enter(STUDENT, "X", code)
            assert (locked.kind, locked.until) == (AnswerKind.LOCKED, OPENED + timedelta(seconds=900))
        for seconds, answer in ((free_at - 1, AnswerKind.LOCKED), (free_at, AnswerKind.WRONG)):
            scenario.clock.seconds = seconds
            assert await scenario.enters("X", WRONG) is answer

    @pytest.mark.parametrize("code", [CODE, WRONG])
    async def test_mistyped(self, scenario: CheckInScenario, code: str) -> None:
        """Who mistypes the ID five times is locked until this session ends, whatever the codes, and not in the next.

        What is told does not show which IDs have a lesson now: while locked, any number of them could be tried.
        """
        await scenario.opens()
        for tries in range(5):
            await scenario.enters(f"X{tries}", code)
        for student_id in ("S001", "X"):
            locked = await scenario.check_ins.enter(STUDENT, student_id, CODE)
            assert (locked.kind, locked.until) == (AnswerKind.LOCKED, OPENED + timedelta(seconds=900))
        scenario.clock.seconds = 121
        await scenario.opens(2, code="222222")
        assert await scenario.enters(code="222222") is AnswerKind.PLACE

    async def test_mistyped_own_id(self, scenario: CheckInScenario) -> None:
        """A bound account is locked until the end of a session with its own ID; after a cancellation it is free."""
        await scenario.opens()
        await scenario.enters()
        scenario.clock.seconds = 121
        second = await scenario.opens(2, code="222222")
        for _ in range(5):
            await scenario.enters("X", WRONG)
        locked = await scenario.check_ins.enter(STUDENT, "X", WRONG)
        assert (locked.kind, locked.until) == (AnswerKind.LOCKED, second.closes_at)
        scenario.clock.seconds = 130
        await scenario.store.end_session(second.id, scenario.clock.now(), cancelled=True)
        scenario.clock.seconds = 131
        assert await scenario.enters("X", WRONG) is AnswerKind.WRONG

    async def test_next_lesson(self, scenario: CheckInScenario) -> None:
        """A lock never reaches into the next lesson, also where the last one was closed early."""
        session = await scenario.opens()
        for _ in range(5):
            await scenario.enters(code=WRONG)
        scenario.clock.seconds = 30
        await scenario.store.end_session(session.id, scenario.clock.now())
        scenario.clock.seconds = 31
        assert await scenario.enters() is AnswerKind.EXPIRED
        await scenario.opens(2, code="222222")
        assert await scenario.enters(code="222222") is AnswerKind.PLACE

    async def test_opened_meanwhile(self, scenario: CheckInScenario) -> None:
        """Wrong codes sent before a lesson was opened don't lock anybody out of it."""
        for _ in range(6):
            await scenario.enters(code=WRONG)
        scenario.clock.seconds = 60
        await scenario.opens()
        assert await scenario.enters() is AnswerKind.PLACE

    async def test_deleting_keeps_the_tries(self, scenario: CheckInScenario) -> None:
        """Deleting the data of an account keeps its wrong tries."""
        await scenario.opens()
        for _ in range(5):
            await scenario.enters(code=WRONG)
        await scenario.store.forget_student(STUDENT)
        assert await scenario.enters() is AnswerKind.LOCKED

    async def test_many_accounts(self, scenario: CheckInScenario) -> None:
        """After many wrong codes of unbound accounts none is told whether its code is right; the teacher decides."""
        session = await scenario.opens(students=30)
        scenario.clock.seconds = 1
        assert await scenario.enters() is AnswerKind.PLACE
        answers = []
        for account in range(8):
            for each in range(5):
                wrong = f"S{2 + (account * 5 + each) % 29:03}"
                answers.append(await scenario.enters(wrong, WRONG, 3000 + account))
        assert answers == [AnswerKind.WRONG] * codes.TRIES_IN_SESSION + [AnswerKind.UNTOLD] * 16
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        for code in (CODE, WRONG):  # nothing shows which one is right
            person = 2030 if code == CODE else 2031
            for _ in range(5):
                assert await scenario.enters("S030" if code == CODE else "S029", code, person) is AnswerKind.UNTOLD
                assert (await scenario.shares(person=person)).kind is AnswerKind.NOTHING
                assert await scenario.store.binding_of(person) is None
            assert await scenario.enters("S030" if code == CODE else "S029", code, person) is AnswerKind.LOCKED
        assert await scenario.step(session, "S030") is CheckInStep.REVIEW
        assert await scenario.step(session, "S029") is None
        await scenario.check_ins.decide(session, {"S030"}, accept=True)
        assert set(await scenario.marks(session)) == {"S030"}
        binding = await scenario.store.binding_for("S030")
        assert binding is not None
        assert binding.telegram_id == 2030

    async def test_two_lessons_in_a_message(self, scenario: CheckInScenario) -> None:
        """A message with IDs of two lessons is a guess in both: the one does not hide guesses in the other.

        In one lesson it is one wrong code, however many IDs it has.
        """
        sessions = [await scenario.opens(students=30), await scenario.opens(2, code="222222", ids=["T001", "T002"])]
        scenario.clock.seconds = 1
        for account in range(6):
            for _ in range(4):
                ids = [(student_id, WRONG) for student_id in ("S002", "S003", "T001", "T002")]
                await scenario.check_ins.enter(3000 + account, "S001", WRONG, others=ids)
        counts = [await scenario.store.tries_in_session(each.id, each.opened_at, bound=False) for each in sessions]
        assert counts == [6 * 3] * 2  # after the third message an account has six wrong codes, and is locked

    async def test_strangers_and_the_bound(self, scenario: CheckInScenario) -> None:
        """Eight strangers with five wrong codes each slow down nobody who is bound to the ID before the session."""
        await scenario.opens(students=30)
        for each in range(1, 11):
            await scenario.enters(f"S{each:03}", CODE, 2000 + each)
        scenario.clock.seconds = 200
        second = await scenario.opens(2, code="222222", students=30)
        scenario.clock.seconds = 201
        for account in range(8):
            for each in range(5):
                await scenario.enters(f"S{1 + each:03}", WRONG, 3000 + account)
        for each in range(1, 11):
            assert await scenario.enters(None, "222222", 2000 + each) is AnswerKind.PLACE
            assert (await scenario.shares(person=2000 + each)).kind is AnswerKind.WAITING
            assert await scenario.step(second, f"S{each:03}") is CheckInStep.CONFIRM

    async def test_bound_accounts_that_guess(self, scenario: CheckInScenario) -> None:
        """Many wrong codes of bound accounts on their own IDs send the bound ones to the teacher, too."""
        await scenario.opens(students=30)
        for each in range(1, 11):
            await scenario.enters(f"S{each:03}", CODE, 2000 + each)
        scenario.clock.seconds = 200
        session = await scenario.opens(2, code="222222", students=30)
        scenario.clock.seconds = 201
        for each in range(1, 7):
            for _ in range(4):
                assert await scenario.enters(None, WRONG, 2000 + each) is AnswerKind.WRONG
        for code in ("222222", WRONG):
            assert await scenario.enters(None, code, 2007) is AnswerKind.UNTOLD
        assert await scenario.step(session, "S007") is CheckInStep.REVIEW
        assert (
            await scenario.enters("S020", "222222", 2020) is AnswerKind.PLACE
        )  # an unbound account of an honest class

    async def test_latecomers(self, scenario: CheckInScenario) -> None:
        """Forty students with a code that is over are told so; nobody is locked, and nobody is checked for it later."""
        session = await scenario.opens(students=50)
        scenario.clock.seconds = 121
        for each in range(1, 41):
            for _ in range(6):
                answer = await scenario.check_ins.enter(2000 + each, f"S{each:03}", CODE)
                assert (answer.kind, answer.session) == (AnswerKind.EXPIRED, session)
        assert await scenario.store.tries_of(2001, OPENED) == []
        await scenario.opens(2, code="222222", students=50)
        for each in range(1, 51):
            assert await scenario.enters(f"S{each:03}", "222222", 2000 + each) is AnswerKind.PLACE
            assert (await scenario.shares(person=2000 + each)).kind is AnswerKind.WAITING

    async def test_expired_for_others(self, scenario: CheckInScenario) -> None:
        """With an ID of no roster, or another's, an expired code is a wrong try, and after twelve hours, too."""
        await scenario.opens()
        assert await scenario.enters() is AnswerKind.PLACE
        scenario.clock.seconds = 121
        assert await scenario.enters("X", CODE) is AnswerKind.WRONG
        assert await scenario.enters("S002", CODE) is AnswerKind.WRONG
        assert await scenario.enters(None, CODE) is AnswerKind.EXPIRED
        scenario.clock.seconds = 120 + 12 * 3600 + 1
        assert await scenario.enters(None, CODE) is AnswerKind.WRONG

    async def test_logged_as_2003(self, scenario: CheckInScenario, caplog: pytest.LogCaptureFixture) -> None:
        """An expired code is logged with its own number."""
        await scenario.opens()
        scenario.clock.seconds = 121
        with caplog.at_level("INFO"):
            await scenario.enters()
        assert [line.message[:5] for line in caplog.records if "expired" in line.message] == ["2003 "]

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


class TestReopened:
    async def test_without_a_place(self, scenario: CheckInScenario) -> None:
        """After the final report the place is gone: in a reopened session the teacher decides on everybody."""
        session = await scenario.opens()
        await scenario.store.end_session(session.id, scenario.clock.now())
        await scenario.store.set_reported(session.id, scenario.clock.now(), final=True)
        closes_at = scenario.clock.now() + timedelta(seconds=500)
        assert await scenario.store.reopen(session.id, "222222", closes_at, scenario.clock.now()) is not None
        assert await scenario.enters(code="222222") is AnswerKind.PLACE
        assert (await scenario.shares(metres=5000)).kind is AnswerKind.REVIEW
        assert (await scenario.shares()).kind is AnswerKind.REVIEW
        (found,) = await scenario.store.check_ins(session.id)
        assert (found.note, found.distance) == (policy.NO_PLACE, None)
        await scenario.check_ins.decide(session, {"S001"}, accept=True, why=lambda each: each.note)
        mark = (await scenario.marks(session))["S001"]
        assert (mark.by, mark.reason, mark.came_at) == (TEACHER, policy.NO_PLACE, found.code_at)


class TestHalfWay:
    @pytest.mark.parametrize(
        "fails", ["tries_of", "session_by_code", "sheets_of", "tries_in_session", "bind", "begin_check_in"]
    )
    async def test_entering_again(self, scenario: CheckInScenario, fails: str) -> None:
        """After a failure of any store call, entering the same again succeeds."""
        session = await scenario.opens()
        scenario.store.fails = fails
        with pytest.raises(StoreUnavailable):
            await scenario.enters()
        assert await scenario.enters() is AnswerKind.PLACE
        assert await scenario.step(session) is CheckInStep.PLACE

    @pytest.mark.parametrize("status", [Status.ABSENT, Status.EXCUSED, Status.LATE])
    async def test_accepted_after_a_mark_by_hand(self, scenario: CheckInScenario, status: Status) -> None:
        """Accepting is the teacher's newest decision: absent by hand becomes present; rejecting leaves the mark."""
        session = await scenario.opens()
        for person, student_id in ((STUDENT, "S001"), (2002, "S002")):
            await scenario.enters(student_id, person=person)
            await scenario.shares(75, person=person)
            await scenario.check_ins.mark_by_hand(session, student_id, status, "not seen", TEACHER)
        (accepted,) = await scenario.check_ins.decide(session, {"S001"}, accept=True, why=lambda _: "confirmed")
        (rejected,) = await scenario.check_ins.decide(session, {"S002"}, accept=False)
        assert (accepted.step, rejected.step) == (CheckInStep.DONE, CheckInStep.REJECTED)
        marks = await scenario.marks(session)
        expected = (status, "not seen") if status.counts else (Status.PRESENT, "confirmed")
        assert (marks["S001"].status, marks["S001"].reason) == expected
        assert (marks["S002"].status, marks["S002"].reason) == (status, "not seen")
        assert scenario.notified[-1][1] == marks["S001"]

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


class TestReadings:
    async def test_first_that_fits(self, scenario: CheckInScenario) -> None:
        """Of several ways to read a message the one that fits a session counts, whatever its place."""
        await scenario.opens(ids=["230145", "S001"])
        answer = await scenario.check_ins.enter(STUDENT, CODE, "230145", others=[("230145", CODE)])
        assert answer.kind is AnswerKind.PLACE
        assert await scenario.store.tries_of(STUDENT, OPENED) == []

    async def test_one_try(self, scenario: CheckInScenario) -> None:
        """Readings of which none fits are one wrong try, for the ID that is on a roster."""
        await scenario.opens(ids=["230145", "S001"])
        scenario.clock.seconds = 1
        answer = await scenario.check_ins.enter(STUDENT, WRONG, "230145", others=[("230145", WRONG)])
        assert answer.kind is AnswerKind.WRONG
        assert [each.student_id for each in await scenario.store.tries_of(STUDENT, OPENED)] == ["230145"]

    async def test_words(self, scenario: CheckInScenario) -> None:
        """Words that are no ID are no try, whatever the code; a name that is an ID is one."""
        await scenario.opens(ids=["Ivanov"])
        scenario.clock.seconds = 1
        for code in (CODE, WRONG):
            answer = await scenario.check_ins.enter(STUDENT, "my code", code, others=[(None, code)])
            assert answer.kind is AnswerKind.NO_ID
        answer = await scenario.check_ins.enter(STUDENT, "ivanov", WRONG, others=[(None, WRONG)])
        assert answer.kind is AnswerKind.WRONG
        assert len(await scenario.store.tries_of(STUDENT, OPENED)) == 1


class TestBinding:
    async def test_a_freed_id(self, scenario: CheckInScenario) -> None:
        """After unbinding an ID, its check-in passes to the account that binds it next."""
        session = await scenario.opens()
        await scenario.enters()
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.REVIEW
        assert await scenario.check_ins.unbind(session, "S001")
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.PLACE
        assert (await scenario.shares(person=STUDENT)).kind is AnswerKind.NOTHING
        assert (await scenario.shares(person=2002)).kind is AnswerKind.WAITING
        check_in: CheckIn | None = await scenario.store.check_in(session.id, "S001")
        assert check_in is not None
        assert (check_in.telegram_id, check_in.rivals) == (2002, ())

    async def test_claimed_twice_and_no_place(self, scenario: CheckInScenario) -> None:
        """A location that is too late, of an ID that another account sent, too: the teacher can still accept."""
        session = await scenario.opens()
        await scenario.enters()
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.REVIEW
        scenario.clock.seconds = 191
        await scenario.check_ins.expire(session, set())
        assert await scenario.step(session) is CheckInStep.PLACE
        assert (await scenario.shares()).kind is AnswerKind.REVIEW
        decided = await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert decided[0].step is CheckInStep.DONE

    @pytest.mark.parametrize("shared", [False, True], ids=["before the place", "after it"])
    async def test_claimed_twice(self, scenario: CheckInScenario, shared: bool) -> None:
        """With a second account that sends a bound ID both go to the teacher, who accepts the first one here."""
        session = await scenario.opens()
        await scenario.enters()
        if shared:
            assert (await scenario.shares()).kind is AnswerKind.WAITING
        scenario.clock.seconds = 5
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.REVIEW
        assert (await scenario.shares()).kind is AnswerKind.REVIEW
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert (found.telegram_id, found.note) == (STUDENT, codes.CLAIMED_TWICE)
        assert found.rivals == (Rival(2002, OPENED + timedelta(seconds=5)),)
        decided = await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert [(each.telegram_id, each.step) for each in decided] == [
            (STUDENT, CheckInStep.DONE),
            (2002, CheckInStep.REJECTED),
        ]
        assert await scenario.step(session) is CheckInStep.DONE
        assert await owner_of(scenario, "S001") == STUDENT

    @pytest.mark.parametrize("step", ["code", "place", "marked"])
    async def test_the_owner_comes_second(self, scenario: CheckInScenario, step: str, tmp_path: Path) -> None:
        """Who claims an ID first does not lock its owner out: the teacher accepts the second account, on record."""
        session = await scenario.opens()
        await scenario.enters(person=3001)
        if step != "code":
            await scenario.shares(person=3001)
        if step == "marked":
            await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert await scenario.enters("S001", CODE, STUDENT) is AnswerKind.REVIEW
        decided = await scenario.check_ins.decide(session, {"S001"}, accept=True, owner=STUDENT)
        assert [(each.telegram_id, each.step) for each in decided] == [
            (STUDENT, CheckInStep.DONE),
            (3001, CheckInStep.REJECTED),
        ]
        assert await owner_of(scenario, "S001") == STUDENT
        assert set(await scenario.marks(session)) == {"S001"}
        assert await scenario.enters("S001", CODE, STUDENT) is AnswerKind.MARKED
        with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as database:
            undone = database.execute("SELECT student_id, telegram_id, by_teacher, reason FROM unbindings").fetchall()
        assert undone == [("S001", 3001, TEACHER, f"session {session.id}: claimed twice")]

    async def test_bound_in_an_earlier_lesson(self, scenario: CheckInScenario) -> None:
        """An ID bound earlier to an account that is not here goes to the teacher; if it comes, both wait together."""
        await scenario.opens()
        await scenario.enters(person=3001)
        scenario.clock.seconds = 200
        session = await scenario.opens(2, code="222222")
        assert await scenario.enters("S001", "222222") is AnswerKind.REVIEW
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert (found.telegram_id, found.step, found.rivals) == (STUDENT, CheckInStep.REVIEW, ())
        assert await scenario.enters("S001", "222222", 3001) is AnswerKind.PLACE
        assert (await scenario.shares(person=3001)).kind is AnswerKind.REVIEW
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert (found.telegram_id, [each.telegram_id for each in found.rivals]) == (3001, [STUDENT])
        assert await scenario.check_ins.decide(session, {"S001"}, accept=True, owner=4001) == []  # an invented one
        await scenario.check_ins.decide(session, {"S001"}, accept=True, owner=STUDENT)
        assert await owner_of(scenario, "S001") == STUDENT

    async def test_rejected_both(self, scenario: CheckInScenario) -> None:
        """A teacher may reject all accounts of an ID; each is told, and a mark stays."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.enters("S001", CODE, 2002)
        decided = await scenario.check_ins.decide(session, {"S001"}, accept=False)
        told = [(each.telegram_id, each.step) for each in decided]
        assert told == [(STUDENT, CheckInStep.REJECTED), (2002, CheckInStep.REJECTED)]
        assert await scenario.marks(session) == {}
        await scenario.enters("S002", CODE, 2003)
        await scenario.shares(person=2003)
        await scenario.check_ins.decide(session, {"S002"}, accept=True)
        await scenario.enters("S002", CODE, 2004)
        decided = await scenario.check_ins.decide(session, {"S002"}, accept=False)
        told = [(each.telegram_id, each.step) for each in decided]
        assert told == [(2003, CheckInStep.DONE), (2004, CheckInStep.REJECTED)]
        assert set(await scenario.marks(session)) == {"S002"}

    async def test_after_deletion(self, scenario: CheckInScenario) -> None:
        """An ID whose account deleted its data goes to the teacher, too; such an account gets no other ID."""
        session = await scenario.opens()
        await scenario.enters()
        await scenario.store.forget_student(STUDENT)
        assert await scenario.enters("S002") is AnswerKind.WRONG
        assert await scenario.enters() is AnswerKind.REVIEW
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert await owner_of(scenario, "S001") == STUDENT

    async def test_an_id_in_another_spelling(self, scenario: CheckInScenario) -> None:
        """An account bound to an ID goes on if the roster spells it otherwise now; the roster's spelling is marked."""
        session = await scenario.opens(ids=["25В 1"])  # a Cyrillic В
        assert await scenario.enters("25b1") is AnswerKind.PLACE
        assert (await scenario.shares()).kind is AnswerKind.WAITING
        await scenario.check_ins.decide(session, {"25В 1"}, accept=True)
        assert set(await scenario.marks(session)) == {"25В 1"}
        scenario.clock.seconds = 200
        await scenario.opens(2, code="222222", ids=["25B1"])
        assert await scenario.enters(None, "222222") is AnswerKind.PLACE
        assert (await scenario.shares()).kind is AnswerKind.WAITING

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

    async def test_a_rival_meanwhile(self, scenario: CheckInScenario) -> None:
        """An account that sends the ID while its owner's location is handled is not lost: the teacher decides."""
        session = await scenario.opens()
        await scenario.enters()
        shared, kind = await asyncio.gather(scenario.shares(), scenario.enters("S001", CODE, 2002))
        assert (shared.kind, kind) in [(each, AnswerKind.REVIEW) for each in (AnswerKind.WAITING, AnswerKind.REVIEW)]
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert (found.step, [each.telegram_id for each in found.rivals]) == (CheckInStep.REVIEW, [2002])

    async def test_a_rival_as_all_are_confirmed(self, scenario: CheckInScenario) -> None:
        """Whoever became unclear since the teacher's screen was drawn is not confirmed together with others."""
        session = await scenario.opens()
        for student_id, person in (("S001", STUDENT), ("S003", 2003)):
            await scenario.enters(student_id, CODE, person)
            await scenario.shares(person=person)
        assert await scenario.enters("S001", CODE, 2002) is AnswerKind.REVIEW
        decided = await scenario.check_ins.decide(session, {"S001", "S003"}, accept=True, together=True)
        assert [each.student_id for each in decided] == ["S003"]
        assert await scenario.step(session) is CheckInStep.REVIEW

    async def test_marked_by_hand_before(self, scenario: CheckInScenario) -> None:
        """Somebody whom the teacher has marked by hand, but whose ID another account has, is told of the mark."""
        await scenario.opens()
        await scenario.enters()
        scenario.clock.seconds = 200
        session = await scenario.opens(2, code="222222")
        assert await scenario.check_ins.mark_by_hand(session, "S001", Status.PRESENT, "seen", TEACHER)
        assert await scenario.enters("S001", "222222", 2002) is AnswerKind.MARKED
        assert await scenario.store.check_ins(session.id) == []

    async def test_a_race_for_an_id(self, scenario: CheckInScenario) -> None:
        """Of many accounts that claim one ID simultaneously one binds it; only three others wait for the teacher."""
        session = await scenario.opens()
        answers = await asyncio.gather(*(scenario.enters("S001", CODE, 2000 + each) for each in range(8)))
        assert sorted(answer.value for answer in answers) == [*["claimed"] * 4, "place", *["review"] * MOST_RIVALS]
        found = await scenario.store.check_in(session.id, "S001")
        assert found is not None
        assert len(found.rivals) == MOST_RIVALS
        assert found.telegram_id == await owner_of(scenario, "S001")


async def owner_of(scenario: CheckInScenario, student_id: str) -> int | None:
    """Return the account to which an ID is bound."""
    binding = await scenario.store.binding_for(student_id)
    return binding.telegram_id if binding is not None else None

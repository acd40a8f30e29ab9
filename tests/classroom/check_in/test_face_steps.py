"""Face checks with the real store: times, races, and results."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.answers import AnswerKind
from classroom.check_in.face_results import FaceResults
from classroom.check_in.face_steps import seconds_left
from classroom.domain import code_attempts as codes
from classroom.domain import face_policy as faces
from classroom.domain.face_policy import Examined, FaceVerdict, Motion, Note, NoteRefusal, Problem
from classroom.domain.face_records import Consent
from classroom.domain.sessions import CheckIn, CheckInStep, FaceCheck, Session, Status
from classroom.domain.video_notes import Unusable
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.check_in.scenario import OPENED, STUDENT, FaceScenario, FailingStore, SetClock
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


SECOND = timedelta(seconds=1)
GRACE = timedelta(seconds=90)
MATCH, OTHER = Examined(percent=90.0, distance=0.3), Examined(percent=20.0, distance=0.9)


@pytest.fixture
async def scenario(tmp_path: Path) -> AsyncIterator[FaceScenario]:
    """A class without a session."""
    store, clock = FailingStore(tmp_path / "store.sqlite3", Cipher(KEY)), SetClock()
    await store.open()
    settings = Settings(_env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN))  # type: ignore[call-arg]  # its own
    side = cast("Side", None)
    classroom = Classroom(settings, clock, store, cast("Any", None), side, side, cast("Any", None), lambda n: n - 1)
    yield FaceScenario(classroom, store, clock)
    await store.close()


@pytest.fixture
async def session(scenario: FaceScenario) -> Session:
    """A session with a check-in that has its challenge."""
    session = await scenario.comes()
    assert (await scenario.agrees(session)).kind is AnswerKind.CHALLENGE
    return session


class TestConsent:
    async def test_given(self, scenario: FaceScenario) -> None:
        """The consent gives a challenge of two motions, which a second tap does not change."""
        session = await scenario.comes()
        assert await scenario.face(session) == FaceCheck()
        scenario.clock.seconds = 5
        answer = await scenario.agrees(session)
        face = await scenario.face(session)
        assert (answer.kind, answer.is_new) == (AnswerKind.CHALLENGE, True)
        assert (len(set(face.motions)), face.given_at, face.challenges) == (2, scenario.clock.now(), 1)
        scenario.clock.seconds = 9
        assert not (await scenario.agrees(session)).is_new
        assert await scenario.face(session) == face

    @pytest.mark.parametrize(
        ("given", "wording", "answer"),
        [(True, 3, AnswerKind.CHALLENGE), (True, 1, AnswerKind.CONSENT), (False, 3, AnswerKind.CONSENT)],
    )
    async def test_from_before(self, scenario: FaceScenario, given: bool, wording: int, answer: AnswerKind) -> None:
        """A consent to the current text is kept; after another text, or a refusal, it is asked again."""
        await scenario.opens()
        await scenario.store.set_consent(Consent(STUDENT, given, OPENED, wording))
        await scenario.enters()
        assert (await scenario.shares()).kind is answer

    @pytest.mark.parametrize("with_class", [False, True])
    async def test_with_the_class(self, scenario: FaceScenario, with_class: bool) -> None:
        """The comparison with the class is consented to by its own button, and only where it is set up."""
        session = await scenario.comes()
        await scenario.steps.agree(STUDENT, session.id, with_class=True)
        consent = await scenario.store.consent(STUDENT)
        assert consent is not None
        assert (consent.given, consent.with_class) == (True, False)
        scenario.compares_class()
        await scenario.store.set_consent(Consent(STUDENT, False, OPENED))
        second = await scenario.comes_again()
        await scenario.steps.agree(STUDENT, second.id, with_class=with_class)
        consent = await scenario.store.consent(STUDENT)
        assert consent is not None
        assert (consent.wording, consent.with_class) == (faces.wording("local", compares_class=True), with_class)

    @pytest.mark.parametrize("batches", [1, 2])
    async def test_not_allowed(self, scenario: FaceScenario, batches: int) -> None:
        """Whose roster does not allow a face, of one batch of two, too, is never asked: the teacher confirms."""
        scenario.refused = {"S001"}
        session = await (scenario.opens() if batches == 1 else scenario.opens_two(3, 3))
        await scenario.enters()
        answer = await scenario.shares()
        found = await scenario.found(session)
        assert (answer.kind, answer.is_new) == (AnswerKind.WAITING, True)
        assert (found.step, found.note, found.face) == (CheckInStep.CONFIRM, faces.NO_FACE, None)
        assert (await scenario.agrees(session)).kind is AnswerKind.WAITING
        await scenario.enters("S002", person=2002)
        assert (await scenario.shares(person=2002)).kind is AnswerKind.CONSENT

    async def test_just_outside(self, scenario: FaceScenario) -> None:
        """Just outside the teacher decides; once inside, the face check begins."""
        session = await scenario.opens()
        await scenario.enters()
        assert (await scenario.shares(80)).kind is AnswerKind.REVIEW
        inside = await scenario.shares(10)
        assert (inside.kind, inside.is_new) == (AnswerKind.CONSENT, True)
        assert await scenario.step(session) is CheckInStep.FACE

    async def test_declined(self, scenario: FaceScenario) -> None:
        """After declining the teacher confirms, the location decides the status; a later consent changes nothing."""
        session = await scenario.comes()
        scenario.clock.seconds = 119
        assert (await scenario.steps.decline(STUDENT, session.id)).kind is AnswerKind.WAITING
        found = await scenario.found(session)
        assert (found.step, found.note) == (CheckInStep.CONFIRM, faces.NO_FACE)
        assert (await scenario.agrees(session)).kind is AnswerKind.WAITING
        scenario.clock.seconds = 500
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    async def test_doubted(self, scenario: FaceScenario) -> None:
        """A doubted code leads to a review by the teacher, without a face check."""
        await scenario.opens()
        for number in range(codes.TRIES_ON_ID):
            await scenario.store.add_wrong_try(5000 + number // 4, "S001", OPENED + SECOND)
        scenario.clock.seconds = 2
        await scenario.enters()
        assert (await scenario.shares()).kind is AnswerKind.REVIEW

    async def test_not_theirs(self, scenario: FaceScenario) -> None:
        """A tap without a check-in changes nothing, and stores no consent."""
        session = await scenario.comes()
        assert (await scenario.steps.agree(4000, session.id)).kind is AnswerKind.NOTHING
        assert (await scenario.steps.agree(STUDENT, "0" * 12)).kind is AnswerKind.NOTHING
        assert await scenario.store.consent(4000) is None


class TestTime:
    @pytest.mark.parametrize(
        ("sent", "answer"),
        [(-5, AnswerKind.CHECKING), (-6, AnswerKind.REFUSED), (60, AnswerKind.CHECKING), (61, AnswerKind.REFUSED)],
    )
    async def test_of_the_challenge(
        self, scenario: FaceScenario, session: Session, sent: int, answer: AnswerKind
    ) -> None:
        """A note counts until a minute after the challenge, by Telegram's clock."""
        assert (await scenario.sends(at=OPENED + sent * SECOND)).kind is answer

    async def test_looked_at_later(self, scenario: FaceScenario, session: Session) -> None:
        """A note sent in time is accepted, however late it is handled."""
        scenario.clock.seconds = 3000
        assert (await scenario.sends(at=OPENED + 50 * SECOND)).kind is AnswerKind.CHECKING

    async def test_of_the_check_in(self, scenario: FaceScenario) -> None:
        """A challenge has its whole minute from its delivery on; without a new one the check-in ends with the grace."""
        session = await scenario.comes()
        scenario.clock.seconds = 100
        answer = await scenario.steps.agree(STUDENT, session.id)
        assert answer.check_in is not None
        assert seconds_left(session, answer.check_in, scenario.clock.now(), GRACE) == 60
        scenario.clock.seconds = 130
        await scenario.delivered(answer, waited=30)
        found = await scenario.found(session)
        assert seconds_left(session, found, scenario.clock.now() + 20 * SECOND, GRACE) == 40
        scenario.clock.seconds = 191
        assert (await scenario.sends()).note_refusal is NoteRefusal.LATE
        scenario.clock.seconds = 221
        assert (await scenario.sends()).kind is AnswerKind.OVER

    async def test_a_delayed_challenge(self, scenario: FaceScenario) -> None:
        """A challenge that Telegram delivers minutes late can still be answered, and the student is present."""
        session = await scenario.comes()
        scenario.clock.seconds = 60
        answer = await scenario.steps.agree(STUDENT, session.id)
        scenario.clock.seconds = 240
        await scenario.delivered(answer, waited=180)
        scenario.clock.seconds = 300
        sent = await scenario.sends()
        assert sent.check_in is not None
        await scenario.results.apply_verdict(sent.check_in, MATCH, FaceVerdict.MATCH)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    async def test_the_check_took_long(self, scenario: FaceScenario, session: Session) -> None:
        """The time that a first video waited for its check is ours: after a second one the student is present."""
        scenario.clock.seconds = 50
        answer = await scenario.sends()
        assert answer.check_in is not None
        scenario.clock.seconds = 300
        change = await scenario.results.apply_verdict(answer.check_in, OTHER, FaceVerdict.RETRY)
        assert change is not None
        await scenario.store.set_asked(session.id, "S001", CheckInStep.FACE, scenario.clock.now(), 0)
        scenario.clock.seconds = 340
        again = await scenario.sends(101)
        assert again.check_in is not None
        await scenario.results.apply_verdict(again.check_in, MATCH, FaceVerdict.MATCH)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    async def test_never_delivered(self, scenario: FaceScenario) -> None:
        """A challenge of whose delivery nothing is known ends too: the check-in expires."""
        session = await scenario.comes()
        await scenario.steps.agree(STUDENT, session.id)
        await scenario.store.end_session(session.id, OPENED + 120 * SECOND)
        scenario.clock.seconds = 390
        await scenario.check_ins.expire(session, set())
        assert await scenario.step(session) is CheckInStep.FACE
        scenario.clock.seconds = 391
        await scenario.check_ins.expire(session, set())
        assert await scenario.step(session) is CheckInStep.EXPIRED
        assert (await scenario.sends()).kind is AnswerKind.OVER

    async def test_with_a_rival(self, scenario: FaceScenario) -> None:
        """Where another account has sent the ID, too, the teacher still decides after the end, without a video."""
        session = await scenario.comes()
        await scenario.steps.agree(STUDENT, session.id)
        assert await scenario.enters(person=2002) is AnswerKind.REVIEW
        scenario.clock.seconds = 391
        await scenario.check_ins.expire(session, set())
        assert (await scenario.sends()).kind is AnswerKind.REVIEW
        decided = await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert decided[0].step is CheckInStep.DONE

    async def test_of_a_retry(self, scenario: FaceScenario, session: Session) -> None:
        """A second try has its minute, even after the check-in's time."""
        scenario.clock.seconds = 59
        answer = await scenario.sends()
        assert answer.check_in is not None
        scenario.clock.seconds = 300
        await scenario.results.apply_verdict(answer.check_in, OTHER, FaceVerdict.RETRY)
        scenario.clock.seconds = 360
        assert (await scenario.sends(101)).kind is AnswerKind.CHECKING
        assert await scenario.step(session) is CheckInStep.CHECKING

    async def test_a_retry_that_ran_out(self, scenario: FaceScenario, session: Session) -> None:
        """A second try's expired challenge can be renewed for one more minute."""
        answer = await scenario.sends()
        assert answer.check_in is not None
        scenario.clock.seconds = 300
        await scenario.results.apply_verdict(answer.check_in, OTHER, FaceVerdict.RETRY)
        await scenario.store.set_asked(session.id, "S001", CheckInStep.FACE, scenario.clock.now(), 0)
        scenario.clock.seconds = 400
        assert (await scenario.delivered(await scenario.steps.another_challenge(STUDENT, session.id))).is_new
        scenario.clock.seconds = 521
        assert (await scenario.steps.another_challenge(STUDENT, session.id)).kind is AnswerKind.OVER
        scenario.clock.seconds = 7200
        assert (await scenario.sends(102)).kind is AnswerKind.NOTHING

    @pytest.mark.parametrize(("at", "status"), [(120, Status.PRESENT), (121, Status.LATE)])
    async def test_late(self, scenario: FaceScenario, at: int, status: Status) -> None:
        """The time of sending the note decides the status, not the time of the check."""
        session = await scenario.opens()
        scenario.clock.seconds = 80
        await scenario.enters()
        await scenario.shares()
        await scenario.agrees(session)
        scenario.clock.seconds = at
        answer = await scenario.sends()
        assert answer.check_in is not None
        scenario.clock.seconds = 600
        await scenario.results.apply_verdict(answer.check_in, MATCH, FaceVerdict.MATCH)
        assert (await scenario.marks(session))["S001"].status is status


class TestNotes:
    async def test_kept(self, scenario: FaceScenario, session: Session) -> None:
        """The store has the note's file id, message and time."""
        scenario.clock.seconds = 7
        answer = await scenario.sends(101)
        (kept,) = await scenario.store.checking()
        assert (answer.kind, answer.is_new) == (AnswerKind.CHECKING, True)
        assert kept.face is not None
        assert (kept.face.file, kept.face.message, kept.face.sent_at) == ("file 1", 101, OPENED + 7 * SECOND)

    async def test_once(self, scenario: FaceScenario, session: Session) -> None:
        """The same message is acknowledged again, and a second note meanwhile is not accepted."""
        await scenario.sends(101)
        again = await scenario.sends(101)
        other = await scenario.sends(102)
        assert (again.kind, again.is_new, other.kind, other.is_new) == (
            AnswerKind.CHECKING,
            True,
            AnswerKind.CHECKING,
            False,
        )

    @pytest.mark.parametrize("verdict", FaceVerdict)
    async def test_given_twice(self, scenario: FaceScenario, session: Session, verdict: FaceVerdict) -> None:
        """A second delivery of a message after its check, as after a crash, changes nothing."""
        answer = await scenario.sends(101)
        assert answer.check_in is not None
        await scenario.results.apply_verdict(answer.check_in, OTHER, verdict)
        before = await scenario.found(session)
        again = await scenario.sends(101)
        assert (again.is_known, again.is_new) == (True, False)
        assert await scenario.found(session) == before

    async def test_repeated(self, scenario: FaceScenario, session: Session) -> None:
        """A recording counts once: at the second try, and for a classmate, it is refused."""
        answer = await scenario.sends(101, unique="same")
        assert answer.check_in is not None
        await scenario.results.apply_verdict(answer.check_in, OTHER, FaceVerdict.RETRY)
        assert (await scenario.sends(102, unique="same")).note_refusal is NoteRefusal.REPEATED
        await scenario.enters("S002", person=2002)
        await scenario.shares(person=2002)
        await scenario.steps.agree(2002, session.id)
        note = Note("video note", scenario.clock.now(), "file", "same", 5)
        assert (await scenario.steps.note(2002, note, 103)).note_refusal is NoteRefusal.REPEATED

    async def test_store_fails(self, scenario: FaceScenario, session: Session) -> None:
        """If the store fails between claim and step, the same note succeeds the next time."""
        scenario.store.fails = "move_check_in"
        with pytest.raises(StoreUnavailable):
            await scenario.sends(101, unique="same")
        assert (await scenario.sends(101, unique="same")).is_new


class TestDecisions:
    @pytest.fixture
    async def checking(self, scenario: FaceScenario, session: Session) -> CheckIn:
        """A check-in whose note is in the queue."""
        scenario.clock.seconds = 10
        answer = await scenario.sends()
        assert answer.check_in is not None
        return answer.check_in

    @pytest.mark.parametrize(
        ("verdict", "step", "note"),
        [
            (FaceVerdict.MATCH, CheckInStep.DONE, ""),
            (FaceVerdict.GREY, CheckInStep.REVIEW, faces.FACE),
            (FaceVerdict.RETRY, CheckInStep.FACE, ""),
            (FaceVerdict.FAILED, CheckInStep.REVIEW, faces.FACE),
        ],
    )
    async def test_each(
        self,
        scenario: FaceScenario,
        session: Session,
        checking: CheckIn,
        verdict: FaceVerdict,
        step: CheckInStep,
        note: str,
    ) -> None:
        """Each verdict is applied once: a repetition changes nothing and notifies nobody."""
        assert await scenario.results.apply_verdict(checking, OTHER, verdict) is not None
        found = await scenario.found(session)
        assert (found.step, found.note) == (step, note)
        assert await scenario.results.apply_verdict(checking, MATCH, FaceVerdict.MATCH) is None
        assert await scenario.found(session) == found
        assert [student for student, _mark in scenario.notified] == (["S001"] if verdict is FaceVerdict.MATCH else [])

    @pytest.mark.parametrize("problem", list(Problem))
    async def test_the_challenge_failed(
        self, scenario: FaceScenario, session: Session, checking: CheckIn, problem: Problem
    ) -> None:
        """After the last try the teacher decides, and the store has why; the teacher's acceptance keeps the time."""
        await scenario.results.apply_verdict(checking, Examined(problem), FaceVerdict.FAILED)
        found = await scenario.found(session)
        assert (found.step, faces.problem_in(found.note)) == (CheckInStep.REVIEW, problem)
        assert faces.is_reviewed(found.note)
        assert await scenario.marks(session) == {}
        scenario.clock.seconds = 500
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    async def test_a_match_that_does_not_decide(
        self, scenario: FaceScenario, session: Session, checking: CheckIn
    ) -> None:
        """Where a match does not mark by itself it waits for the teacher, as clearly this student; nobody is marked."""
        results = FaceResults(scenario.classroom, scenario.check_ins, decides=False)
        await results.apply_verdict(checking, MATCH, FaceVerdict.MATCH)
        found = await scenario.found(session)
        assert (found.step, found.note, found.updated_at) == (CheckInStep.CONFIRM, faces.CLEAR, OPENED + 10 * SECOND)
        assert await scenario.marks(session) == {}
        scenario.clock.seconds = 500
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    async def test_retry(self, scenario: FaceScenario, session: Session, checking: CheckIn) -> None:
        """A retry has a new challenge from now, counts the try, and drops the old note."""
        scenario.clock.seconds = 33
        await scenario.results.apply_verdict(checking, Examined(Problem.NO_FACE), FaceVerdict.RETRY)
        face = await scenario.face(session)
        assert (face.failed, face.challenges, face.given_at, face.file) == (1, 2, OPENED + 33 * SECOND, "")
        assert {Motion(each) for each in face.motions} <= set(Motion)
        assert await scenario.store.checking() == []

    async def test_hand_mark_first(self, scenario: FaceScenario, session: Session, checking: CheckIn) -> None:
        """A mark by hand during the check is kept, whatever the result."""
        await scenario.check_ins.mark_by_hand(session, "S001", Status.EXCUSED, "ill", 7)
        assert await scenario.results.apply_verdict(checking, OTHER, FaceVerdict.FAILED) is None
        assert await scenario.step(session) is CheckInStep.DONE
        assert (await scenario.marks(session))["S001"].status is Status.EXCUSED

    async def test_cancelled(self, scenario: FaceScenario, session: Session, checking: CheckIn) -> None:
        """In a cancelled session nobody is marked, and nothing stays in the queue."""
        await scenario.store.end_session(session.id, OPENED, cancelled=True)
        assert await scenario.results.apply_verdict(checking, MATCH, FaceVerdict.MATCH) is None
        assert await scenario.marks(session) == {}
        assert await scenario.store.checking() == []

    async def test_store_fails(self, scenario: FaceScenario, session: Session, checking: CheckIn) -> None:
        """If the store fails between mark and step, applying the verdict again completes it, with one mark."""
        scenario.store.fails = "move_check_in"
        with pytest.raises(StoreUnavailable):
            await scenario.results.apply_verdict(checking, MATCH, FaceVerdict.MATCH)
        await scenario.results.apply_verdict(checking, MATCH, FaceVerdict.MATCH)
        assert await scenario.step(session) is CheckInStep.DONE
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    @pytest.mark.parametrize(
        ("why", "note"),
        [
            (Unusable.NO_PHOTO, faces.NO_PHOTO),
            (Unusable.PHOTO, faces.NO_PHOTO),
            (Unusable.TECHNICAL, faces.TECHNICAL),
        ],
    )
    async def test_not_checked(
        self, scenario: FaceScenario, session: Session, checking: CheckIn, why: Unusable, note: str
    ) -> None:
        """A note that can't be checked goes to the teacher, with the time of the note."""
        scenario.clock.seconds = 500
        assert await scenario.results.apply_unusable(checking, why) is not None
        found = await scenario.found(session)
        assert (found.step, found.note) == (CheckInStep.CONFIRM, note)
        await scenario.check_ins.decide(session, {"S001"}, accept=True)
        assert (await scenario.marks(session))["S001"].status is Status.PRESENT

    @pytest.mark.parametrize("why", [Unusable.NOTE, NoteRefusal.REPEATED])
    async def test_new_challenge(
        self, scenario: FaceScenario, session: Session, checking: CheckIn, why: Unusable | NoteRefusal
    ) -> None:
        """A lost or repeated note costs no try: there are three challenges, then the teacher decides."""
        for message in (101, 102):
            await scenario.results.apply_unusable(await scenario.found(session), why)
            face = await scenario.face(session)
            assert (face.failed, face.given_at) == (0, scenario.clock.now())
            assert (await scenario.sends(message)).is_new
        await scenario.results.apply_unusable(await scenario.found(session), why)
        assert await scenario.step(session) is CheckInStep.CONFIRM
        assert checking.step is CheckInStep.CHECKING

    async def test_freed(self, scenario: FaceScenario, session: Session, checking: CheckIn) -> None:
        """After failing and unbinding the ID, another account begins again with all tries."""
        await scenario.results.apply_verdict(checking, OTHER, FaceVerdict.FAILED)
        await scenario.store.unbind("S001", 7, scenario.clock.now(), "a new phone")
        assert await scenario.enters(person=2005) is AnswerKind.PLACE
        assert (await scenario.found(session)).face is None

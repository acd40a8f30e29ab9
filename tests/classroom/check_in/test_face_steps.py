"""The face's steps over the real store: times, races, and what a decision leaves."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.check_ins import Answer, Told
from classroom.check_in.face_steps import FaceSteps, seconds_left
from classroom.domain import face_policy as faces
from classroom.domain.face_policy import Examined, Motion, Note, NoteRefusal, Problem, Verdict
from classroom.domain.sessions import CheckIn, Consent, FaceCheck, Session, Status, Step
from classroom.domain.video_notes import Unusable
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.check_in.test_check_ins import OPENED, STUDENT, Class, FailingStore, SetClock
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


SECOND = timedelta(seconds=1)
GRACE = timedelta(seconds=90)
MATCH, OTHER = Examined(percent=90.0, distance=0.3), Examined(percent=20.0, distance=0.9)


class FaceClass(Class):
    """A session whose check-ins go on with the face."""

    def __init__(self, room: Classroom, store: FailingStore, clock: SetClock) -> None:
        super().__init__(room, store, clock)
        self.steps = FaceSteps(room, self.check_ins)
        self._notes = 0

    async def comes(self) -> Session:
        """Open a session, and enter code and place; consent is asked."""
        session = await self.opens()
        await self.enters()
        assert (await self.shares()).answer is Answer.CONSENT
        return session

    async def agrees(self, session: Session) -> Told:
        """Agree to the use of the face."""
        return await self.steps.agree(STUDENT, session.id)

    async def sends(self, message: int = 100, **changes: Any) -> Told:
        """Send a note, of this very moment and like no other."""
        self._notes += 1
        note = Note("video note", self.clock.now(), f"file {self._notes}", f"unique {self._notes}", 5, 400_000)
        return await self.steps.note(STUDENT, replace(note, **changes), message)

    async def found(self, session: Session) -> CheckIn:
        """Return the check-in."""
        check_in = await self.store.check_in(session.id, "S001")
        assert check_in is not None
        return check_in

    async def face(self, session: Session) -> FaceCheck:
        """Return the face's part of it."""
        face = (await self.found(session)).face
        assert face is not None
        return face


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[FaceClass]:
    """Give a class without a session."""
    store, clock = FailingStore(tmp_path / "store.sqlite3", Cipher(KEY)), SetClock()
    await store.open()
    settings = Settings(_env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN))  # type: ignore[call-arg]  # its own
    side = cast("Side", None)
    classroom = Classroom(settings, clock, store, cast("Any", None), side, side, cast("Any", None), lambda n: n - 1)
    yield FaceClass(classroom, store, clock)
    await store.close()


@pytest.fixture
async def session(room: FaceClass) -> Session:
    """Give a session with a check-in that has its challenge."""
    session = await room.comes()
    assert (await room.agrees(session)).answer is Answer.CHALLENGE
    return session


class TestConsent:
    async def test_given(self, room: FaceClass) -> None:
        """Before the consent there is no challenge; with it there is one of two motions, which a second tap keeps."""
        session = await room.comes()
        assert await room.face(session) == FaceCheck()
        room.clock.seconds = 5
        told = await room.agrees(session)
        face = await room.face(session)
        assert (told.answer, told.is_new) == (Answer.CHALLENGE, True)
        assert (len(set(face.motions)), face.given_at, face.challenges) == (2, room.clock.now(), 1)
        room.clock.seconds = 9
        assert not (await room.agrees(session)).is_new
        assert await room.face(session) == face

    @pytest.mark.parametrize(
        ("given", "wording", "answer"),
        [(True, 1, Answer.CHALLENGE), (True, 2, Answer.CONSENT), (False, 1, Answer.CONSENT)],
    )
    async def test_from_before(self, room: FaceClass, given: bool, wording: int, answer: Answer) -> None:
        """A consent to these very words stands; one to other words, or a refusal, is asked for anew."""
        await room.opens()
        await room.store.set_consent(Consent(STUDENT, given, OPENED, wording))
        await room.enters()
        assert (await room.shares()).answer is answer

    async def test_just_outside(self, room: FaceClass) -> None:
        """Who is just outside is the teacher's; a step inside, and the face is asked for."""
        session = await room.opens()
        await room.enters()
        assert (await room.shares(80)).answer is Answer.REVIEW
        inside = await room.shares(10)
        assert (inside.answer, inside.is_new) == (Answer.CONSENT, True)
        assert await room.step(session) is Step.FACE

    async def test_declined(self, room: FaceClass) -> None:
        """Who declines is the teacher's, is on time by the place, and can't be asked again in this session."""
        session = await room.comes()
        room.clock.seconds = 119
        assert (await room.steps.decline(STUDENT, session.id)).answer is Answer.WAITING
        found = await room.found(session)
        assert (found.step, found.note) == (Step.CONFIRM, faces.NO_FACE)
        assert (await room.agrees(session)).answer is Answer.WAITING
        room.clock.seconds = 500
        await room.check_ins.decide(session, {"S001"}, accept=True)
        assert (await room.marks(session))["S001"].status is Status.PRESENT

    async def test_doubted(self, room: FaceClass) -> None:
        """Where the code is doubted the teacher looks, as ever, and no face is asked for."""
        await room.opens()
        for number in range(40):
            await room.store.add_wrong_try(5000 + number // 4, "S002", OPENED + SECOND)
        room.clock.seconds = 2
        await room.enters()
        assert (await room.shares()).answer is Answer.REVIEW

    async def test_not_theirs(self, room: FaceClass) -> None:
        """A tap by somebody without a check-in there changes nothing, and keeps no consent."""
        session = await room.comes()
        assert (await room.steps.agree(4000, session.id)).answer is Answer.NOTHING
        assert (await room.steps.agree(STUDENT, "0" * 12)).answer is Answer.NOTHING
        assert await room.store.consent(4000) is None


class TestTime:
    @pytest.mark.parametrize(
        ("sent", "answer"), [(-5, Answer.CHECKING), (-6, Answer.REFUSED), (60, Answer.CHECKING), (61, Answer.REFUSED)]
    )
    async def test_of_the_challenge(self, room: FaceClass, session: Session, sent: int, answer: Answer) -> None:
        """A note counts from the challenge, less Telegram's clock, until a minute later, by when Telegram had it."""
        assert (await room.sends(at=OPENED + sent * SECOND)).answer is answer

    async def test_looked_at_later(self, room: FaceClass, session: Session) -> None:
        """A note that came in time is taken, however late we come to it."""
        room.clock.seconds = 3000
        assert (await room.sends(at=OPENED + 50 * SECOND)).answer is Answer.CHECKING

    async def test_of_the_check_in(self, room: FaceClass) -> None:
        """A first challenge that is given at the end of the time is no more time; what it leaves is said."""
        session = await room.comes()
        room.clock.seconds = 100
        told = await room.agrees(session)
        assert told.check_in is not None
        assert seconds_left(session, told.check_in, room.clock.now(), GRACE) == 20
        room.clock.seconds = 121
        assert (await room.sends()).answer is Answer.OVER

    async def test_of_a_retry(self, room: FaceClass, session: Session) -> None:
        """A second try has its minute, also where the check-in's time is over by then, and then it is over, too."""
        room.clock.seconds = 59
        told = await room.sends()
        assert told.check_in is not None
        room.clock.seconds = 300
        await room.steps.decided(told.check_in, OTHER, Verdict.RETRY)
        room.clock.seconds = 360
        assert (await room.sends(101)).answer is Answer.CHECKING
        assert await room.step(session) is Step.CHECKING

    async def test_a_retry_that_ran_out(self, room: FaceClass, session: Session) -> None:
        """A second try's challenge can be had anew for a minute more; after that it is over."""
        told = await room.sends()
        assert told.check_in is not None
        room.clock.seconds = 300
        await room.steps.decided(told.check_in, OTHER, Verdict.RETRY)
        room.clock.seconds = 400
        assert (await room.steps.another_challenge(STUDENT, session.id)).is_new
        room.clock.seconds = 521
        assert (await room.steps.another_challenge(STUDENT, session.id)).answer is Answer.OVER
        room.clock.seconds = 7200
        assert (await room.sends(102)).answer is Answer.NOTHING

    @pytest.mark.parametrize(("at", "status"), [(120, Status.PRESENT), (121, Status.LATE)])
    async def test_late(self, room: FaceClass, at: int, status: Status) -> None:
        """What counts is when the note was sent, not when it was looked at."""
        session = await room.opens()
        room.clock.seconds = 80
        await room.enters()
        await room.shares()
        await room.agrees(session)
        room.clock.seconds = at
        told = await room.sends()
        assert told.check_in is not None
        room.clock.seconds = 600
        await room.steps.decided(told.check_in, MATCH, Verdict.MATCH)
        assert (await room.marks(session))["S001"].status is status


class TestNotes:
    async def test_kept(self, room: FaceClass, session: Session) -> None:
        """Of a note the store has Telegram's name, the message and the time; the queue has it from there."""
        room.clock.seconds = 7
        told = await room.sends(101)
        (kept,) = await room.store.checking()
        assert (told.answer, told.is_new) == (Answer.CHECKING, True)
        assert kept.face is not None
        assert (kept.face.file, kept.face.message, kept.face.sent_at) == ("file 1", 101, OPENED + 7 * SECOND)

    async def test_once(self, room: FaceClass, session: Session) -> None:
        """The same message again is acknowledged again, and a second note meanwhile is not taken."""
        await room.sends(101)
        again = await room.sends(101)
        other = await room.sends(102)
        assert (again.answer, again.is_new, other.answer, other.is_new) == (
            Answer.CHECKING,
            True,
            Answer.CHECKING,
            False,
        )

    @pytest.mark.parametrize("verdict", Verdict)
    async def test_given_twice(self, room: FaceClass, session: Session, verdict: Verdict) -> None:
        """Telegram's second word of a message whose check is over, as after a crash, changes and says nothing."""
        told = await room.sends(101)
        assert told.check_in is not None
        await room.steps.decided(told.check_in, OTHER, verdict)
        before = await room.found(session)
        again = await room.sends(101)
        assert (again.is_known, again.is_new) == (True, False)
        assert await room.found(session) == before

    async def test_repeated(self, room: FaceClass, session: Session) -> None:
        """A recording counts for one challenge: at the second try, and for a classmate, it is refused."""
        told = await room.sends(101, unique="same")
        assert told.check_in is not None
        await room.steps.decided(told.check_in, OTHER, Verdict.RETRY)
        assert (await room.sends(102, unique="same")).note_refusal is NoteRefusal.REPEATED
        await room.enters("S002", person=2002)
        await room.shares(person=2002)
        await room.steps.agree(2002, session.id)
        note = Note("video note", room.clock.now(), "file", "same", 5)
        assert (await room.steps.note(2002, note, 103)).note_refusal is NoteRefusal.REPEATED

    async def test_store_fails(self, room: FaceClass, session: Session) -> None:
        """Where the store fails between claim and step, the same note once more does all of it."""
        room.store.fails = "move_check_in"
        with pytest.raises(StoreUnavailable):
            await room.sends(101, unique="same")
        assert (await room.sends(101, unique="same")).is_new


class TestDecisions:
    @pytest.fixture
    async def checking(self, room: FaceClass, session: Session) -> CheckIn:
        """Give a check-in whose note is in the queue."""
        room.clock.seconds = 10
        told = await room.sends()
        assert told.check_in is not None
        return told.check_in

    @pytest.mark.parametrize(
        ("verdict", "step", "note"),
        [
            (Verdict.MATCH, Step.DONE, ""),
            (Verdict.GREY, Step.REVIEW, faces.FACE),
            (Verdict.RETRY, Step.FACE, ""),
            (Verdict.FAILED, Step.REJECTED, faces.FACE),
        ],
    )
    async def test_each(
        self, room: FaceClass, session: Session, checking: CheckIn, verdict: Verdict, step: Step, note: str
    ) -> None:
        """Each verdict has its step, once: heard again it changes nothing and is told to nobody."""
        assert await room.steps.decided(checking, OTHER, verdict) is not None
        found = await room.found(session)
        assert (found.step, found.note) == (step, note)
        assert await room.steps.decided(checking, MATCH, Verdict.MATCH) is None
        assert await room.found(session) == found
        assert [student for student, _mark in room.told] == (["S001"] if verdict is Verdict.MATCH else [])

    async def test_retry(self, room: FaceClass, session: Session, checking: CheckIn) -> None:
        """A retry has a new challenge from now on, the try is counted, and the old note can't be taken for the new."""
        room.clock.seconds = 33
        await room.steps.decided(checking, Examined(Problem.NO_FACE), Verdict.RETRY)
        face = await room.face(session)
        assert (face.failed, face.challenges, face.given_at, face.file) == (1, 2, OPENED + 33 * SECOND, "")
        assert {Motion(each) for each in face.motions} <= set(Motion)
        assert await room.store.checking() == []

    async def test_hand_mark_first(self, room: FaceClass, session: Session, checking: CheckIn) -> None:
        """A hand mark during the check stands, whatever the check finds."""
        await room.check_ins.mark_by_hand(session, "S001", Status.EXCUSED, "ill", 7)
        assert await room.steps.decided(checking, OTHER, Verdict.FAILED) is None
        assert await room.step(session) is Step.DONE
        assert (await room.marks(session))["S001"].status is Status.EXCUSED

    async def test_cancelled(self, room: FaceClass, session: Session, checking: CheckIn) -> None:
        """In a session that was cancelled meanwhile nobody is marked, and nothing stays in the queue."""
        await room.store.end_session(session.id, OPENED, cancelled=True)
        assert await room.steps.decided(checking, MATCH, Verdict.MATCH) is None
        assert await room.marks(session) == {}
        assert await room.store.checking() == []

    async def test_store_fails(self, room: FaceClass, session: Session, checking: CheckIn) -> None:
        """Where the store fails between mark and step, the decision once more ends it, with one mark."""
        room.store.fails = "move_check_in"
        with pytest.raises(StoreUnavailable):
            await room.steps.decided(checking, MATCH, Verdict.MATCH)
        await room.steps.decided(checking, MATCH, Verdict.MATCH)
        assert await room.step(session) is Step.DONE
        assert (await room.marks(session))["S001"].status is Status.PRESENT

    @pytest.mark.parametrize(
        ("why", "note"),
        [
            (Unusable.NO_PHOTO, faces.NO_PHOTO),
            (Unusable.PHOTO, faces.NO_PHOTO),
            (Unusable.TECHNICAL, faces.TECHNICAL),
        ],
    )
    async def test_not_judged(
        self, room: FaceClass, session: Session, checking: CheckIn, why: Unusable, note: str
    ) -> None:
        """What can't be judged for no fault of the student's is the teacher's, with the time of the note."""
        room.clock.seconds = 500
        assert await room.steps.unusable(checking, why) is not None
        found = await room.found(session)
        assert (found.step, found.note) == (Step.CONFIRM, note)
        await room.check_ins.decide(session, {"S001"}, accept=True)
        assert (await room.marks(session))["S001"].status is Status.PRESENT

    @pytest.mark.parametrize("why", [Unusable.NOTE, NoteRefusal.REPEATED])
    async def test_anew(
        self, room: FaceClass, session: Session, checking: CheckIn, why: Unusable | NoteRefusal
    ) -> None:
        """A note that is gone, or was used before, costs no try: a new challenge, three in all, then the teacher."""
        for message in (101, 102):
            await room.steps.unusable(await room.found(session), why)
            face = await room.face(session)
            assert (face.failed, face.given_at) == (0, room.clock.now())
            assert (await room.sends(message)).is_new
        await room.steps.unusable(await room.found(session), why)
        assert await room.step(session) is Step.CONFIRM
        assert checking.step is Step.CHECKING

    async def test_freed(self, room: FaceClass, session: Session, checking: CheckIn) -> None:
        """Who failed, and whose ID the teacher sets free, begins anew from another account, with all tries."""
        await room.steps.decided(checking, OTHER, Verdict.FAILED)
        await room.store.unbind("S001", 7, room.clock.now(), "a new phone")
        assert await room.enters(person=2005) is Answer.PLACE
        assert (await room.found(session)).face is None

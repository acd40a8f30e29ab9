"""The answers to a student's steps of a check-in: a code, a location, a video note."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from classroom.domain.face_policy import NoteRefusal
from classroom.domain.location_policy import LocationRefusal
from classroom.domain.sessions import CheckIn, CheckInStep, Mark, Session


class AnswerKind(Enum):
    """What the student is told after a step."""

    NO_ID = "no id"  # nothing in the message is the ID of a running session: send it
    EXPIRED = "expired"  # the code was right, and is over
    UNTOLD = "untold"  # after many wrong codes: whether the code is right is not told
    WRONG = "wrong"  # ID and code don't match; which of them is wrong stays secret
    LOCKED = "locked"  # too many wrong codes from this account
    PLACE = "place"  # the code is right: send the location
    CONSENT = "consent"  # the place is right: agree to the face check
    CHALLENGE = "challenge"  # send the video note
    CHECKING = "checking"  # the video note is being checked
    WAITING = "waiting"  # the teacher has to confirm
    CLAIMED = "claimed"  # more accounts than the teacher sees sent the ID: this one is not accepted
    REVIEW = "review"  # the teacher has to confirm, looking at this student alone
    MARKED = "marked"  # marked already
    REJECTED = "rejected"  # not accepted
    OUTSIDE = "outside"  # too far from the teacher's place
    REFUSED = "refused"  # the location, or the video note, does not count
    OVER = "over"  # not finished in time, or the session is cancelled
    NOTHING = "nothing"  # no check-in waits for this


@dataclass(frozen=True)
class Answer:
    """An answer, with the data for its text."""

    kind: AnswerKind
    session: Session | None = None
    check_in: CheckIn | None = None
    refusal: LocationRefusal | None = None
    note_refusal: NoteRefusal | None = None
    mark: Mark | None = None  # the stored mark
    until: datetime | None = None  # of a lock
    is_new: bool = False  # this message has moved the check-in on
    is_known: bool = False  # this video was received before: its answer is sent or on its way


_KINDS = {
    CheckInStep.PLACE: AnswerKind.PLACE,
    CheckInStep.FACE: AnswerKind.CHALLENGE,
    CheckInStep.CHECKING: AnswerKind.CHECKING,
    CheckInStep.CONFIRM: AnswerKind.WAITING,
    CheckInStep.REVIEW: AnswerKind.REVIEW,
    CheckInStep.REJECTED: AnswerKind.REJECTED,
    CheckInStep.EXPIRED: AnswerKind.OVER,
    CheckInStep.DONE: AnswerKind.MARKED,
}


def kind_for(check_in: CheckIn) -> AnswerKind:
    if check_in.step is CheckInStep.FACE and (check_in.face is None or check_in.face.given_at is None):
        return AnswerKind.CONSENT
    return _KINDS[check_in.step]


def too_late(session: Session, check_in: CheckIn, *, recent: bool) -> Answer:
    """Return the answer to what comes after its step's deadline; with rivals the teacher may still accept."""
    kind = AnswerKind.REVIEW if check_in.rivals else AnswerKind.OVER
    return Answer(kind if recent else AnswerKind.NOTHING, session, check_in)

"""What a class session is: its people, its code, its windows and statuses. Pure: no I/O, nothing of ours imported.

A *session* is one lesson for which attendance is taken. A *sheet* is the record of one batch in it: the roster as it
was when the session was opened, and each student's mark. One sheet is one record in the LMS, with the key
(campus, batch, subject, date).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

CODE_DIGITS = 6
REPORT_AFTER = timedelta(seconds=15)  # from a session's end to its first report
OVERLAP = timedelta(seconds=10)  # for which a rotating code is good after its successor: it was just being typed


class Status(StrEnum):
    """What a student was at a lesson."""

    PRESENT = "present"
    LATE = "late"
    EXCUSED = "excused"
    ABSENT = "absent"

    @property
    def counts(self) -> bool:
        """Whether an LMS that knows only 1 and 0 hears 1."""
        return self in (Status.PRESENT, Status.LATE)


class SessionState(StrEnum):
    """How far a session is. GRACE: the code is over, who entered it in time may still finish."""

    OPEN = "open"
    GRACE = "grace"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """How far a student's check-in is."""

    PLACE = "place"  # the code was right; the location is waited for
    FACE = "face"  # code and place are proven; the video note is waited for
    CHECKING = "checking"  # the video note is in the queue
    REVIEW = "review"  # just outside, or too many tries on this ID: the teacher decides on this one
    CONFIRM = "confirm"  # code and place are proven; the teacher confirms where no face engine does
    REJECTED = "rejected"  # the teacher said no
    DONE = "done"  # our record has the mark


@dataclass(frozen=True)
class Place:
    """A point on the earth (degrees, WGS 84) and how exact it is (metres; None: not said)."""

    latitude: float
    longitude: float
    accuracy: float | None = None


@dataclass(frozen=True)
class Course:
    """What a teacher can take attendance of: one batch in one subject."""

    batch: str
    subject: str


@dataclass(frozen=True)
class Enrolled:
    """One student on a batch's roster."""

    student_id: str
    name: str
    batch: str
    email: str = ""


@dataclass(frozen=True)
class Session:
    """One lesson for which attendance is taken. Times are UTC; ``date`` is the local day it belongs to, for good."""

    id: str  # 12 hexadecimal digits: short enough for a button's data
    teacher: int  # Telegram ID
    campus: str
    subject: str
    batches: tuple[str, ...]  # sorted
    date: str  # YYYY-MM-DD
    place: Place
    opened_at: datetime
    closes_at: datetime  # until when the code may be entered
    rotate_seconds: int  # 0: one code for the whole session
    ended_at: datetime | None = None  # closed (by time or by hand) or cancelled
    cancelled: bool = False
    reported_at: datetime | None = None  # the first report went out
    final_at: datetime | None = None  # the final one did


@dataclass(frozen=True)
class Mark:
    """A student's status in a session's sheet: by whom (0: by checking in, else the teacher's Telegram ID) and why."""

    student_id: str
    status: Status
    at: datetime
    by: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Sheet:
    """One batch's record of a session. Who has no mark is absent.

    ``version`` grows with every change of a mark; ``acked_version`` is the one that the LMS confirmed (-1: none yet).
    ``refused`` is the LMS's permanent refusal, until somebody asks to try again.
    """

    session: str
    campus: str
    batch: str
    subject: str
    date: str
    teacher: int
    roster: tuple[Enrolled, ...]
    marks: dict[str, Mark] = field(default_factory=dict)
    version: int = 0
    acked_version: int = -1
    in_lms: bool = False  # it was created there, so that changes are updates
    refused: str = ""

    def status_of(self, student_id: str) -> Status:
        """Return a student's status."""
        mark = self.marks.get(student_id)
        return mark.status if mark is not None else Status.ABSENT


@dataclass(frozen=True)
class FaceCheck:
    """How far the face's part of a check-in is. The note itself is never kept: ``file`` is Telegram's name for it."""

    motions: tuple[str, ...] = ()  # the challenge
    given_at: datetime | None = None
    challenges: int = 0  # how many were given
    failed: int = 0  # tries that counted
    file: str = ""
    message: int = 0  # the note's message, which is deleted after the decision
    sent_at: datetime | None = None  # when Telegram had the note


@dataclass(frozen=True)
class CheckIn:
    """One student's way from code to mark in one session."""

    session: str
    student_id: str
    telegram_id: int
    step: Step
    code_at: datetime  # when the code was proven
    note: str = ""  # why it is in review, or was rejected
    distance: float | None = None  # metres
    accuracy: float | None = None  # metres, as the student's phone said
    updated_at: datetime | None = None
    face: FaceCheck | None = None  # None: no face has been asked for


@dataclass(frozen=True)
class Consent:
    """What a person has said to the use of their face: whether, when, and to which wording."""

    telegram_id: int
    given: bool
    at: datetime
    wording: int = 1


@dataclass(frozen=True)
class Template:
    """What notes are compared with, made of an ID photo once; sealed with a key of the person's own."""

    student_id: str
    engine: str
    photo_tag: str  # of the photo that it was made of
    sealed: bytes
    made_at: datetime


@dataclass(frozen=True)
class Teacher:
    """A teacher who has signed in. ``lms_id`` and ``campus`` are the LMS's words for this account."""

    telegram_id: int
    phone: str  # E.164 digits without the plus
    email: str
    name: str
    lms_id: str
    campus: str


@dataclass(frozen=True)
class Binding:
    """Which Telegram account a student ID belongs to, one to one."""

    telegram_id: int
    student_id: str
    bound_at: datetime


# rules


def new_code(below: Callable[[int], int]) -> str:
    """Return a code: six digits, each as likely. ``below`` gives a random number below its argument (``secrets``')."""
    return f"{below(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def code_ends(session: Session, made_at: datetime) -> datetime:
    """Return until when a code made now is good: to the session's end, or a little past its turn where codes rotate."""
    if session.rotate_seconds == 0:
        return session.closes_at
    return min(session.closes_at, made_at + timedelta(seconds=session.rotate_seconds) + OVERLAP)


def end_of(session: Session) -> datetime:
    """Return when codes end or ended: by the clock, or before that by hand."""
    return min(session.ended_at or session.closes_at, session.closes_at)


def state_of(session: Session, now: datetime, grace: timedelta) -> SessionState:
    """Return how far a session is; ``grace`` is CHECKIN_GRACE_SECONDS."""
    if session.cancelled:
        return SessionState.CANCELLED
    if now <= end_of(session) and session.ended_at is None:
        return SessionState.OPEN
    return SessionState.GRACE if now <= end_of(session) + grace else SessionState.CLOSED


def finish_by(session: Session, code_at: datetime, grace: timedelta) -> datetime:
    """Return until when a check-in may be finished whose code was entered then: a code in time earns the grace."""
    return max(end_of(session), code_at + grace)


def status_at(session: Session, proven_at: datetime) -> Status:
    """Return what a check-in counts as whose last proof came then: late after the session's end."""
    return Status.LATE if proven_at > end_of(session) else Status.PRESENT


def report_due(session: Session) -> datetime:
    """Return when the first report goes out."""
    return end_of(session) + REPORT_AFTER


def attendance_percentage(statuses: Iterable[Status]) -> float | None:
    """Return in how many percent of lessons somebody was there; excused ones don't count. None: there were none."""
    counted = [status for status in statuses if status is not Status.EXCUSED]
    return 100 * sum(status.counts for status in counted) / len(counted) if counted else None

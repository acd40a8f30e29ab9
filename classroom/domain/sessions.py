"""Class sessions and their rules: people, codes, time windows, statuses. No I/O, imports nothing of ours.

A *session* is one lesson for which attendance is taken. A *sheet* is the attendance record of one batch in it: the
roster at the opening of the session, and each student's mark. One sheet is one record in the LMS, with the key
(campus, batch, subject, date), which several lessons of a day may share.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from core.lookalikes import ALIKE, visible

CODE_DIGITS = 6
REPORT_AFTER = timedelta(seconds=15)  # from a session's end to its first report
OVERLAP = timedelta(seconds=10)  # a rotating code stays valid after its successor: somebody may be typing it
# After this long a question counts as delivered, even if Telegram has not confirmed it: every check-in has an end.
DELIVERED_WITHIN = timedelta(minutes=5)
UNDECIDED = "undecided"  # note of a check-in that was rejected because the teacher never decided on it
NOTICED = timedelta(seconds=3)  # a question that waited for less was not delayed by us


class Status(StrEnum):
    """A student's attendance at a lesson."""

    PRESENT = "present"
    LATE = "late"
    EXCUSED = "excused"
    ABSENT = "absent"

    @property
    def counts(self) -> bool:
        """Whether it counts as attended; an LMS that knows only 1 and 0 gets 1."""
        return self in (Status.PRESENT, Status.LATE)


class LmsRecord(StrEnum):
    """What an LMS that has one record of a batch and subject a day gets of a lesson, as the teacher chose."""

    OWN = "own"
    SHARED = "shared"  # the record of the date is the union of its lessons: present in any of them
    NONE = "none"  # nothing


class SessionState(StrEnum):
    """State of a session. GRACE: the code has expired, and students who entered it in time may still finish."""

    OPEN = "open"
    GRACE = "grace"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class CheckInStep(StrEnum):
    """The step that a student's check-in has reached."""

    PLACE = "place"  # the code was right; waiting for the location
    FACE = "face"  # code and place are confirmed; waiting for the video note
    CHECKING = "checking"  # the video note is in the queue
    REVIEW = "review"  # the teacher decides on this student alone: just outside, many wrong codes, or an unclear face
    CONFIRM = "confirm"  # code and place are confirmed; the teacher confirms instead of a face check
    REJECTED = "rejected"  # refused by the teacher, or the face check failed
    EXPIRED = "expired"  # not finished in time, or the session was cancelled
    DONE = "done"  # the mark is stored


@dataclass(frozen=True)
class Place:
    """A point on the earth in degrees (WGS 84); ``accuracy`` in metres, None if unknown."""

    latitude: float
    longitude: float
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """One batch in one subject, for which a teacher can take attendance."""

    batch: str
    subject: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One student on a batch's roster."""

    student_id: str
    name: str
    batch: str
    email: str = ""
    face_allowed: bool = True  # False: this student is never asked for a face


@dataclass(frozen=True)
class Session:
    """One lesson for which attendance is taken. Times are UTC; ``date`` is its local day.

    ``lesson`` is its name within its day, such as "Lab" or "14:00", compared by ``folded``; "": the day's only one, or
    its first. ``without_phones``: it is taken by hand, without code and place, and nobody can check in.
    """

    id: str  # 12 hexadecimal digits: short enough for a button's data
    teacher: int  # Telegram ID
    campus: str
    subject: str
    batches: tuple[str, ...]  # sorted
    date: str  # YYYY-MM-DD
    place: Place | None  # the teacher's; None: deleted, with the final report or by cancelling
    opened_at: datetime
    closes_at: datetime  # the last moment for entering the code
    rotate_seconds: int  # 0: one code for the whole session
    ended_at: datetime | None = None  # closed (by time or by hand) or cancelled
    cancelled: bool = False
    reported_at: datetime | None = None  # when the first report was sent
    final_at: datetime | None = None  # when the final report was sent
    reopened_at: datetime | None = None  # the last time, with a new code
    lesson: str = ""
    lms_record: LmsRecord = LmsRecord.OWN  # of the batches that have other lessons on that day
    without_phones: bool = False


@dataclass(frozen=True)
class Mark:
    """A student's status in a session's sheet.

    ``at`` is the time of the decision; ``came_at`` when the student came, that is, sent the right code: only a check-in
    has it. ``by`` is the Telegram ID of the teacher who decided, 0 where a checked face did.
    """

    student_id: str
    status: Status
    at: datetime
    by: int = 0
    reason: str = ""
    came_at: datetime | None = None

    @property
    def is_by_hand(self) -> bool:
        """Whether it is the teacher's own mark, not a check-in that the teacher has confirmed."""
        return self.by != 0 and self.came_at is None


@dataclass(frozen=True)
class ReadBack:
    """A comparison of a sheet with the LMS's own record of it.

    ``differs`` has, by student ID, the status that the LMS has instead of ours; "": none, or it is unknown.
    """

    version: int  # of the sheet
    at: datetime
    possible: bool = True  # False: the LMS can't be read back
    differs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """One batch's attendance record of a session. Students without a mark are absent.

    ``version`` grows with every change of a mark; ``acked_version`` is the one that the LMS confirmed (-1: none yet),
    or can't take (see ``differing``). ``refused`` is its permanent refusal, kept until a new attempt is asked for.
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
    in_lms: bool = False  # the record exists there, or may, so changes are updates
    refused: str = ""
    read_back: ReadBack | None = None
    lesson: str = ""  # as in the session
    lms_kind: str = ""  # of the teacher's account, where the LMS keeps the records of each kind apart; "": unknown
    lms_record: LmsRecord = LmsRecord.OWN

    @property
    def is_for_lms(self) -> bool:
        """Whether the LMS, or a file, gets it: not if the teacher chose so."""
        return self.lms_record is not LmsRecord.NONE

    @property
    def compared(self) -> ReadBack | None:
        """The comparison of the newest version, if it was made."""
        return self.read_back if self.read_back is not None and self.read_back.version == self.version else None

    @property
    def differing(self) -> dict[str, str]:
        """The marks that the LMS has otherwise, and did not take; see ``ReadBack.differs``."""
        return self.compared.differs if self.compared is not None else {}

    def status_of(self, student_id: str) -> Status:
        mark = self.marks.get(student_id)
        return mark.status if mark is not None else Status.ABSENT


@dataclass(frozen=True)
class FaceCheck:
    """State of a check-in's face check. The video note itself is never stored: ``file`` is its Telegram file id."""

    motions: tuple[str, ...] = ()  # the challenge
    given_at: datetime | None = None
    challenges: int = 0  # number of challenges given
    failed: int = 0  # failed tries
    file: str = ""
    message: int = 0  # ID of the note's message, which is deleted after the decision
    sent_at: datetime | None = None  # when Telegram received the note


@dataclass(frozen=True)
class Rival:
    """Another Telegram account that has sent the ID of a check-in and a right code; the teacher decides who it is."""

    telegram_id: int
    at: datetime  # when


@dataclass(frozen=True)
class CheckIn:
    """One student's check-in to one session, from code to mark."""

    session: str
    student_id: str
    telegram_id: int
    step: CheckInStep
    code_at: datetime  # when the right code was entered
    note: str = ""  # why it is with the teacher, or was rejected
    distance: float | None = None  # metres
    accuracy: float | None = None  # metres, as reported by the student's phone
    updated_at: datetime | None = None
    face: FaceCheck | None = None  # None: no face check has begun
    asked_at: datetime | None = None  # when Telegram delivered the question of the present step
    waited: float = 0.0  # seconds for which our questions waited for Telegram, all together
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True)
class Teacher:
    """A teacher who has signed in. ``lms_id`` and ``campus`` come from the LMS."""

    telegram_id: int
    phone: str  # digits only, in international form
    email: str
    name: str
    lms_id: str
    campus: str


@dataclass(frozen=True)
class Binding:
    """The Telegram account to which a student ID is bound, one to one."""

    telegram_id: int
    student_id: str
    bound_at: datetime


def folded(student_id: str) -> str:
    """Return the form in which IDs and lessons' names are compared: lookalikes are equal, no spaces, no case."""
    if student_id.isascii() and student_id.isalnum():
        return student_id.lower()
    plain = visible(student_id).replace(" ", "").casefold().translate(ALIKE)
    return plain if plain == student_id else folded(plain)


def mark_of(sheets: Iterable[Sheet], student_id: str) -> Mark | None:
    """Return a student's mark in a session: the same in every sheet that has the ID."""
    wanted = folded(student_id)
    return next((mark for sheet in sheets for each, mark in sheet.marks.items() if folded(each) == wanted), None)


def face_is_allowed(sheets: Iterable[Sheet], student_id: str) -> bool:
    """Whether every roster allows that a student's face is checked."""
    wanted = folded(student_id)
    return all(each.face_allowed for sheet in sheets for each in sheet.roster if folded(each.student_id) == wanted)


def new_code(below: Callable[[int], int]) -> str:
    """Return a random code of six digits. ``below`` returns a random number below its argument."""
    return f"{below(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def code_ends(session: Session, made_at: datetime) -> datetime:
    """Return when a code made at ``made_at`` expires: at the session's end, or ``OVERLAP`` after its successor."""
    if session.rotate_seconds == 0:
        return session.closes_at
    return min(session.closes_at, made_at + timedelta(seconds=session.rotate_seconds) + OVERLAP)


def end_of(session: Session) -> datetime:
    """Return when codes expire or expired: on schedule, or earlier if closed by hand."""
    return min(session.ended_at or session.closes_at, session.closes_at)


def state_of(session: Session, now: datetime, grace: timedelta) -> SessionState:
    """Return a session's state; ``grace`` is CHECKIN_GRACE_SECONDS."""
    if session.cancelled:
        return SessionState.CANCELLED
    if now <= end_of(session) and session.ended_at is None:
        return SessionState.OPEN
    return SessionState.GRACE if now <= end_of(session) + grace else SessionState.CLOSED


def asked_at(check_in: CheckIn) -> datetime:
    """Return when the question of a check-in's step was delivered; until then the latest time for that."""
    given_at = check_in.face.given_at if check_in.face is not None else None
    begun = max(check_in.code_at, check_in.updated_at or check_in.code_at, given_at or check_in.code_at)
    return check_in.asked_at or begun + DELIVERED_WITHIN


def finish_by(session: Session, check_in: CheckIn, grace: timedelta) -> datetime:
    """Return the deadline of a check-in's step: at least the grace from the delivery of its question."""
    return max(end_of(session), asked_at(check_in) + grace)


def status_at(session: Session, check_in: CheckIn, proven_at: datetime, grace: timedelta) -> Status:
    """Return the status of a check-in whose last evidence came at ``proven_at``: late after the session's end.

    Where our questions waited for Telegram, only the student's own time counts: the code came before the end.
    """
    waited = timedelta(seconds=check_in.waited)
    if waited >= NOTICED:
        own = proven_at - waited
        return Status.PRESENT if own <= max(end_of(session), check_in.code_at + grace) else Status.LATE
    return Status.LATE if proven_at > end_of(session) else Status.PRESENT


def report_due(session: Session) -> datetime:
    return end_of(session) + REPORT_AFTER


def attendance_percentage(statuses: Iterable[Status]) -> float | None:
    """Return the percentage of lessons attended, without excused ones; None if there were no lessons."""
    counted = [status for status in statuses if status is not Status.EXCUSED]
    return 100 * sum(status.counts for status in counted) / len(counted) if counted else None

"""The learning management system (LMS), where teachers, rosters and marks live: one protocol, two adapters.

``rest`` speaks the LMS's REST API; ``csv_files`` reads teachers and rosters from CSV files and writes marks back to
CSV: the default with nothing configured.

The LMS's server has two generations, told apart by its answers (``answers.tokens``, ``RestLms.courses``): the newer
one puts its tokens under `data`, the older one at the top level. The older one can't change a record that it has.
"""

from dataclasses import dataclass
from typing import Protocol

from classroom.domain.sessions import Course, Enrolled, Status, Teacher

NOT_CONFIRMED = "not confirmed"  # the words of a refusal, after unclear answers


class LmsError(Exception):
    """A call to the LMS failed. Its text is one line without a secret."""


class LmsUnavailable(LmsError):
    """No answer in time, 5xx, or an answer that can't be read (try again)."""


class NoAnswer(LmsUnavailable):
    """No answer: the LMS may have executed the call, or do so later (try again)."""


class LmsTimedOut(NoAnswer):
    """No answer in time (try again)."""


class Unclear(NoAnswer):
    """The answer to a write neither confirms nor refuses it (read back); ``unread``: that has failed, too."""

    def __init__(self, text: str, *, unread: bool = False) -> None:
        super().__init__(text)
        self.unread = unread


class SignedInElsewhere(LmsUnavailable):
    """The teacher has another session in the LMS that can't be ended from here (end it there, try again)."""


class WrongPassword(LmsError):
    """E-mail or password is wrong (permanent: they have to be typed again)."""


class NotATeacher(LmsError):
    """The account is not a teacher's, but a student's or a manager's (permanent)."""


class UnknownTeacher(LmsError):
    """The LMS, or the list of teachers, has no teacher with this number or address (permanent)."""


class SignInNeeded(LmsError):
    """The tokens are refused and can't be renewed (permanent: the teacher has to sign in again)."""


class LmsRefused(LmsError):
    """The LMS refuses this for good (permanent: people have to look).

    ``words`` is quoted to the teacher, such as ``403 INSUFFICIENT_PERMISSIONS``; without it the whole text.
    """

    def __init__(self, text: str, words: str = "") -> None:
        super().__init__(text)
        self.words = words or text


class Duplicate(LmsError):
    """The LMS already has a record with this key (permanent for a create: an update is needed)."""


class NotThere(LmsError):
    """The LMS has no record with this key (permanent for an update: a create is needed)."""


class NotSupported(LmsError):
    """The LMS can't change records, or can't show them (permanent)."""


@dataclass(frozen=True)
class Line:
    """One student's line in a record. An LMS that knows only 1 and 0 gets ``status.counts``."""

    student_id: str
    name: str
    status: Status
    remark: str = ""


@dataclass(frozen=True)
class Record:
    """The attendance of one batch in one lesson or day, as the LMS stores it: always the whole roster."""

    campus: str
    batch: str
    subject: str
    date: str  # YYYY-MM-DD, the session's own
    lines: tuple[Line, ...]
    lesson: str = ""  # its name within its day, where each lesson has a record


@dataclass(frozen=True)
class SignedIn:
    """A successful sign-in; ``others_ended``: the teacher's other sessions in the LMS were ended for it."""

    teacher: Teacher
    others_ended: bool = False


class Lms(Protocol):
    """An LMS. Every method may raise LmsUnavailable; those with a teacher also SignInNeeded."""

    one_record_a_day: bool  # of a batch and subject, for all lessons; False: each lesson has its own
    needs_password: bool  # False: CSV files, and the teacher's phone number, confirmed by Telegram, is enough

    async def close(self) -> None: ...

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> SignedIn:
        """Sign a teacher in, store the tokens. Raises any of this module's errors but those of records."""

    async def sign_out(self, teacher: Teacher) -> None:
        """End the teacher's session in the LMS if possible; never raises."""

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        """Return the courses whose attendance the teacher takes; see ``roster``. Raises LmsRefused."""

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        """Return a batch's students; without ``reload`` they may be some minutes old. Raises LmsRefused."""

    async def record_kind(self, teacher: Teacher) -> str:
        """Return the kind of a teacher's account where each kind has records of its own, else an empty text."""

    async def can_update(self, teacher: Teacher) -> bool:
        """Whether records can be changed: else a record is to be written once, when it is complete."""

    async def create(self, teacher: Teacher, record: Record) -> None:
        """Create a record. Raises Duplicate, LmsRefused."""

    async def update(self, teacher: Teacher, record: Record) -> None:
        """Replace a record. Raises NotThere, NotSupported, LmsRefused."""

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[Line, ...] | None:
        """Return the LMS's own record, to compare it; None: it has none. Raises NotSupported, LmsRefused."""

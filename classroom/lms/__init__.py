"""The learning management system (LMS), where teachers, rosters and marks live: one protocol, two adapters.

``rest`` speaks the LMS's REST API; ``csv_files`` reads teachers and rosters from CSV files and writes marks back to
CSV: the default with nothing configured.
"""

from dataclasses import dataclass
from typing import Protocol

from classroom.domain.sessions import Course, Enrolled, Status, Teacher


class LmsError(Exception):
    """The LMS did not do what was asked. Its text is one line without a secret."""


class LmsUnavailable(LmsError):
    """No answer in time, 5xx, or an answer that can't be read (try again)."""


class LmsTimedOut(LmsUnavailable):
    """No answer in time (try again)."""


class SignedInElsewhere(LmsUnavailable):
    """Another session of the teacher holds the one place, and can't be ended from here (end it there, try again)."""


class WrongPassword(LmsError):
    """E-mail and password do not fit (permanent: they have to be typed again)."""


class UnknownTeacher(LmsError):
    """The LMS, or the list of teachers, has nobody with this number or address (permanent)."""


class SignInNeeded(LmsError):
    """The tokens are refused and can't be renewed (permanent: the teacher has to sign in again)."""


class LmsRefused(LmsError):
    """The LMS refuses this for good, such as a lack of rights (permanent: people have to look).

    ``words`` are the LMS's own, to be quoted to the teacher: a status and perhaps a code, such as ``403
    INSUFFICIENT_PERMISSIONS``.
    """

    def __init__(self, text: str, words: str = "") -> None:
        """Take the whole for the log, and the LMS's own words; without these the whole is quoted."""
        super().__init__(text)
        self.words = words or text


class Duplicate(LmsError):
    """The LMS has a record with this key already: it wants an update (permanent for a create)."""


class NotThere(LmsError):
    """The LMS has no record with this key: it wants a create (permanent for an update)."""


@dataclass(frozen=True)
class Line:
    """One student's line in a record. An LMS of 1 and 0 hears ``status.counts``, and the remark if it can."""

    student_id: str
    name: str
    status: Status
    remark: str = ""


@dataclass(frozen=True)
class Record:
    """What the LMS keeps of one batch's lesson: always the whole roster."""

    campus: str
    batch: str
    subject: str
    date: str  # YYYY-MM-DD, the session's own
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class SignedIn:
    """A sign-in that worked; ``others_ended`` where other sessions of the teacher in the LMS had to end for it."""

    teacher: Teacher
    others_ended: bool = False


class Lms(Protocol):
    """What an LMS can do. Every method may raise LmsUnavailable; those with a teacher also SignInNeeded."""

    needs_password: bool  # False: the teacher's phone number, vouched for by Telegram, is proof enough

    async def close(self) -> None:
        """Let go of connections."""

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> SignedIn:
        """Sign a teacher in and keep the tokens (through the store). ``email`` and ``password`` may be empty where
        ``needs_password`` is False.

        Raises:
            WrongPassword, UnknownTeacher, SignedInElsewhere, LmsRefused.
        """

    async def sign_out(self, teacher: Teacher) -> None:
        """End the teacher's sign-in there, as well as that can be done; never raises."""

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        """Return what the teacher has to take attendance of; it may be some minutes old unless ``reload`` is asked for.

        Raises:
            LmsRefused.
        """

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        """Return a batch's students; as old as the courses.

        Raises:
            LmsRefused.
        """

    async def create(self, teacher: Teacher, record: Record) -> None:
        """Create a record.

        Raises:
            Duplicate, LmsRefused.
        """

    async def update(self, teacher: Teacher, record: Record) -> None:
        """Replace a record.

        Raises:
            NotThere, LmsRefused.
        """


__all__ = [
    "Duplicate",
    "Line",
    "Lms",
    "LmsError",
    "LmsRefused",
    "LmsUnavailable",
    "NotThere",
    "Record",
    "SignInNeeded",
    "SignedIn",
    "SignedInElsewhere",
    "UnknownTeacher",
    "WrongPassword",
]

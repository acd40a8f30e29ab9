"""Error codes of the classroom, written to the log beside a reference.

The person gets one line with the reference; the log has the code, the reference and the cause.
"""

import logging
import secrets
from enum import IntEnum

from classroom.faces.person_keys import PersonKeyError
from classroom.lms import LmsError, LmsRefused, LmsTimedOut, NotATeacher, SignInNeeded, UnknownTeacher, WrongPassword
from classroom.lms.tables import FileWrong
from classroom.store import StoreError
from core.sqlite import DatabaseError


class Code(IntEnum):
    """The kind of a failure."""

    INVALID_CREDENTIALS = 1001
    TOKEN_EXPIRED = 1002
    UNAUTHORIZED = 1003
    STUDENT_ID = 2001
    OTP = 2002
    SESSION_EXPIRED = 2003
    OUT_OF_RANGE = 2004
    NO_FACE = 3001
    NO_MATCH = 3002
    NO_PHOTO = 3003
    PROCESSING = 3004
    REQUEST_FAILED = 4001
    TIMED_OUT = 4002
    ATTENDANCE_FAILED = 4003
    DATABASE = 5001
    UNAVAILABLE = 5003


def code_of(error: BaseException) -> Code:
    """Return the code of an error; 5003 for unexpected ones."""
    kinds: list[tuple[type[BaseException] | tuple[type[BaseException], ...], Code]] = [
        ((WrongPassword, UnknownTeacher), Code.INVALID_CREDENTIALS),
        (SignInNeeded, Code.TOKEN_EXPIRED),
        (NotATeacher, Code.UNAUTHORIZED),
        (FileWrong, Code.REQUEST_FAILED),
        (LmsRefused, Code.ATTENDANCE_FAILED),
        (LmsTimedOut, Code.TIMED_OUT),
        (LmsError, Code.REQUEST_FAILED),
        ((StoreError, DatabaseError, PersonKeyError), Code.DATABASE),
    ]
    return next((code for kind, code in kinds if isinstance(error, kind)), Code.UNAVAILABLE)


def noted(log: logging.Logger, code: Code, text: str, level: int = logging.INFO, trouble: str = "") -> str:
    """Log a failure; return the reference by which it is found in the log. ``trouble``: see ``admin_notices``."""
    reference = secrets.token_hex(2)
    if code is Code.ATTENDANCE_FAILED and level >= logging.WARNING:
        trouble = "lms"
    log.log(level, "%d [%s] %s", code, reference, text, extra={"trouble": trouble})
    return reference

"""Error codes: the code of each error, and its line in the log."""

import logging

import pytest

from classroom.error_codes import Code, code_of, noted
from classroom.lms import (
    LmsRefused,
    LmsTimedOut,
    LmsUnavailable,
    NotThere,
    SignedInElsewhere,
    SignInNeeded,
    UnknownTeacher,
    WrongPassword,
)
from classroom.store import StoreDamaged, StoreUnavailable
from core.sqlite import DatabaseUnavailable

pytestmark = pytest.mark.unit


def test_numbers() -> None:
    """The codes are the documented ones."""
    known = [1001, 1002, 1003, 2001, 2002, 2003, 2004, 3001, 3002, 3003, 3004, 4001, 4002, 4003, 5001, 5003]
    assert sorted(Code) == known


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (WrongPassword("no"), 1001),
        (UnknownTeacher("nobody"), 1001),
        (SignInNeeded("again"), 1002),
        (LmsUnavailable("502"), 4001),
        (SignedInElsewhere("there"), 4001),
        (NotThere("none"), 4001),
        (LmsTimedOut("slow"), 4002),
        (LmsRefused("no right"), 4003),
        (StoreUnavailable("full"), 5001),
        (StoreDamaged("broken"), 5001),
        (DatabaseUnavailable("full"), 5001),
        (RuntimeError("a bug"), 5003),
    ],
)
def test_of_errors(error: Exception, number: int) -> None:
    """Each error has its code; unexpected ones have 5003."""
    assert code_of(error) == number


def test_reference(caplog: pytest.LogCaptureFixture) -> None:
    """The reference is in the log line that has the code and the cause."""
    log = logging.getLogger("test")
    with caplog.at_level(logging.INFO):
        references = [noted(log, Code.DATABASE, "full", logging.WARNING) for _ in range(20)]
    assert caplog.messages == [f"5001 [{reference}] full" for reference in references]
    assert len(set(references)) > 1
    assert all(len(reference) == 4 for reference in references)

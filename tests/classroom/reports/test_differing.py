"""What is to be changed in the LMS by hand, of students on several batches."""

import pytest

from classroom.domain.sessions import ReadBack, Sheet, Status
from classroom.overview import SessionOverview
from classroom.reports.texts import refused_lines
from telegram_app.i18n import texts
from tests.classroom.reports.test_texts import BEGIN, a_session, a_sheet

pytestmark = pytest.mark.unit


def a_batch(name: str, **differs: str) -> Sheet:
    """Return a sheet of three excused students, of whom the LMS has some otherwise."""
    marks = dict.fromkeys(range(3), Status.EXCUSED)
    read_back = ReadBack(1, BEGIN, possible=True, differs=differs)
    return a_sheet(["A", "B", "C"], marks, batch=name, version=1, acked_version=1, read_back=read_back)


def test_several_batches() -> None:
    """Each student is named once, with the batches whose records differ in the same way."""
    sheets = [a_batch("CS-1", S000="present", S001="present"), a_batch("CS-2", S000="present", S001="")]
    overview = SessionOverview(a_session(batches=("CS-1", "CS-2")), sheets, [])
    assert refused_lines(texts("en"), overview) == [
        "The LMS still has A S000 (CS-1, CS-2) as present. Change it there by hand: excused.",
        "The LMS still has B S001 (CS-1) as present. Change it there by hand: excused.",
        "The LMS does not have B S001 (CS-2). Enter it there by hand: excused.",
    ]


def test_one_batch() -> None:
    """A session of one batch does not name it."""
    overview = SessionOverview(a_session(), [a_batch("CS-1", S000="present")], [])
    assert refused_lines(texts("en"), overview) == [
        "The LMS still has A S000 as present. Change it there by hand: excused."
    ]

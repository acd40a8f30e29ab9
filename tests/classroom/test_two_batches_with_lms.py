"""Two batches of one session that share students, with an LMS of each generation, and its refusals told to admins."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.classroom.running import Lms, Run, RunningClock, Student, Teacher, an_lms
from tests.e2e.people import Telegram, eventually

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("lms", ["older", "newer"], indirect=True)]

BOTH = ("S001", "A. Student")
ADMIN = 7050


@pytest.fixture
def lms(request: pytest.FixtureRequest) -> Iterator[Lms]:
    """Give an LMS with two batches that share a student."""
    with an_lms(request.param, [BOTH, ("S002", "B. Student")]) as lms:
        lms.has_batch("CS-2", [("S101", "D. Student"), BOTH])
        yield lms


def kept(lms: Lms) -> dict[str, Any]:
    """Return the LMS's records by batch; every one has been stored once."""
    records = lms.records()
    assert {record["copies"] for record in records} <= {1}
    return {record["batch"]: record["students"] for record in records}


@pytest.mark.ordeal
def test_refusal_reaches_the_admin(run_with_lms: Run, telegram: Telegram, clock: RunningClock, lms: Lms) -> None:
    """A refusal in a running session is told the admin at once, once a day, and not to another teacher."""
    run_with_lms.starts(classroom_admins=(ADMIN,))
    admin, other = (Teacher(telegram, number, "+77010000009") for number in (ADMIN, ADMIN + 1))
    for each in (admin, other):
        each.says("/start")
        each.sees("Share your phone number")
    teacher, student = Teacher(telegram, 7001, "+77010000001"), Student(telegram, 2001)
    teacher.starts_sign_in()
    teacher.gives_password()
    code = teacher.opens("CS-1", "CS-2")
    lms.tells("behaviour", status=403, calls=["create", "update"])
    student.enters("S001", code)
    student.shares()
    student.is_accepted()
    teacher.taps("Confirm All (1)")
    if lms.older:  # one complete write, when the session is settled
        clock.forward(145)
    for batch in ("CS-1", "CS-2"):
        teacher.sees(f"The LMS does not take {batch}; it says: ")
    told = admin.sees("The LMS refuses what teachers send.")["text"]
    assert "the LMS refuses sheet CS-" in told
    assert "403" in told
    assert told.endswith("I tell you this once a day.")
    lms.tells("behaviour", status=None)
    teacher.taps("Try Again")
    student.sees("The LMS has it.")
    present = {"CS-1": {"S001": 1, "S002": 0}, "CS-2": {"S101": 0, "S001": 1}}
    eventually("both records", lambda: kept(lms) == present)
    assert (admin.counts("The LMS refuses"), other.counts("The LMS refuses")) == (1, 0)


@pytest.mark.ordeal
def test_corrected(lms_teacher: Teacher, telegram: Telegram, clock: RunningClock, lms: Lms) -> None:
    """One check-in is present in both of the LMS's records; a correction is in both, or told of both by hand."""
    student, code = Student(telegram, 2001), lms_teacher.opens("CS-1", "CS-2")
    student.enters("S001", code)
    student.shares()
    student.is_accepted()
    lms_teacher.taps("Confirm All (1)")
    student.sees("Attendance marked")
    clock.forward(125)
    lms_teacher.sees("Closed at")
    clock.forward(20)
    lms_teacher.sees("(final)")
    lms_teacher.sees("The LMS has everything.")
    student.sees("The LMS has it.")
    present = {"CS-1": {"S001": 1, "S002": 0}, "CS-2": {"S101": 0, "S001": 1}}
    eventually("both records", lambda: kept(lms) == present)
    for step in ("Mark by Hand", "A. Student: present", "Excused", "No Reason"):
        lms_teacher.taps(step)
    student.sees("Your teacher has marked you: excused")
    if not lms.older:
        excused = {"CS-1": {"S001": 0, "S002": 0}, "CS-2": {"S101": 0, "S001": 0}}
        eventually("both records", lambda: kept(lms) == excused)
        return
    wanted = "The LMS still has A. Student S001 (CS-1, CS-2) as present. Change it there by hand: excused."
    lms_teacher.sees(wanted)
    assert kept(lms) == present

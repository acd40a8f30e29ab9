"""The real bot.py with an LMS of each generation: from the teacher's sign-in to the report and the LMS's register."""

from pathlib import Path

import pytest

from tests.bot_process import ClassProcess
from tests.classroom.running import Student, Teacher, an_lms, its_telegram
from tests.e2e.people import eventually
from tests.waiting import PATIENCE

pytestmark = pytest.mark.ordeal


@pytest.mark.parametrize("generation", ["older", "newer"])
def test_whole_class(telegram_url: str, tmp_path: Path, generation: str) -> None:
    """Two of three come, one to both batches; the LMS has them, the report says so, and a restart changes nothing."""
    telegram = its_telegram(telegram_url)
    with an_lms(generation, [("S001", "A. Student"), ("S002", "B. Student")]) as lms:
        lms.has_batch("CS-2", [("S101", "D. Student"), ("S001", "A. Student")])
        address = {"BASE_URL": f"{lms.url}/api/v1", "JWT_LOGIN_ENDPOINT": lms.login, "CHECKIN_GRACE_SECONDS": "5"}
        bot = ClassProcess(tmp_path, telegram, **address)
        bot.start()
        try:
            teacher = Teacher(telegram, 7001, "+77010000001")
            teacher.starts_sign_in()
            teacher.gives_password()
            code = teacher.opens("CS-1", "CS-2")
            students = [Student(telegram, 2001), Student(telegram, 2002)]
            for student, student_id in zip(students, ("S001", "S101"), strict=True):
                student.enters(student_id, code)
                student.shares()
                student.is_accepted()
            teacher.taps("Confirm All (2)")
            for student in students:
                student.sees("Attendance marked")
            teacher.taps("Close Now")
            teacher.sees("Closed at")
            teacher.sees("Present: 2\n")
            assert "The LMS has everything." in teacher.sees("(final)", 2 * PATIENCE)["text"]
            for student in students:
                student.sees("The LMS has it.")
            written = {"CS-1": {"S001": 1, "S002": 0}, "CS-2": {"S101": 1, "S001": 1}}
            assert {each["batch"]: (each["students"], each["copies"]) for each in lms.records()} == {
                batch: (students, 1) for batch, students in written.items()
            }
            assert bot.stop() == 0
            bot.start()
            eventually("the bot", lambda: bot.health()[1].get("status") == "ok")
            teacher.says("/history")
            teacher.sees("CS-1, CS-2: 67 % (2/3)")
            assert teacher.counts("(final)") == 1
            assert "correct horse" not in bot.log()
            assert bot.stop() == 0
        finally:
            bot.end()
            telegram.http.close()

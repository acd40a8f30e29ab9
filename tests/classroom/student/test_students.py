"""The student's bot: what counts, what does not, what is said, and who belongs to whom."""

from typing import Any

import pytest

from tests.classroom.running import (
    METRE,
    ROOM,
    Run,
    RunningClock,
    Student,
    Teacher,
)
from tests.e2e.people import Telegram, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def student(code: str, telegram: Telegram) -> Student:
    """Give a student who has proven the code and is asked for the location."""
    student = Student(telegram, 2001)
    student.enters("S001", code)
    return student


class TestCode:
    """ID and code."""

    def test_the_same_answer(self, code: str, telegram: Telegram) -> None:
        """A wrong ID with the right code and a wrong code with a right ID get the same answer."""
        wrong = "000000" if code != "000000" else "111111"
        answers = []
        for number, typed in enumerate((f"S999 {code}", f"S001 {wrong}")):
            student = Student(telegram, 2001 + number)
            student.says("/start")
            student.says(typed)
            answers.append(student.sees("do not fit together")["text"])
        assert answers[0] == answers[1]

    def test_lock(self, code: str, telegram: Telegram, clock: RunningClock) -> None:
        """Five wrong codes lock the account, also for the right one; nobody else is locked by it."""
        wrong = "000000" if code != "000000" else "111111"
        student = Student(telegram, 2001)
        student.says("/start")
        for tries in range(1, 6):
            student.says(f"S001 {wrong}")
            eventually("the answer", lambda: student.counts("do not fit together") == tries)  # noqa: B023
        student.says(f"S001 {code}")
        student.sees("Too many wrong codes")
        classmate = Student(telegram, 2002)
        classmate.says("/start")
        classmate.says(f"S001 {code}")
        classmate.sees("The code is right")

    def test_many_tries_on_one_id(self, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """After many wrong tries on an ID the one who has it right is the teacher's to look at, and not locked out."""
        wrong = "000000" if code != "000000" else "111111"
        for number in range(4):
            attacker = Student(telegram, 3001 + number)
            attacker.says("/start")
            for tries in range(1, 6):
                attacker.says(f"S001 {wrong}")
                eventually("the answer", lambda: attacker.counts("do not fit together") == tries)  # noqa: B023
        student = Student(telegram, 2001)
        student.says("/start")
        student.says(f"S001 {code}")
        student.sees("The code is right")
        student.shares()
        student.sees("has to look")
        teacher.sees("many wrong codes on this ID")

    def test_no_code(self, teacher: Teacher, telegram: Telegram) -> None:
        """What is no code is answered with what one looks like; a picture, with what is wanted."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says("hello")
        student.sees("A code has 6 digits.")
        student.says("43.25, 76.95")
        student.sees("A typed location does not count.")


class TestBinding:
    """One Telegram account, one student ID."""

    def test_one_to_one(self, student: Student, code: str, telegram: Telegram) -> None:
        """Neither a second account for the ID nor a second ID for the account; the answer tells nobody why."""
        second = Student(telegram, 2002)
        second.says("/start")
        second.says(f"S001 {code}")
        second.sees("do not fit together")
        student.says(f"S002 {code}")
        student.sees("do not fit together")
        student.says(code)  # the own one, once more, is harmless
        eventually("the answer", lambda: student.counts("The code is right") == 2)

    def test_deleted(self, student: Student, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """Deleting one's data lends neither ID nor account to anybody; a teacher can free them."""
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        friend = Student(telegram, 2002)
        friend.says("/start")
        friend.says(f"S001 {code}")
        friend.sees("do not fit together")
        student.says(f"S002 {code}")
        student.sees("do not fit together")

    def test_freed_by_the_teacher(self, student: Student, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """A teacher frees the ID after a second question; then another account may take it."""
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Free Telegram Account")
        teacher.taps("Yes, Free It")
        eventually("it is freed", lambda: "Free" not in str(teacher.screen()[-1]))
        phone = Student(telegram, 2002)
        phone.says("/start")
        phone.says(f"S001 {code}")
        phone.sees("The code is right")


class TestPlace:
    """Locations."""

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ({"venue": {"location": {"latitude": ROOM[0], "longitude": ROOM[1]}, "title": "Hall"}}, "from the map"),
            (
                {"location": {"latitude": ROOM[0], "longitude": ROOM[1]}, "forwarded": True},
                "A forwarded location does not count.",
            ),
        ],
        ids=["venue", "forwarded"],
    )
    def test_no_evidence(self, student: Student, content: dict[str, Any], said: str) -> None:
        """What is no evidence is refused with the reason; the right one counts afterwards."""
        student.sends(**content)
        student.sees(said)
        student.shares()
        student.sees("has to confirm")

    def test_stale(self, student: Student, clock: RunningClock) -> None:
        """A location of another minute does not count."""
        clock.forward(65)
        student.shares()
        student.sees("from another moment")

    def test_strict(self, run: Run, telegram: Telegram) -> None:
        """By the strict policy a pin does not count and a live location does, also for the teacher's own place."""
        run.starts(location_policy="strict")
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.taps("Take Attendance")
        teacher.taps("CS-1")
        teacher.taps("Next")
        teacher.sees("live location")
        teacher.sends(location={"latitude": ROOM[0], "longitude": ROOM[1]})
        eventually("the refusal", lambda: teacher.counts("a live location is wanted") >= 2)
        teacher.sends(location={"latitude": ROOM[0], "longitude": ROOM[1], "live_period": 900})
        student = Student(telegram, 2001)
        student.says(f"/start {teacher.code()}")
        student.says("S001")
        student.sees("The code is right")
        student.shares(live_period=900)
        student.sees("has to confirm")

    def test_walks_in(self, student: Student) -> None:
        """A live location from outside that moves into the class counts then; its movements cost no messages."""
        number = student.shares(400, live_period=900)
        student.sees("You are 400 m from the class")
        before = len(student.screen())
        for metres in (300, 200):
            student.moves(number, ROOM[0] + metres * METRE, ROOM[1])
        student.moves(number, ROOM[0] + 10 * METRE, ROOM[1])
        student.sees("has to confirm")
        assert len(student.screen()) == before + 1

    def test_without_a_code(self, teacher: Teacher, telegram: Telegram) -> None:
        """A location without a code before it is told what comes first."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.shares()
        student.sees("Send the code first.")

    def test_grace(self, student: Student, teacher: Teacher, clock: RunningClock) -> None:
        """A code entered in time may be finished after the end, and counts as late."""
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        student.shares()
        student.sees("has to confirm")
        teacher.taps("Confirm All (1)")
        student.sees("Status: late")


class TestOwn:
    """A student's own screens."""

    def test_practice(self, teacher: Teacher, telegram: Telegram) -> None:
        """A practice check-in says whether the location would count, and marks nothing."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.taps("Practice")
        student.sees("nothing is marked")
        student.shares(5000)
        student.sees("would count")

    def test_me(self, student: Student, teacher: Teacher, clock: RunningClock) -> None:
        """A student's own history has the lessons with their statuses and the percentage."""
        student.shares()
        student.sees("has to confirm")
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        student.says("/me")
        text = student.sees("Attendance: 100 %")["text"]
        assert "Algebra: present" in text

    def test_marked_twice(self, student: Student, teacher: Teacher, code: str) -> None:
        """Checking in again after the mark is harmless, and says so; the mark is told once."""
        student.shares()
        student.sees("has to confirm")
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        student.says(code)
        student.sees("You are marked already.")
        assert student.counts("Attendance marked") == 1

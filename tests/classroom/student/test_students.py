"""The student bot: codes, links between IDs and accounts, locations, and a student's own screens."""

import re
from datetime import timedelta
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
    """Give a student who has sent the code and is asked for the location."""
    student = Student(telegram, 2001)
    student.enters("S001", code)
    return student


class TestCode:
    """Student ID and code."""

    def test_the_same_answer(self, code: str, telegram: Telegram) -> None:
        """A wrong ID and a wrong code get the same answer."""
        wrong = "000000" if code != "000000" else "111111"
        answers = []
        for number, typed in enumerate((f"S999 {code}", f"S001 {wrong}")):
            student = Student(telegram, 2001 + number)
            student.says("/start")
            student.says(typed)
            answers.append(student.sees("don't match")["text"])
        assert answers[0] == answers[1]

    def test_lock(self, code: str, telegram: Telegram, clock: RunningClock) -> None:
        """Five wrong codes lock the account, even for the right code, until a time that is told, and nobody else."""
        wrong = "000000" if code != "000000" else "111111"
        student = Student(telegram, 2001)
        student.says("/start")
        for tries in range(1, 6):
            student.says(f"S001 {wrong}")
            eventually("the answer", lambda: student.counts("don't match") == tries)  # noqa: B023
        student.says(f"S001 {code}")
        told = re.search(r"try again at (\d\d):(\d\d) at the latest;", student.sees("Too many wrong codes")["text"])
        assert told is not None
        until = clock.now().replace(hour=int(told[1]), minute=int(told[2])) - clock.now()
        assert timedelta(seconds=-60) < until % timedelta(hours=1) < timedelta(minutes=4)  # the session's two minutes
        classmate = Student(telegram, 2002)
        classmate.says("/start")
        classmate.says(f"S001 {code}")
        classmate.sees("The code is right")

    def test_many_tries_on_one_id(self, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """After many wrong codes for an ID, a student with the right code goes to review and is not locked out."""
        wrong = "000000" if code != "000000" else "111111"
        for number in range(4):
            attacker = Student(telegram, 3001 + number)
            attacker.says("/start")
            for tries in range(1, 6):
                attacker.says(f"S001 {wrong}")
                eventually("the answer", lambda: attacker.counts("don't match") == tries)  # noqa: B023
        student = Student(telegram, 2001)
        student.says("/start")
        student.says(f"S001 {code}")
        student.sees("The code is right")
        student.shares()
        student.sees("has to look")
        teacher.sees("many wrong codes on this ID")

    def test_no_code(self, teacher: Teacher, telegram: Telegram) -> None:
        """A text that is not a code is answered with what a code looks like; coordinates are refused."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says("hello")
        student.sees("A code has 6 digits.")
        student.says("43.25, 76.95")
        student.sees("A typed location does not count.")


class TestBinding:
    """One Telegram account, one student ID."""

    def test_one_to_one(self, student: Student, code: str, telegram: Telegram) -> None:
        """An ID takes no second account before the teacher has decided, and an account no second ID."""
        second = Student(telegram, 2002)
        second.says("/start")
        second.says(f"S001 {code}")
        second.sees("Your teacher has to look at your check-in")
        student.says(f"S002 {code}")
        student.sees("don't match")
        student.says(code)  # repeating the own check-in is harmless
        eventually("the answer", lambda: student.counts("The code is right") == 2)

    def test_deleted(self, student: Student, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """After deletion only the teacher can give the ID to another account, and the account gets no other ID."""
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        friend = Student(telegram, 2002)
        friend.says("/start")
        friend.says(f"S001 {code}")
        friend.sees("Your teacher has to look at your check-in")
        friend.says("/me")
        friend.sees("This account has no student ID yet")
        student.says(f"S002 {code}")
        student.sees("don't match")

    def test_whose_id(self, student: Student, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """Of two accounts with one ID the teacher accepts the second, by the number in its chat; both are told."""
        student.shares()
        student.is_accepted()
        owner = Student(telegram, 43002)
        owner.says("/start")
        owner.says(f"S001 {code}")
        owner.sees("If your teacher asks for a number, yours is 3002.")
        student.shares()
        student.sees("yours is 2001.")
        teacher.sees("several Telegram accounts sent this ID")
        teacher.taps("Check One by One")
        question = teacher.sees("Whose ID is it?")
        assert re.search(r"No\. 2001: came at .*\nNo\. 3002: came at .*\nNo\. 2001: linked since", question["text"])
        teacher.taps("Accept No. 3002")
        owner.sees("Attendance marked")
        student.sees("did not accept")
        owner.says("/me")
        owner.sees("S001\nNo lessons yet.")
        student.says("/me")
        student.sees("This account has no student ID yet")
        teacher.sees("In: 1 of")

    def test_after_many_wrong_codes(self, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """After the wrong codes of many strangers a new account is told the same for a right code and a wrong one."""
        wrong = "000000" if code != "000000" else "111111"
        for number in range(5):
            stranger = Student(telegram, 3001 + number)
            stranger.says("/start")
            for tries in range(1, 6 if number < 4 else 5):
                stranger.says(f"S001 {wrong}")
                eventually("the answer", lambda: stranger.counts("don't match") == tries)  # noqa: B023
        answers = []
        for number, each in ((2002, code), (2003, wrong)):
            new = Student(telegram, number)
            new.says("/start")
            new.says(f"S002 {each}")
            answers.append(new.sees("I don't say whether yours is right")["text"])
            new.shares()
            new.sees("No check-in waits for your location.")
        assert answers[0] == answers[1]
        teacher.taps("Check One by One")
        assert "(S002): many wrong codes in this session" in teacher.sees("Are they in class?")["text"]
        teacher.taps("Accept B. Student")
        Student(telegram, 2002).sees("Attendance marked")

    def test_freed_by_the_teacher(self, student: Student, code: str, telegram: Telegram, teacher: Teacher) -> None:
        """After a teacher has unlinked an ID another account can use it."""
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Unlink Telegram")
        teacher.taps("Yes, Unlink")
        eventually("it is unlinked", lambda: "Unlink" not in str(teacher.screen()[-1]))
        phone = Student(telegram, 2002)
        phone.says("/start")
        phone.says(f"S001 {code}")
        phone.sees("The code is right")


class TestPlace:
    """Locations of students."""

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
        """A venue and a forwarded location are refused with the reason; a real location counts afterwards."""
        student.sends(**content)
        student.sees(said)
        student.shares()
        student.is_accepted()

    def test_stale(self, student: Student, clock: RunningClock) -> None:
        """A location older than a minute does not count."""
        clock.forward(65)
        student.shares()
        student.sees("out of date")

    def test_strict(self, run: Run, telegram: Telegram) -> None:
        """With the strict policy only a live location counts, also for the teacher."""
        run.starts(location_policy="strict")
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.taps("Take Attendance")
        teacher.taps("CS-1")
        teacher.taps("Next")
        teacher.sees("live location")
        teacher.sends(location={"latitude": ROOM[0], "longitude": ROOM[1]})
        eventually("the refusal", lambda: teacher.counts("A live location is needed") >= 2)
        teacher.sends(location={"latitude": ROOM[0], "longitude": ROOM[1], "live_period": 900})
        student = Student(telegram, 2001)
        student.says(f"/start {teacher.code()}")
        student.says("S001")
        student.sees("The code is right")
        student.shares(live_period=900)
        student.is_accepted()

    def test_walks_in(self, student: Student) -> None:
        """A live location counts once it moves into the class; other movements send no messages."""
        number = student.shares(400, live_period=900)
        student.sees("You are 400 m from the class")
        before = len(student.screen())
        for metres in (300, 200):
            student.moves(number, ROOM[0] + metres * METRE, ROOM[1])
        student.moves(number, ROOM[0] + 10 * METRE, ROOM[1])
        student.is_accepted()
        assert len(student.screen()) == before

    def test_without_a_code(self, teacher: Teacher, telegram: Telegram) -> None:
        """A location without a code is answered with what to do first."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.shares()
        student.sees("Send the code first.")

    def test_grace(self, student: Student, teacher: Teacher, clock: RunningClock) -> None:
        """A check-in whose code came in time can be finished after the end, and counts as late."""
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        student.shares()
        student.is_accepted()
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
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        student.says("/me")
        text = student.sees("Attendance: 100 %")["text"]
        assert "Algebra: present" in text

    def test_marked_twice(self, student: Student, teacher: Teacher, code: str) -> None:
        """A check-in after the mark is answered, and the mark is announced once."""
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        student.says(code)
        student.sees("You are marked already.")
        assert student.counts("Attendance marked") == 1

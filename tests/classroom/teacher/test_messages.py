"""How many messages a teacher gets in an ordinary lesson, which of them ring, and what a deleted board does."""

from typing import Any

import pytest

from tests.classroom.running import TEACHERS, Run, RunningClock, Student, Teacher, rosters
from tests.classroom.teacher.test_board import comes
from tests.classroom.teacher.test_reports import finishes, in_lms
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration


def sent(telegram: Telegram) -> list[str]:
    """Return the beginnings of what the teacher bot sent as new, without the answers to /help."""
    found = []
    for call in telegram.get("/calls"):
        if call["bot"] == TEACHERS and call["method"].startswith("send"):
            params: dict[str, Any] = call["params"]
            text = params.get("text") or params.get("caption") or params["media"][-1]["caption"]
            if "15 seconds after the end" not in text:
                found.append(f"{call['method']}: {text.splitlines()[0]}")
    return found


def delete(telegram: Telegram, teacher: Teacher, message: int) -> None:
    """Let a teacher delete a message of the bot from the chat."""
    telegram.call("/delete", bot=TEACHERS, person=teacher.number, message_id=message)


@pytest.mark.ordeal
def test_ordinary_lesson(
    teacher: Teacher, telegram: Telegram, clock: RunningClock, student: Student, tmp_path: Any
) -> None:
    """A lesson is a location request, a board, a report with its files in one message, and a quiet last line.

    Before there were 13 messages: location request, "open", QR code, board, a list, and two reports of four each.
    """
    before = len(sent(telegram))
    code = teacher.opens("CS-1")
    eventually("the request is gone", lambda: teacher.counts("Share your location") == 0)
    assert telegram.get("/chat", bot=TEACHERS, person=7001)["reply_keyboard"] is None
    assert len(sent(telegram)) - before == 2
    comes(student, code, "S001", 5)
    teacher.taps("Confirm All (1)")
    student.sees("Attendance marked")
    teacher.reads_toast("Confirmed: 1")
    teacher.taps("Mark by Hand")
    teacher.taps("B. Student: absent")
    teacher.taps("Late")
    teacher.taps("No Reason")
    teacher.taps("Done")
    in_lms(tmp_path, 1)
    teacher.taps("Close Now")
    teacher.sees("Closed at")
    clock.forward(16)
    first = teacher.sees("Report: ")
    finishes(teacher, clock)
    last = teacher.sees("(final)")
    eventually("the album", lambda: sum(bool(each.get("document")) for each in teacher.screen()) == 2)
    assert not teacher.sees("Take attendance:")["rang"]  # the menu, below the report
    texts = sent(telegram)[before:]
    assert texts[0].startswith("sendMessage: Share your location")
    assert texts[1].startswith("sendPhoto: <b>Algebra</b>: CS-1")
    assert texts[2].startswith("sendMessage: <b>Algebra</b>: CS-1")  # the list for marks by hand
    assert texts[3].startswith("sendMessage: <b>Algebra</b>: CS-1")  # the board without the code
    menu = "sendMessage: Take attendance: open a session, show the code, see who is in."
    after_the_end = [each.partition(" <b>")[0] for each in texts[4:]]
    assert after_the_end in (["sendMediaGroup:", menu], ["sendMediaGroup:", menu, "sendMessage:"])
    assert first["rang"]
    assert last["message_id"] == first["message_id"] or not last["rang"]
    bot = [each for each in teacher.screen() if each["from"] == "bot"]
    shown = [each for each in bot if "15 seconds" not in each["text"] and not each.get("document")]
    assert sum("Algebra" in (each["text"] or "") for each in shown) <= 2  # board, and the last line
    assert telegram.refused_calls() == []
    eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])


class TestDeletedBoard:
    """The teacher deletes the board from the chat."""

    def test_sent_anew(self, teacher: Teacher, code: str, telegram: Telegram, student: Student) -> None:
        """The next change shows it again with its code, once and without ringing, and it goes on."""
        board = teacher.sees("In: 0 of 3")["message_id"]
        delete(telegram, teacher, board)
        comes(student, code, "S001", 5)
        again = teacher.sees("Waiting for you: 1")
        assert again["message_id"] > board
        assert again["photo"]
        assert not again["rang"]
        teacher.taps("Confirm All (1)")
        assert teacher.sees("In: 1 of 3")["message_id"] == again["message_id"]
        assert teacher.counts("Missing: ") == 1

    def test_after_a_restart(self, teacher: Teacher, code: str, telegram: Telegram, run: Run) -> None:
        """A board that was deleted while the process was stopped comes back after the start."""
        board = teacher.sees("In: 0 of 3")["message_id"]
        run.stops()
        delete(telegram, teacher, board)
        run.starts()
        assert teacher.sees("In: 0 of 3")["message_id"] > board

    def test_not_without_end(self, teacher: Teacher, code: str, telegram: Telegram, clock: RunningClock) -> None:
        """A board that is deleted again and again comes back three times, and with Open Session."""
        for _again in range(4):
            delete(telegram, teacher, teacher.sees("In: 0 of 3")["message_id"])
            clock.forward(6)
        before = len(sent(telegram))
        for _more in range(3):
            clock.forward(6)
            teacher.settles()
        assert len(sent(telegram)) == before
        teacher.says("/start")
        teacher.taps("Open Session")
        teacher.sees("In: 0 of 3")


class TestOpenSession:
    """The menu's button."""

    def test_one(self, teacher: Teacher, code: str, telegram: Telegram) -> None:
        """With one running session its board moves below."""
        board = teacher.sees("In: 0 of 3")["message_id"]
        teacher.says("/start")
        teacher.taps("Open Session")
        moved = eventually("below", lambda: (m := teacher.sees("In: 0 of 3"))["message_id"] > board and m)
        assert moved["photo"]
        eventually("one board", lambda: teacher.counts("In: 0 of 3") == 1)
        assert teacher.code() == code
        assert telegram.refused_calls() == []

    def test_several(self, teacher: Teacher, code: str) -> None:
        """Of several running sessions the teacher chooses one."""
        teacher.says("/start")
        teacher.opens("CS-2")
        teacher.says("/start")
        teacher.taps("Open Session")
        shown = labels(teacher.sees("Which session?"))
        assert [each.partition(" ")[2] for each in shown] == ["Algebra: CS-1", "Algebra: CS-2", ""]
        below = teacher.sees("In: 0 of 1")["message_id"]
        teacher.taps(shown[0])
        eventually("the first one below", lambda: teacher.sees("In: 0 of 3")["message_id"] > below)

    def test_none(self, teacher: Teacher, telegram: Telegram) -> None:
        """Without a session the menu has no such button, and an old one says so."""
        assert "Open Session" not in labels(teacher.sees("Take attendance:"))
        teacher.forges("sessions")
        teacher.reads_toast("No session is running.")
        eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])

    @pytest.mark.ordeal
    def test_after_the_report(self, teacher: Teacher, code: str, clock: RunningClock, telegram: Telegram) -> None:
        """After the final report the board of a recent session can be shown, for marks by hand."""
        clock.forward(140)
        teacher.sees("(final)")
        board = teacher.sees("Closed at")["message_id"]
        delete(telegram, teacher, board)
        teacher.says("/start")
        teacher.taps("Open Session")
        assert "Mark by Hand" in labels(teacher.sees("Closed at"))


def test_other_living_messages(teacher: Teacher, code: str, telegram: Telegram) -> None:
    """A deleted list comes back at the next tap on an older message's button."""
    teacher.taps("Mark by Hand")
    shown = teacher.sees("Whom do you mark by hand?")
    data = shown["buttons"][0][0]["data"]
    delete(telegram, teacher, shown["message_id"])
    teacher.forges(data)
    teacher.sees("Status: absent")


class TestNames:
    """Students with the same name, and more than fit."""

    def test_same_name(self, run: Run, telegram: Telegram, tmp_path: Any, clock: RunningClock) -> None:
        """Board, lists, buttons and reports tell two students of one name apart, on different batches, too."""
        rosters(tmp_path, {"CS-1": [("S1", "A. Student"), ("S3", "C. Student")], "CS-2": [("S2", "a.  student")]})
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1", "CS-2")
        comes(Student(telegram, 2001), code, "S1", 5)
        comes(Student(telegram, 2002), code, "S3", 80)
        comes(Student(telegram, 2003), code, "S2", 450)
        board = teacher.sees("Not completed: 1\n- a. student (S2): too far away (450 m)")["text"]
        assert "- A. Student (S1): in place (5 m)" in board
        assert "- C. Student: just outside (80 m)" in board
        teacher.taps("Check One by One")
        assert "Accept A. Student (S1)" in labels(teacher.sees("Are they in class?"))
        teacher.taps("Done")
        teacher.taps("Mark by Hand")
        shown = labels(teacher.sees("Whom do you mark by hand?"))
        assert shown[:3] == ["A. Student (S1): absent", "C. Student: absent", "a. student (S2): absent"]
        teacher.taps("All Names")
        names = teacher.sees("Missing: 0")["text"]
        assert "In: 0 of 3\nWaiting for you: 2" in names
        clock.forward(140)
        report = teacher.sees("(provisional)")["text"]
        assert "- A. Student (S1)\n" in report
        assert "- a. student (S2)" in report

    def test_many(self, run: Run, telegram: Telegram, tmp_path: Any) -> None:
        """Of 150 students with long names all are on the pages of All Names, and Telegram refuses nothing."""
        names = [f"{at:03} & " + "W" * 60 for at in range(150)]
        rosters(tmp_path, {"CS-1": [(f"S{at:03}", name) for at, name in enumerate(names)]})
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1")
        for at in range(12):
            comes(Student(telegram, 2001 + at), code, f"S{at:03}", 5)
        board = teacher.sees("Waiting for you: 12")
        assert "000 & " in board["text"]
        assert " more\nMissing: 138" in board["text"]
        teacher.taps("All Names")
        found = ""
        for page in range(3):
            found += teacher.waits("the page", lambda messages: _page(messages, found))  # noqa: B023
            if page < 2:
                teacher.taps("More")
        assert [found.count(f"- {name}") for name in names] == [1] * 150
        assert telegram.refused_calls() == []


def _page(messages: list[dict[str, Any]], before: str) -> str | None:
    """Return the page of names that is not the one before."""
    text = next((m["text"] for m in reversed(messages) if "Done" in labels(m)), "")
    return text if text and text not in before else None

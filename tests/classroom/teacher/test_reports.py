"""The end of a session, its provisional and final reports over restarts and failures, and the history."""

import csv
import io
import zipfile
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.classroom.running import TEACHERS, Run, RunningClock, Student, Teacher, rosters
from tests.classroom.teacher.test_board import comes, rows
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration


def files(teacher: Teacher, telegram: Telegram) -> dict[str, bytes]:
    """Return the CSV files and workbooks in the chat by their names."""
    found = {}
    for message in teacher.screen():
        document = message.get("document")
        if document and not document["file_name"].endswith(".png"):
            parameters = {"bot": TEACHERS, "file_id": document["file_id"]}
            found[document["file_name"]] = telegram.http.get("/file", params=parameters).content
    return found


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Return the rows of a sheet's CSV, which stand below its title and facts."""
    lines = content.decode("utf-8-sig").splitlines()
    return list(csv.DictReader(lines[lines.index("") + 1 : -2]))


def reports(teacher: Teacher) -> list[str]:
    """Return the first message of each report."""
    return [each["text"] for each in teacher.screen() if (each["text"] or "").startswith("Report: ")]


def kinds(teacher: Teacher) -> list[str]:
    """Return the kinds of the reports in the chat."""
    return [text.splitlines()[0].rpartition("(")[2].rstrip(")") for text in reports(teacher)]


def in_lms(folder: Path, batches: int) -> None:
    """Wait until the LMS has confirmed this many batches; then only people can delay the final report."""
    query = "SELECT * FROM sheets WHERE acked_version = version"
    eventually("the LMS's confirmation", lambda: len(rows(folder, query)) == batches)


def finishes(teacher: Teacher, clock: RunningClock) -> None:
    """Move the clock until the final report is there: an ended session is checked every five seconds."""

    def is_final() -> bool:
        clock.forward(6)
        return "final" in kinds(teacher)

    eventually("the final report", is_final)


class TestReport:
    """The reports of a session."""

    def test_everything(self, teacher: Teacher, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
        """The report comes 15 seconds after the end: counts, lists, a picture, CSV and XLSX with all students."""
        code = teacher.opens("CS-1", "CS-2")
        people = [Student(telegram, 2001 + number) for number in range(2)]
        comes(people[0], code, "S001", 5)
        comes(people[1], code, "S002", 700)
        teacher.taps("Confirm All (1)")
        people[0].sees("Recorded.")
        clock.forward(122)
        teacher.sees("Closed at")
        teacher.settles()
        (session,) = rows(tmp_path, "SELECT ended_at FROM sessions")
        early = reports(teacher)
        assert not early or (clock.now() - datetime.fromisoformat(session["ended_at"])).total_seconds() >= 15
        in_lms(tmp_path, 2)
        clock.forward(95)  # past the grace period of check-ins with a valid code
        teacher.sees("(final)")
        text = reports(teacher)[0]
        for line in ("Present: 1", "Late: 0", "Absent: 3 of 4", "Recorded."):
            assert line in text.splitlines()
        assert "Not completed\n- B. Student: too far away (700 m)" in text
        found = eventually("the files", lambda: len(every := files(teacher, telegram)) == 2 and every)
        stem = f"Algebra_CS-1+CS-2_{clock.now().astimezone(ZoneInfo('Asia/Almaty')):%Y-%m-%d}"
        assert list(found) == [f"{stem}.xlsx", f"{stem}.pdf"]
        assert zipfile.ZipFile(io.BytesIO(found[f"{stem}.xlsx"])).testzip() is None
        assert found[f"{stem}.pdf"].startswith(b"%PDF")
        assert sum(bool(each.get("photo")) for each in teacher.screen()) == 0  # the code's is gone
        teacher.taps("Send Report")
        found = eventually("the CSV, too", lambda: len(every := files(teacher, telegram)) == 3 and every)
        lines = rows_of(found[f"{stem}.csv"])
        assert [(line["Student ID"], line["Attendance"]) for line in lines] == [
            ("S001", "present"),
            ("S002", "absent"),
            ("S003", "absent"),
            ("S101", "absent"),
        ]
        came = lines[0]["Came at"][:5]
        assert f"Present\n- A. Student, {came}\n" in text
        assert (lines[0]["Marked by"], lines[0]["Remark"]) == ("A. Teacher", "confirmed with others: in place (5 m)")
        assert lines[0]["Came at"] <= lines[0]["Decided at"][11:]
        assert (lines[1]["Marked by"], lines[1]["Remark"]) == ("", "too far away (700 m)")
        album = [each["document"]["file_name"][-3:] for each in teacher.screen() if each.get("document")]
        assert album == ["lsx", "pdf", "lsx", "pdf", "csv", "png"]
        assert telegram.refused_calls() == []

    def test_provisional_while_a_review_is_open(
        self, teacher: Teacher, telegram: Telegram, clock: RunningClock, student: Student
    ) -> None:
        """While a review is open the report is provisional; the final one follows the decision."""
        code = teacher.opens("CS-1")
        comes(student, code, "S001", 80)
        clock.forward(140)
        teacher.sees("(provisional)")
        assert "A. Student: just outside (80 m)" in reports(teacher)[0]
        teacher.settles()
        assert kinds(teacher) == ["provisional"]
        teacher.taps("Check One by One")
        teacher.taps("Accept A. Student")
        student.sees("Attendance marked")
        finishes(teacher, clock)
        assert kinds(teacher) == ["provisional", "final"]
        assert "Present: 1" in reports(teacher)[1]

    def test_provisional_while_somebody_has_time(
        self, teacher: Teacher, telegram: Telegram, clock: RunningClock, student: Student
    ) -> None:
        """The final report waits for the grace period of a student whose code came in time."""
        code = teacher.opens("CS-1")
        clock.forward(85)
        comes(student, code, "S001")
        clock.forward(52)
        teacher.sees("(provisional)")
        clock.forward(90)
        final = teacher.sees("(final)")
        assert "A. Student: no location yet" in reports(teacher)[0]
        assert "No change since the report at " in final["text"]
        assert not final["rang"]

    def test_300_students(self, run: Run, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
        """All 300 difficult names are in the report once, in messages that Telegram accepts."""
        names = [f"{at:03} _*<b>&'`\U0001f600 " + "W" * 60 for at in range(300)]
        rosters(tmp_path, {"CS <1> & _*": [(f"S{at:03}", name) for at, name in enumerate(names)]}, "Algebra <&>")
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.opens("CS <1> & _*")
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        in_lms(tmp_path, 1)
        clock.forward(16)
        eventually("the files", lambda: len(files(teacher, telegram)) == 2)
        text = "\n".join(each["text"] or "" for each in teacher.screen() if each["from"] == "bot")
        assert all(text.count(f"- {name.strip()}") == 1 for name in names)
        assert telegram.refused_calls() == []

    @pytest.mark.ordeal
    def test_again_after_reopening(self, teacher: Teacher, clock: RunningClock) -> None:
        """A reopened session gets its reports again after its new end."""
        teacher.opens("CS-1")
        clock.forward(140)
        teacher.sees("(final)")
        teacher.taps("Reopen")
        teacher.sees(" s left")
        clock.forward(140)
        eventually("the second", lambda: kinds(teacher).count("final") == 2)

    def test_never_decided(self, teacher: Teacher, clock: RunningClock, student: Student) -> None:
        """After twelve hours without a decision all is final; the teacher was reminded, the student is told why."""
        code = teacher.opens("CS-1")
        comes(student, code, "S001", 5)
        clock.forward(140)
        teacher.sees("(provisional)")
        clock.forward(3600)
        asked = teacher.sees("Still waiting for you: 1. Who is not confirmed by")
        assert labels(asked) == ["Open Session"]
        clock.forward(3600)
        clock.forward(10 * 3600)
        teacher.sees("(final)")
        student.sees("Your check-in for Algebra was not confirmed in time")
        assert student.counts("did not accept") == 0
        assert "Absent: 3 of 3" in reports(teacher)[-1]
        assert "- A. Student: not confirmed" in reports(teacher)[-1]
        assert teacher.counts("Still waiting for you") == 1

    def test_language(self, run: Run, telegram: Telegram, clock: RunningClock) -> None:
        """The report is in the teacher's language."""
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.says("/language")
        teacher.taps("Русский")
        teacher.taps("Отметить посещаемость")
        teacher.taps("CS-1")
        teacher.taps("Далее")
        teacher.sends(location={"latitude": 43.25, "longitude": 76.95})
        teacher.sees("Код: ")
        clock.forward(140)
        assert "Отсутствуют: 3 из 3" in teacher.sees("Отчёт: Algebra")["text"]


class TestRestarts:
    """Restarts between the steps."""

    def test_between_end_and_report(self, teacher: Teacher, run: Run, clock: RunningClock) -> None:
        """A report that was due while the process was stopped is sent once after the start."""
        teacher.opens("CS-1")
        run.stops()
        clock.forward(200)
        run.starts()
        finishes(teacher, clock)
        run.starts()
        teacher.settles()
        assert kinds(teacher) in (
            ["final"],
            ["provisional", "final"],
        )  # by whether the LMS has confirmed by then

    def test_between_the_two(
        self, teacher: Teacher, run: Run, clock: RunningClock, student: Student, telegram: Telegram
    ) -> None:
        """A restart after the provisional report repeats nothing; the final report follows the decision."""
        code = teacher.opens("CS-1")
        comes(student, code, "S001", 5)
        clock.forward(140)
        teacher.sees("(provisional)")
        for _restart in range(2):
            run.starts()
            teacher.settles()
        assert kinds(teacher) == ["provisional"]
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        finishes(teacher, clock)
        assert kinds(teacher) == ["provisional", "final"]
        assert telegram.refused_calls() == []

    def test_telegram_away(
        self, teacher: Teacher, run: Run, clock: RunningClock, telegram: Telegram, tmp_path: Path
    ) -> None:
        """A report queued while Telegram fails survives a restart and arrives complete."""
        teacher.opens("CS-1")
        for method in ("sendMessage", "sendMediaGroup"):
            telegram.call("/faults", method=method, kind="502", bot=TEACHERS, times=None)
        clock.forward(140)
        eventually("it is queued", lambda: list((tmp_path / "classroom" / "reports").rglob("*.xlsx")))
        run.starts()
        telegram.http.delete("/faults").raise_for_status()
        finishes(teacher, clock)
        eventually("the files", lambda: len(files(teacher, telegram)) == 2)
        assert len(kinds(teacher)) == len(set(kinds(teacher)))


def test_files_that_cannot_be_written(
    teacher: Teacher, clock: RunningClock, telegram: Telegram, tmp_path: Path, student: Student
) -> None:
    """A report whose files can't be written is retried and sent once; other sessions go on."""
    folder = tmp_path / "classroom" / "reports"
    folder.write_text("in the way")
    teacher.opens("CS-1")
    teacher.taps("Close Now")
    teacher.sees("Closed at")
    in_lms(tmp_path, 1)
    clock.forward(16)
    teacher.says("/start")
    code = teacher.opens("CS-2")
    comes(student, code, "S101", 5)
    teacher.sees("Waiting for you: 1")
    assert not reports(teacher)
    folder.unlink()
    eventually("the files", lambda: len(files(teacher, telegram)) == 2)
    assert kinds(teacher) == ["final"]


def test_menu_below_the_report(teacher: Teacher, clock: RunningClock, run: Run) -> None:
    """After a lesson the menu is below the report, once, also over a restart, and opens the next lesson."""
    teacher.opens("CS-1")
    clock.forward(140)
    report = teacher.sees("Report: ")
    menu = teacher.sees("Take attendance:")
    assert (menu["message_id"] > report["message_id"], menu["rang"]) == (True, False)
    finishes(teacher, clock)
    run.starts()
    clock.forward(6)
    teacher.settles()
    assert teacher.counts("Take attendance:") == 1
    teacher.taps("Take Attendance")
    teacher.sees("Which batches?")


def test_no_menu_in_the_way(teacher: Teacher, clock: RunningClock) -> None:
    """Who is opening the next lesson when the report comes goes on with it."""
    teacher.opens("CS-1")
    teacher.says("/start")
    teacher.taps("Take Attendance")
    teacher.sees("Which batches?")
    clock.forward(140)
    finishes(teacher, clock)
    teacher.settles()
    assert teacher.counts("Take attendance:") == 0
    teacher.taps("CS-2")
    teacher.sees("Next.\nCS-2")


def test_who_waits_is_not_absent(teacher: Teacher, clock: RunningClock, student: Student, telegram: Telegram) -> None:
    """While the teacher has not decided, neither the report nor /me nor /history says that the student is absent."""
    code = teacher.opens("CS-1")
    comes(student, code, "S001", 80)
    clock.forward(140)
    report = teacher.sees("(provisional)")["text"]
    assert "Absent: 2 of 3\nWaiting for the teacher: 1\n" in report
    teacher.taps("Send Report")
    found = eventually("the CSV", lambda: [each for name, each in files(teacher, telegram).items() if "csv" in name])
    assert [row["Attendance"] for row in rows_of(found[0])] == ["waiting for the teacher", "absent", "absent"]
    student.says("/me")
    shown = student.sees("Algebra: ")["text"]
    assert "Algebra: waiting for the teacher" in shown
    assert "%" not in shown
    teacher.says("/history")
    assert "CS-1: 0 % (0/2), Waiting for the teacher: 1" in teacher.sees("Sessions\n")["text"]
    teacher.taps("Check One by One")
    teacher.taps("Reject A. Student")
    student.sees("did not accept")
    finishes(teacher, clock)
    assert "Absent: 3 of 3" in reports(teacher)[-1]
    student.says("/me")
    student.sees("Algebra: absent")


def test_history(run: Run, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
    """/history has percentages and the students below the threshold, without cancelled lessons."""
    run.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    teacher.opens("CS-1")
    teacher.saves_room("Hall")
    for day in range(2):
        if day:
            clock.forward(24 * 3600)
            finishes(teacher, clock)  # else yesterday's board may come below today's
            teacher.opens_in("Hall", "CS-1")
            teacher.sees("In: 0 of 3")
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Present")
        teacher.taps("No Reason")
        eventually("the mark", lambda: len(rows(tmp_path, "SELECT * FROM marks")) == day + 1)  # noqa: B023
    teacher.taps("B. Student: absent")
    teacher.taps("Excused")
    teacher.taps("No Reason")
    teacher.sees("excused: 1")
    teacher.taps("Close Now")
    eventually("both have ended", lambda: " s left" not in str(teacher.screen()))
    teacher.opens_in("Hall", "CS-2")
    teacher.sees("In: 0 of 1")
    teacher.taps("Cancel Session")
    teacher.sees("Algebra: CS-2\nCancel the session?")
    teacher.taps("Yes, Cancel It")
    teacher.sees("Cancelled: nothing is recorded.")
    teacher.says("/history")
    text = teacher.sees("Sessions\n")["text"]
    assert "Algebra, CS-1: 33 % (1/3)" in text
    assert "Algebra, CS-1: 50 % (1/2)" in text
    assert "CS-2" not in text
    low = text.split("Below 75 %\n")[1].splitlines()
    assert [line.split(",")[0] for line in low] == ["- B. Student S002", "- C. Student S003"]
    assert len(rows(tmp_path, "SELECT * FROM sessions WHERE cancelled = 1")) == 1


def test_history_of_many(run: Run, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
    """With 200 students below the threshold /history is one message with the worst, and a file of all."""
    rosters(tmp_path, {"CS-1": [(f"S{at:03}", f"Student {at:03}") for at in range(200)]})
    run.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    teacher.opens("CS-1")
    teacher.taps("Close Now")
    teacher.sees("Closed at")
    teacher.says("/history")
    (low,) = [content for name, content in eventually("a file", lambda: files(teacher, telegram)).items()]
    lines = list(csv.DictReader(io.StringIO(low.decode("utf-8-sig"))))
    assert lines[0] == {
        "Batch": "CS-1",
        "Student ID": "S000",
        "Name": "Student 000",
        "Subject": "Algebra",
        "Attended, %": "0",
    }
    assert len(lines) == 200
    assert teacher.counts("Student 0") == 1
    assert "and 180 more" in teacher.sees("Below 75 %")["text"]
    assert telegram.refused_calls() == []


def test_cleaned(teacher: Teacher, clock: RunningClock, tmp_path: Path) -> None:
    """Sessions older than the retention time are deleted with their rosters within five minutes."""
    teacher.opens("CS-1")
    clock.forward(140)
    finishes(teacher, clock)
    clock.forward(181 * 24 * 3600)
    eventually("no sessions", lambda: rows(tmp_path, "SELECT * FROM sessions") == [])
    assert rows(tmp_path, "SELECT * FROM enrolled") == []


def test_commands(teacher: Teacher, telegram: Telegram) -> None:
    """Both bots register their commands in each language."""
    for bot, wanted in ((TEACHERS, "history"), ("students_test_bot", "me")):
        shown = eventually("the commands", lambda: telegram.get("/commands", bot=bot))  # noqa: B023
        assert wanted in str(shown)
    eventually("the Russian ones", lambda: "Меню" in str(telegram.get("/commands", bot=TEACHERS)))


def test_help_and_cancel(teacher: Teacher) -> None:
    """/help explains the bot, /cancel ends a conversation, and an unknown text leads to the menu."""
    teacher.says("/help")
    text = teacher.sees("send the code to @students_test_bot")["text"]
    for wanted in (
        "iPhone: Settings, Privacy",
        "Change Place",
        "The code has expired",
        "Whom to ask",
        "a computer can't",
        "/move",
    ):
        assert wanted in text
    assert len(text) < 2000
    teacher.taps("Take Attendance")
    teacher.sees("Which batches?")
    teacher.says("/cancel")
    teacher.sees("Cancelled.")
    teacher.says("hello")
    eventually("the menu", lambda: teacher.counts("Take attendance:") >= 2)


def test_asked_twice(teacher: Teacher, clock: RunningClock) -> None:
    """A double tap on Send Report sends one report; a later tap sends another."""
    teacher.opens("CS-1")
    clock.forward(140)
    finishes(teacher, clock)
    before = len(kinds(teacher))
    data = next(b["data"] for row in teacher.sees("Missing: ")["buttons"] for b in row if b["text"] == "Send Report")
    for _twice in range(2):
        teacher.forges(data)
    teacher.settles()
    eventually("one more", lambda: len(kinds(teacher)) == before + 1)
    clock.forward(11)
    teacher.forges(data)
    eventually("another", lambda: len(kinds(teacher)) == before + 2)


def test_board_below_the_report(teacher: Teacher, clock: RunningClock, student: Student) -> None:
    """If check-ins wait for the teacher after the end, the board is sent below the report."""
    code = teacher.opens("CS-1")
    comes(student, code, "S001", 80)
    clock.forward(140)
    report = teacher.sees("(provisional)")
    eventually("the board below", lambda: teacher.sees("Closed at")["message_id"] > report["message_id"])
    teacher.taps("Check One by One")
    teacher.taps("Reject A. Student")
    student.sees("did not accept")
    finishes(teacher, clock)
    assert kinds(teacher) == ["provisional", "final"]

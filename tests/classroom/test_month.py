"""A month of lectures and labs, played through both bots: the register is the played truth, cell by cell."""

import io
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from sandbox.telegram.server import TelegramSimulator
from sandbox.telegram.signal import Clock
from tests.classroom.running import STUDENTS, TEACHERS, Run, RunningClock, Student, Teacher, its_telegram
from tests.classroom.student.test_corrections import REQUEST, asks
from tests.classroom.teacher.test_board import rows
from tests.classroom.teacher.test_reports import files
from tests.classroom.teacher.test_whole_class import LIST
from tests.e2e.people import Message, Telegram, eventually, labels
from tests.servers import in_thread

pytestmark = [pytest.mark.integration, pytest.mark.ordeal, pytest.mark.timeout(1800)]

ZONE = ZoneInfo("Asia/Almaty")
WEEKS = 4
WITH_PHONES = 5  # students of each batch, who check in themselves
BOTH = "S199"  # on the rosters of CS-1 and CS-2
FIRST = ("Әбілқасымова", "Иванова", "Нұрланұлы", "Smith", "Қожахметов", "Щербакова")
HAND, CHOICE = "Whom do you mark by hand?", "Who is late or excused?"
LETTERS = {"present": "P", "late": "L", "excused": "E", "absent": "A", "waits": "?"}
Roster = dict[str, dict[str, str]]  # by batch: names by student ID


@dataclass
class Lesson:
    """What really happened in a lesson."""

    day: str
    name: str
    begun: tuple[str, str]  # the minutes between which it was opened; empty for a lesson of a day before
    rosters: Roster
    statuses: dict[str, str]
    is_final: bool = True

    @property
    def people(self) -> dict[str, str]:
        return {each: name for roster in self.rosters.values() for each, name in roster.items()}


@dataclass
class Month:
    """The people, the rosters, and the truth."""

    folder: Path
    telegram: Telegram
    clock: RunningClock
    teacher: Teacher
    draw: random.Random
    roster: Roster = field(default_factory=dict)
    accounts: dict[str, Student] = field(default_factory=dict)
    lessons: list[Lesson] = field(default_factory=list)

    def enrols(self) -> None:
        """Write the rosters, as old as a file that nobody writes any more."""
        folder = self.folder / "rosters"
        folder.mkdir(exist_ok=True)
        (folder / "teachers.csv").write_text("phone,name,campus\n+77010000001,A. Teacher,Main\n", encoding="utf-8")
        lines = ["batch;subject;student_id;name"]
        lines += [f"{batch};Algebra;{each};{name}" for batch, of in self.roster.items() for each, name in of.items()]
        (folder / "students.csv").write_text("\n".join(lines), encoding="utf-8")
        os.utime(folder / "students.csv", (time.time() - 60, time.time() - 60 + len(self.lessons)))

    def goes_to(self, days: int, hour: int) -> None:
        """Move the clock to an hour, some days from today."""
        now = self.clock.now().astimezone(ZONE)
        then = now.replace(hour=hour, minute=0, second=0) + timedelta(days=days)
        self.clock.forward((then - now).total_seconds())

    def opens(self, *batches: str, name: str = "") -> tuple[str, Lesson]:
        """Open a lesson; return its code, and what is true of it at its beginning."""
        before = self._minute()
        self.teacher.taps("Take Attendance")
        self.teacher.chooses(*batches)
        if name:
            self.teacher.taps("Another Lesson")
            self.teacher.taps(name)
        number = len([each for each in self.teacher.screen() if "Code: " in (each["text"] or "")])
        self.teacher.waits("the place", lambda messages: "Share your location" in (messages[-1]["text"] or ""))
        self.teacher.shares_place()
        title = f"Algebra ({name})" if name else "Algebra"
        self.teacher.waits(
            f"the board {number}",
            lambda messages: any(" s left" in (each["text"] or "") and title in each["text"] for each in messages),
        )
        return self.teacher.code(), self._lesson(batches, name, (before, self._minute()))

    def _minute(self) -> str:
        return f"{self.clock.now().astimezone(ZONE):%H:%M}"

    def _lesson(self, batches: tuple[str, ...], name: str, begun: tuple[str, str], days_ago: int = 0) -> Lesson:
        rosters = {batch: dict(self.roster[batch]) for batch in batches}
        day = self.clock.now().astimezone(ZONE) - timedelta(days=days_ago)
        lesson = Lesson(f"{day:%d.%m.%Y}", name, begun, rosters, {})
        lesson.statuses = dict.fromkeys(lesson.people, "absent")
        self.lessons.append(lesson)
        return lesson

    def check_in(self, lesson: Lesson, code: str, most: int) -> None:
        """Let some students check in by phone; the teacher confirms them all."""
        here = [each for each in lesson.people if each in self.accounts]
        here = self.draw.sample(here, min(most, len(here)))
        for each in here:
            self.arrives(each, code, 5)
        self.teacher.taps(f"Confirm All ({len(here)})")
        for each in here:
            student = self.accounts[each]
            marked = sum(each in other.people and "phone" in other.statuses[each] for other in self.lessons) + 1
            eventually("the mark", lambda: student.counts("Attendance marked") >= marked)  # noqa: B023
            lesson.statuses[each] = "present by phone"

    def arrives(self, student_id: str, code: str, metres: float) -> None:
        """Let a student send code and location; whose account is not bound yet also the ID."""
        student, before = self.accounts[student_id], self.accounts[student_id].counts("The code is right")
        student.says(f"/start {code}")
        if student_id not in self.bound:
            student.sees("Now send me your student ID.")
            student.says(student_id)
            self.bound.add(student_id)
        eventually("the next step", lambda: student.counts("The code is right") > before)
        student.shares(metres)
        if metres < 50:
            student.is_accepted()
        else:
            student.sees("has to look")

    bound: set[str] = field(default_factory=set)

    def by_hand(self, lesson: Lesson, absent: int, other: int) -> None:
        """Mark everybody else present, then tap who is not, and who is late or excused; end with Done."""
        if lesson.begun:
            self.teacher.taps("Whole Class")
        self.teacher.taps("All Present")
        self.teacher.taps(f"Yes, Mark {sum(each == 'absent' for each in lesson.statuses.values())}")
        open_ones = [each for each, status in lesson.statuses.items() if status == "absent"]
        lesson.statuses |= dict.fromkeys(open_ones, "present")
        missed = [each for each in open_ones if each in self.bound][:1]  # who was there, and will ask for a correction
        rest = [each for each in open_ones if each not in missed]
        away = missed + self.draw.sample(rest, min(absent + other, len(open_ones)) - len(missed))
        for each in away[:absent]:
            self.finds(LIST, f"\u2713 {lesson.people[each]}")
            self.finds(LIST, f"\u2717 {lesson.people[each]}", tap=False)
            lesson.statuses[each] = "absent"
        self.teacher.taps("Late or Excused")
        for at, each in enumerate(away[absent:]):
            self.finds(CHOICE, f"\u2713 {lesson.people[each]}")
            lesson.statuses[each] = "excused" if at % 2 else "late"
            self.teacher.taps(lesson.statuses[each].capitalize())
            self.teacher.taps("No Reason")
            self.finds(CHOICE, f"{lesson.statuses[each]}: {lesson.people[each]}", tap=False)
        self.teacher.taps("Back")
        self.teacher.taps("Done")

    def finds(self, text: str, label: str, *, tap: bool = True) -> None:
        """Wait for a button of the newest list with this text, on whichever page it is, and tap it."""

        def listed(messages: list[Message]) -> list[str]:
            return next((labels(each) for each in reversed(messages) if text in (each["text"] or "")), [])

        deadline, turn = time.monotonic() + 90, "More"
        while label not in (shown := self.teacher.waits(text, listed)):
            assert time.monotonic() < deadline, f"no button '{label}': {shown}"
            turn = turn if turn in shown else "Previous" if "Previous" in shown else ""
            if turn and tap:
                self.teacher.taps(turn)
                self.teacher.waits("the other page", lambda messages: listed(messages) not in ([], shown))
            else:
                time.sleep(0.1)
        if tap:
            self.teacher.taps(label)

    def ends(self) -> None:
        """Close the lesson, and wait for its report and the menu below."""
        self.teacher.taps("Close Now")
        # a class has 15 seconds for that
        waiting = "SELECT * FROM sheets JOIN sessions ON id = session WHERE acked_version < version AND cancelled = 0"
        eventually("the record", lambda: self.recorded() and rows(self.folder, waiting) == [])
        self.gets_report()

    def recorded(self) -> bool:
        """Whether the newest lesson has ended."""
        return bool(rows(self.folder, "SELECT * FROM sessions ORDER BY opened_at DESC LIMIT 1")[0]["ended_at"])

    def gets_report(self) -> None:
        def is_over() -> bool:
            self.clock.forward(6)
            return self.teacher.counts("(final)") == self.reports

        self.reports += 1
        eventually("the final report", is_over)
        self.teacher.waits("the menu", lambda messages: any("Take Attendance" in labels(each) for each in messages))

    def menu(self) -> None:
        """Ask for the menu, and wait for it."""
        self.teacher.says("/start")
        self.teacher.waits("the menu", lambda messages: "Take Attendance" in labels(messages[-1]))

    reports: int = 0

    def corrects(self, lesson: Lesson) -> None:
        """Let a student who was missed ask for a correction, and the teacher correct somebody else by hand."""
        missed = [each for each in self.bound if each in lesson.people and lesson.statuses[each] == "absent"]
        for each in missed[:1]:
            asks(self.accounts[each], "I was there")
            self.teacher.sees(REQUEST)
            self.teacher.taps("Mark Present")
            self.accounts[each].sees("Your teacher has marked you: present")
            lesson.statuses[each] = "present"
        wrong = next(each for each, status in lesson.statuses.items() if status == "late")
        self.teacher.taps("Mark by Hand")
        self.finds(HAND, f"{lesson.people[wrong]}: late")
        self.teacher.taps("Excused")
        self.teacher.taps("No Reason")
        lesson.statuses[wrong] = "excused"
        self.finds(HAND, f"{lesson.people[wrong]}: excused", tap=False)
        self.teacher.taps("Done")

    def without_phones(self, batch: str) -> None:
        """Enter yesterday's lesson."""
        self.teacher.taps("Take Attendance")
        self.teacher.chooses(batch)
        self.teacher.taps("Without Phones")
        self.teacher.taps("Yesterday")
        lesson = self._lesson((batch,), "", (), 1)  # type: ignore[arg-type]  # it has no time
        self.by_hand(lesson, 2, 2)
        self.gets_report()


@pytest.fixture
def month(tmp_path: Path) -> Iterator[Month]:
    """Give the classroom on a Monday morning, on a Telegram whose time is moved, too, with 60 students."""
    clock = RunningClock()
    with in_thread(TelegramSimulator(Clock(clock.now, clock.monotonic)).serving()) as url:
        telegram = its_telegram(url)
        teacher = Teacher(telegram, 7001, "+77010000001")
        month = Month(tmp_path, telegram, clock, teacher, random.Random(17))
        for number in range(1, 4):
            ids = [f"S{number}{at:02}" for at in range(19 + (number == 3))]
            month.roster[f"CS-{number}"] = {each: f"{FIRST[int(each[1:]) % 6]} {each[1:]}" for each in ids}
        for batch in ("CS-1", "CS-2"):
            month.roster[batch][BOTH] = f"{FIRST[0]} both"
        month.enrols()
        today = clock.now().astimezone(ZONE)
        month.goes_to(7 - today.weekday(), 8)
        for number in range(1, 4):
            for at in range(WITH_PHONES):
                student_id = f"S{number}{at:02}"
                month.accounts[student_id] = Student(telegram, 20_000 + number * 100 + at)
        run = Run(tmp_path, url, clock)
        run.starts()
        teacher.signs_in()
        yield month
        run.stops()
        telegram.http.close()


def plays(month: Month, week: int) -> None:
    """Play a week: a lecture of all batches, labs, a cancelled seminar, and a lesson without phones."""
    if week == 2:  # a student changes batch, and another one comes late
        month.roster["CS-2"]["S110"] = month.roster["CS-1"].pop("S110")
        month.roster["CS-3"]["S399"] = "Late Comer"
        month.enrols()
    month.goes_to(0, 9)
    code, lecture = month.opens("CS-1", "CS-2", "CS-3")
    month.check_in(lecture, code, 6)
    month.by_hand(lecture, 4, 3)
    month.ends()
    if week % 2:
        month.corrects(lecture)
        month.menu()
    month.goes_to(0, 11)
    code, lab = month.opens("CS-1", name="Lab")
    month.check_in(lab, code, 3)
    month.ends()
    for at, batch in enumerate(("CS-2", "CS-3")):
        month.goes_to(1 - at, 10 + 2 * at)
        code, lab = month.opens(batch)
        month.check_in(lab, code, 3)
        month.by_hand(lab, 2, 2)
        month.ends()
    if week == 1:
        month.goes_to(0, 14)
        month.opens("CS-2", name="Seminar")
        month.lessons.pop()
        month.teacher.taps("Cancel Session")
        month.teacher.taps("Yes, Cancel It")
        month.menu()
    month.goes_to(2, 10)
    month.without_phones("CS-3")
    month.goes_to(4, 8)


def register_of(month: Month, batch: str) -> list[list[Any]]:
    """Ask for the register of a batch, or of all; return the rows of the workbook from its header on."""
    month.teacher.says("/register")
    month.teacher.taps(batch)
    month.teacher.taps("All That Is Kept")
    name = f"Register_Algebra{'_' + batch if batch in month.roster else ''}_2"
    found = eventually(
        "it",
        lambda: [
            content
            for each, content in files(month.teacher, month.telegram).items()
            if each.startswith(name) and each.endswith("xlsx")
        ],
    )
    sheet = openpyxl.load_workbook(io.BytesIO(found[-1])).worksheets[0]
    written = [[cell.value for cell in row] for row in sheet.iter_rows()]
    return written[next(at for at, row in enumerate(written) if row[0] == "No.") :]


def compare(month: Month, batch: str) -> None:
    """Compare every cell of a register with the truth."""
    head, *written = register_of(month, batch or "All Batches")
    lessons = [each for each in month.lessons if not batch or batch in each.rosters]
    lessons.sort(key=lambda each: ("-".join(each.day.split(".")[::-1]), each.begun))
    for title, lesson in zip(head[4:-5], lessons, strict=True):
        when, _newline, name = title.partition("\n")
        times = {" ".join(filter(None, (lesson.day, each))) for each in lesson.begun or ("",)}
        assert when.removesuffix(" *") in times
        assert (name, when.endswith(" *")) == (lesson.name, not lesson.is_final)
    people = {
        each: name
        for lesson in lessons
        for one, of in lesson.rosters.items()
        if batch in ("", one)
        for each, name in of.items()
    }
    listed = {row[1]: row for row in written if isinstance(row[0], int)}
    assert listed.keys() == people.keys()
    for student_id, name in people.items():
        row, counts = listed[student_id], Counter[str]()
        batches = {one for lesson in lessons for one, of in lesson.rosters.items() if student_id in of}
        assert (row[2], set(row[3].split(", "))) == (name, {batch} if batch else batches)
        for cell, lesson in zip(row[4:-5], lessons, strict=True):
            is_listed = any(student_id in of for one, of in lesson.rosters.items() if batch in ("", one))
            status = lesson.statuses[student_id].partition(" ")[0] if is_listed else ""
            assert (cell or "") == LETTERS.get(status, ""), (student_id, lesson.day, lesson.name)
            counts[status] += 1
        assert row[-5:-1] == [counts[each] for each in ("present", "late", "excused", "absent")]
        counted = counts["present"] + counts["late"] + counts["absent"]
        assert row[-1] == pytest.approx((counts["present"] + counts["late"]) / counted)


def test_month(month: Month) -> None:
    """Four weeks, three batches, 60 students: no cell is wrong, and no day of the teacher has 15 messages."""
    for week in range(WEEKS):
        plays(month, week)
    month.goes_to(0, 9)
    code, last = month.opens("CS-1")
    month.check_in(last, code, 2)
    waiting = next(each for each in month.accounts if each in last.people and last.statuses[each] == "absent")
    month.arrives(waiting, code, 80)
    last.statuses[waiting], last.is_final = "waits", False
    month.teacher.taps("Close Now")
    month.clock.forward(20)
    month.teacher.sees("(provisional)")
    assert len({each for lesson in month.lessons for each in lesson.people}) == 60
    days = Counter(
        datetime.fromtimestamp(each["date"], ZONE).date() for each in month.teacher.screen() if each["from"] == "bot"
    )
    print("messages of the teacher bot a day:", dict(sorted(days.items())))
    for batch in ("", "CS-2", "CS-3"):
        compare(month, batch)
    assert max(days.values()) < 15
    # Thursday's menu on Monday; and a tap whose answer the moved clock overtook
    known = ("can't be deleted for everyone", "query is too old")
    assert [each for each in month.telegram.refused_calls() if not any(text in each["error"] for text in known)] == []
    assert {each["bot"] for each in month.telegram.get("/calls")} <= {TEACHERS, STUDENTS}

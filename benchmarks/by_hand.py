"""A class of 60 taken by hand: a teacher's taps and seconds, in an ordinary lesson and in one without phones.

`python -m benchmarks.by_hand [--students 60] [--absent 4] [--late 2] [--pause 1.0] [--out FILE]`

Runs the real bot.py with the classroom alone, its default settings and SQLite, the Telegram simulator with its limits,
and the LMS simulator, each in its own process. The teacher pauses before each tap, as a person who looks for a name.
Whom the teacher sees in class is drawn by a fixed seed; our record and the LMS's are compared with it.
"""

import argparse
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks.classroom import EMAIL, PASSWORD, ZONE, sign_in
from benchmarks.lms_faults import its_record
from benchmarks.measure import machine, server
from tests.bot_process import ClassProcess
from tests.classroom.running import STUDENT_TOKEN, STUDENTS, TEACHER_TOKEN, TEACHERS, Teacher
from tests.e2e.people import Telegram, eventually, labels

LIST, CHOICE = "A tap on a name changes it", "Who is late or excused?"
FIRST = ("Әбілқасымова", "Иванова", "Нұрланұлы", "Smith", "Қожахметов", "Serikbayev")  # with a number they are unique


@dataclass(frozen=True)
class Played:
    """One lesson, from its first tap to the record in the LMS."""

    name: str
    taps: int
    messages: int
    done: float  # seconds until Done
    recorded: float  # seconds until the LMS has it
    reported: float  # seconds until the final report
    present_though_absent: int
    other_wrong: int
    lms_differs: int


class PausingTeacher(Teacher):
    """A teacher who takes some time before each tap."""

    pause = 0.0
    tapped = sent = 0

    def taps(self, label: str) -> None:
        """Look for the button, then tap it."""
        time.sleep(self.pause)  # a person, not a wait for something
        self.tapped += 1
        super().taps(label)

    def shares_place(self) -> None:
        """Share the location of the class."""
        self.sent += 1
        super().shares_place()

    def finds(self, text: str, sign: str, name: str) -> None:
        """Tap a student's button on the list that has this text, on whichever page it is."""
        label, turn = f"{sign} {name}", "More"
        while label not in (shown := self.waits(text, lambda _messages: self._listed(text))):
            turn = turn if turn in shown else "Previous"
            self.taps(turn)
            self.waits("the other page", lambda _messages: self._listed(text) not in ([], shown))
        self.taps(label)
        self.waits("what the tap changes", lambda _messages: label not in self._listed(text))

    def _listed(self, text: str) -> list[str]:
        """Return the buttons of the list."""
        return next((labels(each) for each in reversed(self.screen()) if text in (each["text"] or "")), [])


def main() -> int:
    """Run and write the report; exit code 1 if a mark is wrong or there were 70 taps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--absent", type=int, default=4)
    parser.add_argument("--late", type=int, default=2)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds that the teacher takes before each tap")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        _process, telegram_url = server(stack, [sys.executable, "-m", "sandbox.telegram", "--port", "0"])
        _process, lms_url = server(stack, [sys.executable, "-m", "sandbox.lms", "--port", "0"])
        lms_url = lms_url.removesuffix("/api/v1").rstrip("/")
        telegram = Telegram(telegram_url)
        telegram.call("/bots", token=TEACHER_TOKEN, username=TEACHERS, name="Teachers")
        telegram.call("/bots", token=STUDENT_TOKEN, username=STUDENTS, name="Students")
        lms = httpx.Client(base_url=f"{lms_url}/control", trust_env=False, timeout=30)
        lessons: dict[str, tuple[str, Callable[[PausingTeacher, str], None]]] = {
            "CS-1": ("ordinary lesson", _opens_with_place),
            "CS-2": ("without phones", _opens_without_phones),
        }
        names = {
            f"{batch}-{at:03}": f"{FIRST[at % len(FIRST)]}{at:02} Айгерім"
            for batch in lessons
            for at in range(arguments.students)
        }
        _enrol(lms, names, list(lessons))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lms_settings = {"BASE_URL": f"{lms_url}/api/v1", "JWT_LOGIN_ENDPOINT": f"{lms_url}/auth/login"}
        bot = ClassProcess(folder, telegram, TIMEZONE=ZONE, **lms_settings)
        stack.callback(bot.end)
        bot.start()
        teacher = PausingTeacher(telegram, 7001, "+77010000001")
        sign_in(teacher)
        teacher.pause = arguments.pause
        draw, played = random.Random(60), []
        for batch, (name, opens) in lessons.items():
            ids = [each for each in names if each.startswith(batch)]
            away = draw.sample(ids, arguments.absent + arguments.late)
            truth = dict.fromkeys(ids, "present")
            truth |= dict.fromkeys(away[: arguments.absent], "absent")
            truth |= dict.fromkeys(away[arguments.absent :], "late")
            played.append(_play(teacher, batch, name, opens, names, truth, lms, folder / "data"))
        report = _report(arguments, played)
        print(report)
        if arguments.out is not None:
            arguments.out.write_text(report, encoding="utf-8")
    wrong = sum(each.present_though_absent + each.other_wrong + each.lms_differs for each in played)
    return 0 if not wrong and all(each.taps < 70 for each in played) else 1


def _enrol(lms: httpx.Client, names: dict[str, str], batches: list[str]) -> None:
    account = {"id": "m1", "name": "A. Teacher", "email": EMAIL, "location": "Main", "password": PASSWORD}
    lms.post("/teachers", json=account).raise_for_status()
    for batch in batches:
        enrolled = [{"id": each, "name": name, "email": ""} for each, name in names.items() if each.startswith(batch)]
        lms.post("/batches", json={"batch": batch, "students": enrolled}).raise_for_status()
        lms.post("/courses", json={"email": EMAIL, "batch": batch, "subject": "Algebra"}).raise_for_status()


def _opens_with_place(teacher: PausingTeacher, batch: str) -> None:
    teacher.opens(batch)
    teacher.taps("Whole Class")


def _opens_without_phones(teacher: PausingTeacher, batch: str) -> None:
    teacher.taps("Take Attendance")
    teacher.chooses(batch)
    teacher.taps("Without Phones")
    teacher.taps("Today")


def _play(
    teacher: PausingTeacher,
    batch: str,
    name: str,
    opens: Callable[[PausingTeacher, str], None],
    names: dict[str, str],
    truth: dict[str, str],
    lms: httpx.Client,
    folder: Path,
) -> Played:
    """Take one lesson: All Present, the absent ones, the late ones, Done."""
    teacher.tapped = teacher.sent = 0
    begun = time.monotonic()
    opens(teacher, batch)
    teacher.taps("All Present")
    teacher.taps(f"Yes, Mark {len(truth)}")
    for each in (each for each, status in truth.items() if status == "absent"):
        teacher.finds(LIST, "\u2713", names[each])
    teacher.taps("Late or Excused")
    for each in (each for each, status in truth.items() if status == "late"):
        teacher.finds(CHOICE, "\u2713", names[each])
        teacher.taps("Late")
        teacher.taps("No Reason")
    teacher.taps("Back")
    teacher.taps("Done")
    if name == "ordinary lesson":
        teacher.taps("Close Now")
    done = time.monotonic() - begun
    wanted = {each: int(status != "absent") for each, status in truth.items()}
    eventually("our record in the LMS", lambda: its_record(lms).get(batch) == wanted, 60)
    recorded = time.monotonic() - begun
    teacher.waits("the report", lambda messages: any(f"(final)\n{batch}\n" in (m["text"] or "") for m in messages))
    reported = time.monotonic() - begun
    query = "SELECT student_id, status FROM marks WHERE batch = ?"
    with closing(sqlite3.connect(f"file:{folder}/classroom/classroom.sqlite3?mode=ro", uri=True)) as store:
        ours = dict.fromkeys(truth, "absent") | dict(store.execute(query, (batch,)).fetchall())
    too_good = sum(status == "absent" and ours[each] != "absent" for each, status in truth.items())
    wrong = sum(ours[each] != status for each, status in truth.items()) - too_good
    its = its_record(lms)[batch]
    differs = sum(its.get(each) != mark for each, mark in wanted.items())
    return Played(name, teacher.tapped, teacher.sent, done, recorded, reported, too_good, wrong, differs)


def _report(arguments: argparse.Namespace, played: list[Played]) -> str:
    lines = [
        f"# A class of {arguments.students} by hand: {arguments.absent} absent, {arguments.late} late",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; SQLite, the LMS simulator, default settings; "
        f"the teacher takes {arguments.pause:g} s before each tap. `python -m benchmarks.by_hand`",
        "",
        "| | " + " | ".join(each.name for each in played) + " |",
        "|---|" + "---|" * len(played),
        "| taps | " + " | ".join(str(each.taps) for each in played) + " |",
        "| messages sent (the place) | " + " | ".join(str(each.messages) for each in played) + " |",
        "| seconds until Done or Close Now | " + " | ".join(f"{each.done:.1f}" for each in played) + " |",
        "| seconds until the LMS has it | " + " | ".join(f"{each.recorded:.1f}" for each in played) + " |",
        "| seconds until the final report | " + " | ".join(f"{each.reported:.1f}" for each in played) + " |",
        "| present though absent | " + " | ".join(str(each.present_though_absent) for each in played) + " |",
        "| other wrong marks | " + " | ".join(str(each.other_wrong) for each in played) + " |",
        "| marks that the LMS has otherwise | " + " | ".join(str(each.lms_differs) for each in played) + " |",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

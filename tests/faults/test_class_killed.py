"""The process is killed repeatedly during a class; students and teacher repeat what was not answered."""

import asyncio
import csv
import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from classroom.domain.sessions import Sheet
from classroom.store.sqlite import SqliteStore
from core.encryption import open_cipher
from tests.bot_process import ClassProcess
from tests.classroom.running import Lms, Student, Teacher, an_lms, rosters
from tests.e2e.people import Telegram, eventually, labels
from tests.faults.counts import FULL

STUDENTS, KILLS = 12, 3
LONGEST_LIFE = 4.0  # seconds from a start to the kill; the first answers come after about two
SLOW_MS = 700  # the LMS's time for a write, so that some kills happen during one
PATIENT = 2.0  # seconds after which a person repeats an unanswered step
MINUTES = 5


class Persistent(Student):
    """A student who follows the bot's instructions and repeats unanswered steps."""

    def __init__(self, telegram: Telegram, number: int, student_id: str) -> None:
        super().__init__(telegram, number)
        self.student_id, self.told = student_id, False
        self._done, self._at = "", 0.0

    def goes_on(self, code: str) -> None:
        """Do the next step according to the chat."""
        said = [message["text"] or "" for message in self.screen() if message["from"] == "bot"]
        self.told = any("Attendance marked" in text for text in said)
        last = said[-1] if said else ""
        if self.told or (last == self._done and time.monotonic() - self._at < PATIENT):
            return
        self._done, self._at = last, time.monotonic()
        if any(message.get("reaction") for message in self.screen()):
            return
        if "The code is right" in last:
            self.shares(5)
        elif "send me your student ID" in last:
            self.says(self.student_id)
        else:
            self.says(f"/start {code}")


def confirms(teacher: Teacher) -> None:
    """Tap Confirm All if it is shown, even if it disappears at that moment."""
    board = next((m for m in reversed(teacher.screen()) if any("Confirm All" in label for label in labels(m))), None)
    if board is not None:
        data = next(button["data"] for row in board["buttons"] for button in row if "Confirm All" in button["text"])
        teacher.forges(data)


@pytest.mark.ordeal
@pytest.mark.parametrize("kind", ["files", "newer", "older"] if FULL else ["files", "newer"])
@pytest.mark.parametrize("seed", range(6 if FULL else 1))
def test_killed_in_class(tmp_path: Path, telegram: Telegram, seed: int, kind: str) -> None:
    """After `kill -9` at random moments of a class all are marked and notified, and the LMS has exactly our record."""
    chance = random.Random(seed)
    roster = [(f"S{number:03}", f"Student {number}") for number in range(1, STUDENTS + 2)]
    settings = {"OTP_EXPIRY_SECONDS": str(MINUTES * 60)}
    with ExitStack() as stack:
        lms = None if kind == "files" else stack.enter_context(an_lms(kind, roster))
        if lms is not None:
            lms.tells("behaviour", calls=["create", "update"], slow_ms=SLOW_MS)
            settings |= {"BASE_URL": f"{lms.url}/api/v1", "JWT_LOGIN_ENDPOINT": lms.login}
        kills, students = _class_with_kills(tmp_path, telegram, chance, roster, settings)
        its = _in_files(tmp_path) if lms is None else _in_lms(lms)
    sheet = asyncio.run(_sheet(tmp_path))
    record = {student_id: sheet.status_of(student_id).value for student_id, _ in roster}
    assert record == {student_id: "present" for student_id, _ in roster[:-1]} | {roster[-1][0]: "absent"}
    assert its == record
    # a message is duplicated only if the kill came between Telegram's delivery and our storing it; a chat has one
    # message in flight at a time, so there is at most one duplicate per student and kill
    assert max(student.counts("Attendance marked") for student in students) <= 1 + kills


def _class_with_kills(
    tmp_path: Path,
    telegram: Telegram,
    chance: random.Random,
    roster: list[tuple[str, str]],
    settings: dict[str, str],
) -> tuple[int, list[Persistent]]:
    """Run the class until all are notified, also of the LMS; return the number of kills, and the students."""
    bot = ClassProcess(tmp_path, telegram, **settings)
    rosters(tmp_path / "data", {"CS-1": roster})
    bot.start()
    kills = 0
    try:
        teacher = Teacher(telegram, 7001, "+77010000001")
        if "BASE_URL" in settings:
            teacher.starts_sign_in()
            teacher.gives_password()
        else:
            teacher.signs_in()
        code = teacher.opens("CS-1")
        students = [Persistent(telegram, 2001 + at, student_id) for at, (student_id, _) in enumerate(roster[:-1])]
        until = time.monotonic() + chance.uniform(0, LONGEST_LIFE / 2)
        deadline = time.monotonic() + MINUTES * 60 - 30
        while kills < KILLS or not all(student.told for student in students):
            assert time.monotonic() < deadline, bot.log()[-3000:]
            for student in students:
                student.goes_on(code)
            confirms(teacher)
            if kills < KILLS and time.monotonic() > until:
                bot.crash()
                kills += 1
                bot.start()
                until = time.monotonic() + chance.uniform(0.5, LONGEST_LIFE)
        words = "The LMS has it." if "BASE_URL" in settings else "Recorded."
        if "BASE_URL" in settings:  # the older LMS gets its one record when the session is over
            teacher.taps("Close Now")
        for student in students:
            eventually("the confirmation", lambda: student.counts(words))  # noqa: B023
        eventually("the last process's start", lambda: bot.health()[0] == 200)
        assert bot.stop() == 0
    finally:
        bot.end()
    return kills, students


async def _sheet(folder: Path) -> Sheet:
    """Return our sheet of the batch."""
    cipher = open_cipher(None, folder / "secrets" / "classroom.key", may_create=False)
    store = SqliteStore(folder / "data" / "classroom" / "classroom.sqlite3", cipher)
    await store.open()
    session = (await store.sessions_of(7001, 2))[0]
    sheet = (await store.sheets(session.id))[0]
    await store.close()
    return sheet


def _in_lms(lms: Lms) -> dict[str, str]:
    """Return the LMS's record of the batch."""
    (record,) = lms.records()
    return {student_id: "present" if mark else "absent" for student_id, mark in record["students"].items()}


def _in_files(folder: Path) -> dict[str, str]:
    """Return the marks in the CSV file."""
    (file,) = (folder / "data" / "rosters" / "marks").glob("*.csv")
    return {row["student_id"]: row["status"] for row in csv.DictReader(file.read_text("utf-8-sig").splitlines())}

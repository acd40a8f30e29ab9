"""Runs the real classroom in the test process: both bots, the store, CSV rosters; Telegram and LMS are simulators."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from classroom.composition import ClassroomIntervals, serve
from classroom.faces import FaceEngine
from classroom.lms.sheet_writer import SyncPace
from classroom.photos import Photos
from classroom.store import Store
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from core.health import HealthReports
from core.settings import Settings
from sandbox.lms.server import LmsSimulator
from sandbox.lms.world import OLDER
from tests.e2e.people import PAUSES, Message, Person, Telegram, labels
from tests.servers import in_thread
from tests.waiting import PATIENCE, pauses

TEACHER_TOKEN = "1111111111:AAEhBOweik6ad6PsWZRcXjYZ0123456789t"
STUDENT_TOKEN = "2222222222:AAEhBOweik6ad6PsWZRcXjYZ0123456789s"
TEACHERS, STUDENTS = "teachers_test_bot", "students_test_bot"
KEY = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="
PACE = SyncPace(settling=2.0, quiet=0.5)
FAST = ClassroomIntervals(between_sends=0, between_edits=0.2, between_looks=0.2, pace=PACE)
EMAIL, PASSWORD = "teacher@example.org", "correct horse"  # of the LMS's one teacher
ROOM = (43.25, 76.95)
METRE = 1 / 111_110  # degrees of latitude


class Lms:
    """The LMS simulator, driven through its control API."""

    def __init__(self, url: str) -> None:
        self.url, self.login, self.older = url, "", False
        self.http = httpx.Client(base_url=f"{url}/control", trust_env=False, timeout=PATIENCE, event_hooks=PAUSES)

    def tells(self, path: str, **body: Any) -> None:
        """Call the control API to change something."""
        answer = self.http.post(f"/{path}", json=body)
        assert answer.is_success, answer.text

    def has_batch(self, batch: str, students: Sequence[tuple[str, str]]) -> None:
        """Give the teacher a batch of students (ID, name)."""
        enrolled = [{"id": student_id, "name": name, "email": ""} for student_id, name in students]
        self.tells("batches", batch=batch, students=enrolled)
        self.tells("courses", email=EMAIL, batch=batch, subject="Algebra")

    def today(self) -> str:
        """Return the date of a session that is opened now."""
        return datetime.now(ZoneInfo("Asia/Almaty")).date().isoformat()

    def records(self) -> Any:
        """Return its attendance records."""
        return self.http.get("/records").raise_for_status().json()


@contextmanager
def an_lms(generation: str, students: Sequence[tuple[str, str]]) -> Iterator[Lms]:
    """Run an LMS with one teacher and one batch of students (ID, name)."""
    simulator = LmsSimulator(generation)
    with in_thread(simulator.serving()) as url:
        lms = Lms(url)
        lms.login, lms.older = url + simulator.login_path(), generation == OLDER
        lms.tells("teachers", id="m1", name="A. Teacher", email=EMAIL, location="Main", password=PASSWORD)
        lms.has_batch("CS-1", students)
        try:
            yield lms
        finally:
            lms.http.close()


class RunningClock:
    """The real clock, which a test can move forward."""

    def __init__(self) -> None:
        self._ahead = self._run = timedelta()
        self._begun = datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return (datetime.now(UTC) - self._begun + self._run).total_seconds()

    def forward(self, seconds: float) -> None:
        """Move forward; a negative number sets the wall clock back, but not the monotonic one."""
        pauses()
        self._ahead += timedelta(seconds=seconds)
        self._run += timedelta(seconds=max(0.0, seconds))


def rosters(folder: Path, batches: dict[str, list[tuple[str, str]]], subject: str = "Algebra") -> None:
    """Write the CSV rosters of an installation without an LMS: two teachers, and batches of (ID, name)."""
    target = folder / "rosters"
    target.mkdir(parents=True, exist_ok=True)
    lines = ["phone,name,email,campus,batches", "+7 701 000 00 01,A. Teacher,a@example.org,Main,"]
    lines.append("+7 701 000 00 02,B. Teacher,b@example.org,Main,")
    (target / "teachers.csv").write_text("\n".join(lines), encoding="utf-8")
    students = ["batch;subject;student_id;name"]
    students += [f'"{batch}";{subject};{each};"{name}"' for batch, list_ in batches.items() for each, name in list_]
    (target / "students.csv").write_text("\n".join(students), encoding="utf-8")


@asynccontextmanager
async def classroom(
    folder: Path,
    telegram_url: str,
    clock: RunningClock,
    *,
    engine: FaceEngine | None = None,
    photos: Photos | None = None,
    reports: HealthReports | None = None,
    face_decides: bool = True,
    **changes: Any,
) -> AsyncIterator[str]:
    """Run the classroom against a Telegram; without further settings no faces are checked.

    ``face_decides``: whether a match marks by itself, whatever the product says of its engine.
    """
    changes = {"face_engine": "none"} | changes
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own keyword
        teacher_bot_token=SecretStr(TEACHER_TOKEN),
        student_bot_token=SecretStr(STUDENT_TOKEN),
        telegram_api_url=telegram_url,
        data_dir=folder,
        encryption_key=SecretStr(KEY),
        encryption_key_file=folder.parent / f"{folder.name}-secrets" / "encryption.key",
        **changes,
    )
    reports = reports or HealthReports()
    fakes: dict[str, Any] = {"engine": engine, "photos": photos, "face_decides": face_decides}
    serving = asyncio.create_task(serve(settings, clock, reports, intervals=FAST, **fakes))
    try:
        yield telegram_url
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


class Run:
    """The classroom in a thread, which can be stopped and restarted on the same data.

    ``settings`` hold for each start.
    """

    def __init__(self, folder: Path, url: str, clock: RunningClock, **settings: Any) -> None:
        self.folder, self._url, self._clock, self._settings = folder, url, clock, settings
        self._stack = ExitStack()

    def starts(self, **changes: Any) -> None:
        """Start or restart it; ``changes`` are settings for this start only."""
        self.stops()
        serving = classroom(self.folder, self._url, self._clock, **(self._settings | changes))
        self._stack.enter_context(in_thread(serving))

    def stops(self) -> None:
        self._stack.close()

    def changes_store(self, change: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
        """Stop it and change the store, to what a process that was killed half-way would leave."""

        async def open_and_change() -> None:
            store = SqliteStore(self.folder / "classroom" / "classroom.sqlite3", Cipher(KEY))
            await store.open()
            await change(store)
            await store.close()

        self.stops()
        asyncio.run(open_and_change())

    def kept_of(self, person: int) -> list[str]:
        """Return the tables that contain a person's Telegram ID."""
        found = []
        with closing(sqlite3.connect(self.folder / "classroom" / "classroom.sqlite3")) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                where = [column for column in columns if column in ("telegram_id", "chat_id", "student")]
                found += [
                    table
                    for column in where
                    if database.execute(f"SELECT 1 FROM {table} WHERE {column} = ?", (person,)).fetchone()
                ]
        return found


def its_telegram(url: str) -> Telegram:
    """Return a Telegram with both bots, no messages and no rate limits."""
    telegram = Telegram(url)
    telegram.call("/reset")
    telegram.call("/bots", token=TEACHER_TOKEN, username=TEACHERS, name="Teachers")
    telegram.call("/bots", token=STUDENT_TOKEN, username=STUDENTS, name="Students")
    telegram.call("/limits", per_second=None, per_chat_per_second=None)
    return telegram


class Student(Person):
    """A student in the chat with the student bot."""

    def __init__(self, telegram: Telegram, number: int, name: str = "Student") -> None:
        super().__init__(telegram, number, name, bot=STUDENTS)

    def enters(self, student_id: str, code: str) -> None:
        """Open the link with the code, then send the student ID."""
        self.says(f"/start {code}")
        self.sees("student ID")
        self.says(student_id)
        self.sees("The code is right")

    def is_accepted(self) -> None:
        """Wait for the reaction to the newest location: the place is right, the teacher has to confirm."""

        def reacted(messages: list[Message]) -> bool:
            return next((bool(each.get("reaction")) for each in reversed(messages) if "location" in each), False)

        self.waits("the reaction to the location", reacted)

    def shares(self, metres: float = 0.0, **more: Any) -> int:
        """Share a location this far north of the class."""
        return self.sends(location={"latitude": ROOM[0] + metres * METRE, "longitude": ROOM[1], **more})

    def moves(self, message: int, latitude: float, longitude: float) -> None:
        """Move a live location."""
        location = {"latitude": latitude, "longitude": longitude}
        self._telegram.call("/edit", bot=STUDENTS, person=self.number, message_id=message, location=location)


def _newest_labels(messages: list[Message]) -> list[str]:
    """Return the labels of the newest list of batches."""
    lists = (each for each in reversed(messages) if each["from"] == "bot" and "Which batches?" in (each["text"] or ""))
    return next((labels(each) for each in lists if each.get("buttons")), [])


def _is_board_of(message: Message, batches: tuple[str, ...]) -> bool:
    """Say whether a message is the board of a session with just these batches; with none of any session."""
    heading, _newline, rest = (message["text"] or "").partition("\nCode: ")
    named = heading.rpartition("\n")[2].rpartition(": ")[2].split(", ")
    return bool(rest) and (not batches or sorted(named) == sorted(batches))


class Teacher(Person):
    """A teacher in the chat with the teacher bot."""

    def __init__(self, telegram: Telegram, number: int, phone: str, name: str = "Teacher") -> None:
        super().__init__(telegram, number, name, bot=TEACHERS)
        self.phone = phone

    def signs_in(self) -> None:
        """Sign in by sharing the phone number."""
        self.says("/start")
        self.sees("Share your phone number")
        self.sends(contact={"phone_number": self.phone})
        self.sees("Take attendance:")

    def starts_sign_in(self) -> None:
        """Share the phone number with a bot that has an LMS, until it asks for the password."""
        self.says("/start")
        self.sends(contact={"phone_number": self.phone})
        self.sees("Now send your LMS password")

    def gives_password(self) -> None:
        """Send the right password and e-mail address."""
        self.says(PASSWORD)
        self.sees("e-mail address")
        self.says(EMAIL)
        self.sees("Take attendance:")

    def opens(self, *batches: str) -> str:
        """Open a session of some batches; return its code."""
        self.taps("Take Attendance")
        self.chooses(*batches)
        self.shares_place()
        # the board of this session, not of an earlier one; the bot lists the batches in its own order
        self.waits("the board", lambda messages: any(_is_board_of(each, batches) for each in messages))
        return self.code()

    def chooses(self, *batches: str) -> None:
        """Choose batches, unless the bot has chosen the only one by itself."""

        def question(messages: list[Message]) -> Message | None:
            shown = (each for each in reversed(messages) if each["from"] == "bot" and each.get("buttons"))
            texts = ("Which batches?", "Where is the class?")
            return next((each for each in shown if any(text in (each["text"] or "") for text in texts)), None)

        if "Where is the class?" in self.waits("the batches or the place", question)["text"]:
            return
        for batch in batches:
            self._turns_to(batch)
            self.taps(batch)
            self.waits(f"{batch} to be chosen", lambda messages: f"\u2713 {batch}" in _newest_labels(messages))  # noqa: B023
        self.taps("Next")

    def _turns_to(self, batch: str) -> None:
        """Turn the pages of the list until a batch is shown."""
        turn = "Previous"
        while batch not in (shown := self.waits("the batches", _newest_labels)):
            turn = turn if turn in shown else "More"
            self.taps(turn)
            self.waits("another page", lambda messages: _newest_labels(messages) not in ([], shown))

    def saves_room(self, name: str) -> None:
        self.taps("Save This Place")
        self.sees("What is this place called?")
        self.says(name)
        self.sees("Saved: ")

    def opens_in(self, room: str, *batches: str) -> None:
        """Open a session at a saved place: a shared location would carry Telegram's own time."""
        self.says("/start")
        self.taps("Take Attendance")
        self.chooses(*batches)
        self.taps(room)

    def shares_place(self) -> None:
        """Share the location of the class once the bot asks for it."""
        self.sees("Share your location")
        self.sends(location={"latitude": ROOM[0], "longitude": ROOM[1], "horizontal_accuracy": 5})

    def settles(self) -> None:
        """Wait until the bot has handled every message and tap so far: it handles one person's updates in order."""
        before = self.counts("15 seconds after the end")
        self.says("/help")
        self.waits("the help", lambda _messages: self.counts("15 seconds after the end") > before)

    def code(self) -> str:
        """Read the code on the board."""
        board = self.sees(" s left")["text"]
        return "".join(board.split("Code: ")[1].split(",")[0].split())

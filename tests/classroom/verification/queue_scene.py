"""A session with a queue of video notes, and fakes in which tests inject failures."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from classroom.domain.face_policy import Examined, FaceVerdict, Motion, NoteRefusal, wording
from classroom.domain.face_records import Consent
from classroom.domain.sessions import CheckIn, CheckInStep, Enrolled, FaceCheck, Place, Session, Sheet
from classroom.domain.video_notes import Download, Unusable
from classroom.faces.person_keys import PersonKeys
from classroom.photos import IdPhoto
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from classroom.store.sqlite import SqliteStore
from classroom.verification.note_check import NoteChecks, QueueSettings
from classroom.verification.queue import Verification
from core.encryption import Cipher
from tests.classroom.running import KEY

WORDING = wording("local", compares_class=False)
OPENED = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
MATCH = Examined(distance=0.318, percent=84.1, seconds={"decode": 0.05, "detect": 0.1})
QUICK = QueueSettings(first_pause=0.001, longest_pause=0.01)
STRICT = replace(QUICK, ahead=1)  # one after the other, for tests of the order


async def eventually(condition: Callable[[], bool], within: float = 60) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # the condition has no event
            await asyncio.sleep(0.002)


class Gate:
    """A gate at which a test can block calls; open at first."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = 0
        self.came = 0
        self.cancelled = 0

    def shut(self) -> None:
        """Block calls."""
        self._open.clear()

    def open(self) -> None:
        """Let all calls through."""
        self._open.set()

    def let_by(self) -> None:
        """Let the waiting calls through."""
        self._open.set()
        self._open.clear()

    async def through(self) -> None:
        """Wait until it is open."""
        self.waiting += 1
        self.came += 1
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1


class Troubles:
    """Injected errors by name, for a number of calls or for all."""

    def __init__(self) -> None:
        self._next: dict[str, list[Exception]] = {}
        self._always: dict[str, Exception] = {}
        self.calls: Counter[str] = Counter()

    def fail(self, name: str, error: Exception, times: int | None = None) -> None:
        """Let the next calls of a name fail, or all of them."""
        if times is None:
            self._always[name] = error
        else:
            self._next[name] = [error] * times

    def call(self, name: str) -> None:
        """Count a call, and raise its injected error."""
        self.calls[name] += 1
        if self._next.get(name):
            raise self._next[name].pop()
        if name in self._always:
            raise self._always[name]


class FakePhotos(Troubles):
    """ID photos: the picture is the student's ID."""

    def __init__(self) -> None:
        super().__init__()
        self.version = "1"

    async def tag(self, student_id: str) -> str:
        """Return a tag."""
        self.call(student_id)
        return self.version

    async def photo(self, student_id: str) -> IdPhoto:
        """Return a picture."""
        return IdPhoto(f"photo of {student_id}".encode(), self.version)

    async def close(self) -> None:
        """Do nothing."""


class FakeEngine(Troubles):
    """Makes templates from photos, and returns the result that a test has set for a note."""

    keeps_templates = True

    def __init__(self) -> None:
        super().__init__()
        self.name = "fake"
        self.gate, self.template_gate = Gate(), Gate()
        self.found: dict[bytes, Examined] = {}
        self.seen: list[tuple[bytes, tuple[Motion, ...], bytes]] = []
        self.made: list[bytes] = []
        self.others: list[list[bytes]] = []

    async def template(self, photo: bytes) -> bytes:
        """Make a template."""
        self.made.append(photo)
        self.call(photo.decode())
        await self.template_gate.through()
        return b"template of " + photo

    async def examine(
        self, note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()
    ) -> Examined:
        """Examine a note."""
        self.others.append(list(others))
        self.seen.append((note, tuple(motions), template))
        await self.gate.through()
        self.call(note.decode())
        return self.found.get(note, MATCH)

    async def close(self) -> None:
        """Do nothing."""


class FakeNotes(Troubles):
    """Telegram's files: the content is the file id, unless a test sets another one."""

    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, bytes] = {}
        self.slow: dict[str, Gate] = {}

    async def __call__(self, file: str) -> bytes:
        """Load a file."""
        self.call(file)
        if file in self.slow:
            await self.slow[file].through()
        return self.content.get(file, file.encode())


class SomeFailures(SqliteStore):
    """A store in which the next calls of one method fail, as on a full disk."""

    fails = ""
    times = 0
    looks = 0

    async def checking(self) -> list[CheckIn]:
        """Count the scans."""
        self.looks += 1
        return await super().checking()

    def __getattribute__(self, name: str) -> Any:
        if name not in ("fails", "times") and name == self.fails and self.times:
            self.times -= 1
            raise StoreUnavailable("full")
        return super().__getattribute__(name)


class Scene:
    """A session of many students, and the reported outcomes of their notes."""

    def __init__(self, room: Classroom, store: SomeFailures, folder: Path) -> None:
        self.room, self.store = room, store
        self.photos, self.engine, self.notes = FakePhotos(), FakeEngine(), FakeNotes()
        self.keys = PersonKeys(folder / "secrets" / "faces", Cipher(KEY))
        self.reported: list[tuple[str, str]] = []  # students, with the outcome
        self.reporting, self.report_gate = Troubles(), Gate()
        self.session: Session
        self._all: list[Verification] = []

    async def opens(self) -> None:
        """Open the session."""
        session = Session(
            "0" * 12,
            7,
            "Main",
            "Algebra",
            ("CS-1",),
            "2026-09-01",
            Place(43.25, 76.95),
            OPENED,
            OPENED + timedelta(seconds=120),
            0,
        )
        roster = tuple(Enrolled(f"S{each:03}", f"Student {each}", "CS-1") for each in range(1, 100))
        sheet = Sheet(session.id, "Main", "CS-1", session.subject, session.date, 7, roster)
        assert await self.store.create_session(session, [sheet], "482913", session.closes_at)
        self.session = session

    def verification(
        self, settings: QueueSettings = QUICK, at_once: int = 2, download: Download | None = None
    ) -> Verification:
        """Create a queue, which is closed at the end."""
        checks = NoteChecks(self.room, self.photos, self.engine, self.keys, download or self.notes, at_once, settings)
        made = Verification(self.room, checks, self._decided, self._unusable)
        self._all.append(made)
        return made

    async def close(self) -> None:
        """Close all queues."""
        for each in self._all:
            await each.close(0)

    async def sends(self, number: int, *, failed: int = 0, message: int = 0, at: float | None = None) -> CheckIn:
        """Store a student's note, by default in the order of the numbers."""
        student_id = f"S{number:03}"
        face = FaceCheck(
            ("left", "up"),
            OPENED,
            failed=failed,
            file=f"note {number}" + (f".{message}" if message else ""),
            message=message or 1000 + number,
            sent_at=OPENED + timedelta(seconds=number if at is None else at),
        )
        check_in = CheckIn(self.session.id, student_id, 2000 + number, CheckInStep.CHECKING, OPENED, face=face)
        await self.store.set_consent(Consent(check_in.telegram_id, given=True, at=OPENED, wording=WORDING))
        if await self.store.begin_check_in(check_in) != check_in:
            assert await self.store.move_check_in(check_in, {CheckInStep.FACE, CheckInStep.DONE, CheckInStep.CONFIRM})
        return check_in

    async def _decided(self, check_in: CheckIn, examined: Examined, verdict: FaceVerdict) -> None:
        self.reporting.call(check_in.student_id)
        step = {FaceVerdict.MATCH: CheckInStep.DONE, FaceVerdict.RETRY: CheckInStep.FACE}.get(
            verdict, CheckInStep.REVIEW
        )
        await self._report(check_in, step, verdict.value)

    async def _unusable(self, check_in: CheckIn, reason: Unusable | NoteRefusal) -> None:
        self.reporting.call(check_in.student_id)
        await self._report(check_in, CheckInStep.CONFIRM, reason.value)

    async def _report(self, check_in: CheckIn, step: CheckInStep, word: str) -> None:
        if await self.store.move_check_in(replace(check_in, step=step), {CheckInStep.CHECKING}):
            self.reported.append((check_in.student_id, word))
            await self.report_gate.through()

    async def waits_for(self, *expected: tuple[str, str]) -> None:
        """Wait for the outcomes, in any order."""
        await eventually(lambda: len(self.reported) >= len(expected))
        assert sorted(self.reported) == sorted(expected)


def matches(*numbers: int) -> list[tuple[str, str]]:
    """Return the outcomes of students whose face matches."""
    return [(f"S{number:03}", "match") for number in numbers]

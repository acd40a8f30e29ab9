"""Teachers and rosters read from CSV or XLSX files in one folder, marks written to CSV files: an LMS without a server.

``teachers.csv`` has one line for each teacher; ``batches`` may be missing or empty (all), several are separated by
``|``::

    phone,name,email,campus,batches
    +7 701 000 00 01,A. Teacher,a.teacher@example.org,Main,CS-101 | CS-102

Every other ``.csv`` or ``.xlsx`` file in the folder is a roster, one line for each student in a batch; several subjects
are separated by ``|``, and ``name``, ``email`` and ``face_allowed`` (yes, if it is missing or empty) may be missing::

    batch,subject,student_id,name,email,face_allowed
    CS-101,Algorithms | Physics,25B030001,A. Student,a.student@example.org,no

Columns may be in any order, with others between them, with headers in English, Russian or Kazakh, separated by commas,
semicolons or tabs, in any encoding that Excel writes. Marks are written to ``marks/``: a file for each lesson of a
batch, replaced whole at each change.
"""

import asyncio
import hashlib
import logging
import os
import re
import time
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from classroom import lms
from classroom.cells import csv_text
from classroom.domain.sessions import Course, Enrolled, Teacher
from classroom.lms.roster_lines import RosterFile, parse
from classroom.lms.rosters import Rosters, combine
from classroom.lms.tables import LARGEST_FILE, FileWrong, Problem, phone_digits
from classroom.lms.tables import deferred as _
from core.json_file import is_inside, replace_file

log = logging.getLogger(__name__)

ENDINGS = (".csv", ".xlsx")
READ = (*ENDINGS, ".tsv", ".xlsm", ".xls", ".ods")  # the last two to say that they can't be read
SETTLING = 2.0  # seconds since its last change in which a file may still be being written
PATIENCE = 0.15  # seconds that a tap waits for a changed file; then the version before is used
BETWEEN_LOOKS = 5.0  # seconds
LOGGED = 20  # problems at a time

Signature = tuple[int, int]  # mtime_ns and size
_HEADER = ("date", "campus", "batch", "subject", "student_id", "name", "status", "attended", "remark", "lesson")

Result = TypeVar("Result")


class CsvLms:
    """An ``Lms`` in a folder; see ``RosterFolder``."""

    needs_password = one_record_a_day = False

    def __init__(self, folder: Path, settling: float = SETTLING) -> None:
        self.folder = RosterFolder(folder, settling)
        self._marks = folder / "marks"
        self._writing = asyncio.Lock()

    async def close(self) -> None: ...  # there are no connections

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> lms.SignedIn:
        """Find the teacher by the phone number alone. Raises UnknownTeacher, FileWrong, LmsUnavailable."""
        listed = (await self._rosters()).teacher(phone)
        if listed is None:
            raise lms.UnknownTeacher("the list of teachers has no teacher with this phone number")
        email, number = listed["email"].lower(), listed["phone"]
        name = listed["name"] or email or number
        return lms.SignedIn(
            Teacher(telegram_id, phone_digits(phone), email, name, phone_digits(number), listed["campus"])
        )

    async def sign_out(self, teacher: Teacher) -> None: ...  # there are no sessions

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        rosters = await self._rosters(reload=reload)
        listed = rosters.teacher(f"+{teacher.phone}")
        if listed is None:
            raise lms.SignInNeeded("the list of teachers no longer has a teacher with this phone number")
        return rosters.courses(listed)

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        return (await self._rosters()).roster(course)

    async def record_kind(self, teacher: Teacher) -> str:
        return ""

    async def can_update(self, teacher: Teacher) -> bool:
        return True

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[lms.Line, ...] | None:
        raise lms.NotSupported("the files of marks are ours alone")

    async def create(self, teacher: Teacher, record: lms.Record) -> None:
        await self._write(record, lms.Duplicate(f"{file_name(record)} exists already"), wanted=False)

    async def update(self, teacher: Teacher, record: lms.Record) -> None:
        await self._write(record, lms.NotThere(f"{file_name(record)} does not exist"), wanted=True)

    async def _write(self, record: lms.Record, otherwise: lms.LmsError, *, wanted: bool) -> None:
        """Write a record whose file exists as wanted; else raise the error."""
        path = self._marks / file_name(record)
        async with self._writing:
            if await _from_disk(asyncio.to_thread(path.exists)) is not wanted:
                raise otherwise
            await _from_disk(asyncio.to_thread(_write, path, record))

    async def _rosters(self, *, reload: bool = False) -> Rosters:
        return await _from_disk(self.folder.rosters(reload=reload))


async def _from_disk(work: Awaitable[Result]) -> Result:
    try:
        return await work
    except OSError as error:
        raise lms.LmsUnavailable(f"the folder of the rosters can't be used ({error.strerror})") from error


def file_name(record: lms.Record) -> str:
    """Return the name of a record's file: readable, safe on every system, and unique to the record."""
    lesson = [record.lesson] if record.lesson else []
    key = "\n".join((record.campus, record.batch, record.subject, record.date, *lesson))
    names = (record.date, record.batch, record.subject, *lesson)
    plain = [re.sub(r"[^\w-]+", "_", part).strip("_") for part in names]
    parts = [part.encode()[:60].decode(errors="ignore") for part in plain]  # names are limited in bytes
    return f"{' '.join(part for part in parts if part)} {hashlib.sha256(key.encode()).hexdigest()[:10]}.csv"


def _write(path: Path, record: lms.Record) -> None:
    key = (record.date, record.campus, record.batch, record.subject)
    lines = [
        (*key, line.student_id, line.name, line.status.value, str(int(line.status.counts)), line.remark, record.lesson)
        for line in record.lines
    ]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, csv_text([_HEADER, *lines]))


class RosterFolder:
    """The rosters and the list of teachers in a folder.

    Each file is parsed once, again when its time or size changes, and never on the event loop.
    """

    def __init__(self, folder: Path, settling: float = SETTLING) -> None:
        self.folder, self._settling = folder, settling
        self._files: dict[str, tuple[Signature | None, RosterFile]] = {}  # None: the file is being written
        self._rosters: Rosters | None = None
        self._reading: asyncio.Task[Rosters] | None = None

    async def rosters(self, *, reload: bool = False) -> Rosters:
        """Return what the folder holds. With ``reload`` wait for changed files, also for those being written."""
        while True:
            reading = self._reading
            if reading is None or reading.done():
                reading = self._reading = asyncio.create_task(asyncio.to_thread(self.read))
            if self._rosters is not None and not reload:
                await asyncio.wait({reading}, timeout=PATIENCE)
                return reading.result() if reading.done() else self._rosters
            rosters = await asyncio.shield(reading)
            if not (reload and any(signature is None for signature, _file in self._files.values())):
                return rosters
            await asyncio.sleep(self._settling / 4)

    async def watch(self) -> None:
        """Look at the folder from time to time, so that taps find it read and mistakes are reported without one."""
        while True:
            try:
                await self.rosters()
            except Exception:  # neither a full disk nor a bug in reading may end the classroom
                log.exception("the rosters can't be read")
            await asyncio.sleep(BETWEEN_LOOKS)

    def read(self) -> Rosters:
        """Read what has changed. Blocking; raises OSError."""
        files: dict[str, tuple[Signature | None, RosterFile]] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            name = path.name
            if path.suffix.lower() not in READ or name.startswith((".", "~")) or not path.is_file():
                continue
            signature, (known, file) = _signature(path), self._files.get(name, (None, RosterFile()))
            if known == signature:
                files[name] = known, file
                continue
            before = replace(file, is_old=bool(file.entries or file.teachers))  # stays while the file can't be read
            try:
                content, is_young = _content(path), 0 <= time.time() - signature[0] / 1e9 < self._settling
                if self._rosters is not None and (is_young or _signature(path) != signature):
                    files[name] = None, replace(file, is_old=True)
                else:
                    files[name] = signature, parse(name, content)
            except PermissionError:
                wrong = Problem(name, 0, _("the file can't be opened: correct its permissions"))
                files[name] = (0, 0), replace(before, unread=wrong)
            except FileWrong as error:
                files[name] = signature, replace(before, unread=error.problem)
        if self._rosters is None or files != self._files:
            rosters = combine({name: file for name, (_at, file) in files.items()})
            _report(rosters, self._rosters)
            self._files, self._rosters = files, rosters
        return self._rosters

    def preview(self, name: str, content: bytes) -> tuple[RosterFile, Rosters, Rosters]:
        """Return a file, what the folder holds, and what it would hold with it. Blocking. Raises FileWrong, OSError."""
        new, before = parse(name, content), self.read()
        return new, before, combine({**{each: file for each, (_at, file) in self._files.items()}, name: new})

    def put(self, name: str, content: bytes) -> None:
        """Store a roster. The file that had its name is kept as .bak, which is not read. Blocking; raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / name
        if path.exists() and (before := path.read_bytes()) != content:
            replace_file(path.with_name(f"{name}.bak"), before)
        replace_file(path, content)
        changed = time.time() - self._settling
        os.utime(path, (changed, changed))  # it is whole: nobody has to wait


def _content(path: Path) -> bytes:
    """Return a file's content. Raises FileWrong: it is too large, or a link that leads out of its folder."""
    if not is_inside(path, path.parent):
        raise FileWrong(Problem(path.name, 0, _("a link that leads out of the folder is not read")))
    if path.stat().st_size > LARGEST_FILE:
        raise FileWrong(Problem(path.name, 0, _("the file is too large")))
    return path.read_bytes()


def _signature(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _report(rosters: Rosters, before: Rosters | None) -> None:
    """Log what is wrong now and was not before."""
    known = [*before.mistakes, *before.warnings] if before is not None else []
    mistakes = [each for each in rosters.mistakes if each not in known]
    for problem in [*mistakes, *(each for each in rosters.warnings if each not in known)][:LOGGED]:
        extra = {"trouble": "rosters", "problems": mistakes[:LOGGED]} if mistakes[:1] == [problem] else None
        log.warning("rosters: %s", problem.text(), extra=extra)

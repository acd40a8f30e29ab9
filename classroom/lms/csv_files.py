"""Teachers and rosters read from CSV or XLSX files in one folder, marks written to CSV files: an LMS without a server.

``teachers.csv`` has one line for each teacher; ``batches`` may be missing or empty (all), several are separated by
``|``::

    phone,name,email,campus,batches
    +7 701 000 00 01,A. Teacher,a.teacher@example.org,Main,CS-101 | CS-102

Every other ``.csv`` or ``.xlsx`` file in the folder is a roster, one line for each student in a batch; several subjects
are separated by ``|``, and ``name`` and ``email`` may be missing::

    batch,subject,student_id,name,email
    CS-101,Algorithms | Physics,25B030001,A. Student,a.student@example.org

Columns may be in any order, with others between them, with headers in English, Russian or Kazakh, separated by commas,
semicolons or tabs, in any encoding that Excel writes. Marks are written to ``marks/``: a file for each batch, subject
and date, replaced whole at each change.
"""

import asyncio
import csv
import hashlib
import io
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from classroom.cells import harmless
from classroom.domain.sessions import Course, Enrolled, Teacher
from classroom.lms import (
    Duplicate,
    Line,
    LmsError,
    LmsUnavailable,
    NotSupported,
    NotThere,
    Record,
    SignedIn,
    SignInNeeded,
    UnknownTeacher,
)
from classroom.lms.roster_folder import SETTLING, RosterFolder
from classroom.lms.rosters import Rosters, phone_digits
from core.json_file import replace_file

_HEADER = ("date", "campus", "batch", "subject", "student_id", "name", "status", "attended", "remark")

Result = TypeVar("Result")


class CsvLms:
    """An ``Lms`` in a folder; see ``RosterFolder``."""

    needs_password = False

    def __init__(self, folder: Path, settling: float = SETTLING) -> None:
        self.folder = RosterFolder(folder, settling)
        self._marks = folder / "marks"
        self._writing = asyncio.Lock()

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> SignedIn:
        """Find the teacher by the phone number alone. Raises UnknownTeacher, FileWrong, LmsUnavailable."""
        listed = (await self._rosters()).teacher(phone)
        if listed is None:
            raise UnknownTeacher("the list of teachers has no teacher with this phone number")
        email, number = listed["email"].lower(), listed["phone"]
        name = listed["name"] or email or number
        return SignedIn(Teacher(telegram_id, phone, email, name, phone_digits(number), listed["campus"]))

    async def sign_out(self, teacher: Teacher) -> None:
        """Do nothing: there are no sessions."""

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        rosters = await self._rosters(reload=reload)
        listed = rosters.teacher(f"+{teacher.phone}")
        if listed is None:
            raise SignInNeeded("the list of teachers no longer has a teacher with this phone number")
        return rosters.courses(listed)

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        return (await self._rosters()).roster(course)

    async def can_update(self, teacher: Teacher) -> bool:
        return True

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[Line, ...] | None:
        raise NotSupported("the files of marks are ours alone")

    async def create(self, teacher: Teacher, record: Record) -> None:
        await self._write(record, Duplicate(f"{file_name(record)} exists already"), wanted=False)

    async def update(self, teacher: Teacher, record: Record) -> None:
        await self._write(record, NotThere(f"{file_name(record)} does not exist"), wanted=True)

    async def _write(self, record: Record, otherwise: LmsError, *, wanted: bool) -> None:
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
        raise LmsUnavailable(f"the folder of the rosters can't be used ({error.strerror})") from error


def file_name(record: Record) -> str:
    """Return the name of a record's file: readable, safe on every system, and unique to the record."""
    key = "\n".join((record.campus, record.batch, record.subject, record.date))
    parts = [_safe(part, 70) for part in (record.date, record.batch, record.subject)]
    return f"{' '.join(part for part in parts if part)} {hashlib.sha256(key.encode()).hexdigest()[:10]}.csv"


def _safe(text: str, most: int) -> str:
    """Return a text of letters, digits and dashes, at most this many bytes long."""
    plain = re.sub(r"[^\w-]+", "_", text).strip("_")
    return plain.encode()[:most].decode(errors="ignore")


def _write(path: Path, record: Record) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    for line in record.lines:
        cells = (record.date, record.campus, record.batch, record.subject, line.student_id, line.name)
        marks = (line.status.value, str(int(line.status.counts)), line.remark)
        writer.writerow([harmless(cell) for cell in (*cells, *marks)])
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, "\ufeff" + text.getvalue())  # Excel recognises UTF-8 by the byte order mark

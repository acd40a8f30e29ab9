"""Teachers and rosters read from CSV files in one folder, marks written to CSV files: an LMS without configuration.

``teachers.csv`` has one line for each teacher; ``batches`` may be missing or empty (all), several are separated by
``|``::

    phone,name,email,campus,batches
    +7 701 000 00 01,A. Teacher,a.teacher@example.org,Main,CS-101 | CS-102

Every other ``.csv`` in the folder is a roster, one line for each student in a batch; several subjects are separated by
``|``, and ``name`` and ``email`` may be missing::

    batch,subject,student_id,name,email
    CS-101,Algorithms | Physics,25B030001,A. Student,a.student@example.org

Columns may be in any order, with others between them, separated by commas, semicolons or tabs, in any encoding that
Excel writes. Marks are written to ``marks/``: a file for each batch, subject and date, replaced whole at each change.
"""

import asyncio
import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from classroom.cells import harmless
from classroom.domain.sessions import Course, Enrolled, Teacher, folded
from classroom.lms import (
    Duplicate,
    Line,
    LmsRefused,
    LmsUnavailable,
    NotSupported,
    NotThere,
    Record,
    SignedIn,
    SignInNeeded,
    UnknownTeacher,
)
from classroom.lms.odd_ids import oddity
from core.json_file import replace_file

TEACHERS = "teachers.csv"
_TEACHERS_WANTED = {"phone"}
_ROSTER_WANTED = {"batch", "subject", "studentid"}
_NUMBER_SPOILED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
_HEADER = ("date", "campus", "batch", "subject", "student_id", "name", "status", "attended", "remark")

Result = TypeVar("Result")


class FileWrong(LmsRefused):
    """A file can't be read (permanent: the operator has to correct it). The text names file and line (0: no line)."""

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(f"{file}, line {line}: {what}" if line else f"{file}: {what}")


@dataclass(frozen=True)
class _Row:
    file: str
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def several(self, column: str) -> list[str]:
        return [part for each in self[column].split("|") if (part := " ".join(each.split()))]

    def wrong(self, what: str) -> FileWrong:
        return FileWrong(self.file, self.line, what)


class CsvLms:
    """An ``Lms`` in a folder, whose files are read at each call. ``marks`` is the folder for marks (default: in it)."""

    needs_password = False

    def __init__(self, folder: Path, marks: Path | None = None) -> None:
        self._folder = folder
        self._marks = marks or folder / "marks"
        self._writing = asyncio.Lock()

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> SignedIn:
        """Find the teacher by the phone number alone. Raises UnknownTeacher, FileWrong, LmsUnavailable."""
        listed = await _in_thread(lambda: self._listed(phone))
        if listed is None:
            raise UnknownTeacher(f"{TEACHERS} has no teacher with this phone number")
        email, number = listed["email"].lower(), listed["phone"]
        name = listed["name"] or email or number
        return SignedIn(Teacher(telegram_id, phone, email, name, phone_digits(number), listed["campus"]))

    async def sign_out(self, teacher: Teacher) -> None:
        """Do nothing: there are no sessions."""

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        def read() -> list[Course]:
            listed = self._listed(f"+{teacher.phone}")
            if listed is None:
                raise SignInNeeded(f"{TEACHERS} no longer has a teacher with this phone number")
            batches = {batch.casefold() for batch in listed.several("batches")}
            courses = self._rosters()
            return sorted(
                (each for each in courses if not batches or each.batch.casefold() in batches),
                key=lambda course: (course.batch, course.subject),
            )

        return await _in_thread(read)

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        return await _in_thread(lambda: self._rosters().get(course, []))

    async def can_update(self, teacher: Teacher) -> bool:
        return True

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[Line, ...] | None:
        raise NotSupported("the files of marks are ours alone")

    async def create(self, teacher: Teacher, record: Record) -> None:
        path = self._marks / file_name(record)
        async with self._writing:
            if await _in_thread(path.exists):
                raise Duplicate(f"{path.name} exists already")
            await _in_thread(lambda: _write(path, record))

    async def update(self, teacher: Teacher, record: Record) -> None:
        path = self._marks / file_name(record)
        async with self._writing:
            if not await _in_thread(path.exists):
                raise NotThere(f"{path.name} does not exist")
            await _in_thread(lambda: _write(path, record))

    def counted(self) -> tuple[int, int, set[str]]:
        """Return the numbers of teachers and batches, and the students' IDs. Raises FileWrong, OSError."""
        self._listed("")
        teachers = sum(1 for _row in _rows(self._folder / TEACHERS, _TEACHERS_WANTED))
        rosters = self._rosters()
        students = {student.student_id for enrolled in rosters.values() for student in enrolled}
        return teachers, len({course.batch for course in rosters}), students

    def odd_ids(self) -> list[str]:
        """Return what is odd about student IDs, with file and line, and why. Raises FileWrong, OSError."""
        rows = ((row, oddity(row["studentid"])) for row in self._roster_rows())
        return [f"{row.file}, line {row.line}: student ID {row['studentid']} has {odd}" for row, odd in rows if odd]

    # called in a thread

    def _listed(self, phone: str) -> _Row | None:
        wanted = phone_digits(phone)
        found: dict[str, int] = {}
        listed = None
        for row in _rows(self._folder / TEACHERS, _TEACHERS_WANTED):
            digits = phone_digits(row["phone"])
            if not digits or _NUMBER_SPOILED.fullmatch(row["phone"]):
                raise row.wrong(f"'{row['phone']}' is not a phone number{_spoiled(row['phone'])}")
            if digits in found:
                raise row.wrong(f"the phone number is already in line {found[digits]}")
            found[digits] = row.line
            if digits == wanted:
                listed = row
        return listed

    def _rosters(self) -> dict[Course, list[Enrolled]]:
        rosters: dict[Course, list[Enrolled]] = {}
        seen: dict[tuple[Course, str], _Row] = {}
        for row in self._roster_rows():
            for course, student in _enrolments(row):
                key = course, folded(student.student_id)
                if key in seen:
                    first = seen[key]
                    where = f"line {first.line}" if first.file == row.file else f"{first.file}, line {first.line}"
                    if student.student_id.casefold() == first["studentid"].casefold():
                        raise row.wrong(f"student ID {student.student_id} is already in this batch ({where})")
                    what = f"student ID {student.student_id} can't be told apart from {first['studentid']} ({where})"
                    raise row.wrong(f"{what}; it has {oddity(student.student_id) or oddity(first['studentid'])}")
                seen[key] = row
                rosters.setdefault(course, []).append(student)
        return rosters

    def _roster_rows(self) -> Iterator[_Row]:
        paths = sorted(
            path
            for path in self._folder.glob("*")
            if path.suffix.lower() == ".csv" and path.name.lower() != TEACHERS and not path.name.startswith((".", "~"))
        )
        if not paths:
            raise FileWrong("rosters", 0, "there is no CSV file with the columns batch, subject, student_id")
        yield from (row for path in paths for row in _rows(path, _ROSTER_WANTED))


async def _in_thread(work: Callable[[], Result]) -> Result:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise LmsUnavailable(f"the folder of the rosters can't be used ({error.strerror})") from error


def phone_digits(text: str) -> str:
    """Return a phone number's digits in international form; a local prefix 8 or 00 is understood."""
    digits = "".join(character for character in text if character.isdecimal() and character.isascii())
    if text.strip().startswith("+"):
        return digits
    if digits.startswith("00"):
        return digits[2:]
    return "7" + digits[1:] if len(digits) == 11 and digits.startswith("8") else digits


def _enrolments(row: _Row) -> Iterator[tuple[Course, Enrolled]]:
    batch, student_id, subjects = " ".join(row["batch"].split()), row["studentid"], row.several("subject")
    for column, value in (("batch", batch), ("subject", subjects), ("student_id", student_id)):
        if not value:
            raise row.wrong(f"{column} is empty")
    if _NUMBER_SPOILED.fullmatch(student_id):
        raise row.wrong(f"'{student_id}' is not a student ID{_spoiled(student_id)}")
    for subject in dict.fromkeys(subjects):
        yield Course(batch, subject), Enrolled(student_id, row["name"] or student_id, batch, row["email"].lower())


def _spoiled(value: str) -> str:
    return ": set the column's format to Text in the spreadsheet" if _NUMBER_SPOILED.fullmatch(value) else ""


def _rows(path: Path, wanted: set[str]) -> Iterator[_Row]:
    """Read a file's lines below its header. Raises FileWrong, OSError."""
    try:
        content = _decoded(path.read_bytes(), path.name)
    except FileNotFoundError:
        raise FileWrong(path.name, 0, "the file is missing") from None
    lines = (line for line in content.splitlines() if line.strip() and not _is_hint(line))
    delimiter = max(",;\t", key=next(lines, "").count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    try:
        for values in reader:
            cells = [value.strip().strip("\ufeff") for value in values]
            if not any(cells) or (not columns and _is_hint(cells[0])):
                continue
            if columns:
                yield _Row(path.name, reader.line_num, dict(zip(columns, cells, strict=False)))
                continue
            columns = [_column(cell) for cell in cells]
            if missing := sorted(wanted - set(columns)):
                raise FileWrong(path.name, reader.line_num, f"the header has no column {', '.join(missing)}")
            if twice := sorted({each for each in columns if each and columns.count(each) > 1}):
                raise FileWrong(path.name, reader.line_num, f"the header has two columns {', '.join(twice)}")
    except csv.Error as error:
        raise FileWrong(path.name, reader.line_num, f"not CSV ({error})") from None
    if not columns:
        raise FileWrong(path.name, 0, "the file is empty")


def _is_hint(text: str) -> bool:
    """Whether this is the line in which Excel names its delimiter."""
    return text.strip().casefold().startswith("sep=")


def _column(header: str) -> str:
    """Return a column's canonical name: many spellings of a header mean the same."""
    name = re.sub(r"[\s_.-]", "", header).casefold()
    return {"id": "studentid", "group": "batch", "batchno": "batch", "course": "subject"}.get(name, name)


def _decoded(content: bytes, file: str) -> str:
    """Decode a file: UTF-8, Excel's "Unicode Text", or what Excel writes on Windows in Cyrillic countries."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1251")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise FileWrong(file, 0, "unknown encoding: save the file as CSV UTF-8")


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

"""What the lines of one file mean: of a roster, or of the list of teachers. No I/O."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from classroom.domain.sessions import Enrolled
from classroom.lms.tables import Problem, Row, oddity, phone_digits, read_table, understood_id
from classroom.lms.tables import deferred as _

TEACHERS = "teachers"  # the name of the list of teachers, without .csv or .xlsx
_SPOILED = re.compile(r"(?i)\d([.,]\d+)?E\+\d+")
_TOTAL = re.compile(r"(?i)((grand |sub)?total|sum|count|итого?|всего|количество|сумма|барлығы|жиыны)[\s:=-]*\d*")
_BROKEN = re.compile(r"\ufffd|\?\?|\?(?=\w)|(?<=\w)\?")
_YES_OR_NO = {
    **dict.fromkeys(("", "yes", "y", "true", "1", "да", "д", "иә", "ия"), True),
    **dict.fromkeys(("no", "n", "false", "0", "нет", "н", "жоқ"), False),
}


@dataclass
class RosterFile:
    """What one file says: students with line and subjects, or teachers by phone number; what is wrong in it."""

    warnings: list[Problem] = field(default_factory=list)
    mistakes: list[tuple[str, Problem]] = field(default_factory=list)  # by batch; "": not known which
    entries: list[tuple[int, list[str], Enrolled]] = field(default_factory=list)
    teachers: dict[str, Row | Problem] = field(default_factory=dict)
    unread: Problem | None = None  # why the file can't be read; the rest is the version before it, if there was one
    is_old: bool = False  # the version before the file's last change


def parse(name: str, content: bytes) -> RosterFile:
    """Read one file of the folder. Raises FileWrong where nothing in it can be used."""
    if is_list_of_teachers(name):
        return _parse_teachers(*read_table(name, content, frozenset({"phone"})))
    return _parse_roster(*read_table(name, content, frozenset({"batch", "subject", "student_id"})))


def is_list_of_teachers(name: str) -> bool:
    return PurePath(name).stem.lower() == TEACHERS


def _parse_roster(rows: Iterable[Row], warnings: list[Problem]) -> RosterFile:
    found = RosterFile(warnings)
    above = ""
    for row in rows:
        batch, subjects, raw = " ".join(row["batch"].split()), row.several("subject"), row["student_id"]
        if _is_total(row):
            warnings.append(row.problem(_("a total, not a student: skipped")))
            continue
        if not (batch or subjects or raw or row["name"]):
            continue
        student_id = understood_id(raw)
        above = batch or above  # a merged cell has its text in the first line only
        if problem := _mistake(row, {"batch": batch, "subject": "".join(subjects), "student_id": student_id}):
            found.mistakes.append((above, problem))
            continue
        student_name = " ".join((*row["surname"].split(), *row["name"].split()))
        if student_id != raw:
            warnings.append(row.problem(_("{raw} was read as the student ID {id}"), raw=raw, id=student_id))
        warnings += _broken(row, student_name, batch, *subjects)
        if odd := oddity(student_id):
            what = _("student ID {id} has {odd}: correct it, or leave it")
            warnings.append(row.problem(what, id=student_id, odd=odd))
        allowed = _YES_OR_NO[row["face_allowed"].casefold()]
        student = Enrolled(student_id, student_name or student_id, batch, row["email"].lower(), allowed)
        found.entries.append((row.line, list(dict.fromkeys(subjects)), student))
    return found


def _mistake(row: Row, required: Mapping[str, str]) -> Problem | None:
    student_id = required["student_id"]
    if row.mistake:
        return row.problem(row.mistake)
    if empty := next((column for column, value in required.items() if not value), ""):
        return row.problem(_("{column} is empty"), column=empty)
    if _SPOILED.fullmatch(student_id):
        what = _("'{value}' is not a student ID: set the column's format to Text in the spreadsheet")
        return row.problem(what, value=student_id)
    if student_id.startswith(("=", "#")) or _BROKEN.search(student_id):
        return row.problem(_("'{value}' is not a student ID"), value=student_id)
    if (allowed := row["face_allowed"]).casefold() not in _YES_OR_NO:
        return row.problem(_("'{value}' in the column face_allowed is neither yes nor no"), value=allowed)
    return None


def _broken(row: Row, *texts: str) -> list[Problem]:
    """Return a warning if a text of a line has lost letters, such as "?лия"."""
    what = _("'{value}' was broken by an export: save the file as CSV UTF-8 or XLSX")
    return [row.problem(what, value=text) for text in texts if _BROKEN.search(text)][:1]


def _parse_teachers(rows: Iterable[Row], warnings: list[Problem]) -> RosterFile:
    found = RosterFile(warnings)
    for row in rows:
        phone, digits = row["phone"].strip("'"), phone_digits(row["phone"])
        if row.mistake or not digits or _SPOILED.fullmatch(phone):
            what = _("'{value}' is not a phone number: set the column's format to Text in the spreadsheet")
            found.mistakes.append(("", row.problem(row.mistake or what, value=phone)))
            continue
        warnings += _broken(row, row["name"], row["surname"], row["campus"], *row.several("batch"))
        first = found.teachers.setdefault(digits, row)
        if isinstance(first, Row) and first is not row:
            problem = row.problem(_("the phone number is already in line {line}"), line=str(first.line))
            if first.cells == row.cells:
                warnings.append(problem)
            else:
                found.teachers[digits] = problem
                found.mistakes.append(("", problem))
    return found


def _is_total(row: Row) -> bool:
    """Whether a line is a total: an ID that is a number up to the line's own may be the count."""
    student_id = row["student_id"]
    if not any(map(_TOTAL.fullmatch, row.cells.values())):
        return False
    is_count = len(student_id) < 7 and student_id.isdecimal() and int(student_id) <= row.line
    return not student_id or is_count or len(row.cells) < 3 or _TOTAL.fullmatch(student_id) is not None

"""Parses the LMS's answers, of both generations of its server. Pure; nothing of an answer gets into an error's text."""

import base64
import binascii
import json
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from classroom.domain.sessions import Course, Enrolled, Status, folded
from classroom.lms import Line, LmsRefused, LmsUnavailable

USE_UNTIL = 60.0  # seconds before its expiry from which a token is not used any more
ERROR_CODES = {"NO_AUTH_HEADER", "TOKEN_EXPIRED", "INVALID_TOKEN", "TOKEN_BLACKLISTED", "INSUFFICIENT_PERMISSIONS"}

# what the server's answers call a success of a write
SUCCESSES = {"", "success", "ok", "created", "updated", "saved", "existed", "true", "200", "201"}
FAILURES = {"error", "fail", "failed", "failure", "false"}
NOT_DONE = FAILURES | {"", "0", "no", "none"}  # of "success" and "ok"
TEACHERS = {"mentor", "mentors", "practicementor", "practicementors", "teacher", "teachers", "lecturer", "instructor"}

STATUSES = {"1": Status.PRESENT, "present": Status.PRESENT, "0": Status.ABSENT, "absent": Status.ABSENT}

Parsed = TypeVar("Parsed")


def text(value: object) -> str:
    """Return a string or an integer as stripped text; anything else as an empty one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).encode(errors="replace").decode().strip()  # half an emoji could not be stored or sent back


def _status(value: object) -> Status:
    """Parse 1 and 0, "present" and "absent". Anything else is refused: it must never be taken for "absent"."""
    status = STATUSES.get(text(value).casefold())
    if status is None:
        raise ValueError("not a status")
    return status


def _seconds(value: object) -> float | None:
    """Return a number that can be a time; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e12 else None


Text = Annotated[str, BeforeValidator(text)]


class _Tokens(BaseModel):
    access_token: Text = ""
    refresh_token: Text = ""


class _TokenAnswer(_Tokens):
    data: Annotated[_Tokens, BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = _Tokens()


class _Row(BaseModel):
    """A course, a student, or a lesson of the older server; a field that it lacks is empty."""

    batch: Text = Field("", alias="batchNo")
    course: Text = ""
    subject: Text = ""
    datetime: Text = ""
    student_id: Text = Field("", alias="studentId")
    name: Text = ""
    email: Text = ""


class _Line(BaseModel):
    student_id: Text = Field("", alias="studentId")
    name: Text = ""
    status: Annotated[Status, BeforeValidator(_status)]
    remarks: Text = ""


class _Failure(BaseModel):
    status: Text = ""
    error: Text = ""


@dataclass(frozen=True)
class Claims:
    """A token's claims, not verified: that is the LMS's task. ``ends`` is in epoch seconds."""

    id: str = ""
    email: str = ""
    name: str = ""
    campus: str = ""
    ends: float | None = None
    kind: str = ""  # of the account, `userType`

    @property
    def is_teacher(self) -> bool | None:
        """Whether the claim names a teacher's account; None without the claim."""
        return "".join(filter(str.isalnum, self.kind)).casefold() in TEACHERS if self.kind else None

    def usable(self, now: float) -> bool:
        """Whether the token may still be used at this time (epoch seconds); True for a token without an expiry."""
        return self.ends is None or now < self.ends - USE_UNTIL


def claims(token: str) -> Claims:
    """Return a JWT's claims; anything that is no JWT has none."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return Claims()
    if not isinstance(content, dict):
        return Claims()
    return Claims(
        id=text(content.get("id")) or text(content.get("sub")),
        email=text(content.get("email")),
        name=text(content.get("name")),
        campus=text(content.get("location")),
        ends=_seconds(content.get("exp")),
        kind=text(content.get("userType")),
    )


def read_json(content: bytes) -> Any:
    """Parse an answer's body as JSON. Raises LmsUnavailable."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise LmsUnavailable("the LMS's answer can't be read") from None


def tokens(answer: Any) -> tuple[str, str, bool]:
    """Return access token, refresh token (or ""), and whether the server is the older one. Raises LmsUnavailable.

    The older server puts its tokens at the top level, the newer one under `data`.
    """
    top: _TokenAnswer = _parse(_TokenAnswer, answer, "tokens")
    older = not top.data.access_token
    found = top if older else top.data
    both = found.access_token + found.refresh_token
    if not found.access_token or not both.isascii() or not both.isprintable():
        raise LmsUnavailable("the LMS's answer has no token")
    return found.access_token, found.refresh_token, older


def courses(answer: Any) -> list[Course]:
    """Return a teacher's courses, each once, in the LMS's order. Raises LmsUnavailable."""
    found = _list(_Row, answer, "attendancePending")
    return list(dict.fromkeys(Course(each.batch, each.subject) for each in found if each.batch and each.subject))


def schedule(answer: Any) -> tuple[list[Course], str]:
    """Return the courses of the older server's schedule, each once, and the teacher's name. Raises LmsUnavailable."""
    rows, found = _list(dict[Any, Any], answer, "schedule_data"), []
    for row in rows:
        batches, subject = row.get("batchNo"), text(row.get("subject"))
        found += [Course(text(each), subject) for each in (batches if isinstance(batches, list) else [batches])]
    people = _list(dict[Any, Any], answer, "mentor_data") if answer.get("mentor_data") else []
    names = [text(each.get("name")) for each in people] + [text(each.get("MentorName")) for each in rows]
    return list(dict.fromkeys(each for each in found if each.batch and each.subject)), next(filter(None, names), "")


def roster(answer: Any, batch: str) -> list[Enrolled]:
    """Return a batch's students, each once. Raises LmsUnavailable, also for a student without an ID; LmsRefused."""
    found: dict[str, Enrolled] = {}
    for each in _list(_Row, answer, "students_data"):
        if not each.student_id:
            raise LmsUnavailable("the LMS's roster has a student without an ID")
        student = Enrolled(each.student_id, each.name or each.student_id, batch, each.email)
        other = found.setdefault(folded(each.student_id), student)
        if other.student_id.casefold() != student.student_id.casefold():
            what = f"the LMS's roster of {batch} has student IDs that can't be told apart"
            raise LmsRefused(f"{what}: '{other.student_id}' and '{student.student_id}'")
    return list(found.values())


def record(answer: Any, course: Course, date: str) -> tuple[Line, ...] | None:
    """Return the LMS's record of a batch on a date; None: no record. Raises LmsUnavailable.

    Three forms are known: by date and subject, by subject alone, and the older server's flat list, in which a record
    may be there twice. Only the record that is looked for is parsed.
    """
    found: list[Line] | None = None
    for each in _list(dict[Any, Any], answer if isinstance(answer, dict) else {"data": answer}, "data"):
        if "students" in each:
            if _is_of(_parse(_Row, each, "lesson"), course, date):
                found = [*(found or []), *_lines(each)]
            continue
        days = each["dates"] if isinstance(each.get("dates"), dict) else each
        day = days.get(date)
        subject = day.get(course.subject) if isinstance(day, dict) else None
        if isinstance(subject, dict):
            return _lines(subject)
    return tuple(found) if found is not None else None


def is_duplicate(content: bytes) -> bool:
    """Whether an error's body tells that the record exists already."""
    return _failure(content).status.casefold() == "duplicate"


def confirms(content: bytes) -> bool:
    """Whether a success's body confirms it. Raises LmsRefused for an error in it; else it is unclear."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict) or not answer:
        return False
    inner = answer.get("data")
    confirmed = True
    for each in (answer, inner if isinstance(inner, dict) else {}):
        status = str(each.get("status", "")).strip().casefold()
        failed = [name for name in ("exception", "error", "errors", "errorcode") if each.get(name)]
        failed += [name for name in ("success", "ok") if str(each.get(name, True)).casefold() in NOT_DONE]
        failed += ["status"] if status in FAILURES or (status.isdecimal() and int(status) >= 400) else []
        if failed:
            raise LmsRefused(f"the LMS answers with an error ({failed[0]})", f"200 {failed[0]}")
        confirmed = confirmed and status in SUCCESSES
    return confirmed


def error_code(content: bytes) -> str:
    """Return the older server's error code, such as TOKEN_EXPIRED, if it is a known one; else an empty text."""
    code = _failure(content).error
    return code if code in ERROR_CODES else ""


def _list(kind: type[Parsed], answer: Any, name: str) -> list[Parsed]:
    wanted: Any = kind
    found: list[Parsed] = _parse(list[wanted], answer.get(name) if isinstance(answer, dict) else None, name)
    return found


def _parse(kind: Any, answer: Any, name: str) -> Any:
    try:
        return _adapter(kind).validate_python(answer)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(map(str, (name, *first["loc"])))
        raise LmsUnavailable(f"the LMS's answer is not in the expected form ({where}: {first['type']})") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _failure(content: bytes) -> _Failure:
    try:
        failure: _Failure = _parse(_Failure, read_json(content), "error")
        return failure
    except LmsUnavailable:
        return _Failure()


def _is_of(lesson: _Row, course: Course, date: str) -> bool:
    subject = lesson.course or lesson.subject
    return (lesson.batch, subject, lesson.datetime[:10]) == (course.batch, course.subject, date)


def _lines(holder: Any) -> tuple[Line, ...]:
    found = _list(_Line, holder, "students")
    return tuple(Line(each.student_id, each.name, each.status, each.remarks) for each in found)

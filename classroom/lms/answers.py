"""What the LMS's answers mean, in both generations of its server. Pure; no answer's text gets into an error."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classroom.domain.sessions import Course, Enrolled, Status
from classroom.lms import Line, LmsUnavailable

USE_UNTIL = 60.0  # seconds before its end from which a token is not used any more


@dataclass(frozen=True)
class Claims:
    """What a token says of its owner; nothing is verified, that is the LMS's part. ``ends`` is in epoch seconds."""

    id: str = ""
    email: str = ""
    name: str = ""
    campus: str = ""
    ends: float | None = None

    def usable(self, now: float) -> bool:
        """Say whether the token may still be used at this time (epoch seconds); True where it does not say."""
        return self.ends is None or now < self.ends - USE_UNTIL


def claims(token: str) -> Claims:
    """Read a JWT's claims; what is no JWT has none."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return Claims()
    if not isinstance(content, dict):
        return Claims()
    ends = content.get("exp")
    return Claims(
        id=text(content.get("id")) or text(content.get("sub")),
        email=text(content.get("email")),
        name=text(content.get("name")),
        campus=text(content.get("location")),
        ends=_number(ends),
    )


def text(value: object) -> str:
    """Return a text or a whole number as a text without spaces around it; anything else is an empty one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).encode(errors="replace").decode().strip()  # half an emoji could not be stored or sent back


def read_json(content: bytes) -> Any:
    """Return what an answer's body says. Raises LmsUnavailable."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise LmsUnavailable("the LMS's answer can't be read") from None


def tokens(answer: Any) -> tuple[str, str, bool]:
    """Return access token, refresh token (may be empty), and whether they lay at the top, as the older server puts it.

    Raises LmsUnavailable.
    """
    inner = answer.get("data") if isinstance(answer, dict) else None
    older = not (isinstance(inner, dict) and text(inner.get("access_token")))
    holder = answer if older else inner
    access = text(holder.get("access_token")) if isinstance(holder, dict) else ""
    refresh = text(holder.get("refresh_token")) if isinstance(holder, dict) else ""
    if not access or not (access + refresh).isascii() or not (access + refresh).isprintable():
        raise LmsUnavailable("the LMS's answer has no token")
    return access, refresh, older


def courses(answer: Any) -> list[Course]:
    """Return a teacher's courses, each once, in the LMS's order. Raises LmsUnavailable."""
    found = [
        Course(text(each.get("batchNo")), text(each.get("subject"))) for each in _rows(answer, "attendancePending")
    ]
    return list(dict.fromkeys(course for course in found if course.batch and course.subject))


def roster(answer: Any, batch: str) -> list[Enrolled]:
    """Return a batch's students, each once, in the LMS's order.

    Raises LmsUnavailable; also for a student without an ID: a record needs the whole roster.
    """
    found: dict[str, Enrolled] = {}
    for each in _rows(answer, "students_data"):
        student_id = text(each.get("studentId"))
        if not student_id:
            raise LmsUnavailable("the LMS's roster has a student without an ID")
        student = Enrolled(student_id, text(each.get("name")) or student_id, batch, text(each.get("email")))
        found.setdefault(student_id.casefold(), student)
    return list(found.values())


def record(answer: Any, course: Course, date: str) -> tuple[Line, ...] | None:
    """Return what the LMS has of a batch on a date; None: no record. Raises LmsUnavailable.

    Known are three shapes: by date and subject, by subject alone, and the older server's flat list.
    """
    for each in _rows(answer, "data"):
        if "students" in each:
            if _is_of(each, course, date):
                return _lines(each)
            continue
        days = each["dates"] if isinstance(each.get("dates"), dict) else each
        day = days.get(date)
        subject = day.get(course.subject) if isinstance(day, dict) else None
        if isinstance(subject, dict):
            return _lines(subject)
    return None


def is_duplicate(content: bytes) -> bool:
    """Say whether a body says that the record exists already."""
    return _said(content, "status").casefold() == "duplicate"


def error_code(content: bytes) -> str:
    """Return the older server's code of an error, such as TOKEN_EXPIRED; nothing else of a body is let through."""
    code = _said(content, "error")
    known = {"NO_AUTH_HEADER", "TOKEN_EXPIRED", "INVALID_TOKEN", "TOKEN_BLACKLISTED", "INSUFFICIENT_PERMISSIONS"}
    return code if code in known else ""


def _said(content: bytes, name: str) -> str:
    try:
        answer = read_json(content)
    except LmsUnavailable:
        return ""
    return text(answer.get(name)) if isinstance(answer, dict) else ""


def _rows(answer: Any, name: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list of an answer; the older server's records are the answer itself."""
    rows = answer.get(name) if isinstance(answer, dict) else answer if name == "data" else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LmsUnavailable(f"the LMS's answer has no {name}")
    return rows


def _is_of(row: Mapping[str, Any], course: Course, date: str) -> bool:
    batch, subject = text(row.get("batchNo")), text(row.get("course")) or text(row.get("subject"))
    return (batch, subject, text(row.get("datetime"))[:10]) == (course.batch, course.subject, date)


def _lines(holder: Mapping[str, Any]) -> tuple[Line, ...]:
    return tuple(
        Line(
            text(each.get("studentId")), text(each.get("name")), _status(each.get("status")), text(each.get("remarks"))
        )
        for each in _rows(holder, "students")
    )


def _status(value: object) -> Status:
    """Read 1 and 0, "present" and "absent". Anything else is no answer: never take it for "absent"."""
    match text(value).casefold():
        case "1" | "present":
            return Status.PRESENT
        case "0" | "absent":
            return Status.ABSENT
    raise LmsUnavailable("the LMS's answer has a status that is not known")


def _number(value: object) -> float | None:
    """Return a number that can be a time; None: it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e12 else None

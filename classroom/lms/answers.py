"""Parses the LMS's answers, of both generations of its server. Pure; nothing of an answer gets into an error's text."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from classroom.domain.sessions import Course, Enrolled, Status, folded
from classroom.lms import Duplicate, Line, LmsRefused, LmsUnavailable, NoAnswer, Unclear

TRY_AGAIN = frozenset({408, 409, 425, 429})  # temporary statuses, besides 5xx
LAST_SECOND = 10**12  # of expiries that are plausible
USE_UNTIL = 60.0  # seconds before its expiry from which a token is not used any more
ERROR_CODES = {"NO_AUTH_HEADER", "TOKEN_EXPIRED", "INVALID_TOKEN", "TOKEN_BLACKLISTED", "INSUFFICIENT_PERMISSIONS"}

# what the server's answers call a success of a write
SUCCESSES = {"", "success", "ok", "created", "updated", "saved", "existed", "true", "200", "201"}
FAILURES = {"error", "fail", "failed", "failure", "false"}
NOT_DONE = FAILURES | {"", "0", "no", "none"}  # of "success" and "ok"
TEACHERS = {"mentor", "mentors", "practicementor", "practicementors", "teacher", "teachers", "lecturer", "instructor"}

PHONES = ("phone_number", "phone", "phoneNumber", "mobile")  # claims; the contract with the LMS has none

STATUSES = {"1": Status.PRESENT, "present": Status.PRESENT, "0": Status.ABSENT, "absent": Status.ABSENT}

Fields = dict[str, Any]  # a JSON object


def text(value: object) -> str:
    """Return a string or an integer as stripped text; anything else as an empty one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).encode(errors="replace").decode().strip()  # half an emoji could not be stored or sent back


@dataclass(frozen=True)
class Claims:
    """A token's claims, not verified: that is the LMS's task. ``ends`` is in epoch seconds."""

    id: str = ""
    email: str = ""
    name: str = ""
    campus: str = ""
    ends: float | None = None
    kind: str = ""  # of the account, `userType`
    phone: str = ""

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
        content = _object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return Claims()
    ends = content.get("exp")
    return Claims(
        id=text(content.get("id")) or text(content.get("sub")),
        email=text(content.get("email")),
        name=text(content.get("name")),
        campus=text(content.get("location")),
        # a time that is no number, or out of all bounds, is none
        ends=ends if isinstance(ends, int | float) and abs(ends) < LAST_SECOND else None,
        kind=text(content.get("userType")),
        phone=next(filter(None, (text(content.get(name)) for name in PHONES)), ""),
    )


def read_json(content: bytes) -> Any:
    """Parse an answer's body as JSON. Raises LmsUnavailable."""
    try:
        return _parsed(content)
    except (ValueError, RecursionError):
        raise LmsUnavailable("the LMS's answer can't be read") from None


def tokens(answer: Any) -> tuple[str, str, bool]:
    """Return access token, refresh token (or ""), and whether the server is the older one. Raises LmsUnavailable.

    The older server puts its tokens at the top level, the newer one under `data`.
    """
    top = _fields(answer)
    inner = _fields(top.get("data"))
    older = not text(inner.get("access_token"))
    access, refresh = (text((top if older else inner).get(name)) for name in ("access_token", "refresh_token"))
    if not access or not (access + refresh).isascii() or not (access + refresh).isprintable():
        raise LmsUnavailable("the LMS's answer has no token")
    return access, refresh, older


def courses(answer: Any) -> list[Course]:
    """Return a teacher's courses, each once, in the LMS's order. Raises LmsUnavailable."""
    return _complete(
        Course(text(row.get("batchNo")), text(row.get("subject"))) for row in _list(answer, "attendancePending")
    )


def schedule(answer: Any) -> tuple[list[Course], str]:
    """Return the courses of the older server's schedule, each once, and the teacher's name. Raises LmsUnavailable."""
    rows, found = _list(answer, "schedule_data"), []
    for row in rows:
        batches, subject = row.get("batchNo"), text(row.get("subject"))
        found += [Course(text(each), subject) for each in (batches if isinstance(batches, list) else [batches])]
    people = _list(answer, "mentor_data") if answer.get("mentor_data") else []
    names = [text(each.get("name")) for each in people] + [text(each.get("MentorName")) for each in rows]
    return _complete(found), next(filter(None, names), "")


def roster(answer: Any, batch: str) -> list[Enrolled]:
    """Return a batch's students, each once. Raises LmsUnavailable, also for a student without an ID; LmsRefused."""
    found: dict[str, Enrolled] = {}
    for row in _list(answer, "students_data"):
        student_id, name, email = (text(row.get(field)) for field in ("studentId", "name", "email"))
        if not student_id:
            raise LmsUnavailable("the LMS's roster has a student without an ID")
        other = found.setdefault(folded(student_id), Enrolled(student_id, name or student_id, batch, email)).student_id
        if other.casefold() != student_id.casefold():
            what = f"the LMS's roster of {batch} has student IDs that can't be told apart"
            raise LmsRefused(f"{what}: '{other}' and '{student_id}'")
    return list(found.values())


def record(answer: Any, course: Course, date: str) -> tuple[Line, ...] | None:
    """Return the LMS's record of a batch on a date; None: no record. Raises LmsUnavailable.

    Three forms are known: by date and subject, by subject alone, and the older server's flat list, in which a record
    may be there twice. Only the record that is looked for is parsed.
    """
    found: tuple[Line, ...] | None = None
    for each in _list(answer if isinstance(answer, dict) else {"data": answer}, "data"):
        if "students" in each:
            subject = text(each.get("course")) or text(each.get("subject"))
            key = text(each.get("batchNo")), subject, text(each.get("datetime"))[:10]
            if key == (course.batch, course.subject, date):
                found = (found or ()) + _lines(each)
            continue
        days = each["dates"] if isinstance(each.get("dates"), dict) else each
        subject_record = _fields(days.get(date)).get(course.subject)
        if isinstance(subject_record, dict):
            return _lines(subject_record)
    return found


def is_duplicate(content: bytes) -> bool:
    """Whether an error's body tells that the record exists already."""
    return text(_object(content).get("status")).casefold() == "duplicate"


def confirms(content: bytes) -> bool:
    """Whether a success's body confirms it. Raises LmsRefused for an error in it; else it is unclear."""
    answer = _object(content)
    confirmed = bool(answer)
    for each in (answer, _fields(answer.get("data"))):
        status = _word(each.get("status", ""))
        failed = [name for name in ("exception", "error", "errors", "errorcode") if each.get(name)]
        failed += [name for name in ("success", "ok") if _word(each.get(name, True)) in NOT_DONE]
        failed += (
            ["status"] if status in FAILURES or (status.isdecimal() and len(status) < 10 and int(status) >= 400) else []
        )
        if failed:
            raise LmsRefused(f"the LMS answers with an error ({failed[0]})", f"200 {failed[0]}")
        confirmed = confirmed and status in SUCCESSES
    return confirmed


def error_code(content: bytes) -> str:
    """Return the older server's error code, such as TOKEN_EXPIRED, if it is a known one; else an empty text."""
    code = text(_object(content).get("error"))
    return code if code in ERROR_CODES else ""


def check(answer: httpx.Response) -> None:
    """Raise the error that an answer's status means; the caller has handled 401, 404 and duplicates."""
    status, is_json = answer.status_code, "json" in answer.headers.get("content-type", "")
    if answer.is_success:
        return
    if status >= 500 or status < 400 or status in TRY_AGAIN or (status == 404 and not is_json):
        raise LmsUnavailable(f"the LMS answers with {status}")
    if answer.content and is_json:
        read_json(answer.content)  # a truncated body may have been about a duplicate: then it is unknown
    words = f"{status} {error_code(answer.content)}".strip()
    raise LmsRefused(f"the LMS refuses this ({words})", words)


def check_created(answer: httpx.Response) -> None:
    """Raise unless the LMS has confirmed a new record; Duplicate: it has it already."""
    if answer.status_code == 409 or is_duplicate(answer.content):
        raise Duplicate("the LMS has this record already")
    check_written(answer)


def check_written(answer: httpx.Response) -> None:
    """Raise unless the LMS has confirmed a write: an error, a proxy's page or nothing with status 200 is none."""
    if answer.status_code in (502, 504):  # a proxy's: the LMS may have got the call
        raise NoAnswer(f"the LMS answers with {answer.status_code}")
    check(answer)
    if not confirms(answer.content):
        raise Unclear(f"the LMS answers a write with {answer.status_code} and does not confirm it")


def content_of(answer: httpx.Response) -> Any:
    """Return the JSON of a read. Raises LmsUnavailable, also for an error with status 200: it is no empty list."""
    check(answer)
    try:
        confirms(answer.content)
    except LmsRefused as error:
        raise LmsUnavailable(str(error)) from None
    return read_json(answer.content)


def _parsed(content: bytes) -> Any:
    """Parse JSON. Raises ValueError, also for NaN and infinities, which are no JSON; RecursionError."""

    def refuse(name: str) -> float:
        raise ValueError(name)

    return json.loads(content, parse_constant=refuse)


def _word(value: object) -> str:
    """Return a plain value as a word in small letters; a list or an object is none."""
    return "(structure)" if isinstance(value, dict | list) else str(value).strip().casefold()


def _object(content: bytes) -> Fields:
    """Return the JSON object that a body is; an empty one for any other body."""
    try:
        return _fields(_parsed(content))
    except (ValueError, RecursionError):
        return {}


def _fields(value: Any) -> Fields:
    return value if isinstance(value, dict) else {}


def _list(answer: Any, name: str) -> list[Fields]:
    """Return a list of objects. Raises LmsUnavailable: an answer without the list is no empty list."""
    found = _fields(answer).get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise LmsUnavailable(f"the LMS's answer is not in the expected form ({name})")
    return found


def _complete(found: Iterable[Course]) -> list[Course]:
    return list(dict.fromkeys(each for each in found if each.batch and each.subject))


def _lines(holder: Fields) -> tuple[Line, ...]:
    """Parse a record's students. Raises LmsUnavailable: an unknown status must never be taken for "absent"."""
    lines = []
    for row in _list(holder, "students"):
        status = STATUSES.get(text(row.get("status")).casefold())
        if status is None:
            raise LmsUnavailable("the LMS's record has an unknown status")
        lines.append(Line(text(row.get("studentId")), text(row.get("name")), status, text(row.get("remarks"))))
    return tuple(lines)

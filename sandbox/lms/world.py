"""State of the simulated LMS: accounts, sessions, batches, courses, and attendance records with their writes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.lms.behaviour import LmsBehaviour
from sandbox.lms.tokens import BadToken, read_signed, sign, verify
from sandbox.signal import Signal

ACCESS_SECONDS = 3600.0
REFRESH_SECONDS = 7 * 24 * 3600.0

NEWER, OLDER = "newer", "older"
MENTORS, PRACTICE_MENTORS = "Mentors", "Practice_Mentors"  # the older server's kinds of accounts that are teachers'
Key = tuple[str, str, str, str]  # location, batch, subject, date


class UnknownEntry(Exception):
    """The control API named an entry that does not exist."""


@dataclass
class LmsTeacher:
    """One account, a teacher's or, by its kind, a student's or a manager's."""

    id: str
    email: str
    password: str
    name: str
    location: str
    user_type: str | None = ""  # the claim; "": a teacher's, None: the token has none
    phone: str = ""  # a claim of servers that know it


@dataclass(frozen=True)
class LmsStudent:
    """One student of a batch."""

    id: str
    name: str
    email: str = ""


@dataclass(frozen=True)
class Course:
    """A subject that a teacher teaches to a batch."""

    batch: str
    subject: str


@dataclass(frozen=True)
class Mark:
    """A student's entry in a record, and how it counts: ``sent`` is what the older server keeps of it."""

    status: int
    remarks: str = ""
    name: str = ""
    sent: Any = None


@dataclass
class Write:
    """One executed write: by whom, when, by which call."""

    by: str
    at: float
    call: str
    present: int


@dataclass
class Record:
    """A batch's attendance on a date, always for the whole roster."""

    marks: dict[str, Mark]
    copies: int = 1  # the older server can be made to keep a record twice
    writes: list[Write] = field(default_factory=list)


@dataclass
class SignIn:
    """A teacher's session with the numbers of its valid tokens."""

    id: str
    email: str
    access: set[str] = field(default_factory=set)
    refresh: str = ""
    ends: float = 0.0


class LmsWorld:
    """All state, in memory, for use by one thread. ``clock`` returns epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.changed = Signal()
        self.reset()

    def reset(self, generation: str = NEWER) -> None:
        """Delete all state; earlier tokens become invalid."""
        self.generation = generation
        self.offset = 0.0
        self.behaviour = LmsBehaviour()
        self.teachers: dict[str, LmsTeacher] = {}
        self.batches: dict[str, dict[str, LmsStudent]] = {}
        self.courses: dict[str, dict[Course, bool]] = {}
        self.records: dict[Key, Record] = {}
        self.practice_records: dict[Key, Record] = {}  # the older server's of practice mentors
        self.sign_ins: dict[str, SignIn] = {}
        self.outliving: set[str] = set()  # access tokens of sessions that were signed out: the older server takes them
        self.calls: list[dict[str, Any]] = []
        self._key = secrets.token_bytes(32)
        self.changed.bump()

    def now(self) -> float:
        """Return epoch seconds by the LMS's clock, which the control API can advance."""
        return self._clock() + self.offset

    def log(self, call: str, email: str | None, status: int, detail: str = "") -> None:
        """Add a call to the log. ``detail`` never holds a password or a token."""
        self.calls.append(
            {
                "n": len(self.calls) + 1,
                "at": datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds"),
                "call": call,
                "email": email,
                "status": status,
                "detail": detail,
            }
        )
        self.changed.bump()

    # sign-ins

    def address(self, email: str) -> str:
        """Return an address as accounts are found by it: the older server compares exactly."""
        return email.lower() if self.generation == NEWER else email

    def live_sign_in(self, email: str) -> SignIn | None:
        """Return the teacher's session if it has not expired."""
        found = self.sign_ins.get(email)
        return found if found is not None and self.now() < found.ends else None

    def open_sign_in(self, teacher: LmsTeacher) -> tuple[str, str]:
        """Start a session; return its access and refresh token."""
        sign_in = SignIn(secrets.token_hex(8), teacher.email)
        self.sign_ins[teacher.email] = sign_in
        return self.new_access(sign_in, teacher), self.new_refresh(sign_in, teacher)

    def new_access(self, sign_in: SignIn, teacher: LmsTeacher) -> str:
        """Return one more access token of a session; earlier ones stay valid until they expire."""
        number = secrets.token_hex(8)
        sign_in.access.add(number)
        return self._token(sign_in, teacher, "access", number, ACCESS_SECONDS)

    def new_refresh(self, sign_in: SignIn, teacher: LmsTeacher) -> str:
        """Return a session's next refresh token; the previous one becomes invalid."""
        sign_in.refresh = secrets.token_hex(8)
        sign_in.ends = self.now() + REFRESH_SECONDS
        return self._token(sign_in, teacher, "refresh", sign_in.refresh, REFRESH_SECONDS)

    def check_token(self, token: str, kind: str, *, even_if_over: bool = False) -> tuple[SignIn, LmsTeacher]:
        """Return the session and teacher of a token. Raises BadToken."""
        if not token:
            raise BadToken("NO_AUTH_HEADER")
        claims = read_signed(token, self._key) if even_if_over else verify(token, self._key, self.now())
        if claims["kind"] != kind:
            raise BadToken("INVALID_TOKEN")
        if kind == "access" and claims["jti"] in self.outliving and not even_if_over:
            return SignIn(claims["sid"], claims["email"]), self.teachers[claims["email"]]
        sign_in = self.sign_ins.get(claims["email"])
        if sign_in is None or sign_in.id != claims["sid"]:
            raise BadToken("TOKEN_BLACKLISTED")
        if kind == "refresh" and claims["jti"] != sign_in.refresh:
            raise BadToken("TOKEN_BLACKLISTED")
        if kind == "access" and claims["jti"] not in sign_in.access and not even_if_over:
            raise BadToken("TOKEN_EXPIRED")
        return sign_in, self.teachers[sign_in.email]

    def end_sign_in(self, email: str, *, signed_out: bool = False) -> None:
        """End a teacher's session, which blacklists its tokens; a sign-out of the older server leaves access tokens."""
        ended = self.sign_ins.pop(email, None)
        if ended is not None and signed_out and self.generation == OLDER:
            self.outliving |= ended.access

    def _token(self, sign_in: SignIn, teacher: LmsTeacher, kind: str, number: str, seconds: float) -> str:
        own = {"name": teacher.name, "userType": "Mentor"}
        if self.generation == OLDER:
            own = {"sub": teacher.email, "userType": MENTORS}
        if teacher.user_type is None:
            del own["userType"]
        elif teacher.user_type:
            own["userType"] = teacher.user_type
        if teacher.phone:
            own["phone_number"] = teacher.phone
        now = self.now()
        claims = own | {
            "id": teacher.id,
            "email": teacher.email,
            "location": teacher.location,
            "kind": kind,
            "sid": sign_in.id,
            "jti": number,
            "iat": int(now),
            "exp": now + seconds,
        }
        return sign(claims, self._key)

    # records

    def records_of(self, teacher: LmsTeacher) -> dict[Key, Record]:
        """Return the records in which an account's are: the older server has those of practice mentors apart."""
        is_practice = self.generation == OLDER and teacher.user_type == PRACTICE_MENTORS
        return self.practice_records if is_practice else self.records

    def write(self, call: str, teacher: LmsTeacher, key: Key, marks: dict[str, Mark]) -> None:
        """Store a record, and log the write in it. A create that finds the record there makes a second one."""
        records = self.records_of(teacher)
        if call == "create" and key in records:
            records[key].copies += 1
        record = records.setdefault(key, Record({}))
        record.marks = marks
        record.writes.append(Write(teacher.email, self.now(), call, sum(mark.status for mark in marks.values())))

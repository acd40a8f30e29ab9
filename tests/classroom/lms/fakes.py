"""A store in memory, and a fake LMS that a test controls."""

import asyncio
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from classroom.domain.sessions import Course, Enrolled, LmsRecord, Mark, Place, Session, Sheet, Status, Teacher
from classroom.domain.shared_records import Lesson
from classroom.lms import Duplicate, Line, LmsError, LmsTimedOut, NotSupported, NotThere, Record, SignedIn
from classroom.store import StoreUnavailable, Tokens

DATE = "2026-09-07"
TEACHER = Teacher(7, "77010000001", "teacher@example.org", "A. Teacher", "m1", "Main")


def students(batch: str, count: int) -> tuple[Enrolled, ...]:
    return tuple(Enrolled(f"{batch}-{number:03d}", f"Student {number}", batch) for number in range(1, count + 1))


class MemoryStore:
    """The methods of a store that the LMS adapters use. ``fails`` makes the next calls of a method fail."""

    def __init__(self) -> None:
        self.teachers = {TEACHER.telegram_id: TEACHER}
        self.all_tokens: dict[int, Tokens] = {}
        self.sessions: dict[str, Session] = {}
        self.all_sheets: dict[tuple[str, str], Sheet] = {}
        self.fails: dict[str, int] = {}

    def opens(self, now: datetime, sizes: dict[str, int], name: str = "a1", **more: Any) -> Session:
        """Store a new session with batches of these sizes."""
        session = Session(
            id=name,
            teacher=TEACHER.telegram_id,
            campus=TEACHER.campus,
            subject="Algorithms",
            batches=tuple(sorted(sizes)),
            date=DATE,
            place=Place(43.2, 76.9),
            opened_at=now,
            closes_at=now + timedelta(seconds=120),
            rotate_seconds=0,
            **more,
        )
        self.sessions[name] = session
        for batch, count in sizes.items():
            self.all_sheets[name, batch] = Sheet(
                *(name, session.campus, batch, session.subject, DATE, session.teacher, students(batch, count)),
                lesson=session.lesson,
                lms_record=session.lms_record,
            )
        return session

    def marks(self, batch: str, number: int, now: datetime, status: Status = Status.PRESENT, name: str = "a1") -> None:
        """Store a mark, as a check-in does."""
        sheet = self.all_sheets[name, batch]
        student_id = sheet.roster[number - 1].student_id
        marks = {**sheet.marks, student_id: Mark(student_id, status, now)}
        self.all_sheets[name, batch] = replace(sheet, marks=marks, version=sheet.version + 1)

    def ends(self, now: datetime, name: str = "a1", *, cancelled: bool = False) -> None:
        self.sessions[name] = replace(self.sessions[name], ended_at=now, cancelled=cancelled)
        batches = {batch for session, batch in self.all_sheets if session == name and cancelled}
        for key, sheet in self.all_sheets.items():
            if key[0] != name and sheet.batch in batches and (sheet.version > 0 or sheet.acked_version >= 0):
                self.all_sheets[key] = replace(sheet, version=sheet.version + 1)

    def sheet(self, batch: str, name: str = "a1") -> Sheet:
        return self.all_sheets[name, batch]

    def _check(self, what: str) -> None:
        if self.fails.get(what, 0) > 0:
            self.fails[what] -= 1
            raise StoreUnavailable("the database does not answer")

    async def teacher(self, telegram_id: int) -> Teacher | None:
        self._check("teacher")
        return self.teachers.get(telegram_id)

    async def tokens(self, telegram_id: int) -> Tokens | None:
        self._check("tokens")
        return self.all_tokens.get(telegram_id)

    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        self._check("save_tokens")
        self.all_tokens[telegram_id] = tokens

    async def session(self, session_id: str) -> Session | None:
        return self.sessions.get(session_id)

    async def unfinished(self) -> list[Session]:
        return [each for each in self.sessions.values() if each.final_at is None and not each.cancelled]

    async def sheets(self, session_id: str) -> list[Sheet]:
        return [sheet for (session, _), sheet in self.all_sheets.items() if session == session_id]

    async def other_lessons(self, sheet: Sheet) -> list[Lesson]:
        others = [each for each in self.all_sheets.values() if each.batch == sheet.batch]
        return [(each, self.sessions[each.session]) for each in others if each.session != sheet.session]

    async def unacked(self) -> list[Sheet]:
        self._check("unacked")
        owed = [each for each in self.all_sheets.values() if each.acked_version < each.version and not each.refused]
        return [each for each in owed if each.lms_record is not LmsRecord.NONE]

    async def acked(self, session_id: str, batch: str, version: int) -> None:
        self._check("acked")
        sheet = self.all_sheets[session_id, batch]
        newest = max(sheet.acked_version, version)
        self.all_sheets[session_id, batch] = replace(sheet, acked_version=newest, in_lms=True)

    async def set_in_lms(self, session_id: str, batch: str) -> None:
        self.all_sheets[session_id, batch] = replace(self.all_sheets[session_id, batch], in_lms=True)

    async def set_read_back(self, sheet: Sheet) -> None:
        key = sheet.session, sheet.batch
        self.all_sheets[key] = replace(self.all_sheets[key], read_back=sheet.read_back)

    async def set_refused(self, session_id: str, batch: str, why: str) -> None:
        self.all_sheets[session_id, batch] = replace(self.all_sheets[session_id, batch], refused=why)


class FakeLms:
    """An LMS that stores records; ``outcomes`` are errors before the next writes, ``lost_answers`` those after them.

    Without ``updates`` it is as the older server: a record is only created, and two creates at once make two.
    """

    needs_password = one_record_a_day = True

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Status]] = {}  # by batch
        self.calls: list[tuple[float, str, str]] = []  # time, operation, batch
        self.outcomes: deque[LmsError | None] = deque()
        self.lost_answers: deque[LmsError] = deque()
        self.late: deque[float] = deque()  # the next writes time out, and are executed this many seconds later
        self.always: LmsError | None = None
        self.updates = True
        self.says_updates: bool | None = None  # what is known of that beforehand
        self.reads: bool | LmsError = True
        self.ignored = 0  # the next writes are confirmed and not executed
        self.copies: dict[str, int] = {}
        self.read_at: list[float] = []
        self.takes = 0.0
        self.most_at_once = 0
        self._now: list[str] = []

    async def create(self, teacher: Teacher, record: Record) -> None:
        await self._write("create", record)

    async def update(self, teacher: Teacher, record: Record) -> None:
        await self._write("update", record)

    async def record_kind(self, teacher: Teacher) -> str:
        return ""

    async def can_update(self, teacher: Teacher) -> bool:
        return self.updates if self.says_updates is None else self.says_updates

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[Line, ...] | None:
        self.read_at.append(asyncio.get_running_loop().time())
        if isinstance(self.reads, LmsError):
            raise self.reads.with_traceback(None)
        if not self.reads:
            raise NotSupported("it does not show its records")
        if course.batch not in self.records:
            return None
        return tuple(Line(each, "", status) for each, status in self.records[course.batch].items())

    def _store(self, batch: str, marks: dict[str, Status]) -> None:
        self.copies[batch] = 1 if self.updates else self.copies.get(batch, 0) + 1
        self.records[batch] = marks

    async def _write(self, what: str, record: Record) -> None:
        if what == "update" and self.says_updates is False:
            raise NotSupported("as it was answered before")
        assert record.batch not in self._now, "two writes of one sheet at once"
        self.calls.append((asyncio.get_running_loop().time(), what, record.batch))
        self._now.append(record.batch)
        self.most_at_once = max(self.most_at_once, len(self._now))
        try:
            await asyncio.sleep(self.takes)
            outcome = self.always or (self.outcomes.popleft() if self.outcomes else None)
            if outcome is not None:
                raise outcome.with_traceback(None)
            if what == "update" and not self.updates:
                self.says_updates = False
                raise NotSupported("405")
            if what == "create" and record.batch in self.records:
                raise Duplicate("there already")
            if what == "update" and record.batch not in self.records:
                raise NotThere("not there")
            marks = {line.student_id: line.status for line in record.lines}
            if self.late:
                asyncio.get_running_loop().call_later(self.late.popleft(), self._store, record.batch, marks)
                raise LmsTimedOut("the LMS did not answer in time")
            if self.ignored:
                self.ignored -= 1
                return
            self._store(record.batch, marks)
            if self.lost_answers:
                raise self.lost_answers.popleft()
        finally:
            self._now.remove(record.batch)

    async def close(self) -> None: ...

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> SignedIn:
        return SignedIn(TEACHER)

    async def sign_out(self, teacher: Teacher) -> None: ...

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        return []

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        return []

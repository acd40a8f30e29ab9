"""The data calls of the simulated LMS: batches, rosters and records, in both generations of its server.

The newer one takes statuses 1 and 0 and updates. The older one has no GET and no PUT /attendance; it keeps whatever
statuses it gets, and counts all but the text "present" as absent; it keeps practice mentors' records apart; and of two
creates at once both make a record. In both a record must contain the whole roster.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from sandbox.lms.calls import BEFORE, LmsAnswer, RefusedCall, bearer_of, body_of, check_query, is_date, text_of
from sandbox.lms.world import (
    MENTORS,
    NEWER,
    PRACTICE_MENTORS,
    Course,
    Key,
    LmsTeacher,
    LmsWorld,
    Mark,
    Record,
)

_BODY = {"subject", "batch", "datetime", "location", "userType", "students"}


class Attendance:
    """The handlers of the data calls."""

    def __init__(self, world: LmsWorld) -> None:
        self.world = world

    def _is_newer(self) -> bool:
        return self.world.generation == NEWER

    def _teacher(self, request: web.Request) -> LmsTeacher:
        teacher = self.world.check_token(bearer_of(request), "access")[1]
        if not self._is_newer() and teacher.user_type not in ("", None, MENTORS, PRACTICE_MENTORS):
            raise RefusedCall(403, "Access denied", "INSUFFICIENT_PERMISSIONS", teacher.email)
        return teacher

    def _kind(self, teacher: LmsTeacher) -> str:
        """Return what a teacher has to name as userType."""
        return teacher.user_type or ("Mentor" if self._is_newer() or teacher.user_type is None else MENTORS)

    # reading

    async def courses(self, request: web.Request) -> LmsAnswer:
        if not self._is_newer():
            raise _not_allowed("POST")
        teacher = self._teacher(request)
        check_query(request, teacher, {"mentorId": teacher.id, "role": self._kind(teacher)})
        pending = [{"batchNo": course.batch, "subject": course.subject} for course in self._pending(teacher)]
        return LmsAnswer(200, {"attendancePending": pending}, teacher.email)

    async def schedule(self, request: web.Request) -> LmsAnswer:
        if self._is_newer():
            raise web.HTTPNotFound
        teacher = self._teacher(request)
        check_query(request, teacher, {"mentorId": teacher.id, "location": teacher.location})
        subjects: dict[str, list[str]] = {}
        for course in self._pending(teacher):
            subjects.setdefault(course.subject, []).append(course.batch)
        rows = [
            {"batchNo": batches, "subject": subject, "MentorName": teacher.name, "MentorId": teacher.id}
            for subject, batches in subjects.items()
        ]
        people = [{"id": teacher.id, "name": teacher.name}] if teacher.user_type != PRACTICE_MENTORS else []
        answer = {"message": "Getting All batches data", "schedule_data": rows, "mentor_data": people}
        return LmsAnswer(200, answer | {"student_data": []}, teacher.email)

    def _pending(self, teacher: LmsTeacher) -> list[Course]:
        return [course for course, is_pending in self.world.courses.get(teacher.email, {}).items() if is_pending]

    async def roster(self, request: web.Request) -> LmsAnswer:
        teacher = self._teacher(request)
        body = await body_of(request, {"batches", "subject", "location"})
        batch = text_of(body, "batches")
        self._check_course(teacher, Course(batch, text_of(body, "subject")), text_of(body, "location"))
        students = [
            {"studentId": each.id, "name": each.name, "email": each.email, "BatchNo": batch}
            for each in self.world.batches[batch].values()
        ]
        return LmsAnswer(200, {"students_data": students}, teacher.email, batch)

    async def read(self, request: web.Request) -> LmsAnswer:
        if not self.world.behaviour.read_back:
            raise _not_allowed("POST")
        teacher = self._teacher(request)
        query = dict(request.query)
        if set(query) != {"location", "subject", "batch", "userType"} or query["userType"] != self._kind(teacher):
            wanted = f"wants location, subject, batch, userType={self._kind(teacher)}"
            raise RefusedCall(400, wanted, email=teacher.email)
        batch, subject = query["batch"], query["subject"]
        self._check_course(teacher, Course(batch, subject), query["location"])
        found = {
            key[3]: record
            for key, record in self.world.records_of(teacher).items()
            if key[:3] == (query["location"], batch, subject)
        }
        if self._is_newer():
            data: Any = [
                {"dates": {day: {subject: {"students": self._students(batch, record)}}}}
                for day, record in found.items()
            ]
            return LmsAnswer(200, {"data": data}, teacher.email)
        flat = [
            {
                "course": subject,
                "batchNo": batch,
                "students": self._students(batch, record),
                "datetime": day,
                "location": query["location"],
            }
            for day, record in found.items()
            for _copy in range(record.copies)
        ]
        return LmsAnswer(200, {"message": "Getting All Batchwise data", "data": flat}, teacher.email)

    def _students(self, batch: str, record: Record) -> list[dict[str, Any]]:
        if not self._is_newer():
            return [
                {"studentId": student_id, "name": mark.name, "status": mark.sent, "remarks": mark.remarks}
                for student_id, mark in record.marks.items()
            ]
        students = self.world.batches[batch]
        return [
            {"studentId": student_id, "name": students[student_id].name, "status": mark.status}
            for student_id, mark in record.marks.items()
        ]

    # writing

    async def create(self, request: web.Request) -> LmsAnswer:
        teacher, key, marks = await self._record(request)
        before = request[BEFORE][self.world.records_of(teacher) is self.world.practice_records]
        if key in (self.world.records_of(teacher) if self._is_newer() else before):
            body = {"status": "duplicate", "message": "attendance exists already"}
            return LmsAnswer(403 if self._is_newer() else 409, body, teacher.email, "duplicate")
        self.world.write("create", teacher, key, marks)
        if self._is_newer():
            return LmsAnswer(201, {"status": "success"}, teacher.email, key[1])
        return LmsAnswer(200, {"message": "Students Attendance Received", "status": "existed"}, teacher.email, key[1])

    async def update(self, request: web.Request) -> LmsAnswer:
        if not self._is_newer() or not self.world.behaviour.updates:
            raise _not_allowed("POST")
        teacher, key, marks = await self._record(request)
        if key not in self.world.records:
            raise RefusedCall(404, "no such record", email=teacher.email)
        self.world.write("update", teacher, key, marks)
        return LmsAnswer(200, {"status": "success"}, teacher.email, key[1])

    async def _record(self, request: web.Request) -> tuple[LmsTeacher, Key, dict[str, Mark]]:
        """Return teacher, key and marks of a record, which must contain exactly the roster."""
        teacher = self._teacher(request)
        body = await body_of(request, _BODY)
        day, batch, subject = (text_of(body, name) for name in ("datetime", "batch", "subject"))
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) or not is_date(day):
            raise RefusedCall(400, "datetime must be YYYY-MM-DD", email=teacher.email)
        if body["userType"] != self._kind(teacher):
            raise RefusedCall(400, f"userType must be {self._kind(teacher)}", email=teacher.email)
        location = text_of(body, "location")
        self._check_course(teacher, Course(batch, subject), location)
        marks = self._marks(body["students"], teacher)
        roster = self.world.batches[batch].keys()
        if marks.keys() != roster:
            raise RefusedCall(400, f"{len(roster - marks.keys())} missing, {len(marks.keys() - roster)} unknown")
        return teacher, (location, batch, subject, day), marks

    def _marks(self, students: Any, teacher: LmsTeacher) -> dict[str, Mark]:
        known = {"studentId", "status"} | (set() if self._is_newer() else {"name", "remarks"})
        if not isinstance(students, list):
            raise RefusedCall(400, "students must be a list", email=teacher.email)
        marks: dict[str, Mark] = {}
        for each in students:
            if not isinstance(each, dict) or not {"studentId", "status"} <= each.keys() <= known:
                raise RefusedCall(400, f"a student has {', '.join(sorted(known))}", email=teacher.email)
            student_id, status = each["studentId"], each["status"]
            if not isinstance(student_id, str) or student_id in marks:
                raise RefusedCall(400, "a studentId is no text or appears twice", email=teacher.email)
            if self._is_newer() and (isinstance(status, bool) or status not in (0, 1)):
                raise RefusedCall(400, "a status is neither 1 nor 0", email=teacher.email)
            counts = status if self._is_newer() else int(status == "present")
            marks[student_id] = Mark(counts, str(each.get("remarks", "")), str(each.get("name", "")), status)
        return marks

    def _check_course(self, teacher: LmsTeacher, course: Course, location: str) -> None:
        if location != teacher.location or course not in self.world.courses.get(teacher.email, {}):
            raise RefusedCall(403, "another teacher's course", "INSUFFICIENT_PERMISSIONS", teacher.email)


def _not_allowed(*methods: str) -> RefusedCall:
    return RefusedCall(405, f"The method is not allowed; allowed: {', '.join(methods)}")

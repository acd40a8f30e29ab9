"""The control API of the simulated LMS, for tests, benchmarks and the sandbox.

POST /reset {generation}                     delete all state; "newer" or "older"
POST /teachers {id, email, password, name, location, user_type}   an account; user_type "": a teacher's, null: no claim
POST /batches {batch, students: [{id, name, email}]}
POST /courses {email, batch, subject, pending}   a teacher's course; pending false: not in the list
POST /clock {advance}                        advance the LMS's clock by seconds, so that tokens expire
POST /elsewhere {email}                      the teacher signs in elsewhere: our session ends, our next sign-in gets 409
POST /records {location, batch, subject, date, present: [id]}   a record made by somebody else
DELETE /records                              delete all records
POST, GET /behaviour                         see LmsBehaviour
GET  /records, /log?since=N, /stats
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.lms.world import (
    MENTORS,
    NEWER,
    OLDER,
    PRACTICE_MENTORS,
    Course,
    LmsStudent,
    LmsTeacher,
    LmsWorld,
    Mark,
    Record,
    UnknownEntry,
    Write,
)


def control_routes(world: LmsWorld) -> list[web.RouteDef]:
    control = _Control(world)

    def answering(handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            answered = web.json_response(await handler(request))
            if request.method != "GET":
                world.changed.bump()
            return answered

        return answer

    return [
        web.post("/reset", answering(control.reset)),
        web.post("/teachers", answering(control.teacher)),
        web.post("/batches", answering(control.batch)),
        web.post("/courses", answering(control.course)),
        web.post("/clock", answering(control.clock)),
        web.post("/elsewhere", answering(control.elsewhere)),
        web.post("/records", answering(control.put_record)),
        web.delete("/records", answering(control.delete_records)),
        web.get("/records", answering(control.records)),
        web.post("/behaviour", answering(control.change_behaviour)),
        web.get("/behaviour", answering(control.behaviour)),
        web.get("/log", answering(control.log)),
        web.get("/stats", answering(control.stats)),
    ]


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer errors as {"error": ...} with the matching status."""
    try:
        return await handler(request)
    except UnknownEntry as error:
        return web.json_response({"error": str(error)}, status=404)
    except (KeyError, TypeError, ValueError) as error:
        return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)


class _Control:
    def __init__(self, world: LmsWorld) -> None:
        self._world = world

    async def reset(self, request: web.Request) -> dict[str, Any]:
        generation = (await _body(request)).get("generation", NEWER)
        if generation not in (NEWER, OLDER):
            raise ValueError(f"generation must be {NEWER} or {OLDER}")
        self._world.reset(generation)
        return {}

    async def teacher(self, request: web.Request) -> dict[str, Any]:
        teacher = LmsTeacher(**await _body(request))
        teacher.email = self._world.address(teacher.email)
        self._world.teachers[teacher.email] = teacher
        return {}

    async def batch(self, request: web.Request) -> dict[str, Any]:
        body = await _body(request)
        students = [LmsStudent(**each) for each in body["students"]]
        self._world.batches[str(body["batch"])] = {each.id: each for each in students}
        return {}

    async def course(self, request: web.Request) -> dict[str, Any]:
        body = await _body(request)
        self._known(body["email"])
        if body["batch"] not in self._world.batches:
            raise UnknownEntry(f"no such batch: {body['batch']}")
        courses = self._world.courses.setdefault(self._world.address(body["email"]), {})
        courses[Course(body["batch"], body["subject"])] = bool(body.get("pending", True))
        return {}

    async def clock(self, request: web.Request) -> dict[str, Any]:
        self._world.offset += float((await _body(request))["advance"])
        return {"now": self._world.now()}

    async def elsewhere(self, request: web.Request) -> dict[str, Any]:
        self._world.open_sign_in(self._known((await _body(request))["email"]))
        return {}

    async def put_record(self, request: web.Request) -> dict[str, Any]:
        body = await _body(request)
        present = set(body["present"])
        students = self._world.batches[body["batch"]]
        marks = {
            each.id: Mark(int(each.id in present), "", each.name, "present" if each.id in present else "absent")
            for each in students.values()
        }
        record = Record(marks)
        record.writes.append(Write("somebody else", self._world.now(), "create", len(present)))
        self._world.records[body["location"], body["batch"], body["subject"], body["date"]] = record
        return {}

    async def delete_records(self, request: web.Request) -> dict[str, Any]:
        self._world.records.clear()
        self._world.practice_records.clear()
        return {}

    async def records(self, request: web.Request) -> list[dict[str, Any]]:
        return [
            {
                "location": location,
                "batch": batch,
                "subject": subject,
                "date": day,
                "students": {student: mark.status for student, mark in record.marks.items()},
                "remarks": {student: mark.remarks for student, mark in record.marks.items() if mark.remarks},
                "names": {student: mark.name for student, mark in record.marks.items() if mark.name},
                "copies": record.copies,
                "of": of,
                "writes": [vars(write) for write in record.writes],
            }
            for of, records in ((MENTORS, self._world.records), (PRACTICE_MENTORS, self._world.practice_records))
            for (location, batch, subject, day), record in records.items()
        ]

    async def change_behaviour(self, request: web.Request) -> dict[str, Any]:
        self._world.behaviour.change(await _body(request))
        return vars(self._world.behaviour)

    async def behaviour(self, request: web.Request) -> dict[str, Any]:
        return vars(self._world.behaviour)

    async def log(self, request: web.Request) -> list[dict[str, Any]]:
        return self._world.calls[max(0, int(request.query.get("since", "0"))) :]

    async def stats(self, request: web.Request) -> dict[str, Any]:
        return {"calls": len(self._world.calls), "by_call": Counter(each["call"] for each in self._world.calls)}

    def _known(self, email: str) -> LmsTeacher:
        teacher = self._world.teachers.get(self._world.address(email))
        if teacher is None:
            raise UnknownEntry(f"no such teacher: {email}")
        return teacher


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request; empty without a body."""
    body = await request.json() if await request.read() else {}
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body

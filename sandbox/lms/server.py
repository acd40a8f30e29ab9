"""A strict simulator of the LMS's REST API, in both generations of its server.

`python -m sandbox.lms --port 8093` serves it alone, with the control API that adds people and injects faults. The
newer server has its sign-in at /auth/login, the older one at /login; both have their data at /api/v1. A teacher has
one session at a time; a record must contain the whole roster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import web

from sandbox.lms.control import control_routes, errors_as_json
from sandbox.lms.tokens import BadToken
from sandbox.lms.world import NEWER, OLDER, Course, Key, LmsTeacher, LmsWorld, Mark, Record
from sandbox.serving import serve_until_signal, serving

DATA_PATH = "/api/v1"
_PAGE = "<!doctype html><html><body><h1>Gateway</h1></body></html>"
_BODY = {"subject", "batch", "datetime", "location", "userType", "students"}


@dataclass
class LmsAnswer:
    """The answer to a call, and the teacher who made it."""

    status: int
    body: Any
    email: str | None = None
    detail: str = ""


class RefusedCall(Exception):
    """The call is refused with this status; ``code`` is the older server's name of the reason."""

    def __init__(self, status: int, message: str, code: str = "", email: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.email = status, message, code, email


Handler = Callable[[web.Request], Awaitable[LmsAnswer]]


class LmsSimulator:
    """The LMS's server in one of its generations. Single-threaded: everything runs on its event loop."""

    def __init__(self, generation: str = NEWER, clock: Callable[[], float] = time.time) -> None:
        self.world = LmsWorld(clock)
        self.world.reset(generation)

    def application(self) -> web.Application:
        """The API, and the control API under /control."""
        app = web.Application()
        for generation, prefix in ((NEWER, "/auth"), (OLDER, "")):
            app.router.add_post(f"{prefix}/login", self._call("login", self._login, generation))
            app.router.add_post(f"{prefix}/logout", self._call("logout", self._logout, generation))
            app.router.add_post(f"{prefix}/refresh", self._call("refresh", self._refresh, generation))
        app.router.add_get(f"{DATA_PATH}/attendance", self._call("courses", self._courses))
        app.router.add_post(f"{DATA_PATH}/attend", self._call("roster", self._roster))
        app.router.add_get(f"{DATA_PATH}/getattends", self._call("read", self._read))
        app.router.add_post(f"{DATA_PATH}/attendance", self._call("create", self._create))
        app.router.add_put(f"{DATA_PATH}/attendance", self._call("update", self._update))
        app.add_subapp("/control", self.control_application())
        return app

    def control_application(self) -> web.Application:
        """The control routes alone, to be mounted with `add_subapp` under another prefix."""
        app = web.Application(middlewares=[errors_as_json])
        app.add_routes(control_routes(self.world))
        return app

    def serving(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve inside a `with` block; yields the URL without a path. Port 0 picks a free one."""
        return serving(self.application(), host, port, shutdown_timeout=0.2)

    def login_path(self) -> str:
        """The path of the sign-in in the current generation."""
        return "/auth/login" if self.world.generation == NEWER else "/login"

    # handling a call

    def _call(self, name: str, handler: Handler, generation: str | None = None) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            if generation is not None and generation != self.world.generation:
                raise web.HTTPNotFound
            behaviour = self.world.behaviour
            concerned = name in behaviour.calls
            if concerned and behaviour.slow_ms:
                await asyncio.sleep(behaviour.slow_ms / 1000)
            if concerned and behaviour.down:
                self.world.log(name, None, 0, "down")
                return _cut(request)
            if concerned and behaviour.use("html"):
                self.world.log(name, None, 200, "html")
                return web.Response(text=_PAGE, content_type="text/html")
            if concerned and behaviour.status is not None:
                self.world.log(name, None, behaviour.status, "fault")
                return web.json_response({"message": "fault"}, status=behaviour.status)
            if concerned and name not in ("login", "logout", "refresh") and behaviour.use("expire_in_call"):
                for sign_in in self.world.sign_ins.values():
                    sign_in.access.clear()
            try:
                _check_headers(request)
                done = await handler(request)
            except RefusedCall as refused:
                done = LmsAnswer(refused.status, self._words(refused), refused.email, refused.message)
            except BadToken as error:
                done = LmsAnswer(401, {"message": "Unauthorized", "error": error.code}, None, error.code)
            self.world.log(name, done.email, done.status, done.detail)
            if concerned and behaviour.use("drop_answers"):
                return _cut(request)
            text = json.dumps(done.body)
            if concerned and behaviour.use("broken_json"):
                text = text[: len(text) // 2]
            return web.Response(text=text, status=done.status, content_type="application/json")

        return answer

    def _words(self, refused: RefusedCall) -> dict[str, str]:
        words = {"message": refused.message}
        return words | {"error": refused.code} if self.world.generation == OLDER and refused.code else words

    def _is_newer(self) -> bool:
        return self.world.generation == NEWER

    # signing in and out

    async def _login(self, request: web.Request) -> LmsAnswer:
        teacher = self._by_password(await _body(request, {"email", "password"}))
        if self.world.live_sign_in(teacher.email) is not None:
            raise RefusedCall(409, "already logged in elsewhere", email=teacher.email)
        access, refresh = self.world.open_sign_in(teacher)
        tokens = {"access_token": access, "refresh_token": refresh}
        return LmsAnswer(200, {"data": tokens} if self._is_newer() else tokens, teacher.email)

    async def _logout(self, request: web.Request) -> LmsAnswer:
        if self._is_newer():
            teacher = self._by_password(await _body(request, {"email", "password"}))
        else:
            _, teacher = self.world.check_token(_bearer(request), "access", even_if_over=True)
        self.world.end_sign_in(teacher.email)
        return LmsAnswer(200, {"message": "logged out"}, teacher.email)

    async def _refresh(self, request: web.Request) -> LmsAnswer:
        if self._is_newer():
            if await request.read():
                raise RefusedCall(400, "a refresh has no body")
            sign_in, teacher = self.world.check_token(_bearer(request), "refresh")
            return LmsAnswer(200, {"access_token": self.world.new_access(sign_in, teacher)}, teacher.email)
        body = await _body(request, {"refresh_token"})
        sign_in, teacher = self.world.check_token(_text(body, "refresh_token"), "refresh")
        tokens = {
            "access_token": self.world.new_access(sign_in, teacher),
            "refresh_token": self.world.new_refresh(sign_in, teacher),
        }
        return LmsAnswer(200, tokens, teacher.email)

    def _by_password(self, body: dict[str, Any]) -> LmsTeacher:
        email, password = _text(body, "email"), _text(body, "password")
        if email != email.lower():
            raise RefusedCall(400, "email must be in lower case")
        teacher = self.world.teachers.get(email)
        if teacher is None or teacher.password != password:
            raise RefusedCall(401, "Invalid email or password")
        return teacher

    def _teacher(self, request: web.Request) -> LmsTeacher:
        return self.world.check_token(_bearer(request), "access")[1]

    # reading

    async def _courses(self, request: web.Request) -> LmsAnswer:
        teacher = self._teacher(request)
        _check_query(request, teacher, {"mentorId": teacher.id, "role": "Mentor"})
        pending = [
            {"batchNo": course.batch, "subject": course.subject}
            for course, is_pending in self.world.courses.get(teacher.email, {}).items()
            if is_pending
        ]
        return LmsAnswer(200, {"attendancePending": pending}, teacher.email)

    async def _roster(self, request: web.Request) -> LmsAnswer:
        teacher = self._teacher(request)
        body = await _body(request, {"batches", "subject", "location"})
        batch = _text(body, "batches")
        self._check_course(teacher, Course(batch, _text(body, "subject")), _text(body, "location"))
        students = [
            {"studentId": each.id, "name": each.name, "email": each.email, "BatchNo": batch}
            for each in self.world.batches[batch].values()
        ]
        return LmsAnswer(200, {"students_data": students}, teacher.email, batch)

    async def _read(self, request: web.Request) -> LmsAnswer:
        teacher = self._teacher(request)
        query = dict(request.query)
        if set(query) != {"location", "subject", "batch", "userType"} or query["userType"] != "Mentor":
            raise RefusedCall(400, "wants location, subject, batch, userType=Mentor", email=teacher.email)
        batch, subject = query["batch"], query["subject"]
        self._check_course(teacher, Course(batch, subject), query["location"])
        found = {
            key[3]: self._students(batch, record)
            for key, record in self.world.records.items()
            if key[:3] == (query["location"], batch, subject)
        }
        if self._is_newer():
            data: Any = [{"dates": {day: {subject: {"students": students}}}} for day, students in found.items()]
            return LmsAnswer(200, {"data": data}, teacher.email)
        flat = [
            {
                "course": subject,
                "batchNo": batch,
                "students": students,
                "datetime": day,
                "location": query["location"],
            }
            for day, students in found.items()
        ]
        return LmsAnswer(200, flat, teacher.email)

    def _students(self, batch: str, record: Record) -> list[dict[str, Any]]:
        students = self.world.batches[batch]
        lines = []
        for student_id, mark in record.marks.items():
            line: dict[str, Any] = {"studentId": student_id, "name": students[student_id].name, "status": mark.status}
            if not self._is_newer():
                line |= {"status": "present" if mark.status else "absent", "remarks": mark.remarks}
            lines.append(line)
        return lines

    # writing

    async def _create(self, request: web.Request) -> LmsAnswer:
        teacher, key, marks = await self._record(request)
        if key in self.world.records:
            body = {"status": "duplicate", "message": "attendance exists already"}
            return LmsAnswer(403 if self._is_newer() else 409, body, teacher.email, "duplicate")
        self.world.write("create", teacher, key, marks)
        return LmsAnswer(201, {"status": "success"}, teacher.email, key[1])

    async def _update(self, request: web.Request) -> LmsAnswer:
        teacher, key, marks = await self._record(request)
        if key not in self.world.records:
            raise RefusedCall(404, "no such record", email=teacher.email)
        self.world.write("update", teacher, key, marks)
        return LmsAnswer(200, {"status": "success"}, teacher.email, key[1])

    async def _record(self, request: web.Request) -> tuple[LmsTeacher, Key, dict[str, Mark]]:
        """Return teacher, key and marks of a record, which must contain exactly the roster."""
        teacher = self._teacher(request)
        body = await _body(request, _BODY)
        day, batch, subject = (_text(body, name) for name in ("datetime", "batch", "subject"))
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) or not _is_date(day):
            raise RefusedCall(400, "datetime must be YYYY-MM-DD", email=teacher.email)
        if body["userType"] != "Mentor":
            raise RefusedCall(400, "userType must be Mentor", email=teacher.email)
        location = _text(body, "location")
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
            if isinstance(status, bool) or status not in (0, 1):
                raise RefusedCall(400, "a status is neither 1 nor 0", email=teacher.email)
            marks[student_id] = Mark(status, str(each.get("remarks", "")))
        return marks

    def _check_course(self, teacher: LmsTeacher, course: Course, location: str) -> None:
        if location != teacher.location or course not in self.world.courses.get(teacher.email, {}):
            raise RefusedCall(403, "another teacher's course", "INSUFFICIENT_PERMISSIONS", teacher.email)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _check_headers(request: web.Request) -> None:
    if request.headers.get("Accept") != "application/json":
        raise RefusedCall(406, "Accept must be application/json")
    if request.content_type != "application/json":
        raise RefusedCall(415, "Content-Type must be application/json")


def _check_query(request: web.Request, teacher: LmsTeacher, wanted: dict[str, str]) -> None:
    if set(request.query) != set(wanted):
        raise RefusedCall(400, f"wants {', '.join(wanted)}", email=teacher.email)
    if dict(request.query) != wanted:
        raise RefusedCall(403, "another teacher's data", "INSUFFICIENT_PERMISSIONS", teacher.email)


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


async def _body(request: web.Request, fields: set[str]) -> dict[str, Any]:
    """Return the JSON object of a request, which must have exactly these fields."""
    try:
        body = await request.json()
    except ValueError as error:
        raise RefusedCall(400, "the body is not JSON") from error
    if not isinstance(body, dict) or body.keys() != fields:
        raise RefusedCall(400, f"the body has {', '.join(sorted(fields))}")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not value:
        raise RefusedCall(400, f"{name} must be a text")
    return value


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def main() -> None:
    """Serve the LMS alone until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.lms", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8093, help="0 takes any free one (default: %(default)s)")
    parser.add_argument("--generation", choices=(NEWER, OLDER), default=NEWER, help="default: %(default)s")
    arguments = parser.parse_args()
    simulator = LmsSimulator(arguments.generation)

    def settings(url: str) -> list[str]:
        return [f"BASE_URL={url}{DATA_PATH}", f"JWT_LOGIN_ENDPOINT={url}{simulator.login_path()}"]

    asyncio.run(serve_until_signal(simulator.serving(arguments.host, arguments.port), settings))

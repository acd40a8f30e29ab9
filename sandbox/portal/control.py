"""The control API of the simulated portal, for tests, benchmarks and the sandbox's page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from json import JSONDecodeError
from typing import Any, Protocol

from aiohttp import web

from sandbox.portal.behaviour import PortalBehaviour
from sandbox.portal.sessions import Sessions
from sandbox.portal.world import DEFAULT_MINUTES, STANDARD_LABEL, PortalAccount, PortalWorld, UnknownEntry, student_key

_KINDS = {str: "a text", float: "a number", bool: "true or false", list: "a list"}
_MISSING = object()


class Controlled(Protocol):
    """The part of the simulator that the control API changes and reads."""

    world: PortalWorld
    behaviour: PortalBehaviour
    sessions: Sessions

    def reset(self) -> None:
        """Restore the initial state."""

    def lessons_changed(self) -> None:
        """Push the lessons to open pages with push."""

    def change_behaviour(self, changes: Mapping[str, Any]) -> None:
        """Change the named behaviours. Raises ValueError for an unknown name or a wrong value."""


class InvalidRequest(Exception):
    """A wrong request to the control API; the text says what is wrong."""


def control_routes(simulator: Controlled) -> list[web.RouteDef]:
    control = _Control(simulator)
    return [
        web.post("/reset", _answering(control.reset)),
        web.post("/students", _answering(control.put_student)),
        web.get("/students", _answering(control.students)),
        web.post("/lessons", _answering(control.open_lesson)),
        web.get("/lessons", _answering(control.lessons)),
        web.delete("/lessons/{id}", _answering(control.close_lesson)),
        web.post("/lessons/{id}/again", _answering(control.check_again)),
        web.post("/expire", _answering(control.expire)),
        web.post("/behaviour", _answering(control.change_behaviour)),
        web.get("/behaviour", _answering(control.behaviour)),
        web.get("/log", _answering(control.log)),
        web.get("/marks", _answering(control.marks)),
        web.get("/sessions", _answering(control.sessions)),
    ]


def _answering(
    handler: Callable[[web.Request], Awaitable[Any]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(await handler(request))

    return answer


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer errors as {"error": ...} with the matching status."""
    try:
        return await handler(request)
    except UnknownEntry as error:
        return web.json_response({"error": str(error)}, status=404)
    except (InvalidRequest, ValueError) as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPClientError as error:
        return web.json_response({"error": f"{error.reason}: {request.method} {request.path}"}, status=error.status)


class _Control:
    def __init__(self, simulator: Controlled) -> None:
        self._simulator = simulator
        self._world = simulator.world

    async def reset(self, request: web.Request) -> dict[str, Any]:
        self._simulator.reset()
        return {}

    async def put_student(self, request: web.Request) -> dict[str, Any]:
        body = await _body(request, {"username", "password", "blocked"})
        username = _field(body, "username", str)
        if not student_key(username):
            raise InvalidRequest("username must not be empty")
        password, blocked = _field(body, "password", str), _field(body, "blocked", str, None)
        return _student_json(self._world.put_student(username, password, blocked))

    async def students(self, request: web.Request) -> list[dict[str, Any]]:
        return [_student_json(student) for student in self._world.students.values()]

    async def open_lesson(self, request: web.Request) -> dict[str, Any]:
        body = await _body(request, {"subject", "teacher", "time", "minutes", "students", "live", "label"})
        label = _field(body, "label", list, list(STANDARD_LABEL))
        minutes = _field(body, "minutes", float, DEFAULT_MINUTES)
        students = _field(body, "students", list, None)
        if minutes <= 0:
            raise InvalidRequest("minutes must be more than 0")
        if students is not None and not all(isinstance(name, str) for name in students):
            raise InvalidRequest("students must be a list of user names")
        lesson = self._world.open_lesson(
            _field(body, "subject", str),
            _field(body, "teacher", str),
            _field(body, "time", str),
            minutes,
            students,
            _field(body, "live", bool, False),
            [str(line) for line in label],
        )
        self._simulator.lessons_changed()
        return self._world.lesson_json(lesson)

    async def lessons(self, request: web.Request) -> list[dict[str, Any]]:
        return [self._world.lesson_json(lesson) for lesson in self._world.lessons.values()]

    async def close_lesson(self, request: web.Request) -> dict[str, Any]:
        lesson = self._world.close_lesson(_number(request.match_info["id"], "the lesson's id"))
        self._simulator.lessons_changed()
        return self._world.lesson_json(lesson)

    async def check_again(self, request: web.Request) -> dict[str, Any]:
        lesson = self._world.check_again(_number(request.match_info["id"], "the lesson's id"))
        self._simulator.lessons_changed()
        return self._world.lesson_json(lesson)

    async def expire(self, request: web.Request) -> dict[str, Any]:
        username = _field(await _body(request, {"username"}), "username", str, None)
        key = None if username is None else student_key(username)
        if key is not None and key not in self._world.students:
            raise UnknownEntry(f"no such student: {username}")
        return {"expired": self._simulator.sessions.drop_all(key, "by the control API")}

    async def change_behaviour(self, request: web.Request) -> dict[str, Any]:
        self._simulator.change_behaviour(await _body(request))
        return self._simulator.behaviour.as_json()

    async def behaviour(self, request: web.Request) -> dict[str, Any]:
        return self._simulator.behaviour.as_json()

    async def log(self, request: web.Request) -> list[dict[str, Any]]:
        return self._world.log_since(_number(request.query.get("since", "0"), "since"))

    async def marks(self, request: web.Request) -> list[dict[str, Any]]:
        return [asdict(mark) for mark in self._world.marks()]

    async def sessions(self, request: web.Request) -> dict[str, int]:
        self._simulator.sessions.sweep()
        sessions = self._simulator.sessions.all()
        return {"sessions": len(sessions), "uis": sum(len(session.uis) for session in sessions)}


def _student_json(student: PortalAccount) -> dict[str, Any]:
    return {"username": student.username, "blocked": student.blocked}


async def _body(request: web.Request, known: set[str] | None = None) -> dict[str, Any]:
    """The JSON object of a request, empty without a body. Unknown names are refused, since they are likely typos."""
    if not await request.read():
        return {}
    try:
        body = await request.json()
    except JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    if known is not None and (unknown := sorted(body.keys() - known)):
        raise InvalidRequest(f"unknown field: {', '.join(unknown)}")
    return body


def _field(body: dict[str, Any], name: str, kind: type, default: Any = _MISSING) -> Any:
    value = body.get(name)
    if value is None:
        if default is _MISSING:
            raise InvalidRequest(f"{name} is missing")
        return default
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, kind):
        raise InvalidRequest(f"{name} must be {_KINDS[kind]}")
    return value


def _number(text: str, what: str) -> int:
    if not text.isdecimal():
        raise InvalidRequest(f"{what} must be a whole number")
    return int(text)

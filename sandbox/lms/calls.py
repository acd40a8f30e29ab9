"""One call to the simulated LMS: its answer or refusal, and the checks of its headers, query and body."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import web

from sandbox.lms.world import Key, LmsTeacher

# the records that were there when the request arrived, of teachers (False) and of practice mentors (True)
BEFORE = web.RequestKey("before", dict[bool, frozenset[Key]])


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


def check_headers(request: web.Request) -> None:
    if request.headers.get("Accept") != "application/json":
        raise RefusedCall(406, "Accept must be application/json")
    if request.content_type != "application/json":
        raise RefusedCall(415, "Content-Type must be application/json")


def check_query(request: web.Request, teacher: LmsTeacher, wanted: dict[str, str]) -> None:
    if set(request.query) != set(wanted):
        raise RefusedCall(400, f"wants {', '.join(wanted)}", email=teacher.email)
    if dict(request.query) != wanted:
        raise RefusedCall(403, "another teacher's data", "INSUFFICIENT_PERMISSIONS", teacher.email)


def bearer_of(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


async def body_of(request: web.Request, fields: set[str]) -> dict[str, Any]:
    """Return the JSON object of a request, which must have exactly these fields."""
    try:
        body = await request.json()
    except ValueError as error:
        raise RefusedCall(400, "the body is not JSON") from error
    if not isinstance(body, dict) or body.keys() != fields:
        raise RefusedCall(400, f"the body has {', '.join(sorted(fields))}")
    return body


def text_of(body: dict[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not value:
        raise RefusedCall(400, f"{name} must be a text")
    return value


def is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True

"""A strict simulator of the LMS's REST API, in both generations of its server.

`python -m sandbox.lms --port 8093` serves it alone, with the control API that adds people and injects faults. The
newer server has its sign-in at /auth/login, the older one at /login; both have their data at /api/v1 (``attendance``).
A teacher has one session at a time. In the older server any account can sign in, by exactly its address.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiohttp import web

from sandbox.guard import orders_as_json
from sandbox.lms.attendance import Attendance
from sandbox.lms.behaviour import FALSE_SUCCESSES, WRITES
from sandbox.lms.calls import BEFORE, LmsAnswer, RefusedCall, bearer_of, body_of, check_headers, text_of
from sandbox.lms.control import control_routes, errors_as_json
from sandbox.lms.tokens import BadToken
from sandbox.lms.world import NEWER, OLDER, LmsTeacher, LmsWorld
from sandbox.serving import serve_until_signal, serving

DATA_PATH = "/api/v1"
_PAGE = "<!doctype html><html><body><h1>Gateway</h1></body></html>"


Handler = Callable[[web.Request], Awaitable[LmsAnswer]]


class LmsSimulator:
    """The LMS's server in one of its generations. Single-threaded: everything runs on its event loop."""

    def __init__(self, generation: str = NEWER, clock: Callable[[], float] = time.time) -> None:
        self.world = LmsWorld(clock)
        self.world.reset(generation)
        self._late: set[asyncio.Task[Any]] = set()  # calls that are executed after their connection was cut

    def application(self) -> web.Application:
        """The API, and the control API under /control."""
        app = web.Application()
        for generation, prefix in ((NEWER, "/auth"), (OLDER, "")):
            app.router.add_post(f"{prefix}/login", self._call("login", self._login, generation))
            app.router.add_post(f"{prefix}/logout", self._call("logout", self._logout, generation))
            app.router.add_post(f"{prefix}/refresh", self._call("refresh", self._refresh, generation))
        data = Attendance(self.world)
        for method, path, name, handler in (
            ("GET", "/attendance", "courses", data.courses),
            ("GET", "/mentorstds", "courses", data.schedule),
            ("POST", "/attend", "roster", data.roster),
            ("GET", "/getattends", "read", data.read),
            ("POST", "/attendance", "create", data.create),
            ("PUT", "/attendance", "update", data.update),
        ):
            app.router.add_route(method, DATA_PATH + path, self._call(name, handler))
        app.add_subapp("/control", self.control_application())
        return app

    def control_application(self) -> web.Application:
        """The control routes alone, to be mounted with `add_subapp` under another prefix."""
        app = web.Application(middlewares=[errors_as_json, orders_as_json])
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
            writes = concerned and name in WRITES
            request[BEFORE] = {False: frozenset(self.world.records), True: frozenset(self.world.practice_records)}
            if concerned and behaviour.slow_ms:
                await asyncio.sleep(behaviour.slow_ms / 1000)
            if concerned and behaviour.down:
                self.world.log(name, None, 0, "down")
                return _cut(request)
            if concerned and behaviour.use("html"):
                self.world.log(name, None, 200, "html")
                return web.Response(text=_PAGE, content_type="text/html")
            if writes and behaviour.false_success is not None:
                self.world.log(name, None, 200, "false success")
                kind = "text/plain" if behaviour.false_success == "text" else "application/json"
                return web.Response(text=FALSE_SUCCESSES[behaviour.false_success], content_type=kind)
            if writes and behaviour.use("ignored"):
                self.world.log(name, None, 200, "ignored")
                return web.json_response({"status": "success"})
            if writes and behaviour.use("late"):
                await request.read()
                self._keep(asyncio.create_task(self._done_late(name, handler, request, behaviour.late_ms / 1000)))
                return _cut(request)
            if concerned and behaviour.status is not None:
                self.world.log(name, None, behaviour.status, "fault")
                return web.json_response({"message": "fault"}, status=behaviour.status)
            if concerned and name not in ("login", "logout", "refresh") and behaviour.use("expire_in_call"):
                for sign_in in self.world.sign_ins.values():
                    sign_in.access.clear()
            try:
                check_headers(request)
                done = await handler(request)
            except RefusedCall as refused:
                done = LmsAnswer(refused.status, self._words(refused), refused.email, refused.message)
            except BadToken as error:
                done = LmsAnswer(401, {"message": "Unauthorized", "error": error.code}, None, error.code)
            self.world.log(name, done.email, done.status, done.detail)
            if concerned and behaviour.use("drop_answers"):
                return _cut(request)
            if writes and done.status < 300 and behaviour.use("unanswered"):
                return web.Response(content_type="application/json")
            text = json.dumps(done.body)
            if concerned and behaviour.use("broken_json"):
                text = text[: len(text) // 2]
            return web.Response(text=text, status=done.status, content_type="application/json")

        return answer

    async def _done_late(self, name: str, handler: Handler, request: web.Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            done = await handler(request)
        except RefusedCall as refused:
            done = LmsAnswer(refused.status, {}, refused.email)
        except BadToken as error:
            done = LmsAnswer(401, {}, None, error.code)
        self.world.log(name, done.email, 0, f"late: {done.status}")

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _words(self, refused: RefusedCall) -> dict[str, str]:
        words = {"message": refused.message}
        return words | {"error": refused.code} if self.world.generation == OLDER and refused.code else words

    def _is_newer(self) -> bool:
        return self.world.generation == NEWER

    # signing in and out

    async def _login(self, request: web.Request) -> LmsAnswer:
        teacher = self._by_password(await body_of(request, {"email", "password"}))
        if self.world.live_sign_in(teacher.email) is not None:
            raise RefusedCall(409, "already logged in elsewhere", email=teacher.email)
        access, refresh = self.world.open_sign_in(teacher)
        tokens = {"access_token": access, "refresh_token": refresh}
        return LmsAnswer(200, {"data": tokens} if self._is_newer() else tokens, teacher.email)

    async def _logout(self, request: web.Request) -> LmsAnswer:
        if self._is_newer():
            teacher = self._by_password(await body_of(request, {"email", "password"}))
        else:
            _, teacher = self.world.check_token(bearer_of(request), "access", even_if_over=True)
        self.world.end_sign_in(teacher.email, signed_out=True)
        return LmsAnswer(200, {"message": "logged out"}, teacher.email)

    async def _refresh(self, request: web.Request) -> LmsAnswer:
        if self._is_newer():
            if await request.read():
                raise RefusedCall(400, "a refresh has no body")
            sign_in, teacher = self.world.check_token(bearer_of(request), "refresh")
            return LmsAnswer(200, {"access_token": self.world.new_access(sign_in, teacher)}, teacher.email)
        body = await body_of(request, {"refresh_token"})
        sign_in, teacher = self.world.check_token(text_of(body, "refresh_token"), "refresh")
        tokens = {
            "access_token": self.world.new_access(sign_in, teacher),
            "refresh_token": self.world.new_refresh(sign_in, teacher),
        }
        return LmsAnswer(200, tokens, teacher.email)

    def _by_password(self, body: dict[str, Any]) -> LmsTeacher:
        email, password = text_of(body, "email"), text_of(body, "password")
        if self._is_newer() and email != email.lower():
            raise RefusedCall(400, "email must be in lower case")
        teacher = self.world.teachers.get(email)
        if teacher is None or teacher.password != password:
            raise RefusedCall(401, "Invalid email or password")
        return teacher


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


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

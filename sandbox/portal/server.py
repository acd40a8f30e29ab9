"""A strict simulator of the registration portal, a Vaadin 7 application, for real browsers.

`python -m sandbox.portal --port 8092` serves it alone, at /RegistrationOnline, with the control API that opens
lessons and injects faults. The initial page is nearly empty; its script draws the content from the answers to its
round trips. Marks are decided on the server alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.guard import orders_as_json
from sandbox.portal.behaviour import FOREIGN_PAGES, PortalBehaviour
from sandbox.portal.control import control_routes, errors_as_json
from sandbox.portal.events import BadMessage, PortalLogic
from sandbox.portal.files import PAGE_PATH, page_files, page_html
from sandbox.portal.push import Push
from sandbox.portal.replay import Replay, TraceError, read_trace
from sandbox.portal.sessions import Session, SessionLost, Sessions, Ui
from sandbox.portal.words import DEFAULT_LOCALE, LOCALE_COOKIE, SYSTEM_NOTIFICATIONS, WORDS
from sandbox.portal.world import Clock, PortalWorld, SystemClock
from sandbox.serving import serve_until_signal, serving

HEARTBEAT_SECONDS = 120.0
HEARTBEATS_OF_A_DEAD_UI = 3.1
IDLE_SESSION_SECONDS = 1800.0
"""Tomcat's default; the portal's value is unknown."""
RECONNECT_SECONDS = 5.0
_LOCALE_COOKIE_SECONDS = 365 * 24 * 3600
_NO_STORE = {"Cache-Control": "no-cache, no-store"}
_KEEP = {"Cache-Control": "max-age=31536000, immutable"}


class PortalSimulator:
    """The portal's server. Single-threaded: everything runs on its event loop.

    `ui_lifetime_seconds` defaults to 3.1 heartbeats. A page that lost its connection retries every
    `reconnect_seconds`.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        ui_lifetime_seconds: float | None = None,
        idle_session_seconds: float = IDLE_SESSION_SECONDS,
        reconnect_seconds: float = RECONNECT_SECONDS,
        token: Callable[[], str] = lambda: secrets.token_hex(16).upper(),
        numbers: random.Random | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.world = PortalWorld(self.clock)
        self.behaviour = PortalBehaviour()
        self._numbers = numbers or random.Random()
        self.sessions = Sessions(
            self.world,
            self.clock,
            ui_lifetime=ui_lifetime_seconds or HEARTBEATS_OF_A_DEAD_UI * heartbeat_seconds,
            idle_timeout=idle_session_seconds,
            token=token,
            numbers=self._numbers,
        )
        self._heartbeat_seconds = heartbeat_seconds
        self._reconnect_seconds = reconnect_seconds
        self._logic = PortalLogic(self.world, self.sessions, self.behaviour)
        self._push = Push(self.world, self.sessions, self._logic)
        self._not_stuck = asyncio.Event()
        self._not_stuck.set()

    def application(self) -> web.Application:
        """The page, its round trips, and the control API under /control."""
        app = web.Application(middlewares=[self._settle_first])
        app.router.add_get(PAGE_PATH, _redirect)
        app.router.add_get(f"{PAGE_PATH}/", self._page)
        app.router.add_post(f"{PAGE_PATH}/", self._browser_details)
        app.router.add_post(f"{PAGE_PATH}/UIDL/", self._round_trip)
        app.router.add_post(f"{PAGE_PATH}/HEARTBEAT/", self._heartbeat)
        app.router.add_get(f"{PAGE_PATH}/PUSH", self._push_line)
        app.router.add_get(PAGE_PATH + "/VAADIN/{path:.+}", self._file)
        app.add_subapp("/control", self.control_application())
        app.on_shutdown.append(self._shut_down)
        return app

    def control_application(self) -> web.Application:
        """The control routes alone, to be mounted with `add_subapp` under another prefix."""
        app = web.Application(middlewares=[errors_as_json, orders_as_json, self._settle_first])
        app.add_routes(control_routes(self))
        return app

    def serving(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve inside a `with` block; yields the URL without a path. Port 0 picks a free one."""
        return serving(self.application(), host, port, has_pages=True, shutdown_timeout=1.0)

    def change_behaviour(self, changes: Mapping[str, Any]) -> None:
        """Change the behaviour; ValueError for an unknown name or a wrong value."""
        self.behaviour.change(changes)
        (self._not_stuck.clear if self.behaviour.stuck_loading else self._not_stuck.set)()
        self.lessons_changed()
        self.world.changed.bump()

    def reset(self) -> None:
        """Delete all state including sessions, and restore the default behaviour."""
        self.world.reset()
        self.sessions.clear()
        self.change_behaviour(PortalBehaviour().as_json())

    def lessons_changed(self) -> None:
        """Call this after changing lessons without the control API."""
        self._push.lessons_changed()

    @web.middleware
    async def _settle_first(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Close overdue lessons before answering: an injected clock may have moved without our timer."""
        if self.world.close_overdue():
            self.lessons_changed()
        return await handler(request)

    def _session(self, request: web.Request) -> Session | None:
        return self.sessions.find(request.cookies.get("JSESSIONID"), request.cookies.get("route"))

    def _ui(self, request: web.Request, what: str) -> tuple[Session, Ui]:
        session = self._session(request)
        number = request.query.get("v-uiId", "")
        ui = session.uis.get(int(number)) if session is not None and number.isdecimal() else None
        if session is None or ui is None:
            self.world.log("session_not_found", self._name(session), detail=what)
            raise SessionLost
        return session, ui

    def _name(self, session: Session | None) -> str | None:
        return self.world.username(session.student) if session else None

    async def _slowly(self) -> None:
        if self.behaviour.slow_ms:
            await asyncio.sleep(self.behaviour.slow_ms / 1000)

    async def _page(self, request: web.Request) -> web.Response:
        """Serve the initial HTML; creates a session and its cookies if there is none."""
        await self._slowly()
        session, status = self._session(request), self.behaviour.status
        if session is not None and session.student is not None and self.behaviour.sessions_end:
            session = self._ended_by_a_load(session)
        self.world.log("page_load", self._name(session), detail=None if status is None else str(status))
        if status is not None:
            text = f"<!doctype html><title>{status}</title><h1>{status}</h1>"
            return web.Response(status=status, text=text, content_type="text/html", headers=_NO_STORE)
        if self.behaviour.foreign_page is not None:
            status, text = FOREIGN_PAGES[self.behaviour.foreign_page]
            return web.Response(status=status, text=text, content_type="text/html", headers=_NO_STORE)
        text = page_html(self._heartbeat_seconds)
        response = web.Response(text=text, content_type="text/html", headers=_NO_STORE)
        return _with_cookies(response, session or self.sessions.create(), is_new=session is None)

    def _ended_by_a_load(self, session: Session) -> Session | None:
        """End a session at its second load: the first one is the portal's own answer to the sign-in."""
        session.loads += 1
        if session.loads < 2:
            return session
        self.sessions.drop(session, "by a load")
        return None

    async def _browser_details(self, request: web.Request) -> web.Response:
        """Create the UI for a page's script; answers its number and first state."""
        tab = str((await request.post()).get("v-wn", ""))
        await self._slowly()
        await self._not_stuck.wait()
        if request.transport is None or request.transport.is_closing():
            # The page was left while it was stuck: create no UI.
            return web.Response()
        session = self._session(request)
        is_new = session is None
        session = session or self.sessions.create()
        locales = (self.behaviour.language, request.cookies.get(LOCALE_COOKIE, ""), DEFAULT_LOCALE)
        ui = self._logic.open_ui(session, tab, next(each for each in locales if each in WORDS))
        answer = {
            "v-uiId": ui.id,
            "push": ui.push,
            "reconnectMilliseconds": self._reconnect_seconds * 1000,
            "reloadMilliseconds": self.behaviour.reloads_itself_ms,
            "firstGwtUid": self._numbers.randrange(1, 90),
            "uidl": json.dumps(self._logic.initial_state(session, ui)),
        }
        return _with_cookies(web.json_response(answer, headers=_NO_STORE), session, is_new)

    async def _round_trip(self, request: web.Request) -> web.Response:
        """Execute a batch of events; answers the page's whole state."""
        body = await request.read()
        await self._slowly()
        if (failure := self._failure(request)) is not None:
            return failure
        try:
            session, ui = self._ui(request, "round trip")
            answer = self._logic.answer(session, ui, body)
        except SessionLost:
            error = "session_expired" if "JSESSIONID" in request.cookies else "cookies_disabled"
            return web.json_response({"appError": SYSTEM_NOTIFICATIONS[error]}, headers=_NO_STORE)
        except BadMessage as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        response = web.json_response(answer.state, headers=_NO_STORE)
        if answer.locale is not None:
            response.set_cookie(LOCALE_COOKIE, answer.locale, path="/", max_age=_LOCALE_COOKIE_SECONDS)
        return response

    async def _heartbeat(self, request: web.Request) -> web.Response:
        """Keep a UI alive; 410 if the session is gone, 404 if only the UI is."""
        await self._slowly()
        if (failure := self._failure(request)) is not None:
            return failure
        try:
            session, ui = self._ui(request, "heartbeat")
        except SessionLost:
            return web.Response(status=410 if self._session(request) is None else 404)
        ui.heartbeat = self.clock.monotonic()
        self.world.log("heartbeat", self._name(session))
        return web.Response(headers=_NO_STORE)

    async def _push_line(self, request: web.Request) -> web.StreamResponse:
        try:
            session, ui = self._ui(request, "push")
        except SessionLost as error:
            raise web.HTTPForbidden from error
        if not ui.push:
            raise web.HTTPForbidden
        return await self._push.serve(request, session, ui)

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if path == "vaadinBootstrap.js" and self.behaviour.bootstrap_failure:
            raise web.HTTPServiceUnavailable
        file = page_files().get(path)
        if file is None:
            raise web.HTTPNotFound
        # Files with their version in the URL may be cached; the bootstrap script may not.
        headers = _KEEP if request.query.get("v") == file.version else _NO_STORE
        return web.Response(body=file.content, content_type=file.content_type, charset=file.charset, headers=headers)

    def _failure(self, request: web.Request) -> web.Response | None:
        """The failure of a round trip by the current behaviour, or None; a failing one is not executed."""
        if self.behaviour.connection_lost:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if self.behaviour.communication_problem:
            # An error status would make the page retry; an invalid answer makes it give up.
            return web.Response(text="<html><body>Bad Gateway</body></html>\n", content_type="text/html")
        if self.behaviour.authentication_problem:
            return web.Response(status=401)
        return None

    async def _shut_down(self, _: web.Application) -> None:
        self._not_stuck.set()
        await self._push.end()


def _with_cookies(response: web.Response, session: Session, is_new: bool) -> web.Response:
    if is_new:
        response.set_cookie("JSESSIONID", session.id, path=PAGE_PATH, httponly=True)
        response.set_cookie("route", session.route, path="/", httponly=True)
    return response


async def _redirect(_: web.Request) -> web.Response:
    raise web.HTTPFound(f"{PAGE_PATH}/")


def main() -> None:
    """Serve the portal alone until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.portal", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8092, help="0 takes any free one (default: %(default)s)")
    parser.add_argument(
        "--heartbeat", type=float, default=HEARTBEAT_SECONDS, help="seconds between a page's heartbeats"
    )
    parser.add_argument("--ui-lifetime", type=float, help="seconds a UI outlives its page (3.1 heartbeats)")
    parser.add_argument("--replay", type=Path, metavar="TRACE", help="play a trace of attendance.py --rehearse instead")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times as fast it is played")
    arguments = parser.parse_args()
    if arguments.replay is not None:
        try:
            replay = Replay(read_trace(arguments.replay.read_text(encoding="utf-8").splitlines()), arguments.speed)
        except (OSError, UnicodeDecodeError, TraceError) as error:
            parser.error(str(error))
        played = replay.serving(arguments.host, arguments.port)
        asyncio.run(serve_until_signal(played, lambda url: [f"{url}{PAGE_PATH}"]))
        return
    simulator = PortalSimulator(heartbeat_seconds=arguments.heartbeat, ui_lifetime_seconds=arguments.ui_lifetime)
    server = simulator.serving(arguments.host, arguments.port)
    asyncio.run(serve_until_signal(server, lambda url: [f"{url}{PAGE_PATH}"]))

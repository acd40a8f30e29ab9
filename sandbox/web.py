"""The sandbox's web page: its files, the control APIs of both simulators, and the state of the bot.

GET  /                     the page
     /telegram/..., /portal/...   the control APIs, which the simulators alone serve under /control
GET  /api/sandbox          the people, and the portal's address
GET  /api/bot?since=N      {state, start, outcome, last_line, lines: [{n, text}]}, lines after the Nth
POST /api/bot/start        restart the bot after it has ended
"""

import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.bot_process import BotProcess
from sandbox.cast import Role
from sandbox.guard import orders_as_json
from sandbox.portal.server import PortalSimulator
from sandbox.serving import serving
from sandbox.telegram.server import TelegramSimulator

_FOLDER = Path(__file__).parent / "page"
_HEADERS = {
    # The files change with the checkout while their names stay the same.
    "Cache-Control": "no-cache",
    # Bot messages are shown as HTML: should the page's own filter fail, nothing is executed or loaded.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
}


class PageServer:
    """The web application behind the page. Without a ``portal_url`` the page has no portal controls."""

    def __init__(
        self,
        telegram: TelegramSimulator,
        portal: PortalSimulator,
        portal_url: str | None,
        bot: BotProcess,
        people: Sequence[Role],
        refresh_interval: int,
        time_zone: str,
    ) -> None:
        self._telegram = telegram
        self._bots = {person.bot for person in people}
        self._portal = portal
        self._bot = bot
        self._about: dict[str, Any] = {
            # An open page detects a restarted sandbox by a changed value, and reloads.
            "run": secrets.token_hex(8),
            "people": [person.shown() for person in people],
            "portal_url": portal_url,
            "refresh_interval": refresh_interval,
            "time_zone": time_zone,
        }
        self._listening_start = 0

    def application(self) -> web.Application:
        """All routes of the page's port."""
        app = web.Application(middlewares=[orders_as_json])
        app.router.add_get("/", self._index)
        app.router.add_static("/page", _FOLDER)
        app.router.add_get("/api/sandbox", self._sandbox)
        app.router.add_get("/api/bot", self._state)
        app.router.add_post("/api/bot/start", self._start)
        app.add_subapp("/telegram", self._telegram.control_application())
        app.add_subapp("/portal", self._portal.control_application())
        app.on_response_prepare.append(_add_headers)
        return app

    def serving(self, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Serve inside a `with` block; yields the URL. Port 0 picks a free one."""
        # Handlers of closed connections are cancelled, which ends their long polls.
        return serving(self.application(), host, port, has_pages=True, handler_cancellation=True, shutdown_timeout=1.0)

    async def _index(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(_FOLDER / "index.html")

    async def _sandbox(self, _request: web.Request) -> web.Response:
        return web.json_response(self._about)

    async def _state(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isdecimal():
            return web.json_response({"error": "since must be a whole number"}, status=400)
        lines = [{"n": line.number, "text": line.text} for line in self._bot.lines_since(int(since))]
        return web.json_response(
            {
                "run": self._about["run"],
                "state": self._state_name(),
                "start": self._bot.starts,
                "outcome": self._bot.outcome,
                "last_line": self._bot.last_line,
                "lines": lines,
            }
        )

    def _state_name(self) -> str:
        """The process's state; `starting` until every bot polls Telegram for updates."""
        if self._bot.state != "running":
            return self._bot.state
        if all(self._telegram.world.by_username[each].poll is not None for each in self._bots):
            self._listening_start = self._bot.starts
        return "running" if self._listening_start == self._bot.starts else "starting"

    async def _start(self, _request: web.Request) -> web.Response:
        if not await self._bot.start():
            return web.json_response({"error": "the bot is already running"}, status=409)
        return web.json_response({})


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)

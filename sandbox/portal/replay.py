"""Plays a trace of `attendance.py --rehearse`: the same views, shapes and times in the same order, for one student.

`python -m sandbox.portal --replay TRACE [--speed 10]`. The trace's time begins at the first load. At a login view it
stands still until somebody signs in, with any name and password; it goes on where the trace's sign-in ended. A view
that came with a load is shown to later loads, one that came by itself also to the open page. Each browser (by its
cookie) has a time of its own. /control/log lists what was done: "loaded", "signed_in", "marked", "clicked".
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from aiohttp import web

from sandbox.portal.files import PAGE_PATH
from sandbox.serving import serving

SCHEMA = 1
_PAGE = Path(__file__).parent / "page"
_LOST = ("session lost", "communication problem")
# What a page is played as at which a rehearsal met this error; None: it was no page. A certificate is a connection that
# fails; a page that changed while it was read is played as it was then.
_TROUBLES = {
    "SignInRefused": "refused",
    **dict.fromkeys(("AccountBlocked", "AccountLocked", "AccountExpired"), "blocked"),
    "PasswordExpired": "password expired",
    **dict.fromkeys(("PortalUnavailable", "PortalSlow"), "loading"),
    "CertificateRefused": "down",
    "SignInFailed": "login",
    "SessionLost": "session lost",
    "UnknownView": "unknown",
    "NotThePortal": "not the portal",
    **dict.fromkeys(("PageChanged", "NotPressed"), "login"),
    **dict.fromkeys(("BrowserFailed", "GridFailed", "GridFull", "DriverMismatch", "BrowserMissing")),
}
_BY_ITSELF = ("change", "sign-in")
_ATTRIBUTES = {"role", "type", "aria-disabled", "style"}  # of which trace.js writes no others
_NO_STORE = {"Cache-Control": "no-cache, no-store"}


class TraceError(Exception):
    """The file is no trace, or one of another schema."""


@dataclass(frozen=True)
class RecordedView:
    """One view of a trace. ``document`` and ``ready``: seconds until the first response, and until it was ready."""

    at: float
    view: str
    after: str
    ready: float
    tree: Any
    status: int = 200
    document: float = 0.0


def read_trace(lines: list[str]) -> list[RecordedView]:
    """Return a trace's views. Raises TraceError."""
    shapes: dict[int, Any] = {}
    views: list[RecordedView] = []
    page: list[Any] = ["page", 200, 0, 0]
    captions: dict[str, str] = {}
    seen: tuple[Any, Any] | None = None  # shape and occasion of the last view
    try:
        records = [json.loads(line) for line in lines if line.strip()]
        if not records or records[0].get("schema") != SCHEMA:
            raise TraceError(f"not a trace of schema {SCHEMA}")
        for record in records:
            captions.update(record["captions"] if record["kind"] == "captions" else {})
        for record in records:
            if record["kind"] == "shape":
                shapes[record["id"]] = _named(record["tree"], captions)
            elif record["kind"] == "requests":
                page = next((each for each in record["requests"] if each[0] == "page"), page)
            elif record["kind"] == "view" or (record["kind"] == "trouble" and _TROUBLES.get(record["error"])):
                shape, after = record["shape"], record["after"]
                if record["kind"] == "trouble" and seen == (shape, after) and shape is not None:
                    continue  # what the view before it shows
                seen = shape, after
                view = record.get("view") or _trouble(record, shape)
                own = (float(record["t"]), view, after, float(record.get("ready", 0)))
                views.append(RecordedView(*own, shapes.get(shape), page[1], page[3] / 1000))
                page = ["page", 200, 0, 0]
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise TraceError(f"not a trace: {type(error).__name__}") from error
    if not views:
        raise TraceError("the trace has no view")
    return views


def _trouble(record: dict[str, Any], shape: int | None) -> str:
    """Return what a trouble is played as: where nothing arrived, what Chrome shows instead is not the portal's."""
    view = str(_TROUBLES[record["error"]])
    unreachable = "net::" in record["text"] or (shape is None and view != "not the portal")
    return "down" if unreachable else view


def _named(node: Any, captions: dict[str, str]) -> Any:
    """Return a tree with the captions that the trace names. Raises TraceError for one that could run something."""
    if isinstance(node, str):
        return str(captions.get(node, node))
    tag, classes, attributes, children = node
    if tag.casefold() in ("script", "style") or not _ATTRIBUTES.issuperset(name for name, _ in attributes):
        raise TraceError("not a trace: it has an element or attribute that no rehearsal writes")
    return [tag, classes, attributes, [_named(child, captions) for child in children]]


@dataclass
class _Player:
    """One browser's place in the trace."""

    begun: float  # by the clock
    at: float = 0.0  # the trace's time then
    passed: int = -1  # the last view that was reached for certain
    shown: int = 0
    marked: list[str] = field(default_factory=list)


class Replay:
    """Plays one trace; `speed` 10 makes everything ten times as fast."""

    def __init__(
        self, views: list[RecordedView], speed: float = 1.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._views = views
        self._speed = speed
        self._seconds = now
        self._players: dict[str, _Player] = {}
        self.log: list[dict[str, Any]] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get(PAGE_PATH, _redirect)
        app.router.add_get(f"{PAGE_PATH}/", self._page)
        app.router.add_post(f"{PAGE_PATH}/replay", self._event)
        app.router.add_get("/control/log", self._log)
        return app

    def serving(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve inside a `with` block; yields the URL without a path."""
        return serving(self.application(), host, port, has_pages=True, shutdown_timeout=1.0)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = request.cookies.get("JSESSIONID", "")
        if name not in self._players:
            name = secrets.token_hex(8)
            self._players[name] = _Player(self._seconds())
        player = self._players[name]
        player.shown = self._loaded(player)
        view = self._views[player.shown]
        self._add("loaded", view=view.view)
        await self._wait(view.document)
        if view.status >= 400:
            response = web.Response(status=view.status, text=f"<h1>{view.status}</h1>", content_type="text/html")
        elif view.view == "down":
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        else:
            template = Template((_PAGE / "replay.html").read_text(encoding="utf-8"))
            style, script = ((_PAGE / file).read_text(encoding="utf-8") for file in ("style.css", "replay.js"))
            response = web.Response(text=template.substitute(style=style, script=script), content_type="text/html")
        response.headers.update(_NO_STORE)
        response.set_cookie("JSESSIONID", name, path=PAGE_PATH, httponly=True)
        return response

    async def _event(self, request: web.Request) -> web.Response:
        """Answer what the page asks: its view after a load, a sign-in, a mark, or whether it changed."""
        player = self._players.get(request.cookies.get("JSESSIONID", ""))
        if player is None:
            raise web.HTTPGone
        body = await request.json()
        if body["event"] == "load":
            view = self._views[player.shown]
            await self._wait(view.ready - view.document if view.after not in _BY_ITSELF else 0)
            return web.json_response(self._drawn(player))
        if body["event"] == "sign-in":
            return web.json_response(await self._sign_in(player))
        if body["event"] == "mark":
            self._add("marked", lesson=body["lesson"])
            player.marked.append(body["lesson"])
            return web.json_response({"marked": player.marked, "ready": True})
        if body["event"] == "other":
            self._add("clicked")
            return web.json_response({"ready": True})
        now = self._now(player)
        changes = [n for n in range(player.shown + 1, now + 1) if self._views[n].after == "change"]
        if not changes:
            return web.json_response({"ready": True})
        player.shown = changes[-1]
        return web.json_response(self._drawn(player))

    async def _sign_in(self, player: _Player) -> dict[str, Any]:
        """Go on at the view after the trace's next sign-in."""
        self._add("signed_in")
        after = [n for n in range(player.shown + 1, len(self._views)) if self._views[n].after == "sign-in"]
        if not after:
            return {"ready": True}
        view = self._views[after[0]]
        await self._wait(view.ready)
        player.passed, player.at, player.begun = after[0], view.at, self._seconds()
        player.shown = after[0]
        return self._drawn(player) if view.view in ("refused", "login") else {"reload": True}

    def _now(self, player: _Player) -> int:
        """Return the number of the last view that the trace's time has reached, or of the login view where it waits."""
        reached_by = player.at + (self._seconds() - player.begun) * self._speed
        reached = max(player.passed, 0)
        for number in range(reached + 1, len(self._views)):
            view = self._views[number]
            if view.at > reached_by or view.after == "sign-in":
                break
            reached = number
        return reached

    def _loaded(self, player: _Player) -> int:
        """Return the number of the view for a load now: the trouble of an open page is over with the next load."""
        number = self._now(player)
        while (
            self._views[number].view in _LOST
            and self._views[number].after == "change"
            and number + 1 < len(self._views)
        ):
            number += 1
            player.passed, player.at, player.begun = number, self._views[number].at, self._seconds()
        return number

    def _drawn(self, player: _Player) -> dict[str, Any]:
        view = self._views[player.shown]
        answer = {"at": player.shown, "marked": player.marked, "ready": view.view != "loading"}
        if view.view == "not the portal":
            answer["foreign"] = True
        return answer if view.tree is None else {**answer, "tree": view.tree}

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0) / self._speed)

    async def _log(self, _: web.Request) -> web.Response:
        return web.json_response(self.log)

    def _add(self, event: str, **about: Any) -> None:
        self.log.append({"n": len(self.log) + 1, "event": event, **about})


async def _redirect(_: web.Request) -> web.Response:
    raise web.HTTPFound(f"{PAGE_PATH}/")

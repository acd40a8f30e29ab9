"""Pushes live lessons and the end of a session to open pages, if push is on.

One WebSocket per page, and one timer for all. Whether the real portal has push is unknown.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, web

from sandbox.portal.events import PortalLogic
from sandbox.portal.sessions import Session, Sessions, Ui
from sandbox.portal.words import SYSTEM_NOTIFICATIONS
from sandbox.portal.world import PortalWorld

_CLOSING_SECONDS = 0.5
_LATE = 0.01
"""Wake up slightly late rather than early: the loop's clock and ours may differ in the last digit."""


class Push:
    """The WebSockets to open pages."""

    def __init__(self, world: PortalWorld, sessions: Sessions, logic: PortalLogic) -> None:
        self._world = world
        self._sessions = sessions
        self._logic = logic
        self._sockets: dict[Ui, web.WebSocketResponse] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        sessions.on_drop = self._session_dropped

    async def serve(self, request: web.Request, session: Session, ui: Ui) -> web.WebSocketResponse:
        """Serve a page's WebSocket until the page closes it."""
        socket = web.WebSocketResponse(timeout=_CLOSING_SECONDS)
        await socket.prepare(request)
        self._sockets[ui] = socket
        try:
            # A lesson may have opened between the page's first state and this connection.
            self._push_state(session, ui)
            async for _ in socket:
                pass  # the page sends nothing
        finally:
            self._sockets.pop(ui, None)
        return socket

    def lessons_changed(self) -> None:
        """Push the lessons to open pages, and set the timer for the next lesson's end."""
        for session in self._sessions.all():
            for ui in session.uis.values():
                self._push_state(session, ui)
        self._set_timer(self._world.seconds_to_next_end())

    async def end(self) -> None:
        """Close all WebSockets."""
        self._set_timer(None)
        closing = [socket.close(code=WSCloseCode.GOING_AWAY) for socket in self._sockets.values()]
        await asyncio.gather(*closing, return_exceptions=True)

    def _push_state(self, session: Session, ui: Ui) -> None:
        if ui in self._sockets and (state := self._logic.pushed_state(session, ui)) is not None:
            self._send(ui, state)

    def _session_dropped(self, session: Session) -> None:
        for ui in session.uis.values():
            self._send(ui, {"appError": SYSTEM_NOTIFICATIONS["session_expired"]})

    def _send(self, ui: Ui, message: dict[str, Any]) -> None:
        if (socket := self._sockets.get(ui)) is not None and not socket.closed:
            task = asyncio.ensure_future(_send(socket, message))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        call_later: Callable[..., asyncio.TimerHandle] = asyncio.get_running_loop().call_later
        self._timer = None if seconds is None else call_later(seconds + _LATE, self._time_has_passed)

    def _time_has_passed(self) -> None:
        self._world.close_overdue()
        self.lessons_changed()


async def _send(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    # A page that was just left is no error: it gets the state at its next load.
    try:
        await socket.send_str(json.dumps(message))
    except ConnectionError:
        return

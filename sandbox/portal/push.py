"""What reaches open pages without a question of theirs, where push is on: live lessons, and a session's end.

One quiet WebSocket a page, and one timer for all of them. Whether the real portal has any such thing is unknown.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, web

from sandbox.portal.events import Desk
from sandbox.portal.sessions import Session, Sessions, Ui
from sandbox.portal.words import SYSTEM_NOTIFICATIONS
from sandbox.portal.world import World

_SECONDS_TO_SAY_GOODBYE = 0.5
_LATE = 0.01
"""Wake up a little late rather than early: the loop's clock and ours may differ in the last digit."""


class Push:
    """The lines to the open pages."""

    def __init__(self, world: World, sessions: Sessions, desk: Desk) -> None:
        self._world = world
        self._sessions = sessions
        self._desk = desk
        self._lines: dict[Ui, web.WebSocketResponse] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        sessions.on_drop = self._session_dropped

    async def hold_line(self, request: web.Request, session: Session, ui: Ui) -> web.WebSocketResponse:
        """Serve a page's line until the page goes."""
        line = web.WebSocketResponse(timeout=_SECONDS_TO_SAY_GOODBYE)
        await line.prepare(request)
        self._lines[ui] = line
        try:
            # A lesson may have opened between the page's first state and this line.
            self._tell(session, ui)
            async for _ in line:
                pass  # the page has nothing to say here
        finally:
            self._lines.pop(ui, None)
        return line

    def lessons_changed(self) -> None:
        """Tell the open pages, and wake up when the next lesson closes."""
        for session in self._sessions.all():
            for ui in session.uis.values():
                self._tell(session, ui)
        self._set_timer(self._world.seconds_to_next_end())

    async def end(self) -> None:
        """Let go of all pages."""
        self._set_timer(None)
        closing = [line.close(code=WSCloseCode.GOING_AWAY) for line in self._lines.values()]
        await asyncio.gather(*closing, return_exceptions=True)

    def _tell(self, session: Session, ui: Ui) -> None:
        if ui in self._lines and (state := self._desk.pushed_state(session, ui)) is not None:
            self._send(ui, state)

    def _session_dropped(self, session: Session) -> None:
        for ui in session.uis.values():
            self._send(ui, {"appError": SYSTEM_NOTIFICATIONS["session_expired"]})

    def _send(self, ui: Ui, message: dict[str, Any]) -> None:
        if (line := self._lines.get(ui)) is not None and not line.closed:
            task = asyncio.ensure_future(_send(line, message))
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


async def _send(line: web.WebSocketResponse, message: dict[str, Any]) -> None:
    # A page that has just been left is no error: it reads the state when it is loaded again.
    try:
        await line.send_str(json.dumps(message))
    except ConnectionError:
        return

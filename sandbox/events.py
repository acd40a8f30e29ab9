"""Server-sent events: the newest state of each thing and a log, for any number of readers.

A reader has no queue: it keeps the number of the last change that it was sent, and gets the newest state of all that
changed since. A slow reader skips the states in between and uses up no memory.
"""

import asyncio
import json
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.signal import Signal

HEARTBEAT = 15.0  # seconds without an event after which a comment is sent
WRITE_PATIENCE = 20.0  # seconds that a reader may take before its connection is cut
MOST_READERS = 30
KEPT_ENTRIES = 1000  # of the log
RETRY = 1000  # milliseconds after which a browser connects again


@dataclass(frozen=True)
class Change:
    """One event as it is sent; numbers grow with each change of anything."""

    number: int
    event: str
    data: Any


class EventStream:
    """What `GET /api/events` sends. ``run`` tells one run of the sandbox from the next."""

    def __init__(
        self,
        run: str,
        *,
        heartbeat: float = HEARTBEAT,
        write_patience: float = WRITE_PATIENCE,
        most_readers: int = MOST_READERS,
    ) -> None:
        self._run = run
        self._heartbeat = heartbeat
        self._write_patience = write_patience
        self._most_readers = most_readers
        self._states: dict[tuple[str, Hashable], Change] = {}
        self._entries: deque[Change] = deque(maxlen=KEPT_ENTRIES)
        self._changed = Signal()
        self._is_closing = False
        self.readers = 0

    def state(self, event: str, data: Any, key: Hashable = None) -> None:
        """Publish the state of a thing, if it has changed. ``key``: which of several things of this kind."""
        known = self._states.get((event, key))
        if known is None or known.data != data:
            self._states[event, key] = Change(self._changed.version + 1, event, data)
            self._changed.bump()

    def add(self, event: str, data: Any) -> None:
        """Publish an entry of a log. New readers get the latest ones."""
        self._entries.append(Change(self._changed.version + 1, event, data))
        self._changed.bump()

    def since(self, number: int) -> list[Change]:
        """The changes after this number, oldest first; of a state only the latest."""
        changes = [each for each in (*self._states.values(), *self._entries) if each.number > number]
        return sorted(changes, key=lambda each: each.number)

    def begin_again(self, run: str) -> None:
        """Forget everything; open pages connect again, and find another run."""
        self._run = run
        self._states.clear()
        self._entries.clear()
        self._changed.bump()

    def close(self) -> None:
        """End all connections, so that the server can stop."""
        self._is_closing = True
        self._changed.bump()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /api/events: everything, or after a reconnect what has changed; then each change."""
        if self.readers >= self._most_readers:
            return web.json_response({"error": f"{self.readers} pages are open already"}, status=503)
        run, seen = self._run, self._seen_by(request.headers.get("Last-Event-ID", ""))
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        self.readers += 1
        try:
            await response.prepare(request)
            hello = json.dumps({"run": run, "full": seen == 0})
            await self._write(response, f"retry: {RETRY}\nevent: hello\ndata: {hello}\n\n")
            while not self._is_closing and run == self._run:
                version = self._changed.version
                for change in self.since(seen):
                    seen = change.number
                    data = json.dumps(change.data, ensure_ascii=False)
                    await self._write(response, f"id: {run}-{change.number}\nevent: {change.event}\ndata: {data}\n\n")
                if not await self._changed.wait_past(version, self._heartbeat):
                    await self._write(response, ": still here\n\n")
        except (TimeoutError, ConnectionError):  # it reads nothing any more, or is gone
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.readers -= 1
        return response

    def _seen_by(self, event_id: str) -> int:
        """The number of the last event that a reader got; 0, which is everything, if it was of another run."""
        run, _, number = event_id.rpartition("-")
        return int(number) if run == self._run and number.isdecimal() and len(number) < 16 else 0

    async def _write(self, response: web.StreamResponse, text: str) -> None:
        async with asyncio.timeout(self._write_patience):
            await response.write(text.encode())

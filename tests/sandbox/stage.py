"""The sandbox's page server with its simulators in the test's own loop, and without a bot; a reader of its events."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sandbox.bot_process import BotProcess
from sandbox.cast import Cast
from sandbox.lms.server import LmsSimulator
from sandbox.notes import Notes
from sandbox.portal.server import PortalSimulator
from sandbox.telegram.server import TelegramSimulator
from sandbox.web import PageServer
from tests.waiting import PATIENCE


@dataclass
class Stage:
    """The simulators, and a client of the page's port."""

    telegram: TelegramSimulator
    portal: PortalSimulator
    lms: LmsSimulator
    cast: Cast
    bot: BotProcess
    data: Path
    url: str
    http: httpx.AsyncClient


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Serve the page and watch the simulators."""
    telegram, portal, lms = TelegramSimulator(), PortalSimulator(), LmsSimulator()
    data = folder / "data"
    cast = Cast(telegram, portal, lms, data / "photos")
    cast.introduce()
    scratch = folder / "bot"
    scratch.mkdir()
    bot = BotProcess([sys.executable, "-c", "print('a line')"], {}, scratch, lambda _line: None, folder=folder)
    drawings = folder / "drawings"  # not in the bot's scratch folder, whose processes end with the bot
    drawings.mkdir()
    notes = Notes(cast, drawings, lambda _line: None)
    page = PageServer(telegram, portal, lms, bot, cast, notes, data, {"time_zone": "Asia/Almaty"})
    watching = asyncio.create_task(page.watch.run())
    try:
        async with page.serving("127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
            http.timeout = httpx.Timeout(PATIENCE)
            yield Stage(telegram, portal, lms, cast, bot, data, url, http)
    finally:
        await bot.stop()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


@dataclass(frozen=True)
class Event:
    """One event as a browser gets it."""

    id: str
    kind: str
    data: Any


class Events:
    """An open stream of server-sent events."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments = 0

    async def next(self) -> Event:
        """Wait for the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    return Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
        raise AssertionError("the stream has ended")

    async def until(self, kind: str, **wanted: Any) -> Event:
        """Wait for an event of this kind with these fields."""
        while True:
            event = await self.next()
            if event.kind == kind and all(event.data.get(name) == value for name, value in wanted.items()):
                return event


@asynccontextmanager
async def events(url: str, last: str = "") -> AsyncIterator[Events]:
    """Connect as a browser does; ``last``: the id of the last event before a reconnect."""
    headers = {"Last-Event-ID": last} if last else {}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
        http.stream("GET", f"{url}/api/events", headers=headers) as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Events(answer.aiter_lines())

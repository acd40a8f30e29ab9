"""Server-sent events: what readers get, at first, after a reconnect, and if they are slow."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web

from sandbox.events import KEPT_ENTRIES, EventStream
from sandbox.serving import serving
from tests.sandbox.stage import events
from tests.waiting import PATIENCE, eventually_true

pytestmark = pytest.mark.integration


@asynccontextmanager
async def served(stream: EventStream) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/api/events", stream.serve)
    async with serving(app, "127.0.0.1", 0, handler_cancellation=True, shutdown_timeout=1.0) as url:
        yield url


def test_of_a_state_only_the_latest_is_kept() -> None:
    """Equal states are no change, newer ones replace older ones, and entries of a log are bounded."""
    stream = EventStream("run")
    for count in (1, 1, 2):
        stream.state("lms", {"count": count})
        stream.state("screen", {"count": count}, key="a")
    stream.state("screen", {"count": 9}, key="b")
    kept = [(each.event, each.data["count"]) for each in stream.since(0)]
    assert kept == [("lms", 2), ("screen", 2), ("screen", 9)]
    assert [each.number for each in stream.since(0)] == [3, 4, 5]
    for number in range(2 * KEPT_ENTRIES):
        stream.add("log", {"n": number})
    assert len(stream.since(0)) == KEPT_ENTRIES + 3
    assert stream.since(0)[-1].data == {"n": 2 * KEPT_ENTRIES - 1}


async def test_full_state_and_changes() -> None:
    """A reader gets the run, everything there is, and then each change."""
    stream = EventStream("run")
    stream.state("lms", {"down": False})
    async with served(stream) as url, events(url) as reader:
        hello = await reader.next()
        assert (hello.kind, hello.data) == ("hello", {"run": "run", "full": True})
        assert (await reader.next()).data == {"down": False}
        stream.add("log", {"text": "line\nbreak"})
        entry = await reader.next()
        assert (entry.id, entry.kind, entry.data) == ("run-2", "log", {"text": "line\nbreak"})


async def test_reconnect() -> None:
    """After a reconnect only what has changed comes; an id of another run, or a broken one, brings everything."""
    stream = EventStream("run")
    stream.state("lms", {"down": False})
    stream.state("portal", {"down": False})
    stream.state("lms", {"down": True})
    async with served(stream) as url:
        async with events(url, last="run-2") as reader:
            assert (await reader.next()).data == {"run": "run", "full": False}
            assert (await reader.next()).kind == "lms"
        for last in ("earlier-2", "run-", "run-x", "2", "run--1", "run-" + "9" * 30):
            async with events(url, last=last) as reader:
                assert (await reader.next()).data["full"] is True, last
                assert (await reader.next()).kind == "portal"
        await eventually_true("the readers to be gone", lambda: stream.readers == 0)


async def test_heartbeat() -> None:
    """Without changes comments come, so that both sides notice a dead connection."""
    stream = EventStream("run", heartbeat=0.01)
    async with served(stream) as url, events(url) as reader, asyncio.timeout(PATIENCE):
        await reader.next()
        for number in itertools.count():
            asyncio.get_running_loop().call_later(0.1, stream.state, "lms", {"number": number})
            await reader.next()
            if reader.comments:
                break


async def test_slow_reader() -> None:
    """A reader that reads nothing is cut after the patience; meanwhile others get every state."""
    stream = EventStream("run", write_patience=0.5)
    async with served(stream) as url, events(url) as reader:
        address = urlsplit(url)
        _slow, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
        writer.write(f"GET /api/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        await eventually_true("both readers", lambda: stream.readers == 2)
        assert (await reader.next()).kind == "hello"
        number = 0
        while stream.readers == 2:
            number += 1
            stream.state("screen", {"number": number, "text": "x" * 100_000})
            assert (await reader.next()).data["number"] == number
        assert stream.readers == 1
        assert len(stream.since(0)) == 1
        writer.close()


async def test_too_many_readers() -> None:
    """One reader more than the bound is refused with a reason."""
    stream = EventStream("run", most_readers=1)
    async with served(stream) as url, events(url) as reader:
        await reader.next()
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
            refused = await http.get(f"{url}/api/events")
        assert (refused.status_code, refused.json()) == (503, {"error": "1 pages are open already"})


async def test_stopping() -> None:
    """Closing ends the open connections."""
    stream = EventStream("run")
    async with served(stream) as url, events(url) as reader:
        await reader.next()
        stream.close()
        with pytest.raises(AssertionError, match="ended"):
            await reader.next()


async def test_another_run() -> None:
    """Starting over ends the open connections, and the next one gets the new run's state only."""
    stream = EventStream("run")
    stream.state("lms", {"down": True})
    async with served(stream) as url:
        async with events(url) as reader:
            last = (await reader.until("lms")).id
            stream.begin_again("another")
            stream.state("portal", {"down": False})
            with pytest.raises(AssertionError, match="ended"):
                await reader.next()
        async with events(url, last=last) as reader:
            assert (await reader.next()).data == {"run": "another", "full": True}
            assert (await reader.next()).kind == "portal"

"""Serves an aiohttp application: inside a `with` block, or until a signal."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiohttp import web


@asynccontextmanager
async def serving(application: web.Application, host: str, port: int, **options: Any) -> AsyncIterator[str]:
    """Serve inside a `with` block; yields the URL without a path. Port 0 picks a free one.

    ``options`` are AppRunner's.
    """
    runner = web.AppRunner(application, access_log=None, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()  # a class connects at once
        address = runner.addresses[0]
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        yield f"http://{shown}:{address[1]}"
    finally:
        await runner.cleanup()


def stopped_by_signals(*numbers: signal.Signals) -> asyncio.Event:
    """Return an event that is set by these signals."""
    stop = asyncio.Event()
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def serve_until_signal(server: AbstractAsyncContextManager[str], lines: Callable[[str], list[str]]) -> None:
    """Serve until SIGINT or SIGTERM; prints ``lines`` of the URL once it listens."""
    stop = stopped_by_signals(signal.SIGINT, signal.SIGTERM)
    async with server as url:
        print(*lines(url), sep="\n", flush=True)
        await stop.wait()

"""Serves an aiohttp application: inside a `with` block, or until a signal."""

import asyncio
import errno
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiohttp import web

from sandbox.guard import only_own_pages


@asynccontextmanager
async def serving(
    application: web.Application, host: str, port: int, *, has_pages: bool = False, **options: Any
) -> AsyncIterator[str]:
    """Serve inside a `with` block; yields the URL without a path. Port 0 picks a free one.

    ``has_pages``: people open its pages in a browser. ``options`` are AppRunner's.
    """
    application.middlewares.insert(0, only_own_pages(host, has_pages))
    runner = web.AppRunner(application, access_log=None, **options)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=1024).start()  # a class connects at once
        except OSError as error:
            advice = error.strerror
            if error.errno == errno.EADDRINUSE:
                advice = "is in use: end the program that uses it, or choose another (see --help)"
            raise OSError(f"port {port} of {host} {advice}") from error
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
    try:
        async with server as url:
            print(*lines(url), sep="\n", flush=True)
            await stop.wait()
    except OSError as error:
        raise SystemExit(str(error)) from error

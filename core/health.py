"""/healthz: one small page for a container's health check and for people who look after it."""

import logging
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from core.settings import SettingsError

log = logging.getLogger(__name__)

# A poll is held for 25 s when there is nothing; two of them and some network in between.
SILENCE = 75.0

Report = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Part:
    """What one part of the process says: what keeps it from serving, what a restart would not mend, counts."""

    failing: Sequence[str] = ()
    degraded: Sequence[str] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)


class Reports:
    """Gathers what the parts of the process say into the one report."""

    def __init__(self) -> None:
        """Begin with a process that has no parts yet."""
        self._parts: list[Callable[[], Awaitable[Part]]] = []
        self._standing: list[str] = []

    @contextmanager
    def part(self, ask: Callable[[], Awaitable[Part]]) -> Iterator[None]:
        """Ask a part for its report as long as the block lasts."""
        self._parts.append(ask)
        try:
            yield
        finally:
            self._parts.remove(ask)

    def stand(self, problem: str) -> None:
        """Note a problem that stays until the next start, and that a restart by itself would not mend."""
        self._standing.append(problem)

    async def report(self) -> dict[str, Any]:
        """Return the report. ``status``: "ok"; "degraded", which a restart would not mend; else what is failing."""
        parts = [await ask() for ask in [*self._parts]]
        failing = [problem for part in parts for problem in part.failing] or ([] if parts else ["starting"])
        degraded = [*self._standing, *(problem for part in parts for problem in part.degraded)]
        counts = {name: count for part in parts for name, count in part.counts.items()}
        return {
            "status": failing[0] if failing else "degraded" if degraded else "ok",
            "healthy": not failing,
            "problems": [*failing, *degraded],
            **counts,
        }


def polling_state(answered_at: float | None, now: float | None = None) -> str:
    """Return "ok" where Telegram has answered a poll lately, else what is wrong."""
    if answered_at is None:
        return "Telegram has not answered yet"
    silent = (time.monotonic() if now is None else now) - answered_at
    return "ok" if silent < SILENCE else f"Telegram has not answered for {silent:.0f} s"


@asynccontextmanager
async def serving(port: int | None, report: Report, host: str = "0.0.0.0") -> AsyncIterator[None]:  # noqa: S104
    """Serve /healthz on ``port`` (None: not at all): 200 where the report says "healthy", else 503.

    It listens on all interfaces: a container's port is published or not by whoever runs it, and the page tells
    counts alone.
    """
    if port is None:
        yield
        return

    async def healthz(_request: web.Request) -> web.Response:
        answer = await report()
        return web.json_response(answer, status=200 if answer["healthy"] else 503)

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SettingsError(f"HEALTH_PORT: got '{port}', wants a free port ({error.strerror})") from error
        log.info("health: on port %d", port)
        yield
    finally:
        await runner.cleanup()


def main() -> int:
    """Ask the bot's own page, for a container's health check; print what it says; 0 where the bot can serve."""
    port = os.environ.get("HEALTH_PORT") or "8081"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=4) as answer:
            print(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:  # the page is there, and says what is wrong
        print(error.read().decode(errors="replace"))
    except OSError as error:
        print(f"port {port} does not answer ({error})")
    return 1


if __name__ == "__main__":
    sys.exit(main())

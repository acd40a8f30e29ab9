"""/healthz: the health report of the process, for a container's health check and for operators."""

import errno
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from aiohttp import web

from core.settings import HealthAddress, SettingsError

log = logging.getLogger(__name__)

# Telegram holds a poll without updates for 25 s: two polls, and time for a slow network.
SILENCE = 75.0  # seconds

Report = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class PartHealth:
    """The health of one part of the process.

    ``failing``: problems that keep it from serving; ``degraded``: problems that a restart would not fix.
    """

    failing: Sequence[str] = ()
    degraded: Sequence[str] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class HealthReports:
    """Combines the health of all parts of the process into one report."""

    _parts: list[Callable[[], Awaitable[PartHealth]]] = field(default_factory=list)
    _permanent: list[str] = field(default_factory=list)

    @contextmanager
    def part(self, check: Callable[[], Awaitable[PartHealth]]) -> Iterator[None]:
        """Include a part in the report while the block runs."""
        self._parts.append(check)
        try:
            yield
        finally:
            self._parts.remove(check)

    def add_permanent(self, problem: str) -> None:
        """Report a problem as degraded until the process ends."""
        self._permanent.append(problem)

    async def report(self) -> dict[str, Any]:
        """Return the report; its ``status`` is "ok", "degraded" or the first failing problem."""
        parts = [await check() for check in [*self._parts]]
        failing = [problem for part in parts for problem in part.failing] or ([] if parts else ["starting"])
        degraded = [*self._permanent, *(problem for part in parts for problem in part.degraded)]
        counts = {name: count for part in parts for name, count in part.counts.items()}
        return {
            "status": failing[0] if failing else "degraded" if degraded else "ok",
            "healthy": not failing,
            "problems": [*failing, *degraded],
            **counts,
        }


def polling_state(answered_at: float | None, now: float | None = None) -> str:
    """Return "ok" if a poll was answered and its updates were handled recently, else the problem."""
    if answered_at is None:
        return "Telegram has not answered yet"
    silent = (time.monotonic() if now is None else now) - answered_at
    return "ok" if silent < SILENCE else f"no updates were fetched and handled for {silent:.0f} s"


@asynccontextmanager
async def serving(at: HealthAddress | None, report: Report) -> AsyncIterator[None]:
    """Serve /healthz (None: off) with status 200 if the report is healthy, else 503. It contains no personal data."""
    if at is None:
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
            await web.TCPSite(runner, at.host, at.port).start()
        except OSError as error:
            advice = "another program listens on it: end that one, or choose another port"
            reason = advice if error.errno == errno.EADDRINUSE else error.strerror
            raise SettingsError(f"HEALTH_PORT: got '{at.port}' on {at.host}, wants a free port ({reason})") from error
        log.info("health: on port %d of %s", at.port, at.host)
        yield
    finally:
        await runner.cleanup()


def main() -> int:
    """The container's health check: request /healthz, print the report, return 0 if the bot is healthy."""
    host, _, port = (os.environ.get("HEALTH_PORT") or "8081").rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}.get(host, host)  # noqa: S104
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=4) as answer:
            print(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:  # 503: the report names the problem
        print(error.read().decode(errors="replace"))
    except OSError as error:
        print(f"port {port} does not answer ({error})")
    return 1


if __name__ == "__main__":
    sys.exit(main())


def spread(kept: Iterable[float]) -> dict[str, float]:
    """Return median and 95th percentile of durations in seconds; empty without measurements."""
    ordered = sorted(kept)
    if not ordered:
        return {}
    at_95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {"median": round(median(ordered), 3), "p95": round(at_95, 3)}

"""/healthz: the health report of the process, for a container's health check and for operators; and /metrics."""

import asyncio
import errno
import logging
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from prometheus_client import GCCollector, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from core.environment import given
from core.metrics import SHORT, Metrics, spread
from core.settings import HealthAddress, SettingsError

log = logging.getLogger(__name__)

# Telegram holds a poll without updates for 25 s: two polls, and time for a slow network.
SILENCE = 75.0  # seconds
LATENESS_MEASURED_EVERY = 0.1  # seconds


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
    """Combines the health of all parts of the process into one report, and sets their gauges among its metrics."""

    metrics: Metrics = field(default_factory=Metrics)
    _parts: list[Callable[[], Awaitable[PartHealth]]] = field(default_factory=list)
    _permanent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.metrics.registry)
        self._ready = self.metrics.gauge("ready", "1 where /healthz answers 200, else 0.")
        problems, kinds = "Problems that /healthz lists.", ("failing", "degraded")
        self._problems = self.metrics.gauge("problems", problems, severity=kinds)
        lateness = "By how much the event loop was late, ten times a second."
        self.lateness = self.metrics.histogram("event_loop_lateness_seconds", lateness, SHORT)

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
        if late := spread(self.lateness):
            counts["loop_lag_ms"] = {name: round(1000 * seconds) for name, seconds in late.items()}
        self._ready.set(not failing)
        self._problems.labels("failing").set(len(failing))
        self._problems.labels("degraded").set(len(degraded))
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


async def _measure(lateness: Histogram) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LATENESS_MEASURED_EVERY
        await asyncio.sleep(LATENESS_MEASURED_EVERY)
        lateness.observe(max(0.0, loop.time() - due))


@asynccontextmanager
async def serving(at: HealthAddress | None, reports: HealthReports) -> AsyncIterator[None]:
    """Serve /healthz (None: off), with status 200 if healthy, else 503, and /metrics. Neither has personal data."""
    if at is None:
        yield
        return

    async def healthz(_request: web.Request) -> web.Response:
        answer = await reports.report()
        return web.json_response(answer, status=200 if answer["healthy"] else 503)

    async def metrics(_request: web.Request) -> web.Response:
        await reports.report()  # which sets the gauges
        body = await asyncio.to_thread(generate_latest, reports.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/metrics", metrics)
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
        measuring = asyncio.create_task(_measure(reports.lateness))
        try:
            yield
        finally:
            measuring.cancel()
    finally:
        await runner.cleanup()


def main() -> int:
    """The container's health check: request /healthz, print the report, return 0 if the bot is healthy."""
    try:
        address = given().get("HEALTH_PORT") or "8081"
    except SettingsError as error:
        print(error)
        return 1
    host, _, port = address.rpartition(":")
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

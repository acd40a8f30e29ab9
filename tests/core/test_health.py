"""The health report: what is healthy, degraded and failing; and /metrics."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.health import SILENCE, HealthReports, PartHealth, main, polling_state, serving
from core.settings import HealthAddress, SettingsError
from tests.bot_process import free_port
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


def test_before_the_first_answer() -> None:
    """Until Telegram has answered once, the bot is not healthy, and the report gives the reason."""
    assert polling_state(None, now=5.0) == "Telegram has not answered yet"


@pytest.mark.parametrize("silent", [0, 25, SILENCE - 0.1])
def test_answered_recently(silent: float) -> None:
    """A recently answered poll is healthy: Telegram holds each for 25 seconds."""
    assert polling_state(1000.0, now=1000.0 + silent) == "ok"


def test_silence() -> None:
    """If Telegram has not answered for too long, the report says for how long."""
    assert polling_state(1000.0, now=1000.0 + SILENCE) == "no updates were fetched and handled for 75 s"


async def test_off() -> None:
    """Without a port nothing is served, and no report is made."""

    class Unasked(HealthReports):
        async def report(self) -> dict[str, Any]:
            raise AssertionError("no report is needed")

    async with serving(None, Unasked()):
        pass


async def test_listens_here_alone_and_names_a_taken_port() -> None:
    """It listens on the given address; a taken port is an error that says what to do."""
    with socket.socket() as other:
        at = HealthAddress("127.0.0.1", free_port())
        other.bind(at)
        other.listen()
        with pytest.raises(SettingsError, match=rf"^HEALTH_PORT: got '{at.port}' on 127.0.0.1, .*choose another port"):
            async with serving(at, HealthReports()):
                pass
    async with serving(at, HealthReports()):
        listening = [each.laddr for each in psutil.Process().net_connections("tcp") if each.status == "LISTEN"]
        assert at in [tuple(each) for each in listening]


@pytest.mark.parametrize("host", ["127.0.0.1", "::", "::1"])
async def test_containers_check(host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The container's check finds the report wherever it is served, also where that is IPv6 only."""
    at = HealthAddress(host, free_port(host))
    monkeypatch.setenv("HEALTH_PORT", f"[{host}]:{at.port}" if ":" in host else f"{host}:{at.port}")
    async with serving(at, HealthReports()):
        assert await asyncio.to_thread(main) == 1  # nothing runs yet
    assert "starting" in capsys.readouterr().out


def test_the_port_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check asks the port that .env names; a .env that can't be read is named, with its line."""
    monkeypatch.delenv("HEALTH_PORT", raising=False)
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "settings"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        (tmp_path / "settings").write_text(f"HEALTH_PORT={port}\n", encoding="utf-8")
        assert main() == 1
    assert f"port {port} does not answer" in capsys.readouterr().out
    (tmp_path / "settings").write_text("HEALTH_PORT='8081\n", encoding="utf-8")
    assert main() == 1
    assert "line 1" in capsys.readouterr().out


class TestHealthReports:
    """The parts of a process combined into one report."""

    async def test_no_parts_yet(self) -> None:
        """Before any part has started, the process is starting and not healthy."""
        assert await HealthReports().report() == {"status": "starting", "healthy": False, "problems": ["starting"]}

    async def test_combined(self) -> None:
        """The report has the problems and counts of all parts; with degraded parts only it is healthy."""
        reports = HealthReports()

        async def marker() -> PartHealth:
            return PartHealth(degraded=["the portal is down"], counts={"monitors": 3})

        async def classroom() -> PartHealth:
            return PartHealth(counts={"sessions": 1})

        with reports.part(marker), reports.part(classroom):
            assert await reports.report() == {
                "status": "degraded",
                "healthy": True,
                "problems": ["the portal is down"],
                "monitors": 3,
                "sessions": 1,
            }
        assert (await reports.report())["problems"] == ["starting"]

    async def test_failing_comes_first(self) -> None:
        """The status is a failing problem, if there is one, before the degraded ones."""
        reports = HealthReports()
        reports.add_permanent("TEACHER_BOT_TOKEN: got a token that Telegram does not know")

        async def marker() -> PartHealth:
            return PartHealth(failing=["the database can't be read"])

        with reports.part(marker):
            report = await reports.report()
        assert (report["status"], report["healthy"]) == ("the database can't be read", False)
        assert report["problems"][1].startswith("TEACHER_BOT_TOKEN")

    async def test_figures_of_the_loop(self) -> None:
        """A probe takes nothing away: two in a row report the same figures of the event loop's lateness."""
        reports = HealthReports()
        for seconds in (0.001, 0.002, 0.003, 0.04):
            reports.lateness.observe(seconds)
        first, second = await reports.report(), await reports.report()
        assert first == second
        assert first["loop_lag_ms"] == {"median": 2, "p95": 44, "max": 50}


@asynccontextmanager
async def scraped(reports: HealthReports) -> AsyncIterator[str]:
    """Serve reports; yield the address of /metrics."""
    at = HealthAddress("127.0.0.1", free_port())
    async with serving(at, reports):
        yield f"http://{at.host}:{at.port}/metrics"


async def scrape(address: str) -> dict[str, float]:
    """Return the series of /metrics that have no label, or one, by name and value of the label."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        answer = await http.get(address)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {" ".join((each.name, *each.labels.values())): each.value for family in families for each in family.samples}


class TestScrape:
    async def test_state_of_the_report(self) -> None:
        """A scrape makes the report first: it says whether we are ready, and how many problems there are."""
        reports = HealthReports()

        async def marker() -> PartHealth:
            return PartHealth(degraded=["the portal is down", "a disk is full"])

        async with scraped(reports) as address:
            before = await scrape(address)
            with reports.part(marker):
                after = await scrape(address)
        ready, problems = "attendance_ready", "attendance_problems"
        assert (before[ready], before[f"{problems} failing"], before[f"{problems} degraded"]) == (0, 1, 0)
        assert (after[ready], after[f"{problems} failing"], after[f"{problems} degraded"]) == (1, 0, 2)

    async def test_process(self) -> None:
        """The figures of the process and of its event loop are among them."""
        async with scraped(HealthReports()) as address:
            found = await scrape(address)
            while not found["attendance_event_loop_lateness_seconds_count"]:
                found = await scrape(address)
        assert found["process_resident_memory_bytes"] > 0

    async def test_many_at_once(self) -> None:
        """Threads count, and several scrapers read thousands of series, at the same time; nothing is lost."""
        reports = HealthReports()
        counter = reports.metrics.counter("work", "Work.", place=map(str, range(3000)))

        def work() -> None:
            for place in range(3000):
                counter.labels(str(place)).inc()

        async with scraped(reports) as address:
            works = [asyncio.to_thread(work) for _ in range(4)]
            await asyncio.gather(*works, *(scrape(address) for _ in range(3)))
            found = await scrape(address)
        assert {found[f"attendance_work_total {place}"] for place in range(3000)} == {4}

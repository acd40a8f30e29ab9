"""The health check: what counts as healthy."""

import pytest

from core.health import SILENCE, Part, Reports, polling_state, serving

pytestmark = pytest.mark.unit


def test_before_the_first_answer() -> None:
    """Until Telegram has answered once, the bot is not healthy, and the report says why."""
    assert polling_state(None, now=5.0) == "Telegram has not answered yet"


@pytest.mark.parametrize("silent", [0, 25, SILENCE - 0.1])
def test_lately_answered(silent: float) -> None:
    """A poll that was answered lately is healthy: Telegram holds each for 25 seconds."""
    assert polling_state(1000.0, now=1000.0 + silent) == "ok"


def test_silence() -> None:
    """After too long a silence the report says how long it has lasted."""
    assert polling_state(1000.0, now=1000.0 + SILENCE) == "Telegram has not answered for 75 s"


async def test_off() -> None:
    """Without a port nothing is served, and nothing is asked."""

    async def report() -> dict[str, str]:
        raise AssertionError("nobody asks")

    async with serving(None, report):
        pass


class TestReports:
    """Several parts of a process in one report."""

    async def test_no_parts_yet(self) -> None:
        """Before any part has begun the process is not healthy: it is starting."""
        assert await Reports().report() == {"status": "starting", "healthy": False, "problems": ["starting"]}

    async def test_gathered(self) -> None:
        """Problems and counts of all parts come together; what a restart would not mend keeps it healthy."""
        reports = Reports()

        async def marker() -> Part:
            return Part(degraded=["the portal is down"], counts={"monitors": 3})

        async def classroom() -> Part:
            return Part(counts={"sessions": 1})

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
        """What keeps one part from serving is the status, before what is only worse than usual."""
        reports = Reports()
        reports.stand("TEACHER_BOT_TOKEN: got a token that Telegram does not know")

        async def marker() -> Part:
            return Part(failing=["the ledger can't be read"])

        with reports.part(marker):
            report = await reports.report()
        assert (report["status"], report["healthy"]) == ("the ledger can't be read", False)
        assert report["problems"][1].startswith("TEACHER_BOT_TOKEN")

"""Several bots in one process: a refused token ends one bot, another error ends all."""

import asyncio
import logging

import pytest

from core.health import HealthReports
from telegram_app.factory import TokenRefused, run_side_by_side
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


class Bots:
    """Bots that run until cancelled, and bots that fail; records which were cancelled."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.serving = asyncio.Event()

    async def serves(self, name: str) -> None:
        """Run until cancelled."""
        try:
            self.serving.set()
            await asyncio.Event().wait()
        finally:
            self.ended.append(name)

    async def fails(self, error: Exception) -> None:
        """Fail after the other bots have started."""
        await asyncio.sleep(0)
        raise error


class ObservedReports(HealthReports):
    """Lets a test wait for a problem."""

    def __init__(self) -> None:
        super().__init__()
        self.has_problem = asyncio.Event()

    def add_permanent(self, problem: str) -> None:
        """Add the problem and set the event."""
        super().add_permanent(problem)
        self.has_problem.set()


async def test_refused_token(caplog: pytest.LogCaptureFixture) -> None:
    """A refused token ends only its bot; the log and the health report name its setting."""
    bots, reports = Bots(), ObservedReports()
    with caplog.at_level(logging.ERROR):
        running = asyncio.create_task(
            run_side_by_side([bots.serves("marker"), bots.fails(TokenRefused("TEACHER_BOT_TOKEN"))], reports)
        )
        await asyncio.wait_for(reports.has_problem.wait(), PATIENCE)
    assert not running.done()
    assert bots.ended == []
    assert "TEACHER_BOT_TOKEN" in caplog.text
    assert (await reports.report())["problems"][-1].startswith("TEACHER_BOT_TOKEN: got a token")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bots.ended == ["marker"]


async def test_no_bot_left() -> None:
    """If the last bot's token is refused, TokenRefused is raised."""
    bots = Bots()
    refused = [bots.fails(TokenRefused("TELEGRAM_BOT_TOKEN")), bots.fails(TokenRefused("STUDENT_BOT_TOKEN"))]
    with pytest.raises(TokenRefused):
        await run_side_by_side(refused, HealthReports())


async def test_other_errors() -> None:
    """Any other error ends all bots and is raised."""
    bots = Bots()
    with pytest.raises(OSError, match="disk"):
        await run_side_by_side([bots.serves("marker"), bots.fails(OSError("disk"))], HealthReports())
    assert bots.ended == ["marker"]

"""Several bots in one process: one whose token is refused ends alone, everything else ends all."""

import asyncio
import logging

import pytest

from core.health import HealthReports
from telegram_app.factory import TokenRefused
from telegram_app.side_by_side import run_side_by_side

pytestmark = pytest.mark.unit


class Bots:
    """Bots that serve until cancelled, and others that end as told; notes who was ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.serving = asyncio.Event()

    async def serves(self, name: str) -> None:
        """Serve until cancelled."""
        try:
            self.serving.set()
            await asyncio.Event().wait()
        finally:
            self.ended.append(name)

    async def fails(self, error: Exception) -> None:
        """Fail as soon as another one serves, or at once where none does."""
        await asyncio.sleep(0)
        raise error


class NotedReports(HealthReports):
    """Lets a test wait for a problem."""

    def __init__(self) -> None:
        super().__init__()
        self.said = asyncio.Event()

    def add_permanent(self, problem: str) -> None:
        """Note it, and wake who waits."""
        super().add_permanent(problem)
        self.said.set()


async def test_refused_token(caplog: pytest.LogCaptureFixture) -> None:
    """A bot with a refused token ends alone: the others go on, log and health report name its setting."""
    bots, reports = Bots(), NotedReports()
    with caplog.at_level(logging.ERROR):
        running = asyncio.create_task(
            run_side_by_side([bots.serves("marker"), bots.fails(TokenRefused("TEACHER_BOT_TOKEN"))], reports)
        )
        await asyncio.wait_for(reports.said.wait(), 60)
    assert not running.done()
    assert bots.ended == []
    assert "TEACHER_BOT_TOKEN" in caplog.text
    assert (await reports.report())["problems"][-1].startswith("TEACHER_BOT_TOKEN: got a token")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bots.ended == ["marker"]


async def test_no_bot_left() -> None:
    """Where the last bot's token is refused, that is the process's end."""
    bots = Bots()
    refused = [bots.fails(TokenRefused("TELEGRAM_BOT_TOKEN")), bots.fails(TokenRefused("STUDENT_BOT_TOKEN"))]
    with pytest.raises(TokenRefused):
        await run_side_by_side(refused, HealthReports())


async def test_other_errors() -> None:
    """Any other error ends all bots, in order, and is the process's."""
    bots = Bots()
    with pytest.raises(OSError, match="disk"):
        await run_side_by_side([bots.serves("marker"), bots.fails(OSError("disk"))], HealthReports())
    assert bots.ended == ["marker"]

"""Runs several bots side by side: one whose token Telegram does not know ends alone."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from core.health import HealthReports
from telegram_app.factory import TokenRefused

log = logging.getLogger(__name__)


async def run_side_by_side(bots: Iterable[Coroutine[Any, Any, None]], reports: HealthReports) -> None:
    """Run bots until cancelled. A refused token is said in the log and the health report; any other error ends all.

    Raises:
        TokenRefused: no bot is left.
    """
    running = {asyncio.create_task(bot) for bot in bots}
    try:
        while running:
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for error in filter(None, [task.exception() for task in ended]):
                if not (running and isinstance(error, TokenRefused)):
                    raise error
                log.error("%s", error)
                reports.add_permanent(str(error))
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with contextlib.suppress(asyncio.CancelledError):
                await task

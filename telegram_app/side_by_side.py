"""Runs several bots in one process; a bot whose token is refused ends without ending the others."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from core.health import HealthReports
from telegram_app.factory import TokenRefused

log = logging.getLogger(__name__)


async def run_side_by_side(bots: Iterable[Coroutine[Any, Any, None]], reports: HealthReports) -> None:
    """Run bots until cancelled. A refused token is logged and reported as degraded; any other error ends all bots.

    Raises:
        TokenRefused: the last bot's token was refused.
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

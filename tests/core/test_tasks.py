"""Loops that run until they are cancelled."""

import asyncio
import contextlib

import pytest

from core.tasks import is_wanted
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


def test_lost_cancellation() -> None:
    """A loop ends although one of its calls lost the error of the cancellation, as libraries do."""

    async def looping() -> None:
        while is_wanted():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE)

    async def run() -> None:
        task = asyncio.create_task(looping())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait_for(task, PATIENCE / 2)

    asyncio.run(run())

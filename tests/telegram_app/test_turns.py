"""Whose turn it is."""

import asyncio

import pytest

from telegram_app.turns import Turns

pytestmark = pytest.mark.unit


async def test_order() -> None:
    """The most urgent is first, then who came first; more than the pace allows have to wait."""
    turns, had = Turns(per_second=2), list[str]()

    async def take(name: str, urgency: int) -> None:
        await turns.take(urgency)
        had.append(name)

    await asyncio.gather(*(take(name, urgency) for name, urgency in [("b1", 1), ("c", 2), ("a", -1), ("b2", 1)]))
    assert had == ["a", "b1", "b2", "c"]


async def test_who_left() -> None:
    """Who was cancelled while waiting takes no turn from the others."""
    turns = Turns(per_second=1)
    await turns.take(0)
    gone, stays = asyncio.create_task(turns.take(0)), asyncio.create_task(turns.take(1))
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(5):
        await stays
    assert gone.cancelled()

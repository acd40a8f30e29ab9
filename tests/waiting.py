"""Waits for a condition on the event loop, and pauses that make races between a test and a bot visible."""

import asyncio
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PATIENCE = 90.0
"""Seconds; the limit on waiting in all tests, generous for a loaded machine."""

_CHANCE = random.Random()  # an own one: while hypothesis draws, no other thread may use the common one


async def eventually_true(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until the condition holds; fail with what was waited for."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not condition():
        assert loop.time() < deadline, f"waited {patience:.0f} s for {what}"
        await asyncio.sleep(0.02)
    await asyncio.sleep(pause("test"))


def pause(side: str) -> float:
    """Return seconds by which a side, "test" or "bot", is late: 0, unless TEST_PAUSES names it, or is 1 for both.

    With one side alone the pauses are longer: each then meets all that the other does meanwhile.
    """
    asked = os.environ.get("TEST_PAUSES", "")
    if asked not in ("1", side):
        return 0.0
    longest = 0.15 if asked == "1" else 0.4
    return _CHANCE.choice([0.0, 0.0, _CHANCE.uniform(0, longest / 5), _CHANCE.uniform(0, longest)])


def pauses(side: str = "test") -> None:
    """Pause a side so."""
    if seconds := pause(side):
        time.sleep(seconds)


class LateThreads(ThreadPoolExecutor):
    """A bot's threads, which begin and answer late where TEST_PAUSES asks for it."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **more: Any) -> "Future[Any]":
        return super().submit(_late, fn, *arguments, **more)


def _late(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    pauses("bot")
    try:
        return work(*arguments, **more)
    finally:
        pauses("bot")

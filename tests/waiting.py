"""Waits for a condition on the event loop, and pauses that make races between a test and a bot visible."""

import asyncio
import os
import random
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 90.0
"""Seconds; the limit on waiting in all tests, generous for a loaded machine."""


async def eventually_true(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until the condition holds; fail with what was waited for."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not condition():
        assert loop.time() < deadline, f"waited {patience:.0f} s for {what}"
        await asyncio.sleep(0.02)
    await asyncio.sleep(pause())


def pause() -> float:
    """Return seconds to pause: 0, but with TEST_PAUSES set anything up to 0.15 s, as on a busy machine."""
    if not os.environ.get("TEST_PAUSES"):
        return 0.0
    return random.choice([0.0, 0.0, random.uniform(0, 0.03), random.uniform(0, 0.15)])


def pauses() -> None:
    """Pause so in a test."""
    if seconds := pause():
        time.sleep(seconds)

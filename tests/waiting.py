"""Waits for a condition on the event loop."""

import asyncio
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

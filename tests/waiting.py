"""Waiting by condition, on the loop."""

import asyncio
from collections.abc import Callable
from typing import Any

PATIENCE = 90.0
"""Seconds: the limit on waiting in all tests, for a loaded machine. It says nothing about speed."""


async def eventually_true(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until something is so; say what was waited for in vain."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not condition():
        assert loop.time() < deadline, f"waited {patience:.0f} s in vain for {what}"
        await asyncio.sleep(0.02)

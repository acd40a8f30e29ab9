"""The health check: what counts as healthy."""

import pytest

from health import SILENCE, polling_state, serving


def test_before_the_first_answer() -> None:
    """Until Telegram has answered once, the bot is not healthy, and the report says why."""
    assert polling_state(None, now=5.0) == "Telegram has not answered yet"


@pytest.mark.parametrize("silent", [0, 25, SILENCE - 0.1])
def test_lately_answered(silent: float) -> None:
    """A poll that was answered lately is healthy: Telegram holds each for 25 seconds."""
    assert polling_state(1000.0, now=1000.0 + silent) == "ok"


def test_silence() -> None:
    """After too long a silence the report says how long it has lasted."""
    assert polling_state(1000.0, now=1000.0 + SILENCE) == "Telegram has not answered for 75 s"


async def test_off() -> None:
    """Without a port nothing is served, and nothing is asked."""

    async def report() -> dict[str, str]:
        raise AssertionError("nobody asks")

    async with serving(None, report):
        pass

"""Fixtures: the marker in this process, against a simulated Telegram."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Telegram
from tests.marker.running import Run, RunningMarker, SteppedClock, marker
from tests.servers import in_thread


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Return a simulated Telegram with our bot, without rate limits."""
    telegram = Telegram(telegram_url)
    telegram.call("/reset")
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    telegram.call("/limits", per_second=None, per_chat_per_second=None)
    yield telegram
    telegram.http.close()


@pytest.fixture
def clock() -> SteppedClock:
    """Return a clock that the test moves."""
    return SteppedClock()


@pytest.fixture
def admins() -> tuple[int, ...]:
    """Return the admins' Telegram IDs."""
    return (ADMIN,)


@pytest.fixture
def capacity() -> int:
    """Return how many monitors may run."""
    return 2


@pytest.fixture
def run(
    tmp_path: Path, telegram: Telegram, clock: SteppedClock, admins: tuple[int, ...], capacity: int
) -> Iterator[Run]:
    """Return a function that starts the marker; a second call restarts it on the same data."""
    with ExitStack() as stack:

        def start(admins: tuple[int, ...] = admins, **settings: Any) -> RunningMarker:
            stack.close()
            held: list[RunningMarker] = []
            stack.enter_context(
                in_thread(marker(tmp_path, telegram.url, clock, held.append, admins, capacity, **settings))
            )
            return held[0]

        yield start


@pytest.fixture
def bot(run: Run) -> RunningMarker:
    """Return the running marker."""
    return run()


@pytest.fixture
def student(telegram: Telegram, bot: RunningMarker) -> Person:
    """Return a student who has not written to the bot yet."""
    return Person(telegram, 2001, "Aruzhan")

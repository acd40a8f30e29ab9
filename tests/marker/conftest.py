"""A Telegram with the marker in this process."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Telegram
from tests.marker.running import Run, RunningMarker, SteppedClock, marker
from tests.servers import in_thread


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with our bot in it, without its limits on speed."""
    telegram = Telegram(telegram_url)
    telegram.call("/reset")
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    telegram.call("/limits", per_second=None, per_chat_per_second=None)
    yield telegram
    telegram.http.close()


@pytest.fixture
def clock() -> SteppedClock:
    """Give a clock that the test moves."""
    return SteppedClock()


@pytest.fixture
def admins() -> tuple[int, ...]:
    """Give who the marker's admins are."""
    return (ADMIN,)


@pytest.fixture
def capacity() -> int:
    """Give how many monitors the marker has room for."""
    return 2


@pytest.fixture
def run(
    tmp_path: Path, telegram: Telegram, clock: SteppedClock, admins: tuple[int, ...], capacity: int
) -> Iterator[Run]:
    """Give what starts the marker; a second call starts it anew on the same data, perhaps with other admins."""
    with ExitStack() as stack:

        def start(admins: tuple[int, ...] = admins) -> RunningMarker:
            stack.close()
            held: list[RunningMarker] = []
            stack.enter_context(in_thread(marker(tmp_path, telegram.url, clock, held.append, admins, capacity)))
            return held[0]

        yield start


@pytest.fixture
def bot(run: Run) -> RunningMarker:
    """Give the running marker."""
    return run()


@pytest.fixture
def student(telegram: Telegram, bot: RunningMarker) -> Person:
    """Give a student, who has not written yet."""
    return Person(telegram, 2001, "Aruzhan")

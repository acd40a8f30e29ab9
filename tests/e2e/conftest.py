"""The world of the e2e tests: a Telegram, a portal (each of the two), the bot."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot_process import MarkerProcess
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Portal, Telegram
from tests.servers import need_browser


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram in which our bot is registered and nobody has written yet."""
    telegram = Telegram(telegram_url)
    telegram.call("/reset")
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    yield telegram
    telegram.http.close()


@pytest.fixture(params=["simulated", pytest.param("vaadin", marks=pytest.mark.vaadin)])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """Give a portal with nothing in it: the simulator, then the one on the real toolkit."""
    portal = Portal(request.getfixturevalue(f"{request.param}_portal_url"))
    portal.reset()
    yield portal
    portal.http.close()


@pytest.fixture
def bot(tmp_path: Path, telegram: Telegram, portal: Portal) -> Iterator[MarkerProcess]:
    """Give the bot, to be started; whatever a test did to it, nothing of it is left afterwards."""
    need_browser()
    bot = MarkerProcess(tmp_path, telegram, portal)
    try:
        yield bot
    finally:
        bot.end()


@pytest.fixture
def admin(telegram: Telegram, bot: MarkerProcess) -> Person:
    """Give the admin of a running bot."""
    bot.start()
    return Person(telegram, ADMIN, "Admin")


@pytest.fixture
def student(telegram: Telegram, bot: MarkerProcess) -> Person:
    """Give a student of a running bot who has not registered yet."""
    bot.start()
    return Person(telegram, 2001, "Aruzhan")

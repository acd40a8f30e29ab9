"""Fixtures of the e2e tests: Telegram, both portals, the bot, and its people."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot_process import MarkerProcess
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Portal, Telegram
from tests.servers import need_browser


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Telegram with our bot registered and no messages."""
    telegram = Telegram(telegram_url)
    telegram.call("/reset")
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    yield telegram
    telegram.http.close()


@pytest.fixture(params=["simulated", pytest.param("vaadin", marks=[pytest.mark.vaadin, pytest.mark.ordeal])])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """An empty portal: the simulator, then the one on the real Vaadin."""
    portal = Portal(request.getfixturevalue(f"{request.param}_portal_url"))
    portal.reset()
    yield portal
    portal.http.close()


@pytest.fixture
def bot(tmp_path: Path, telegram: Telegram, portal: Portal) -> Iterator[MarkerProcess]:
    """The bot, not started; its processes are ended after the test."""
    need_browser()
    bot = MarkerProcess(tmp_path, telegram, portal)
    try:
        yield bot
    finally:
        bot.end()


@pytest.fixture
def admin(telegram: Telegram, bot: MarkerProcess) -> Person:
    """The admin of a running bot."""
    bot.start()
    return Person(telegram, ADMIN, "Admin")


@pytest.fixture
def student(telegram: Telegram, bot: MarkerProcess) -> Person:
    """A student of a running bot who has not registered yet."""
    bot.start()
    return Person(telegram, 2001, "Aruzhan")

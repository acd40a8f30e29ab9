"""Fixtures of the e2e tests: Telegram, both portals, the bot, and its people."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot_process import MarkerProcess
from tests.classroom.running import STUDENT_TOKEN, TEACHER_TOKEN, its_telegram, rosters
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Portal, Telegram, empty_portal, eventually, marker_telegram
from tests.servers import need_browser


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Telegram with our bot registered and no messages."""
    with marker_telegram(telegram_url) as telegram:
        yield telegram


@pytest.fixture(params=["simulated", pytest.param("vaadin", marks=[pytest.mark.vaadin, pytest.mark.ordeal])])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """An empty portal: the simulator, then the one on the real Vaadin."""
    with empty_portal(request.getfixturevalue(f"{request.param}_portal_url")) as portal:
        yield portal


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


@pytest.fixture
def all_bots(telegram_url: str, portal: Portal, tmp_path: Path) -> Iterator[MarkerProcess]:
    """A running bot.py with the marker, which watches for a student, and the classroom's two bots."""
    need_browser()
    telegram = its_telegram(telegram_url)
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    portal.has_student("a_student", "Correct-Horse-7")
    tokens = {"TEACHER_BOT_TOKEN": TEACHER_TOKEN, "STUDENT_BOT_TOKEN": STUDENT_TOKEN}
    bot = MarkerProcess(tmp_path, telegram, portal, FACE_ENGINE="none", **tokens)
    rosters(tmp_path / "data", {"CS-1": [("S001", "A. Student")]})
    bot.seed(2001, "a_student", "Correct-Horse-7", monitoring=True)
    bot.environment["HEALTH_PORT"] = str(bot.port)
    bot.start()
    try:
        eventually("all bots", lambda: bot.log().count("is ready") == 3 and "monitor 2001: watching" in bot.log())
        yield bot
    finally:
        bot.end()
        telegram.http.close()

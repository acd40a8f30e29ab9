"""Bots' profiles: published in three languages, only where they differ, and whatever Telegram answers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from telegram.constants import BotDescriptionLimit
from telegram.ext import Application, ApplicationBuilder

from classroom import profiles
from marker.profile import MARKER
from telegram_app.i18n import LANGUAGES, texts
from telegram_app.profile import Profile, publish, publishing
from telegram_app.rate_limiter import PriorityRateLimiter
from tests.e2e.people import TOKEN, Telegram, marker_telegram
from tests.waiting import eventually_true

PROFILES = {"marker": MARKER, "teacher": profiles.TEACHER, "student": profiles.STUDENT}
PROFILE = Profile(lambda _: f"Description, {_.language}", lambda _: f"Short, {_.language}", lambda _: {"me": "Me"})
CHANGES = ("setMyCommands", "setMyDescription", "setMyShortDescription")


@pytest.mark.unit
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("bot", PROFILES)
def test_lengths(bot: str, language: str) -> None:
    """In each language each text fits into Telegram's limits."""
    profile, _ = PROFILES[bot], texts(language)
    assert 0 < len(profile.description(_)) <= BotDescriptionLimit.MAX_DESCRIPTION_LENGTH
    assert 0 < len(profile.short(_)) <= BotDescriptionLimit.MAX_SHORT_DESCRIPTION_LENGTH


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    with marker_telegram(telegram_url) as telegram:
        yield telegram


@pytest.fixture
async def application(telegram: Telegram) -> AsyncIterator[Application[Any, Any, Any, Any, Any, Any]]:
    builder = ApplicationBuilder().token(TOKEN).base_url(f"{telegram.url}/bot").updater(None)
    async with builder.rate_limiter(PriorityRateLimiter()).build() as application:
        yield application


def changes(telegram: Telegram) -> list[tuple[str, str]]:
    """Return the calls that changed the profile, with their languages."""
    calls = telegram.get("/calls")
    return [(each["method"], each["params"].get("language_code", "")) for each in calls if each["method"] in CHANGES]


@pytest.mark.integration
class TestPublish:
    async def test_only_what_differs(
        self, telegram: Telegram, application: Application[Any, Any, Any, Any, Any, Any]
    ) -> None:
        """The first start publishes everything in three languages; the next one, with another text, only that."""
        bot = application.bot
        await publish(bot, PROFILE)
        assert sorted(changes(telegram)) == sorted((name, code) for name in CHANGES for code in ("", "ru", "kk"))
        assert (await bot.get_my_description()).description == "Description, en"
        assert (await bot.get_my_short_description("kk")).short_description == "Short, kk"
        assert (await bot.get_my_commands(language_code="ru"))[0].description == texts("ru")("Menu")
        before = len(changes(telegram))
        await publish(bot, PROFILE)
        assert len(changes(telegram)) == before
        await publish(bot, replace(PROFILE, short=lambda _: f"Another text, {_.language}"))
        assert changes(telegram)[before:] == [("setMyShortDescription", each) for each in ("", "ru", "kk")]

    async def test_refused(
        self,
        telegram: Telegram,
        application: Application[Any, Any, Any, Any, Any, Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """What Telegram refuses is logged, and the rest is published."""
        caplog.set_level(logging.INFO)
        telegram.call("/faults", kind="400", method="setMyDescription", times=1)
        await publish(application.bot, PROFILE)
        assert "description (en) not published: Simulated fault" in caplog.text
        assert (await application.bot.get_my_description("ru")).description == "Description, ru"
        commands = [each.command for each in await application.bot.get_my_commands()]
        assert commands == ["start", "me", "language", "cancel", "help"]

    async def test_limited(self, telegram: Telegram, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """A 429 is waited out without holding up the start, and the end of the bot ends the waiting."""
        telegram.call("/faults", kind="429", method="setMyShortDescription", times=1, retry_after=1)
        await publish(application.bot, PROFILE)
        assert (await application.bot.get_my_short_description()).short_description == "Short, en"
        telegram.call("/faults", kind="429", method="setMyDescription", times=None, retry_after=1000)
        async with publishing(application.bot, replace(PROFILE, description=lambda _: "Another")):
            refused = ("setMyDescription", 429)
            await eventually_true(
                "the 429", lambda: refused in [(each["method"], each["status"]) for each in telegram.get("/calls")]
            )
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "profile"]

"""A bot's profile: its commands, its description, its short description, in each language."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from telegram import BotCommand, BotDescription, BotShortDescription
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts
from telegram_app.rate_limiter import CallOptions, Priority

log = logging.getLogger(__name__)

Call = Callable[..., Coroutine[Any, Any, object]]

# Telegram limits changes of a profile strictly: a 429 is waited out, since nobody waits for the profile.
_WAITING = CallOptions(Priority.TIDYING, longest_pause=3600.0)


@dataclass(frozen=True)
class Profile:
    """What one bot's profile shows.

    ``description`` stands in a chat before Start is pressed (at most 512 characters), ``short`` on the bot's page and
    beside links to it (at most 120); ``commands`` are those that not every bot has.
    """

    description: Callable[[Texts], str]
    short: Callable[[Texts], str]
    commands: Callable[[Texts], dict[str, str]] = lambda _: {}


@asynccontextmanager
async def publishing(bot: ExtBot[Any], profile: Profile) -> AsyncIterator[None]:
    """Publish a profile during the block, without delaying it. Failures are logged; the next start tries again."""
    work = asyncio.create_task(publish(bot, profile), name="profile")
    try:
        yield
    finally:
        work.cancel()
        await asyncio.wait({work})


async def publish(bot: ExtBot[Any], profile: Profile) -> None:
    """Change what differs from the profile that Telegram has."""
    for language in LANGUAGES:
        _ = texts(language)
        own, description, short = profile.commands(_), profile.description(_), profile.short(_)
        names = {"start": _("Menu"), **own, "language": _("Language"), "cancel": _("Cancel"), "help": _("Help")}
        commands = tuple(BotCommand(name, text) for name, text in names.items())
        more: dict[str, Any] = {"rate_limit_args": _WAITING}
        more["language_code"] = None if language == "en" else language  # English is the default for all others
        set_short = bot.set_my_short_description
        parts: list[tuple[str, Call, object, Call, object]] = [
            ("commands", bot.get_my_commands, commands, bot.set_my_commands, commands),
            ("description", bot.get_my_description, BotDescription(description), bot.set_my_description, description),
            ("short text", bot.get_my_short_description, BotShortDescription(short), set_short, short),
        ]
        for what, get, wanted, change, value in parts:
            try:
                if await get(**more) != wanted:
                    await change(value, **more)
                    log.info("@%s: %s (%s) published", bot.username, what, language)
            except TelegramError as error:
                log.info("@%s: %s (%s) not published: %s", bot.username, what, language, error.message)

"""The commands that Telegram suggests while a person types "/"."""

import logging
from collections.abc import Callable
from typing import Any

from telegram import BotCommandScopeChat
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


async def publish_commands(bot: ExtBot[Any], own: Callable[[Texts], dict[str, str]], person: int | None = None) -> None:
    """Publish a bot's commands in each language: those of every bot, and its ``own`` ones with their descriptions.

    ``person``: for this person only; Telegram refuses that before they have written to the bot. A failure is only
    logged: nothing depends on it.
    """
    scope = BotCommandScopeChat(person) if person is not None else None
    for language in LANGUAGES:
        _ = texts(language)
        commands = {"start": _("Menu"), **own(_), "language": _("Language"), "cancel": _("Cancel"), "help": _("Help")}
        code = None if language == "en" else language  # English is the default for all other languages
        try:
            await bot.set_my_commands(list(commands.items()), scope=scope, language_code=code)
        except TelegramError as error:
            whom = person or "everybody"
            log.info("@%s: commands (%s, for %s) not published: %s", bot.username, language, whom, error.message)

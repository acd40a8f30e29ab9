"""The commands that Telegram suggests while a person types "/"."""

import logging
from collections.abc import Callable
from typing import Any

from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


async def publish_commands(bot: ExtBot[Any], own: Callable[[Texts], dict[str, str]]) -> None:
    """Publish a bot's commands in each language: those of every bot, and its ``own`` ones with their descriptions.

    A failure is only logged: nothing depends on it.
    """
    for language in LANGUAGES:
        _ = texts(language)
        commands = {"start": _("Menu"), **own(_), "language": _("Language"), "cancel": _("Cancel"), "help": _("Help")}
        code = None if language == "en" else language  # English is the default for all other languages
        try:
            await bot.set_my_commands(list(commands.items()), language_code=code)
        except TelegramError as error:
            log.info("@%s: commands (%s) not published: %s", bot.username, language, error.message)

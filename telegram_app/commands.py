"""The commands that Telegram offers while a person types "/", in each language."""

import logging
from collections.abc import Callable

from telegram import BotCommand, BotCommandScopeChat
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


async def publish(bot: ExtBot[None], commands: Callable[[Texts], list[BotCommand]], person: int | None = None) -> None:
    """Tell Telegram everybody's commands, or one person's. What fails is logged: nothing depends on it.

    A person's own are refused before that person has written to the bot.
    """
    scope = BotCommandScopeChat(person) if person is not None else None
    for language in LANGUAGES:
        code = None if language == "en" else language  # English is what people of all other languages see
        try:
            await bot.set_my_commands(commands(texts(language)), scope=scope, language_code=code)
        except TelegramError as error:
            log.info("commands (%s) of %s not published: %s", language, person or "everybody", error.message)

"""The commands that Telegram offers while a person types "/"."""

import logging

from telegram import BotCommand, BotCommandScopeChat
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


async def publish_commands(bot: ExtBot[None]) -> None:
    """Tell Telegram everybody's commands, in each language. What fails is logged: nothing depends on it."""
    for language in LANGUAGES:
        try:
            await bot.set_my_commands(commands(texts(language)), language_code=_code(language))
        except TelegramError as error:
            log.info("commands (%s) not published: %s", language, error.message)


async def publish_admin_commands(bot: ExtBot[None], admin: int) -> None:
    """Tell Telegram an admin's commands. It refuses before that admin has written to the bot."""
    for language in LANGUAGES:
        _ = texts(language)
        own = [*commands(_), BotCommand("admin", _("Admin Panel"))]
        try:
            await bot.set_my_commands(own, scope=BotCommandScopeChat(admin), language_code=_code(language))
        except TelegramError as error:
            log.info("admin %d: commands (%s) not published: %s", admin, language, error.message)


def commands(_: Texts) -> list[BotCommand]:
    """Return everybody's commands in one language."""
    return [
        BotCommand("start", _("Menu")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Cancel")),
        BotCommand("help", _("Help")),
    ]


def _code(language: str) -> str | None:
    return None if language == "en" else language  # English is what people of all other languages see

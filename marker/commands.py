"""The commands that Telegram offers while a person types "/"."""

import logging

from telegram import BotCommand, BotCommandScopeChat
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


async def publish_commands(bot: ExtBot[None]) -> None:
    """Publish everybody's commands in each language. A failure is only logged: nothing depends on it."""
    for language in LANGUAGES:
        try:
            await bot.set_my_commands(commands(texts(language)), language_code=_code(language))
        except TelegramError as error:
            log.info("commands (%s) not published: %s", language, error.message)


async def publish_admin_commands(bot: ExtBot[None], admin: int) -> None:
    """Publish an admin's commands. Telegram refuses them before that admin has written to the bot."""
    for language in LANGUAGES:
        _ = texts(language)
        own = [*commands(_), BotCommand("admin", _("Admin Panel"))]
        try:
            await bot.set_my_commands(own, scope=BotCommandScopeChat(admin), language_code=_code(language))
        except TelegramError as error:
            log.info("admin %d: commands (%s) not published: %s", admin, language, error.message)


def commands(_: Texts) -> list[BotCommand]:
    return [
        BotCommand("start", _("Menu")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Cancel")),
        BotCommand("help", _("Help")),
    ]


def _code(language: str) -> str | None:
    return None if language == "en" else language  # English is the default for all other languages

"""The commands that Telegram suggests when a person types "/", in each language."""

import logging
from typing import Any

from telegram import BotCommand
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


async def publish(bot: ExtBot[Any], setting: str) -> None:
    """Register a bot's commands with Telegram; ``setting`` holds its token. A failure is only logged."""
    for language in LANGUAGES:
        _ = texts(language)
        commands = teacher_commands(_) if setting == "TEACHER_BOT_TOKEN" else student_commands(_)
        try:
            # without a language code they are the default for all other languages
            await bot.set_my_commands(commands, language_code=None if language == "en" else language)
        except TelegramError as error:
            log.info("%s: commands (%s) not published: %s", setting, language, error.message)


def teacher_commands(_: Texts) -> list[BotCommand]:
    return [
        BotCommand("start", _("Menu")),
        BotCommand("history", _("History")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Cancel")),
        BotCommand("help", _("Help")),
    ]


def student_commands(_: Texts) -> list[BotCommand]:
    return [
        BotCommand("start", _("Menu")),
        BotCommand("me", _("My Attendance")),
        BotCommand("delete_me", _("Delete My Data")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Cancel")),
        BotCommand("help", _("Help")),
    ]

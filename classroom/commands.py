"""The commands that Telegram offers while a person types "/", in each language."""

import logging
from typing import Any

from telegram import BotCommand
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


async def publish(bot: ExtBot[Any], setting: str) -> None:
    """Tell Telegram a bot's commands; ``setting`` is where its token comes from. What fails is logged, no more."""
    for language in LANGUAGES:
        _ = texts(language)
        commands = teacher_commands(_) if setting == "TEACHER_BOT_TOKEN" else student_commands(_)
        try:
            # English is what people of all other languages see
            await bot.set_my_commands(commands, language_code=None if language == "en" else language)
        except TelegramError as error:
            log.info("%s: commands (%s) not published: %s", setting, language, error.message)


def teacher_commands(_: Texts) -> list[BotCommand]:
    """Return a teacher's commands."""
    return [
        BotCommand("start", _("Menu")),
        BotCommand("history", _("History")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Stop a question")),
        BotCommand("help", _("Help")),
    ]


def student_commands(_: Texts) -> list[BotCommand]:
    """Return a student's commands."""
    return [
        BotCommand("start", _("Menu")),
        BotCommand("me", _("My Attendance")),
        BotCommand("delete_me", _("Delete My Data")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Stop a question")),
        BotCommand("help", _("Help")),
    ]

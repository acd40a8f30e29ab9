"""The commands that Telegram offers while a person types "/"."""

import logging

from telegram import BotCommandScopeChat
from telegram.error import TelegramError
from telegram.ext import ExtBot

from telegram_app.i18n import LANGUAGES, texts

log = logging.getLogger(__name__)


async def publish_commands(bot: ExtBot[None]) -> None:
    """Publish everybody's commands in each language. A failure is only logged: nothing depends on it."""
    await _publish(bot)


async def publish_admin_commands(bot: ExtBot[None], admin: int) -> None:
    """Publish an admin's commands. Telegram refuses them before that admin has written to the bot."""
    await _publish(bot, admin)


async def _publish(bot: ExtBot[None], admin: int | None = None) -> None:
    for language in LANGUAGES:
        _ = texts(language)
        names = {"start": _("Menu"), "language": _("Language"), "cancel": _("Cancel"), "help": _("Help")}
        if admin is not None:
            names["admin"] = _("Admin Panel")
        scope = BotCommandScopeChat(admin) if admin is not None else None
        code = None if language == "en" else language  # English is the default for all other languages
        try:
            await bot.set_my_commands(list(names.items()), scope=scope, language_code=code)
        except TelegramError as error:
            log.info("commands (%s, for %s) not published: %s", language, admin or "everybody", error.message)

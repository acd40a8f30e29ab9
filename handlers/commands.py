"""The marker's commands."""

from telegram import BotCommand
from telegram.ext import ExtBot

from telegram_app.commands import publish
from telegram_app.i18n import Texts


async def publish_commands(bot: ExtBot[None]) -> None:
    """Tell Telegram everybody's commands."""
    await publish(bot, commands)


async def publish_admin_commands(bot: ExtBot[None], admin: int) -> None:
    """Tell Telegram an admin's commands. It refuses before that admin has written to the bot."""
    await publish(bot, lambda _: [*commands(_), BotCommand("admin", _("Admin Panel"))], admin)


def commands(_: Texts) -> list[BotCommand]:
    """Return everybody's commands in one language."""
    return [
        BotCommand("start", _("Menu")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Stop a question")),
        BotCommand("help", _("Help")),
    ]

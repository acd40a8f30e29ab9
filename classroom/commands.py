"""The commands of the classroom's two bots."""

from telegram import BotCommand

from telegram_app.i18n import Texts


def teacher_commands(_: Texts) -> list[BotCommand]:
    """Return the teachers' commands in one language."""
    return [
        BotCommand("start", _("Menu")),
        BotCommand("history", _("History")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Stop a question")),
        BotCommand("help", _("Help")),
    ]


def student_commands(_: Texts) -> list[BotCommand]:
    """Return the students' commands in one language."""
    return [
        BotCommand("start", _("Menu")),
        BotCommand("me", _("My Attendance")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Stop a question")),
        BotCommand("help", _("Help")),
        BotCommand("delete_me", _("Delete My Data")),
    ]

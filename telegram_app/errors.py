"""The error handler of all bots. It logs ids and the error, never the update, which may contain a password."""

import logging

from telegram import Update
from telegram.error import Conflict, InvalidToken, NetworkError
from telegram.ext import ContextTypes

log = logging.getLogger(__name__)


async def log_error(update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    error = context.error
    if update is None and isinstance(error, Conflict):
        log.error("another process polls with this bot's token: stop it, or this one will miss updates")
        return
    if isinstance(error, InvalidToken):
        log.error("Telegram does not accept the bot's token any more")  # the error's text contains the token
        return
    if update is None and isinstance(error, NetworkError):
        log.warning("Telegram can't be reached: %s", type(error).__name__)
        return
    person = update.effective_user.id if isinstance(update, Update) and update.effective_user else None
    number = update.update_id if isinstance(update, Update) else None
    log.error("update %s of person %s failed", number, person, exc_info=error)

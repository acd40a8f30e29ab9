"""The texts for a registration or a new password that the storage refuses."""

from storage import (
    AlreadyRegistered,
    CodeExpired,
    CodeRevoked,
    CodeUsed,
    StorageError,
    StorageUnavailable,
    UnknownCode,
    UsernameTaken,
)
from telegram_app.i18n import Texts

BAD_CODE = (UnknownCode, CodeUsed, CodeRevoked, CodeExpired)


def refusal_text(_: Texts, refusal: StorageError) -> str:
    """Return why a registration was refused, and what to do."""
    match refusal:
        case CodeUsed():
            return _("This invitation code has been used already. Ask the administrator for a new one.")
        case CodeRevoked():
            return _("This invitation code has been revoked. Ask the administrator for a new one.")
        case CodeExpired():
            return _("This invitation code has expired. Ask the administrator for a new one.")
        case UsernameTaken():
            return _("Another Telegram account has registered this username. Send yours, or ask the administrator.")
        case AlreadyRegistered():
            return _("You are registered already.")
        case StorageUnavailable():
            return _("Your registration could not be saved. Nothing was kept; please try again later.")
        case _other:
            return _("There is no such invitation code. Check it and send it again, or ask the administrator.")

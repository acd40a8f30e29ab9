"""The texts for a registration or a new password that the storage refuses."""

import storage
from telegram_app.i18n import Texts

BAD_CODE = (storage.UnknownCode, storage.CodeUsed, storage.CodeRevoked, storage.CodeExpired)


def refusal_text(_: Texts, refusal: storage.StorageError) -> str:
    """Return why a registration was refused, and what to do."""
    match refusal:
        case storage.CodeUsed():
            return _("This invitation code has been used already. Ask the administrator for a new one.")
        case storage.CodeRevoked():
            return _("This invitation code has been revoked. Ask the administrator for a new one.")
        case storage.CodeExpired():
            return _("This invitation code has expired. Ask the administrator for a new one.")
        case storage.UsernameTaken():
            return _("Another Telegram account has registered this username. Send yours, or ask the administrator.")
        case storage.AlreadyRegistered():
            return _("You are registered already.")
        case storage.StorageUnavailable():
            return _("Your registration could not be saved. Nothing was kept; please try again later.")
        case _other:
            return _("There is no such invitation code. Check it and send it again, or ask the administrator.")

"""Why an invitation code can't be redeemed, as the person hears it."""

from storage import CodeExpired, CodeRevoked, CodeUsed, StorageError, UnknownCode
from telegram_app.i18n import Texts

# storage.check_code and redeem raise these.
BAD_CODE = (UnknownCode, CodeUsed, CodeRevoked, CodeExpired)


def code_problem(_: Texts, refusal: StorageError) -> str:
    """Say why a code can't be redeemed, and what to do."""
    if isinstance(refusal, CodeUsed):
        return _("This invitation code has been used already. Ask the administrator for a new one.")
    if isinstance(refusal, CodeRevoked):
        return _("This invitation code has been revoked. Ask the administrator for a new one.")
    if isinstance(refusal, CodeExpired):
        return _("This invitation code has expired. Ask the administrator for a new one.")
    return _("There is no such invitation code. Check it and send it again, or ask the administrator.")

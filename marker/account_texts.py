"""What a person reads about an account that the portal does not let in, and what to do about it."""

from html import escape

from telegram_app.i18n import Texts


def account_texts(_: Texts, code: str, words: str) -> tuple[str, str]:
    """Return what the portal says of an account, and what to do: by the error's type, with the portal's words."""
    ask = _("Ask your university's registrar's office.")
    texts = {
        "SignInRefused": (_("The portal refused the sign-in: {words}"), _("Check the password on the portal.")),
        "PasswordExpired": (
            _("The portal wants a new password: {words}"),
            _("Set it there, then press {button}.").format(button=_("Update Password")),
        ),
        "AccountLocked": (
            _("The portal has locked this account for a while: {words}"),
            _("Wait until you can sign in on the portal yourself, then try again here."),
        ),
        "AccountExpired": (_("This account has expired on the portal: {words}"), ask),
    }
    reason, todo = texts.get(code, (_("The portal has blocked this account: {words}"), ask))
    if not words:
        reason = reason.removesuffix(": {words}") + "."
    return reason.format(words=f"«{escape(words)}»"), todo

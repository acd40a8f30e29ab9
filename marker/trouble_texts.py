"""What a trouble is called in a person's language: by its stable cause, with the portal's own words quoted.

The errors' own texts are English and for the log; those that an earlier version stored are not shown.
"""

import re
from html import escape

from portal.certificates import ADD_COMMAND
from telegram_app.i18n import Texts
from telegram_app.lines import short

LONGEST_WORDS = 300  # characters of the portal's message
_NEUTRAL = re.compile(r"HTTP \d{3}|net::\w+|[\w.]+ \d+, [\w.]+ \d+")  # needs no translation, and no quotes
_UNTRANSLATED = ("trouble", "unknown view", "no browser", "failed")  # by an earlier version
# Causes that lie with this installation, and causes that may be one student's own.
_GRID = {"GridFailed", "GridFull"}
OURS = {"BrowserFailed", "BrowserMissing", "DriverMismatch", "CertificateRefused", "DatabaseUnavailable"} | _GRID
PERSONAL = {"SessionLost", "PageChanged", "NotPressed", "SignInFailed", "UnknownView", "unknown view"}


def reason(_: Texts, cause: str, detail: str) -> str:
    """Return what happened, as HTML and part of a sentence: from ``StatusEvent.cause`` and ``detail``."""
    texts = {
        ("BrowserFailed", "GridFailed", "DatabaseUnavailable", "failed", "restarted"): _("a fault on our side"),
        ("GridFull",): _("all places for a browser are taken"),
        ("BrowserMissing", "no browser"): _("there is no Chrome with its driver on the bot's machine"),
        ("DriverMismatch",): _("Chrome and its driver do not fit together on the bot's machine"),
        ("CertificateRefused",): _("the portal's certificate is not accepted"),
        ("PortalUnavailable",): _("the portal does not answer as it should"),
        ("PortalSlow",): _("the portal is very slow"),
        ("SignInFailed",): _("the portal's sign-in form does nothing, or comes back"),
        ("NotThePortal",): _("something else answers at the portal's address"),
        ("SessionLost", "PageChanged", "NotPressed"): _(
            "the portal's page changes or ends the session again and again"
        ),
        ("UnknownView", "unknown view"): _("the portal shows a page that I don't know"),
        ("refused",): _("the portal refuses the sign-in"),
        ("blocked",): _("the portal has blocked the account"),
        ("AccountLocked",): _("the portal has locked the account for a while"),
        ("AccountExpired",): _("the account has expired on the portal"),
        ("mark refused",): _("the portal refuses the mark"),
        ("PasswordExpired", "password expired"): _("the portal wants a new password"),
    }
    text = next((text for causes, text in texts.items() if cause in causes), "")
    text = text or _("the portal can't be used at the moment")
    if _NEUTRAL.fullmatch(detail):
        return f"{text} ({escape(detail)})"
    return f"{text}: «{short(detail, LONGEST_WORDS)}»" if detail and cause not in _UNTRANSLATED else text


def remedy(_: Texts, cause: str, detail: str) -> str:
    """Return what the admin has to do, as HTML; empty where only waiting helps."""
    if cause == "DriverMismatch":
        return _("Install the driver of Chrome's own version, or name a pair in CHROME_BIN and CHROMEDRIVER_PATH.")
    if cause == "GridFull":
        return _("Add a node to the Selenium Grid, or raise a node's number of sessions.")
    if cause != "CertificateRefused":
        return ""
    missing = _(
        "The portal does not send this issuer's certificate, and the bot's machine does not have it. Add it to "
        "Chrome's store, as docs/network.md says: {command}"
    ).format(command=f"<code>{escape(ADD_COMMAND)}</code>")
    return _("Check the clock and the network of the bot's machine.") if _NEUTRAL.fullmatch(detail) else missing

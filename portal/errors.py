"""The errors of the portal and the browser. A ``permanent`` one needs a person; after the others trying again helps.

PortalError
├── SignInRefused      permanent: the portal refused username and password; the text is the portal's own
├── PasswordExpired    permanent: the portal wants a new password before anything else
├── AccountBlocked     permanent: the portal has blocked this account; the text is the portal's own
│   ├── AccountLocked  for a while, after too many refused sign-ins
│   └── AccountExpired the account is over
├── PortalUnavailable  down, an error page, an alert, not ready in time
│   ├── CertificateRefused Chrome does not accept the portal's certificate; ``words`` name the issuer's
│   ├── PortalSlow     the page arrived, but was not ready in time
│   └── SignInFailed   the sign-in did nothing, or was answered with something else than a refusal of the account
├── SessionLost        the portal has ended the session; loading the address again shows the login form
├── UnknownView        a page that matches no rule: a missing button does not mean that no lesson is open
│   └── NotThePortal   no page of the portal's: maintenance, a network's sign-in page, 404, empty
├── PageChanged        an element is gone or covered since the page was read; read it again
│   └── NotPressed     so the click did not reach its button
└── BrowserFailed      Chrome or its driver ended, hangs or failed; a new one is needed
    ├── GridFailed     the Selenium Grid does not answer, or lost the Chrome: it may be back within seconds
    │   └── GridFull   all its places are taken
    ├── DriverMismatch Chrome and its driver have different versions
    └── BrowserMissing permanent: there is no Chrome or no driver on this machine; the text says what to install
"""

import re

# Paths, addresses, and ids of sessions: who knows a session's id can drive its signed-in Chrome.
_PRIVATE = re.compile(
    r"\w+://\S+|\S+@\S+|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|\b[0-9a-f-]{32,36}\b|(?<!\w)~?(?:/[^\s/:;,'\")]+){2,}"
)


def public(text: str) -> str:
    """Return the first line of a driver's message without paths, addresses and ids."""
    return _PRIVATE.sub("<...>", text.strip().partition("\n")[0])


class PortalError(Exception):
    """The text is for the log; ``words`` are the portal's own, which people may read.

    ``pictured``: a picture of the page says more to the admin.
    """

    permanent = False
    pictured = False

    def __init__(self, text: str = "", *, words: str = "") -> None:
        super().__init__(text or words)
        self.words = words


class SignInRefused(PortalError):
    permanent = True


class PasswordExpired(PortalError):
    permanent = True


class AccountBlocked(PortalError):
    permanent = True


class AccountLocked(AccountBlocked): ...


class AccountExpired(AccountBlocked): ...


class PortalUnavailable(PortalError): ...


class CertificateRefused(PortalUnavailable): ...


class PortalSlow(PortalUnavailable): ...


class SignInFailed(PortalUnavailable): ...


class SessionLost(PortalError): ...


class UnknownView(PortalError):
    pictured = True


class NotThePortal(UnknownView): ...


class PageChanged(PortalError): ...


class NotPressed(PageChanged): ...


class BrowserFailed(PortalError): ...


class GridFailed(BrowserFailed): ...


class GridFull(GridFailed): ...


class DriverMismatch(BrowserFailed): ...


class BrowserMissing(BrowserFailed):
    permanent = True

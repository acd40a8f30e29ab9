"""The errors of the portal and the browser.

PortalError
├── permanent: trying again does not help, a person has to act
│   ├── SignInRefused      the portal does not accept username and password
│   └── AccountBlocked     the portal has blocked this account
└── try again
    ├── PortalUnavailable  down, an error page, an alert, not ready in time
    ├── SessionLost        the portal has ended the session
    ├── UnknownView        a page that matches none of our rules
    ├── PageChanged        the element to press is gone or covered
    └── BrowserFailed      Chrome or its driver ended, hangs or can't be started
        └── BrowserMissing permanent: there is no Chrome or no driver on this machine
"""


class PortalError(Exception):
    """An error of the portal or the browser; ``permanent`` means that trying again does not help."""

    permanent = False


class SignInRefused(PortalError):
    """The portal refused username and password. The text is the portal's own."""

    permanent = True


class AccountBlocked(PortalError):
    """The portal has blocked this account. The text is the portal's own."""

    permanent = True


class PortalUnavailable(PortalError):
    """The portal does not answer, answers with an error, or does not become ready in time."""


class SessionLost(PortalError):
    """The portal has ended this session; loading the address again shows the login view."""


class UnknownView(PortalError):
    """The page is ready and matches none of the rules: a missing button does not mean that no lesson is open."""


class PageChanged(PortalError):
    """An element is gone or covered since the page was read; read it again."""


class BrowserFailed(PortalError):
    """Chrome or its driver ended, hangs or failed; a new one is needed."""


class BrowserMissing(BrowserFailed):
    """There is no Chrome or no driver to start (permanent). The text says what to install."""

    permanent = True

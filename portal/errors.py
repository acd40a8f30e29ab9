"""What can go wrong with the portal and the browser.

PortalError
├── permanent: trying again changes nothing, a person has to act
│   ├── SignInRefused      the portal does not accept username and password; its words are the text
│   └── AccountBlocked     the portal shuts this account out; its words are the text
└── try again
    ├── PortalUnavailable  down, an error page, an alert, not ready in time
    ├── SessionLost        the portal has forgotten the session
    ├── UnknownView        a page that none of our rules knows
    ├── PageChanged        what we were about to press is gone or covered
    └── BrowserFailed      Chrome or its driver ended, hung or can't be started
        └── BrowserMissing permanent: there is no Chrome or no driver on this machine
"""


class PortalError(Exception):
    """Something is wrong with the portal or the browser; ``permanent`` says whether trying again can help."""

    permanent = False


class SignInRefused(PortalError):
    """The portal refused username and password. The text is the portal's own."""

    permanent = True


class AccountBlocked(PortalError):
    """The portal shuts this account out. The text is the portal's own."""

    permanent = True


class PortalUnavailable(PortalError):
    """The portal does not answer, answers with an error, or does not become ready in time."""


class SessionLost(PortalError):
    """The portal has forgotten this session; loading the address again shows the login view."""


class UnknownView(PortalError):
    """The page is ready and matches none of the rules; "no button" never means "nothing to do"."""


class PageChanged(PortalError):
    """The element is gone or covered since it was read; read again."""


class BrowserFailed(PortalError):
    """Chrome or its driver ended, hung or gave up; a new one is needed."""


class BrowserMissing(BrowserFailed):
    """There is no Chrome or no driver to start (permanent). The text says what to install."""

    permanent = True

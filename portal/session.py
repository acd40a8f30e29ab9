"""The portal as a monitor asks it: one small face over a Chrome and its page objects."""

from collections.abc import Callable
from typing import Protocol

from clock import Clock
from portal.browser import Browser, Chromes, set_language
from portal.errors import BrowserFailed
from portal.lessons import Lesson
from portal.limits import Pause
from portal.pages import AttendancePage, LoginPage
from portal.views import Reading


class Portal(Protocol):
    """What a monitor asks of the portal; tests hand in a plain class of their own."""

    def load(self, address: str) -> None:
        """Load the address anew."""

    def settle(self) -> Reading:
        """Wait until the page is ready and return what it shows."""

    def changed(self) -> bool:
        """Say whether the page changed since."""

    def sign_in(self, username: str, password: str) -> Reading:
        """Sign in and return what the page shows then."""

    def mark(self, lesson: Lesson) -> bool:
        """Press a lesson's button; True where the page confirmed."""

    def end(self) -> None:
        """Let go of the browser."""

    def kill(self) -> None:
        """End a hung browser, from another thread."""


class ChromePortal:
    """The portal in a Chrome of one's own."""

    def __init__(self, browser: Browser, address: str, pause: Pause, clock: Clock) -> None:
        """Take an open browser."""
        self._browser = browser
        self._attendance = AttendancePage(browser.driver, pause, clock)
        self._login = LoginPage(browser.driver, pause, clock)
        self.load = self._attendance.load
        self.settle = self._attendance.settle
        self.changed = self._attendance.changed
        self.mark = self._attendance.mark
        self.sign_in = self._login.sign_in
        self.end = browser.end
        self.kill = browser.kill
        set_language(browser, address)


# Opens the portal for the profile of one student.
OpenPortal = Callable[[str, Pause], Portal]


def chrome_opener(chromes: Chromes, portal_url: str, clock: Clock) -> OpenPortal:
    """Return what opens the portal in a Chrome of ``chromes``."""

    def open_portal(profile: str, pause: Pause) -> Portal:
        browser = chromes.open(profile, pause)
        try:
            return ChromePortal(browser, portal_url, pause, clock)
        except BrowserFailed:
            browser.end()
            raise

    return open_portal

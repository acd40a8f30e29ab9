"""The portal as a monitor asks it: one small face over a Chrome and its page objects."""

import logging
from collections.abc import Callable
from typing import Protocol

from core.clock import Clock
from portal.browser import Browser, Chromes, set_language
from portal.errors import BrowserFailed, PortalError
from portal.initial_state import InitialState, Trust
from portal.kept_session import Encrypts, KeptSession
from portal.lessons import Lesson
from portal.limits import Pause
from portal.pages import READY_WITHIN, AttendancePage, LoginPage
from portal.views import Reading, View

log = logging.getLogger(__name__)

COLLECT_EVERY = 5  # loads; each costs 20 to 100 ms of CPU and saves the memory of five pages


class Portal(Protocol):
    """What a monitor asks of the portal; tests hand in a plain class of their own."""

    def unchanged(self) -> bool | None:
        """Say whether a load would show what the last one did, asked without it; None where that was not asked."""

    def load(self, address: str) -> None:
        """Load the address anew."""

    def settle(self) -> Reading:
        """Wait until the page is ready and return what it shows."""

    def changed(self, within: float = 0.0) -> bool:
        """Say whether the page changed since; wait for it up to so many seconds, without serving commands."""

    def sign_in(self, username: str, password: str) -> Reading:
        """Sign in and return what the page shows then."""

    def mark(self, lesson: Lesson) -> bool:
        """Press a lesson's button; True where the page confirmed."""

    def evidence(self) -> tuple[str, bytes | None, str]:
        """Return what tells people about a page that is not known: its kind, a picture (PNG), its source."""

    def leave(self) -> None:
        """Sign out where the page offers it, and forget the portal's session. Never raises."""

    def end(self) -> None:
        """Let go of the browser; the portal's session is kept unless ``leave`` came before."""

    def kill(self) -> None:
        """End a hung browser, from another thread."""


class ChromePortal:
    """The portal in a Chrome of one's own."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        pause: Pause,
        clock: Clock,
        kept: KeptSession | None = None,
        trust: Trust | None = None,
        ready_within: float = READY_WITHIN,
    ) -> None:
        """Take an open browser, where the portal's session is kept, and what all browsers know of the portal.

        ``ready_within`` is how many seconds a page may take to become ready.
        """
        self._browser = browser
        self._kept = kept
        self._attendance = AttendancePage(browser.driver, pause, clock, ready_within)
        self._login = LoginPage(browser.driver, pause, clock, ready_within)
        self._initial = InitialState(self._attendance.ask_initial_state, trust or Trust())
        self._loads = 0
        self.collect_every = COLLECT_EVERY  # benchmarks measure what it gives
        self._fresh = False  # loaded, and nothing done on the page since
        self.unchanged = self._initial.same
        self.changed = self._attendance.changed
        self.evidence = self._attendance.evidence
        self.kill = browser.kill
        self.pid = browser.pid
        set_language(browser, address)
        if kept is not None:
            kept.put_back(browser)

    def load(self, address: str) -> None:
        """Load the address anew; now and then the pages before, which Chrome would keep, are collected first."""
        self._loads += 1
        if self._loads % self.collect_every == 0:
            self._browser.collect_garbage()
        self._initial.forget()
        self._attendance.load(address)
        self._fresh = True

    def settle(self) -> Reading:
        """Wait until the page is ready and return what it shows."""
        reading = self._attendance.settle()
        if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
            self._initial.troubled()
        if self._fresh:
            self._initial.loaded(reading)
            self._fresh = False
        elif reading.view is View.OPEN:  # it has come by itself
            self._initial.forget()
        return reading

    def mark(self, lesson: Lesson) -> bool:
        """Press a lesson's button; True where the page confirmed."""
        self._fresh = False
        self._initial.forget()
        return self._attendance.mark(lesson)

    def sign_in(self, username: str, password: str) -> Reading:
        """Sign in, and keep the session at once: a crash must not cost another sign-in."""
        self._fresh = False
        reading = self._login.sign_in(username, password)
        if self._kept is not None:
            self._kept.keep(self._browser)
        return reading

    def leave(self) -> None:
        """Sign out where the page offers it, and forget the portal's session."""
        try:
            self._attendance.sign_out()
        except PortalError as error:
            log.info("not signed out (%s); the session is forgotten", type(error).__name__)
        if self._kept is not None:
            self._kept.let_go(self._browser)
        self._kept = None

    def end(self) -> None:
        """End the browser."""
        self._browser.end()


# Opens the portal for the profile of one student.
OpenPortal = Callable[[str, Pause], Portal]


def chrome_opener(
    chromes: Chromes,
    portal_url: str,
    clock: Clock,
    cipher: Encrypts | None = None,
    ready_within: float = READY_WITHIN,
) -> OpenPortal:
    """Return what opens the portal in a Chrome of ``chromes``; with ``cipher`` the portal's session is kept."""

    trust = Trust()

    def open_portal(profile: str, pause: Pause) -> Portal:
        browser = chromes.open(profile, pause)
        kept = KeptSession(chromes.folder(profile), cipher) if cipher is not None else None
        try:
            return ChromePortal(browser, portal_url, pause, clock, kept, trust, ready_within)
        except BrowserFailed:
            browser.end()
            raise

    return open_portal

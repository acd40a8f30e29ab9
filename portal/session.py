"""What a monitor uses the portal through: one protocol, implemented with a Chrome and its page objects."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from core.clock import Clock
from core.encryption import Cipher
from portal import kept_session
from portal.browser import Browser, Chromes, set_language
from portal.errors import BrowserFailed, PortalError
from portal.initial_state import InitialState, Trust
from portal.kept_session import KeptSession
from portal.lessons import Click, Lesson
from portal.limits import READY_WITHIN, Patience, Pause, PortalLimits
from portal.metrics import PortalMetrics
from portal.pages import AttendancePage, LoginPage
from portal.views import Reading, View
from portal.words import failed_sign_in

log = logging.getLogger(__name__)

PORTAL_URL = "https://wsp.kbtu.kz/RegistrationOnline"
COLLECT_EVERY = 5  # loads; a collection costs 20 to 100 ms of CPU and saves the memory of five pages


class PortalClient(Protocol):
    """The portal in one student's browser; ``ChromePortal`` implements it."""

    # whether a load would show what the last one did; None if the server was not asked
    def unchanged(self) -> bool | None: ...
    def load(self, address: str) -> None: ...
    # waits until the page is ready
    def settle(self) -> Reading: ...
    # whether the page changed since the last reading; waits for a change up to so many seconds
    def changed(self, within: float = 0.0) -> bool: ...
    def sign_in(self, username: str, password: str) -> Reading: ...
    # leaves the window that answered the click on the page, for a picture
    def mark(self, lesson: Lesson) -> Click: ...
    # closes windows that are no questions; whether none is left
    def close_window(self) -> bool: ...
    # for an unknown page: its kind, a screenshot (PNG), its source
    def evidence(self) -> tuple[str, bytes | None, str]: ...
    # signs out where the page offers it, and deletes the portal's session; never raises
    def leave(self) -> None: ...
    # the portal's session is kept unless ``leave`` was called before
    def end(self) -> None: ...
    # from another thread, where the browser hangs
    def kill(self) -> None: ...


class ChromePortal:
    """The portal in a Chrome. ``kept`` stores the portal's session; all browsers share ``trust`` and ``patience``.

    ``language`` is the page's, whatever the account's own.
    """

    language = "ru"

    def __init__(
        self,
        browser: Browser,
        address: str,
        pause: Pause,
        clock: Clock,
        kept: KeptSession | None = None,
        trust: Trust | None = None,
        patience: Patience | None = None,
        metrics: PortalMetrics | None = None,
    ) -> None:
        self._browser = browser
        self._clock, self._metrics = clock, metrics or PortalMetrics()
        patience = patience or Patience()
        self._kept = kept
        self._attendance = AttendancePage(browser.driver, pause, clock, patience)
        self._login = LoginPage(browser.driver, pause, clock, patience)
        self._initial = InitialState(self._attendance.ask_initial_state, trust or Trust())
        self._loads = 0
        self.collect_every = COLLECT_EVERY  # benchmarks measure its effect
        self._fresh = False  # loaded, and nothing done on the page since
        self._loaded_at = 0.0  # monotonic
        self.unchanged = self._initial.same
        self.changed = self._attendance.changed
        self.evidence = self._attendance.evidence
        self.close_window = self._attendance.close_window
        self.end = browser.end
        self.kill = browser.kill
        self.pid = browser.pid
        if kept is not None:
            kept.restore(browser)

    def load(self, address: str) -> None:
        """Load the address; every few loads collect the earlier pages first, which Chrome would keep in memory."""
        self._loads += 1
        self._metrics.loads.inc()
        self._loaded_at = self._clock.monotonic()
        if self._loads % self.collect_every == 0:
            self._browser.devtools("HeapProfiler.collectGarbage")
        self._initial.forget()
        set_language(self._browser, address, self.language)
        self._attendance.load(address)
        self._fresh = True

    def settle(self) -> Reading:
        reading = self._attendance.settle()
        if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
            self._initial.session_lost()
        if self._fresh:
            self._metrics.load_seconds.observe(self._clock.monotonic() - self._loaded_at)
            self._initial.loaded(reading)
            self._fresh = False
        elif reading.view is View.OPEN:  # the lesson appeared without a load
            self._initial.forget()
        return reading

    def mark(self, lesson: Lesson) -> Click:
        self._fresh = False
        self._initial.forget()
        return self._attendance.mark(lesson)

    def sign_in(self, username: str, password: str) -> Reading:
        """Sign in, and save the session at once: a crash must not cost another sign-in."""
        self._fresh = False
        try:
            reading = self._login.sign_in(username, password)
        except PortalError as error:
            self._metrics.signed_in(error)
            raise
        self._metrics.signed_in(failed_sign_in(reading.text) if reading.view is View.REFUSED else None)
        if self._kept is not None:
            self._kept.save(self._browser)
        return reading

    def leave(self) -> None:
        try:
            self._attendance.sign_out()
        except PortalError as error:
            log.info("not signed out (%s); the session is deleted", type(error).__name__)
        if self._kept is not None:
            self._kept.delete(self._browser)
            self._kept = None


# Opens the portal with the profile of one student.
OpenPortal = Callable[[str, Pause], PortalClient]


@dataclass(frozen=True)
class PortalAccess:
    """How a monitor reaches the portal.

    ``open`` opens the portal with a profile; ``kill_browser`` kills, from another thread, the browser that uses a
    profile; ``forget_session`` deletes the portal's session of a profile while no browser uses it. ``limits``
    and ``metrics`` are shared by all monitors.
    """

    open: OpenPortal
    url: str = PORTAL_URL
    kill_browser: Callable[[str], None] = lambda _profile: None
    forget_session: Callable[[str], None] = lambda _profile: None
    limits: PortalLimits = field(default_factory=PortalLimits)
    metrics: PortalMetrics = field(default_factory=PortalMetrics)


def chrome_access(
    chromes: Chromes,
    url: str = PORTAL_URL,
    *,
    clock: Clock,
    cipher: Cipher | None = None,
    limits: PortalLimits | None = None,
    ready_within: float = READY_WITHIN,
    metrics: PortalMetrics | None = None,
) -> PortalAccess:
    """Return the access to the portal through Chromes; with ``cipher`` the portal's sessions are kept on disk."""
    trust, patience, measured = Trust(), Patience(ready_within), metrics or PortalMetrics()

    def open_portal(profile: str, pause: Pause) -> PortalClient:
        try:
            browser = chromes.open(profile, pause)
        except BrowserFailed:
            measured.chrome_starts.labels("failed").inc()
            raise
        measured.chrome_starts.labels("ok").inc()
        kept = KeptSession(chromes.profiles / profile, cipher) if cipher is not None else None
        try:
            return ChromePortal(browser, url, pause, clock, kept, trust, patience, measured)
        except BrowserFailed:
            browser.end()
            raise

    return PortalAccess(
        open_portal,
        url,
        kill_browser=chromes.kill,
        forget_session=lambda profile: kept_session.forget(chromes.profiles / profile),
        limits=limits or PortalLimits(clock=clock),
        metrics=measured,
    )

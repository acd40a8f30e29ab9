"""Watches the portal in one student's browser and presses nothing; records what it shows in a redacted trace.

Only the sign-in form is filled in: nothing here can mark, since ``LoginPage`` has no method that does. Every fifth page
is left open for ``STAYS`` seconds, so that a heartbeat and lessons that come without a load are seen.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selenium.common.exceptions import WebDriverException
from urllib3.exceptions import HTTPError

from core.clock import Clock
from portal import errors
from portal.browser import Browser, set_language
from portal.limits import Pause
from portal.pages import LoginPage
from portal.trace import SCHEMA, Trace
from portal.views import Reading, View

_SCRIPT = Path(__file__).with_name("trace.js").read_text(encoding="utf-8")
STAYS_EVERY, STAYS = 5, 150.0  # seconds; a heartbeat is sent every 120 s
SIGN_INS = 10  # in a row; more would be a portal that loses each session
_LOOK = 2.0  # seconds for which the page waits for a change
_LOST = (View.SESSION_LOST, View.COMMUNICATION, View.LOGIN)  # between two loads: the address is loaded again


@dataclass(eq=False)
class Rehearsal:
    """One rehearsal in one browser; ``refresh`` is how many seconds most pages are left open.

    ``on_met`` is called with each view, and with each trouble after which it goes on.
    """

    browser: Browser
    address: str
    trace: Trace
    pause: Pause
    clock: Clock
    refresh: float = 20.0
    stays: float = STAYS
    on_met: Callable[[View | errors.PortalError], None] = lambda _met: None

    def __post_init__(self) -> None:
        self._shown = False  # a page of the portal
        self._page = LoginPage(self.browser.driver, self.pause, self.clock)

    def run(self, username: str, password: str) -> None:
        """Watch until ``pause`` raises.

        Raises PortalError where a person has to act: about the account, Chrome, or the portal's certificate if no page
        of the portal was shown yet.
        """
        self.trace.write("begin", schema=SCHEMA, clock=f"{self.clock.now():%H:%M}", refresh=self.refresh)
        set_language(self.browser, self.address)
        loads = sign_ins = 0
        while True:
            begun, loads, after = self.clock.monotonic(), loads + 1, "load"
            try:
                self._page.load(self.address)
                reading = self._view(after, begun)
                if reading.view is not View.LOGIN:
                    sign_ins = 0
                elif sign_ins >= SIGN_INS:
                    raise errors.SignInFailed("the login form comes back after each sign-in")
                else:
                    after, sign_ins = "sign-in", sign_ins + 1
                    signs_in = self.clock.monotonic()
                    self._page.sign_in(username, password)
                    reading = self._view(after, signs_in)
                if (refusal := reading.refusal()) is not None:
                    raise refusal
                after = "change"
                self._stay(begun + (self.refresh if loads % STAYS_EVERY else self.stays))
            except errors.PortalError as error:
                code = re.search(r"net::ERR_[A-Z_]+", str(error))
                text = code.group() if code else self.trace.redactor.text(str(error).partition("\n")[0])
                own = {"after": after, "shape": self._shape(), "text": text}
                self.trace.write("trouble", error=type(error).__name__, **own)
                if error.permanent or isinstance(error, errors.BrowserFailed):
                    raise
                if isinstance(error, errors.CertificateRefused) and not self._shown:
                    raise
                self.on_met(error)
                self.pause(max(begun + self.refresh - self.clock.monotonic(), _LOOK))

    def _stay(self, until: float) -> None:
        """Stay on the page, and record each change of it."""
        while (left := until - self.clock.monotonic()) > 0:
            changed = self._page.changed(within=min(_LOOK, left))
            if changed and self._view("change", self.clock.monotonic()).view in _LOST:
                raise errors.SessionLost
            self.pause(0)
        self._shape()  # with the requests of a page that did not change

    def _view(self, after: str, begun: float) -> Reading:
        """Record the page as soon as it is ready."""
        reading = self._page.settle()
        ready, text = round(self.clock.monotonic() - begun, 3), self.trace.redactor.text
        cards = [
            {
                "lines": [text(line, True) for line in card.lines],
                "caption": ", ".join(map(text, card.caption.split(", "))),
                "enabled": card.enabled,
                "known": card in reading.cards,
            }
            for card in reading.cards + reading.strange
        ]
        own = {"ready": ready, "shape": self._shape(), "text": text(reading.text), "cards": cards}
        self.trace.write("view", view=reading.view.value, after=after, **own)
        self._shown = True
        if reading.refusal() is None:  # that is an error
            self.on_met(reading.view)
        return reading

    def _shape(self) -> int | None:
        """Record the page's requests and elements; return the shape's number, None between two documents."""
        try:
            found = self.browser.driver.execute_script(_SCRIPT)
        except (WebDriverException, HTTPError):
            return None
        if found and found["requests"]:
            self.trace.write("requests", requests=found["requests"])
        return self.trace.shape(found["tree"]) if found and found["tree"] else None

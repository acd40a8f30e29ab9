"""A page of the portal in a browser: loading, reading with one script call, waiting until it is settled.

Every wait goes through the caller's ``pause``, which may raise to interrupt it.
"""

import hashlib
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selenium.common import exceptions as selenium_errors
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from urllib3.exceptions import HTTPError

from core.clock import Clock, SystemClock
from portal import certificates, errors, words
from portal.limits import Patience, Pause
from portal.views import NOT_LOADED, Reading, View, decide
from portal.windows import Window

log = logging.getLogger(__name__)

LONGEST_SOURCE = 2_000_000  # characters of a page that is kept for the admin

# Installed once a page: a reading sends a line instead of ten kilobytes.
_QUERY = "return window.attendanceQuery ? [window.attendanceQuery.apply(null, arguments)] : null;"
_SCRIPT = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
_INSTALL = f"window.attendanceQuery = function () {{ {_SCRIPT} }};"
_CHANGED = (Path(__file__).parent / "changed.js").read_text(encoding="utf-8")
_INITIAL_STATE = (Path(__file__).parent / "initial_state.js").read_text(encoding="utf-8")

# Seconds between two readings that must both find the client idle: a queued request starts in between.
BETWEEN_READINGS = 0.07
# Seconds for which a page has to stay without Vaadin before it is no page of the portal's: it may lead to another one.
_FOREIGN_FOR = 1.0
MOST_RELOADS = 10  # of the page by itself, after one load of ours
MOST_WINDOWS = 3  # one above the other, or one after the other
# chromedriver's messages for a document that was replaced during a command; they have no exception type of their own.
_REPLACED = ("aborted by navigation", "execution context", "no such frame", "does not belong to the document")
ALERT = "the page said: "
_TimedOut = selenium_errors.TimeoutException
_PRESSABLE = (
    selenium_errors.ElementClickInterceptedException,
    selenium_errors.ElementNotInteractableException,
    selenium_errors.StaleElementReferenceException,
)


@dataclass(eq=False)
class PortalPage:
    """What all views share. Only the thread that owns the driver may call the methods."""

    _driver: WebDriver
    _pause: Pause
    _clock: Clock = field(default_factory=SystemClock)
    _patience: Patience = field(default_factory=Patience)
    _slowest: float = 0.0  # seconds of a request of the page that was read last
    _arrived: bool = False  # that page is not the one that is being left
    _loading: bool = False
    _address: str = ""
    _replaced: int = field(default=0, init=False)  # documents since the last load that we did not load

    def load(self, address: str) -> None:
        """Start loading the address; return at once. Raises BrowserFailed, PortalUnavailable."""
        # a page with an alert or half a document is left all the same
        with suppress(errors.PortalUnavailable, errors.PageChanged):
            self._ask("leave")
        self._address, self._loading, self._replaced = address, True, 0
        self._command(lambda: self._driver.get(address))

    def read(self) -> Reading:
        """Return what the page shows now, with one script call. Raises BrowserFailed."""
        try:
            page = self._ask("read")
            if page is None:  # an alert opened during the script: the next reading finds it
                return Reading(View.LOADING)
            self._slowest, self._arrived = page["slowest"], not page["left"]
            return decide(page)
        except errors.PageChanged:
            return Reading(View.LOADING)  # between two documents
        except errors.PortalUnavailable as down:
            return Reading(View.DOWN, str(down))

    def changed(self, within: float = 0.0) -> bool:
        """Say whether the page has changed since the last reading; wait for a change up to so many seconds.

        The wait can't be interrupted, so it has to be short. Raises BrowserFailed; PageChanged if the page reloads
        itself again and again.
        """
        try:
            changed = self._command(lambda: self._driver.execute_async_script(_CHANGED, within * 1000))
        except errors.PortalError as error:
            # a document that is replaced meanwhile ends the script at once as if it had taken too long
            if isinstance(error, errors.BrowserFailed) and not isinstance(error.__cause__, _TimedOut):
                raise
            changed = None
        if changed is None:
            self._replaced += 1
            if self._replaced > MOST_RELOADS:
                raise errors.PageChanged("the page reloads itself again and again")
        return changed is not False

    def settle(self, within: float | None = None) -> Reading:
        """Read until two readings in a row find the client idle and the same view; return the last one.

        Raises PortalUnavailable (not ready in time, an alert, an error page), NotThePortal and BrowserFailed.
        """
        begun, foreign_since = self._clock.monotonic(), None
        before: Reading | None = None
        while True:
            reading = self.read()
            took = self._clock.monotonic() - begun
            if reading.view is View.DOWN:
                if reading.text == NOT_LOADED:
                    raise self._not_loaded()
                down = errors.PortalUnavailable(reading.text, words=reading.text if reading.status >= 500 else "")
                down.pictured = reading.status >= 500
                raise down
            if reading.view is View.NOT_PORTAL:
                foreign_since = took if foreign_since is None else foreign_since
                if took - foreign_since >= _FOREIGN_FOR:
                    what = reading.text or "an empty page"
                    raise errors.NotThePortal(f"not the portal: {what}", words=reading.text)
            elif reading.view in (View.SESSION_LOST, View.COMMUNICATION):
                return reading
            elif reading.view is not View.LOADING and before is not None and before.view is reading.view:
                if self._loading:
                    self._patience.ready(took)
                    self._loading = False
                return reading
            before = reading
            if took > (limit := self._patience.within(self._slowest) if within is None else within):
                raise self._patience.gave_up(limit, self._arrived)
            self._pause(BETWEEN_READINGS)

    def close_window(self) -> bool:
        """Close the windows on top of the page that are no questions; True: none is left. Raises as ``settle``."""
        for _ in range(MOST_WINDOWS):
            if (window := self._window()) is None:
                return True
            if (control := window.closing()) is None:
                break
            with suppress(errors.PageChanged):  # it has gone by itself
                self._command(control.click)
            self.settle()
        return self._window() is None

    def _window(self) -> Window | None:
        found = self._ask("window")
        return None if found is None else Window(**found)

    def _not_loaded(self, code: str = "") -> errors.PortalUnavailable:
        """Return why the address can't be loaded: Chrome's error page does not say it, a second load does."""
        asked = {"cmd": "Page.navigate", "params": {"url": self._address}}
        if not code:
            code = self._command(lambda: self._driver.execute("executeCdpCommand", asked)["value"]).get("errorText", "")
        if certificates.is_meant(code):
            return certificates.refused(self._address, code)
        return errors.PortalUnavailable(f"{NOT_LOADED} ({code})" if code else NOT_LOADED)

    def evidence(self) -> tuple[str, bytes | None, str]:
        """Describe an unknown page for the admin: its kind, a screenshot (PNG), its source. Raises BrowserFailed."""
        try:
            kind = hashlib.blake2b(str(self._ask("shape")).encode(), digest_size=6).hexdigest()
            picture = self._command(self._driver.get_screenshot_as_png)
            source: str = self._command(lambda: self._driver.page_source)[:LONGEST_SOURCE]
        except (errors.PageChanged, errors.PortalUnavailable) as gone:
            log.info("no screenshot of the unknown page: %s", type(gone).__name__)
            return "", None, ""
        return kind, picture, source

    def _known_control(self, of: str, wanted: Collection[str]) -> WebElement | None:
        """Return the first of the form's or the page's controls whose whole caption is one of these words."""
        caption = words.known(self._ask("captions", of) or (), wanted)
        return None if caption is None else self._ask("control", [of, caption])

    def ask_initial_state(self, query: str) -> Any:
        """Run a query of initial_state.js in the page; None without an answer. Raises BrowserFailed."""
        try:
            return self._command(lambda: self._driver.execute_async_script(_INITIAL_STATE, query))
        except (errors.PageChanged, errors.PortalUnavailable):
            return None

    def _ask(self, query: str, argument: Any = None) -> Any:
        answer = self._command(lambda: self._driver.execute_script(_QUERY, query, argument))
        if answer is None:  # a new document
            answer = self._command(lambda: self._driver.execute_script(_INSTALL + _QUERY, query, argument))
        return answer[0] if answer else None

    def _command(self, command: Callable[[], Any]) -> Any:
        try:
            return command()
        except selenium_errors.UnexpectedAlertPresentException as error:
            self._dismiss_alert()
            said = error.alert_text or ""
            raise errors.PortalUnavailable(f"{ALERT}{said or 'nothing'}", words=said) from error
        except (selenium_errors.InvalidSessionIdException, selenium_errors.NoSuchWindowException) as error:
            raise errors.BrowserFailed("Chrome is gone") from error
        except _PRESSABLE as error:
            raise errors.NotPressed(type(error).__name__) from error
        except (selenium_errors.NoSuchElementException, selenium_errors.JavascriptException) as error:
            raise errors.PageChanged(type(error).__name__) from error
        except selenium_errors.TimeoutException as error:
            raise errors.BrowserFailed("the page did not answer the driver in time") from error
        except selenium_errors.WebDriverException as error:
            message = error.msg or ""
            if "net::ERR" in message:
                raise self._not_loaded(message[message.index("net::ERR") :].split()[0]) from error
            if any(words in message for words in _REPLACED):
                raise errors.PageChanged("the document was replaced") from error
            raise errors.BrowserFailed(errors.public(message) or type(error).__name__) from error
        except HTTPError as error:  # chromedriver ended or hangs: urllib3's error, not Selenium's
            raise errors.BrowserFailed(f"no answer from the driver ({type(error).__name__})") from error

    def _dismiss_alert(self) -> None:
        try:
            self._driver.switch_to.alert.dismiss()
        except selenium_errors.NoAlertPresentException:
            pass  # already dismissed by the driver
        except (selenium_errors.WebDriverException, HTTPError) as error:
            raise errors.BrowserFailed("an alert can't be dismissed") from error

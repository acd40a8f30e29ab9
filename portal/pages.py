"""Page objects for the portal: methods are what a person does, waits are inside, locators are private.

The whole portal is one address; ``portal.views`` decides what it shows. Every wait goes through the caller's
``pause``, which may raise to interrupt it.
"""

import hashlib
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from selenium.common import exceptions as selenium_errors
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from urllib3.exceptions import HTTPError

from core.clock import Clock, SystemClock
from portal import errors
from portal.lessons import Click, Lesson
from portal.limits import Pause
from portal.views import Reading, View, decide
from portal.windows import Window, failed_sign_in

log = logging.getLogger(__name__)

_SCRIPT = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
_CHANGED = (Path(__file__).parent / "changed.js").read_text(encoding="utf-8")
_INITIAL_STATE = (Path(__file__).parent / "initial_state.js").read_text(encoding="utf-8")

# Seconds. A stopped Vaadin application never becomes idle again, so the wait for it needs a limit.
READY_WITHIN = 15.0
# Seconds between two readings that must both find the client idle: a queued request starts in between.
_BETWEEN_READINGS = 0.07
MOST_RELOADS = 10  # of the page by itself, after one load of ours
MOST_WINDOWS = 3  # one above the other, or one after the other
SIGN_OUT_WITHIN = 2.0  # seconds; the student waits for the end
# Seconds for which the form may stay after the click on "Log in", before the refusal or the reload. Too short a time
# makes a sign-in that succeeds count as failed and be repeated: on a busy machine the reload alone takes seconds.
_FORM_STAYS = 10.0
_SELECT_ALL = (Keys.COMMAND if sys.platform == "darwin" else Keys.CONTROL) + "a" + Keys.NULL
# chromedriver's messages for a document that was replaced during a command; they have no exception type of their own.
_REPLACED = ("aborted by navigation", "execution context", "no such frame", "does not belong to the document")
_ALERT = "the page said: "
_TimedOut = selenium_errors.TimeoutException
_USERNAME = ".v-filterselect input.v-filterselect-input"
_PRESSABLE = (
    selenium_errors.ElementClickInterceptedException,
    selenium_errors.ElementNotInteractableException,
    selenium_errors.StaleElementReferenceException,
)


@dataclass(eq=False)
class PortalPage:
    """What all views share: loading, reading with one script call, waiting until the page is settled.

    Only the thread that owns the driver may call the methods. ``ready_within`` is how many seconds a page may take to
    become ready.
    """

    _driver: WebDriver
    _pause: Pause
    _clock: Clock = field(default_factory=SystemClock)
    _ready_within: float = READY_WITHIN
    _replaced: int = field(default=0, init=False)  # documents since the last load that we did not load

    def load(self, address: str) -> None:
        """Start loading the address; return at once. Raises BrowserFailed, PortalUnavailable."""
        # a page with an alert or half a document is left all the same
        with suppress(errors.PortalUnavailable, errors.PageChanged):
            self._ask("leave")
        self._replaced = 0
        self._command(lambda: self._driver.get(address))

    def read(self) -> Reading:
        """Return what the page shows now, with one script call. Raises BrowserFailed."""
        try:
            page = self._ask("read")
            # A script during which an alert opens returns nothing: the next reading finds the alert.
            return Reading(View.LOADING) if page is None else decide(page)
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

        Raises PortalUnavailable (not ready in time, an alert, an error page) and BrowserFailed.
        """
        within = self._ready_within if within is None else within
        deadline = self._clock.monotonic() + within
        before: Reading | None = None
        while True:
            reading = self.read()
            if reading.view is View.DOWN:
                raise errors.PortalUnavailable(reading.text)
            if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
                return reading
            if reading.view is not View.LOADING and before is not None and before.view is reading.view:
                return reading
            before = reading
            if self._clock.monotonic() > deadline:
                raise errors.PortalUnavailable(f"the page was not ready within {within:g} s")
            self._pause(_BETWEEN_READINGS)

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

    def evidence(self) -> tuple[str, bytes | None, str]:
        """Describe an unknown page for the admin: its kind, a screenshot (PNG), its source. Raises BrowserFailed."""
        try:
            kind = hashlib.blake2b(str(self._ask("shape")).encode(), digest_size=6).hexdigest()
            picture = self._command(self._driver.get_screenshot_as_png)
            source: str = self._command(lambda: self._driver.page_source)
        except (errors.PageChanged, errors.PortalUnavailable) as gone:
            log.info("no screenshot of the unknown page: %s", type(gone).__name__)
            return "", None, ""
        return kind, picture, source

    def ask_initial_state(self, query: str) -> Any:
        """Run a query of initial_state.js in the page; None without an answer. Raises BrowserFailed."""
        try:
            return self._command(lambda: self._driver.execute_async_script(_INITIAL_STATE, query))
        except (errors.PageChanged, errors.PortalUnavailable):
            return None

    def _ask(self, query: str, argument: Any = None) -> Any:
        return self._command(lambda: self._driver.execute_script(_SCRIPT, query, argument))

    def _command(self, command: Callable[[], Any]) -> Any:
        try:
            return command()
        except selenium_errors.UnexpectedAlertPresentException as error:
            self._dismiss_alert()
            said = error.alert_text or ""
            raise errors.PortalUnavailable(f"the page said: {said or 'nothing'}", words=said) from error
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
                raise errors.PortalUnavailable(message.splitlines()[0]) from error
            if any(words in message for words in _REPLACED):
                raise errors.PageChanged("the document was replaced") from error
            raise errors.BrowserFailed(message.splitlines()[0] if message else type(error).__name__) from error
        except HTTPError as error:  # chromedriver ended or hangs: urllib3's error, not Selenium's
            raise errors.BrowserFailed(f"no answer from the driver ({type(error).__name__})") from error

    def _dismiss_alert(self) -> None:
        try:
            self._driver.switch_to.alert.dismiss()
        except selenium_errors.NoAlertPresentException:
            pass  # already dismissed by the driver
        except (selenium_errors.WebDriverException, HTTPError) as error:
            raise errors.BrowserFailed("an alert can't be dismissed") from error


class LoginPage(PortalPage):
    def sign_in(self, username: str, password: str) -> Reading:
        """Fill in the form, press the button and wait for the result; return the first reading after the sign-in.

        Raises SignInRefused and AccountBlocked with the portal's text, and the errors after which to try again.
        """
        self.close_window()
        self._type_username(username)
        self._type("input[type=password]", password)
        # A native click, because the password is sent only when the field loses the focus.
        button = self._find(".v-button.v-button-primary")
        try:
            self._command(button.click)
        except errors.PageChanged:
            # the form was sent already, and its answer covers the button: a refusal must not be missed
            if self.settle().view is View.LOGIN:
                raise
        return self._wait_for_outcome()

    def _type_username(self, username: str) -> None:
        """Type into the combo box: its value counts after Tab, and is empty until the server has answered."""
        for _ in range(3):
            self._type(_USERNAME, username)
            self.settle()  # each key asks the server for suggestions; with a Tab meanwhile the value is lost
            self._command(partial(self._find(_USERNAME).send_keys, Keys.TAB))
            self.settle()
            if self._command(partial(self._find(_USERNAME).get_property, "value")) == username:
                return
        raise errors.PageChanged("the username does not stay in its field")

    def _wait_for_outcome(self) -> Reading:
        stays_until = self._clock.monotonic() + _FORM_STAYS
        while True:
            reading = self.settle()
            if reading.view is View.REFUSED:
                failed = failed_sign_in(reading.text)
                if failed.permanent or not self.close_window() or (reading := self.settle()).view is View.LOGIN:
                    raise failed
            if reading.view is View.BLOCKED:
                raise errors.AccountBlocked(reading.text)
            if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
                raise errors.SessionLost(reading.text)
            if reading.view is not View.LOGIN:
                return reading
            window = self._window()
            if window is not None and window.error and failed_sign_in(window.words).permanent:  # a notification
                raise failed_sign_in(window.words)
            if self._clock.monotonic() > stays_until:
                raise errors.SignInFailed("the login form did nothing", words=window.words if window else "")
            self._pause(_BETWEEN_READINGS)

    def _type(self, css: str, text: str) -> None:
        field = self._find(css)
        self._command(lambda: field.send_keys(_SELECT_ALL, text))

    def _find(self, css: str) -> WebElement:
        element: WebElement = self._command(lambda: self._driver.find_element(By.CSS_SELECTOR, css))
        return element


class AttendancePage(PortalPage):
    """The view with a card for each open lesson."""

    def sign_out(self) -> None:
        """Press the control that ends the session, if the page has one. Raises PortalError."""
        control = self._ask("signOut")
        if control is not None:
            self._command(control.click)
            self.settle(SIGN_OUT_WITHIN)

    def mark(self, lesson: Lesson, within: float | None = None) -> Click:
        """Press a lesson's button, confirm where the portal asks, and wait for the page's own confirmation.

        The confirmation is the same card with a disabled button and another caption: only the server's answer changes
        a caption. It is missing if the portal ignores the click, or answers with a window, which stays on the page.

        Raises:
            NotPressed: the button disappeared before the click, or is covered.
            PageChanged: the card disappeared with the click.
            SessionLost, PortalUnavailable, BrowserFailed: unknown whether it is marked; read again.
        """
        self.close_window()
        before = self.read().card(lesson)
        button = self._ask("button", list(before.lines)) if before else None
        if before is None or button is None:
            raise errors.NotPressed("the lesson's button is not there any more")
        try:
            self._command(button.click)
            reading, words = self._answer(within)
        except errors.PageChanged as changed:
            covering = self._window()
            changed.words = covering.words if covering else ""
            raise
        except errors.PortalUnavailable as down:
            if str(down).startswith(_ALERT):  # it is dismissed
                return Click(False, str(down).removeprefix(_ALERT))
            raise
        if reading.view in (View.SESSION_LOST, View.COMMUNICATION, View.LOGIN):
            raise errors.SessionLost(reading.text)
        if reading.view is View.REFUSED:
            return Click(False, words or reading.text)
        if reading.view is View.UNKNOWN:
            raise errors.UnknownView("after the click", words=words)
        after = reading.card(lesson)
        if after is None:
            raise errors.PageChanged("the card closed with the click", words=words)
        return Click(not after.enabled and after.caption != before.caption, words)

    def _answer(self, within: float | None) -> tuple[Reading, str]:
        """Wait for the answer to a click and confirm dialogs; return the page, and the words of the last window."""
        words = ""
        for _ in range(MOST_WINDOWS):
            reading = self.settle(within)
            if (window := self._window()) is None:
                return reading, words
            if (yes := window.affirmative()) is None:
                return reading, window.words
            words = window.words if len(window.buttons) == 1 else ""  # a message with OK, or a question
            self._command(yes.click)
        return self.settle(within), words

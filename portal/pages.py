"""Page objects for the portal's two views: methods are what a person does, locators are private.

The whole portal is one address; ``portal.views`` decides what it shows.
"""

import sys
from functools import partial

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from portal import errors, words
from portal.lessons import Click, Lesson
from portal.page import ALERT, BETWEEN_READINGS, MOST_WINDOWS, PortalPage
from portal.views import Reading, View

SIGN_OUT_WITHIN = 2.0  # seconds; the student waits for the end
# Seconds for which the form may stay after the click on "Log in", before the refusal or the reload. Too short a time
# makes a sign-in that succeeds count as failed and be repeated: on a busy machine the reload alone takes seconds.
_FORM_STAYS = 10.0
_SELECT_ALL = (Keys.COMMAND if sys.platform == "darwin" else Keys.CONTROL) + "a" + Keys.NULL
_USERNAME = ".v-filterselect input.v-filterselect-input"


class LoginPage(PortalPage):
    def sign_in(self, username: str, password: str) -> Reading:
        """Fill in the form, press the button and wait for the result; return the first reading after the sign-in.

        Raises SignInRefused, AccountBlocked and PasswordExpired with the portal's text, UnknownView before anything is
        typed where no button is known, and the errors after which to try again.
        """
        self.close_window()
        if self._known_control("form", words.SIGN_IN) is None:
            raise errors.UnknownView("the sign-in form has no button that is known")
        self._type_username(username)
        self._type("input[type=password]", password)
        # A native click, because the password is sent only when the field loses the focus.
        button = self._known_control("form", words.SIGN_IN)
        if button is None:
            raise errors.PageChanged("the sign-in form's button is not there any more")
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
                failed = words.failed_sign_in(reading.text)
                if failed.permanent or not self.close_window() or (reading := self.settle()).view is View.LOGIN:
                    raise failed
            if (refusal := reading.refusal()) is not None:
                raise refusal
            if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
                raise errors.SessionLost(words=reading.text)
            if reading.view is not View.LOGIN:
                return reading
            window = self._window()
            if window is not None and window.error:  # a notification
                failed = words.failed_sign_in(window.words)
                if failed.permanent:
                    raise failed
            if self._clock.monotonic() > stays_until:
                raise errors.SignInFailed("the login form did nothing", words=window.words if window else "")
            self._pause(BETWEEN_READINGS)

    def _type(self, css: str, text: str) -> None:
        self._command(partial(self._find(css).send_keys, _SELECT_ALL, text))

    def _find(self, css: str) -> WebElement:
        element: WebElement = self._command(lambda: self._driver.find_element(By.CSS_SELECTOR, css))
        return element


class AttendancePage(PortalPage):
    """The view with a card for each open lesson."""

    def sign_out(self) -> None:
        """Press the control that ends the session, if the page has one. Raises PortalError."""
        control = self._known_control("page", words.SIGN_OUT)
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
        button = self._ask("button", {"lines": before.lines, "caption": before.caption}) if before else None
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
            if str(down).startswith(ALERT):  # it is dismissed
                return Click(False, str(down).removeprefix(ALERT))
            raise
        if reading.view in (View.SESSION_LOST, View.COMMUNICATION, View.LOGIN):
            raise errors.SessionLost(words=reading.text)
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

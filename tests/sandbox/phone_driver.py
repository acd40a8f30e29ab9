"""Page object of the phones: what a person sees and does on them."""

from collections.abc import Callable
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.waiting import PATIENCE, pauses


class Handset:
    """One person's phone on the page."""

    def __init__(self, driver: webdriver.Chrome, person: str) -> None:
        self.driver = driver
        self.root = f".phone[data-person={person}]"

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """Wait until `look` returns something true; return it."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.02, [StaleElementReferenceException])
        found = wait.until(lambda _: look(), f"not on the phone: {what}")
        pauses()
        return found

    def all(self, css: str) -> list[WebElement]:
        """The displayed elements of a selector."""
        found = self.driver.find_elements(By.CSS_SELECTOR, f"{self.root} {css}")
        return [each for each in found if each.is_displayed()]

    def one(self, css: str, words: str = "") -> WebElement:
        """Wait for the last displayed element with these words."""

        def look() -> WebElement | None:
            fitting = [each for each in self.all(css) if words in each.text]
            return fitting[-1] if fitting else None

        found: WebElement = self.until(f"{css} {words!r}", look)
        return found

    def button(self, action: str) -> WebElement:
        """Wait for what has this data-action."""
        return self.one(f'[data-action="{action}"]')

    def press(self, action: str) -> None:
        """Click on what has this data-action."""

        def click() -> bool:
            self.button(action).click()
            return True

        self.until(action, click)

    def sees(self, words: str) -> WebElement:
        """Wait for a message with these words; return its bubble."""
        return self.one(".bubble", words)

    def sees_no(self, css: str, words: str = "") -> None:
        """Wait until no displayed element of a selector has these words."""
        self.until(f"no {css} {words!r}", lambda: not any(words in each.text for each in self.all(css)))

    def types(self, text: str) -> None:
        """Type into the text box."""
        self.button("message").send_keys(text)

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    @property
    def focused(self) -> str:
        """The data-action of what has the focus, else its tag and class."""
        script = "const e = document.activeElement; return e.dataset.action || `${e.localName}.${e.className}`"
        return str(self.driver.execute_script(script))

    def focuses(self, action: str) -> None:
        """Wait until what has this data-action has the focus."""
        self.until(f"focus on {action}", lambda: self.focused == action)

    def notice(self, words: str) -> None:
        """Wait for a notice with these words."""
        self.one(".notice", words)


ENTER, ESCAPE, TAB, DOWN, UP, RIGHT = (
    Keys.ENTER, Keys.ESCAPE, Keys.TAB, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ARROW_RIGHT,
)  # fmt: skip

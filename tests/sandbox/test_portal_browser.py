"""The portal simulator in a real headless Chrome: details of Vaadin 7.7.13 that no test on both portals covers.

What both portals have in common is tested in tests/portal, on the simulator and on the real Vaadin.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from portal.driver import find_programs
from sandbox.portal.files import PAGE_PATH
from sandbox.portal.server import PortalSimulator
from tests import children
from tests.e2e.people import PAUSES
from tests.servers import in_thread, need_browser
from tests.waiting import PATIENCE, pauses

T = TypeVar("T")

pytestmark = [pytest.mark.integration, pytest.mark.browser]

PASSWORD = "correct horse"
LESSON = {"subject": "Algorithms <1>", "teacher": "A. Teacher", "time": "Л27 (15:00 - 16:00)"}
APP = "RegistrationOnline-1674962804"
# Where one of the public scripts for the portal finds the button, counted from the page's root.
PUBLIC_XPATH = f'//*[@id="{APP}"]/div/div[2]/div/div[2]/div/div/div/div/div/div/div[3]/div'
IDLE = """
    const client = window.vaadin && vaadin.clients && vaadin.clients.RegistrationOnline;
    return Boolean(client) && !client.initializing && !client.isActive();
"""


def _between_documents(error: WebDriverException) -> bool:
    """Whether the page was just being replaced, for which chromedriver has several errors."""
    words = ("stale element", "does not belong to the document", "execution context", "aborted by navigation")
    return any(each in str(error.msg) for each in words)


def is_stale(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except WebDriverException as error:
        if not _between_documents(error):
            raise
        return True
    return False


class PortalPage:
    """A running simulator and the browser with its page."""

    def __init__(self, url: str, driver: webdriver.Chrome) -> None:
        self.url = url
        self.driver = driver
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE, event_hooks=PAUSES)

    def close(self) -> None:
        self._http.close()

    def control(self, path: str, **body: Any) -> Any:
        return self._http.post(f"/control/{path}", json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        return self._http.get(f"/control/{path}").raise_for_status().json()

    def events(self, *names: str) -> list[str]:
        return [line["event"] for line in self.get("log") if line["event"] in names]

    def until(self, condition: Callable[[], T]) -> T:
        """Wait until the condition returns something true."""

        def settled(_: webdriver.Chrome) -> T | None:
            try:
                return condition()
            except WebDriverException as error:
                if not _between_documents(error):
                    raise
                return None

        result = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.01).until(settled)
        assert result is not None
        pauses()
        return result

    def until_gone(self, element: WebElement) -> None:
        """Wait until the element is stale and the page is idle again."""
        self.until(lambda: is_stale(element))
        self.settle()

    def idle(self) -> bool:
        return bool(self.driver.execute_script(IDLE))

    def settle(self) -> None:
        """Wait until the page is idle."""
        self.until(self.idle)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        """Wait for the first such element."""
        return self.until(lambda: self.all(css))[0]

    def open(self, language: str = "ru") -> None:
        """Load the page in a language, and wait until it is drawn."""
        cookie = {"name": "r5-locale", "value": language, "url": self.url, "path": "/"}
        self.driver.execute_cdp_cmd("Network.setCookie", cookie)
        self.load()

    def load(self) -> None:
        self.driver.get(f"{self.url}{PAGE_PATH}")
        self.until(lambda: self.all(".v-label") and self.idle())

    def fill_in(self, username: str = "a_student", password: str = PASSWORD) -> None:
        self.one(".v-filterselect-input").send_keys(username)
        self.settle()
        self.one(".v-filterselect-input").send_keys(Keys.TAB)
        self.settle()
        self.one("input[type=password]").send_keys(password)

    def sign_in(self, username: str = "a_student", password: str = PASSWORD) -> None:
        """Sign in with native events, and wait for the page after the reload."""
        self.fill_in(username, password)
        form = self.one(".v-formlayout")
        self.one(".v-button-primary").click()
        self.until(lambda: is_stale(form))
        self.until(lambda: self.all(".v-label") and self.idle())

    def cards(self) -> list[WebElement]:
        """The innermost card layouts; the root has this class too."""
        return self.all(".v-verticallayout-card .v-verticallayout-card")

    def button(self, number: int = 0) -> WebElement:
        return self.cards()[number].find_element(By.CSS_SELECTOR, ".v-button")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One Chrome for all tests of this module."""
    profile = tmp_path_factory.mktemp("profile")
    need_browser()
    chrome, chromedriver = find_programs(os.environ.get("CHROME_BIN"), os.environ.get("CHROMEDRIVER_PATH"))
    children.own_profiles(profile)
    environment = {**os.environ, "ATTENDANCE_PROFILE": str(profile)}  # so that tests.children ends this Chrome
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    options.unhandled_prompt_behavior = "ignore"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(chromedriver, env=environment))
    try:
        browser.set_page_load_timeout(PATIENCE)
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """One simulator for all tests of this module, with a short reconnect interval."""
    with in_thread(PortalSimulator(reconnect_seconds=0.2).serving()) as url:
        yield url


@pytest.fixture
def portal(driver: webdriver.Chrome, url: str) -> Iterator[PortalPage]:
    """The reset simulator with one student, and a browser without cookies."""
    portal = PortalPage(url, driver)
    portal.control("reset")
    portal.control("students", username="a_student", password=PASSWORD)
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield portal
    driver.get("about:blank")
    portal.close()


def test_username_is_lost_when_the_focus_goes_too_early(portal: PortalPage) -> None:
    """If Tab is pressed before the answer to the keys arrives, the typed name is lost; otherwise it stays."""
    portal.open()
    portal.control("behaviour", slow_ms=400)  # the driver types one key after the other
    field = portal.one(".v-filterselect-input")
    field.send_keys("a_student", Keys.TAB)
    portal.settle()
    assert field.get_property("value") == ""
    portal.control("behaviour", slow_ms=0)
    portal.one("input[type=password]").send_keys(PASSWORD)
    portal.one(".v-button-primary").click()
    portal.one(".v-window-closebox").click()
    portal.until(lambda: not portal.all(".v-window") and portal.idle())
    portal.fill_in()
    assert field.get_property("value") == "a_student"
    assert portal.events("refused") == ["refused"]


def test_username_counts_with_enter(portal: PortalPage) -> None:
    """Enter directly after the keys keeps the focus and the text, and signs nobody in."""
    portal.open()
    portal.control("behaviour", slow_ms=100)
    field = portal.one(".v-filterselect-input")
    field.send_keys("a_student", Keys.ENTER)
    portal.settle()
    assert field.get_property("value") == "a_student"
    assert portal.driver.switch_to.active_element == field
    portal.one("input[type=password]").click()
    portal.settle()
    assert field.get_property("value") == "a_student"
    assert portal.events("signed_in", "refused") == []


def test_username_can_be_changed(portal: PortalPage) -> None:
    """A changed username is accepted after Tab, also if it was entered before."""
    portal.open()
    field = portal.one(".v-filterselect-input")
    for username in ("b_student", "a_student", "b_student", "b_student"):
        field.send_keys(Keys.CONTROL + "a" + Keys.NULL, username)
        portal.settle()
        field.send_keys(Keys.TAB)
        portal.settle()
        assert field.get_property("value") == username
    field.send_keys(Keys.CONTROL + "a" + Keys.NULL, Keys.DELETE)
    portal.settle()
    field.send_keys(Keys.TAB)
    portal.settle()
    assert field.get_property("value") == ""


def test_inner_elements_of_a_button_take_no_native_click(portal: PortalPage) -> None:
    """Caption and icon are covered by their button, so only the button can be clicked natively."""
    portal.open()
    with pytest.raises(ElementClickInterceptedException):
        portal.one(".v-button-primary .v-button-caption").click()
    at_its_middle = """
        const box = arguments[0].getBoundingClientRect();
        return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).className;
    """
    assert "v-button-link" in portal.driver.execute_script(at_its_middle, portal.one("img.v-icon"))


def test_enter_in_the_password_field_signs_in(portal: PortalPage) -> None:
    """Enter in the password field signs in, as a public script relies on."""
    portal.open()
    portal.fill_in()
    portal.one("input[type=password]").send_keys(Keys.ENTER)
    portal.until(lambda: "signed_in" in portal.events("signed_in", "refused"))


def test_click_by_script_loses_the_password(portal: PortalPage) -> None:
    """A scripted click causes no blur, so the server has no password and refuses; a native click works."""
    portal.open()
    portal.fill_in()
    portal.driver.execute_script("arguments[0].click()", portal.one(".v-button-primary"))
    window = portal.one("div.v-window.global-error.v-window-global-error")
    assert window.find_element(By.CSS_SELECTOR, ".v-label").text == "Неверный логин или пароль."
    portal.one(".v-window-closebox").click()
    portal.until(lambda: not portal.all(".v-window"))
    portal.one(".v-button-primary").click()
    portal.until(lambda: portal.events("refused", "signed_in") == ["refused", "signed_in"])


def test_button_is_found_by_a_public_script(portal: PortalPage) -> None:
    """A public script's XPath finds the mark button, which Selenium calls enabled even after the mark."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    assert [each.text for each in portal.driver.find_elements(By.XPATH, PUBLIC_XPATH)] == ["Отметиться"]
    button = portal.button()
    button.click()
    portal.until_gone(button)
    assert portal.button().text == "Отмечен"
    assert portal.button().is_enabled()


def test_click_before_the_first_answer_is_lost(portal: PortalPage) -> None:
    """Of two buttons clicked without waiting only the first click reaches the server."""
    for number in range(2):
        portal.control("lessons", **LESSON | {"subject": f"Subject {number}"})
    portal.open()
    portal.sign_in()
    first, second = portal.button(0), portal.button(1)
    # one script, so that no answer arrives between the clicks
    portal.driver.execute_script("arguments[0].click(); arguments[1].click()", first, second)
    portal.until_gone(first)
    assert portal.events("click", "marked", "already_marked") == ["click", "marked"]


def test_live_lesson_closes_on_the_open_page_when_its_time_is_over(portal: PortalPage) -> None:
    """A live lesson's card disappears when its time is over, without a request by the page."""
    portal.control("behaviour", push=True)
    portal.open()
    portal.sign_in()
    # the page itself notes what it shows for a moment
    portal.driver.execute_script("""
        const card = ".v-verticallayout-card .v-verticallayout-card", look = () => document.querySelector(card);
        const changes = { childList: true, subtree: true };
        new MutationObserver(() => { window.shown ||= Boolean(look()); }).observe(document, changes);
    """)
    portal.control("lessons", **LESSON, live=True, minutes=0.01)
    # Only the page is read, since a call of the control API would close the lesson too.
    portal.until(lambda: portal.driver.execute_script("return window.shown"))
    portal.until(lambda: portal.all(".v-label") and not portal.cards())
    assert portal.events("seen", "closed", "heartbeat") == ["seen", "closed"]


def test_loading_indicator_comes_after_a_moment(portal: PortalPage) -> None:
    """During a long round trip the client is active, and after a moment the indicator is displayed."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.control("behaviour", slow_ms=1000)
    indicator = portal.one(".v-loading-indicator")
    assert not indicator.is_displayed()
    # the page itself notes what it shows for a moment
    begun = """
        const [button, indicator] = arguments, look = () => indicator.style.display === "block";
        new MutationObserver(() => { window.shown ||= look(); }).observe(indicator, { attributes: true });
        button.click();
    """
    assert not portal.driver.execute_script(begun + IDLE, portal.button(), indicator)
    portal.until(portal.idle)
    assert portal.driver.execute_script("return window.shown")
    assert not indicator.is_displayed()


def test_failed_heartbeat_leaves_the_page_idle_under_the_dialog(driver: webdriver.Chrome) -> None:
    """A heartbeat without a connection shows the reconnect dialog while the client stays idle."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    with in_thread(PortalSimulator(heartbeat_seconds=0.2, reconnect_seconds=0.2).serving()) as url:
        portal = PortalPage(url, driver)
        portal.load()
        portal.control("behaviour", connection_lost=True)
        portal.one(".v-reconnect-dialog")
        assert portal.idle()
        portal.control("behaviour", connection_lost=False)
        portal.until(lambda: not portal.all(".v-reconnect-dialog"))
        driver.get("about:blank")
        portal.close()


def test_page_left_while_stuck_leaves_no_ui(portal: PortalPage) -> None:
    """A tab that is closed while loading gets no UI afterwards."""
    portal.open()
    portal.control("behaviour", stuck_loading=True)
    first = portal.driver.current_window_handle
    portal.driver.switch_to.new_window("tab")
    portal.driver.get(f"{portal.url}{PAGE_PATH}")
    portal.driver.close()
    portal.driver.switch_to.window(first)
    portal.driver.get(f"{portal.url}{PAGE_PATH}")
    portal.control("behaviour", stuck_loading=False)
    portal.until(lambda: portal.all("input[type=password]"))
    assert portal.get("sessions") == {"sessions": 1, "uis": 1}


def test_confirmation(portal: PortalPage) -> None:
    """Only the confirmation dialog's Yes marks; No and the close box do not."""
    portal.control("behaviour", confirm_dialog=True)
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    for way_out in (".v-window .v-slot:last-child > .v-button", ".v-window-closebox"):
        portal.button().click()
        portal.one(way_out).click()
        portal.until(lambda: not portal.all(".v-window") and portal.idle())
        assert portal.get("marks") == []
    button = portal.button()
    button.click()
    window = portal.one(".v-window")
    assert "global-error" not in str(window.get_attribute("class"))
    choices = {each.text: each for each in window.find_elements(By.CSS_SELECTOR, ".v-button")}
    assert portal.get("marks") == []
    choices["Да"].click()
    portal.until_gone(button)
    assert "v-disabled" in str(portal.button().get_attribute("class"))
    assert len(portal.get("marks")) == 1


def test_ids_change_with_every_load(portal: PortalPage) -> None:
    """GWT's ids begin at another number on each load, so they can't be used as locators."""
    seen = set()
    for _ in range(6):
        portal.load()
        seen.add(portal.one("input[type=password]").get_attribute("id"))
    assert all(str(each).startswith("gwt-uid-") for each in seen)
    assert len(seen) > 1


def test_idle_page_asks_nothing(portal: PortalPage) -> None:
    """Between two live lessons an open page sends no request."""
    portal.control("behaviour", push=True)
    portal.open()
    portal.sign_in()
    portal.control("lessons", **LESSON, live=True)
    portal.until(portal.cards)
    count = "return performance.getEntriesByType('resource').length"
    before = portal.driver.execute_script(count)
    portal.control("lessons", **LESSON, live=True)
    portal.until(lambda: len(portal.cards()) == 2)
    assert portal.driver.execute_script(count) == before
    assert json.dumps(portal.get("log")).count("session_not_found") == 0

"""The portal simulator, met with a real headless Chrome: it behaves as Vaadin 7.7.13 itself was seen to."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from portal.programs import find_programs
from sandbox.portal.files import PAGE_PATH
from sandbox.portal.server import PortalSimulator
from tests import children
from tests.servers import in_thread, need_browser
from tests.waiting import PATIENCE

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
    """Whether the page was just being replaced: chromedriver 156 has more than one error for that."""
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


class Portal:
    """A running simulator, and the browser that looks at it."""

    def __init__(self, url: str, driver: webdriver.Chrome) -> None:
        self.url = url
        self.driver = driver
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE)

    def close(self) -> None:
        self._http.close()

    def control(self, path: str, **body: Any) -> Any:
        return self._http.post(f"/control/{path}", json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        return self._http.get(f"/control/{path}").raise_for_status().json()

    def delete(self, path: str) -> None:
        self._http.delete(f"/control/{path}").raise_for_status()

    def events(self, *names: str) -> list[str]:
        return [line["event"] for line in self.get("log") if line["event"] in names]

    def until(self, condition: Callable[[], T]) -> T:
        """Wait until the condition gives something true."""

        def settled(_: webdriver.Chrome) -> T | None:
            try:
                return condition()
            except WebDriverException as error:
                if not _between_documents(error):
                    raise
                return None

        result = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.01).until(settled)
        assert result is not None
        return result

    def until_gone(self, element: WebElement) -> None:
        """Wait until the element is stale and the page is idle again."""
        self.until(lambda: is_stale(element))
        self.settle()

    def idle(self) -> bool:
        return bool(self.driver.execute_script(IDLE))

    def settle(self) -> None:
        """Wait until the page has nothing under way."""
        self.until(self.idle)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        """The first such element, once there is one."""
        return self.until(lambda: self.all(css))[0]

    def open(self, language: str = "ru") -> None:
        """Load the page in a language, and wait until something is drawn."""
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
        """Sign in by native events, and wait for the page after the reload."""
        self.fill_in(username, password)
        form = self.one(".v-formlayout")
        self.one(".v-button-primary").click()
        self.until(lambda: is_stale(form))
        self.until(lambda: self.all(".v-label") and self.idle())

    def cards(self) -> list[WebElement]:
        """The innermost card layouts: the root has that class as well."""
        return self.all(".v-verticallayout-card .v-verticallayout-card")

    def button(self, number: int = 0) -> WebElement:
        return self.cards()[number].find_element(By.CSS_SELECTOR, ".v-button")

    def notification(self) -> str:
        return self.one("div.v-Notification.v-Notification-system h1.v-Notification-caption").text


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One Chrome for all tests of this module."""
    profile = tmp_path_factory.mktemp("profile")
    need_browser()
    chrome, chromedriver = find_programs(os.environ.get("CHROME_BIN"), os.environ.get("CHROMEDRIVER_PATH"))
    children.own_profiles(profile)
    environment = {**os.environ, "ATTENDANCE_PROFILE": str(profile)}  # by it the Chrome ends when we end
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
    """One simulator for all tests of this module; a lost connection is tried again soon."""
    with in_thread(PortalSimulator(reconnect_seconds=0.2).serving()) as url:
        yield url


@pytest.fixture
def portal(driver: webdriver.Chrome, url: str) -> Iterator[Portal]:
    """Give the simulator with nothing in it but one student, to a browser without cookies."""
    portal = Portal(url, driver)
    portal.control("reset")
    portal.control("students", username="a_student", password=PASSWORD)
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield portal
    driver.get("about:blank")
    portal.close()


def test_login_form_is_drawn_by_script_in_kazakh(portal: Portal) -> None:
    """Without a language cookie the form is Kazakh: combo box, password, checkbox and a div as button."""
    portal.load()
    form = portal.one("div.v-formlayout")
    assert "Жүйеге кіру" in [label.text for label in portal.all("div.v-label")]
    assert "Қолданушы" in form.text
    assert form.find_element(By.CSS_SELECTOR, "div.v-filterselect > input[type=text].v-filterselect-input")
    assert form.find_element(By.CSS_SELECTOR, "input[type=password].v-textfield")
    assert form.find_element(By.CSS_SELECTOR, "span.v-checkbox > input[type=checkbox] + label")
    button = "div[role=button].v-button.v-button-primary > span.v-button-wrap > span.v-button-caption"
    assert form.find_element(By.CSS_SELECTOR, button).text == "Кіру"
    assert portal.all(f"#{APP}.v-app ~ #{APP}-overlays")
    assert len(portal.all(".v-horizontallayout-header .v-button")) == 4


def test_device_is_known_before_the_form_and_stays_the_same(portal: Portal) -> None:
    """The device id is sent before the form is drawn, and a profile keeps it over reloads."""
    portal.load()
    first = [line["detail"] for line in portal.get("log") if line["event"] == "device"]
    portal.control("expire")
    portal.load()
    devices = [line["detail"] for line in portal.get("log") if line["event"] == "device"]
    assert len(first) == 1
    assert devices == first * 2


def test_typed_username_is_blank_until_the_server_has_answered(portal: Portal) -> None:
    """Each key asks the server; after Tab the box is empty while the client is active, then shows the value."""
    portal.open()
    portal.control("behaviour", slow_ms=100)
    field = portal.one(".v-filterselect-input")
    field.send_keys("a_student")
    assert not portal.idle()
    portal.settle()
    assert portal.all("#VAADIN_COMBOBOX_OPTIONLIST")
    field.send_keys(Keys.TAB)
    look = (
        "return [arguments[0].value, vaadin.clients.RegistrationOnline.isActive(), arguments[0].parentNode.className]"
    )
    assert portal.driver.execute_script(look, field) == ["", True, "v-filterselect v-widget v-filterselect-prompt"]
    portal.settle()
    assert portal.driver.execute_script(look, field) == ["a_student", False, "v-filterselect v-widget"]
    assert not portal.all("#VAADIN_COMBOBOX_OPTIONLIST")


def test_username_is_lost_when_the_focus_goes_too_early(portal: Portal) -> None:
    """Where Tab comes before the answer to the keys, the value is gone for good; typed with patience it stays."""
    portal.open()
    portal.control("behaviour", slow_ms=100)
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


def test_username_counts_with_enter(portal: Portal) -> None:
    """Enter in one go with the keys loses nothing: the focus stays, and with it the text; nobody is signed in."""
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


def test_username_can_be_changed(portal: Portal) -> None:
    """Another value over an old one counts after Tab; the old one again is found among the suggestions."""
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


def test_inner_elements_of_a_button_take_no_native_click(portal: Portal) -> None:
    """Caption and icon are covered by their button: the button itself has to be clicked."""
    portal.open()
    with pytest.raises(ElementClickInterceptedException):
        portal.one(".v-button-primary .v-button-caption").click()
    at_its_middle = """
        const box = arguments[0].getBoundingClientRect();
        return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).className;
    """
    assert "v-button-link" in portal.driver.execute_script(at_its_middle, portal.one("img.v-icon"))


def test_sign_in_reloads_and_everything_goes_stale(portal: Portal) -> None:
    """A right password brings a reload: the old nodes are stale and the attendance view is there."""
    portal.open()
    field = portal.one("input[type=password]")
    portal.sign_in()
    assert is_stale(field)
    assert portal.events("page_load") == ["page_load"] * 2
    assert portal.driver.current_url == f"{portal.url}{PAGE_PATH}/"
    assert portal.get("sessions") == {"sessions": 1, "uis": 1}


def test_enter_in_the_password_field_signs_in(portal: Portal) -> None:
    """Enter in the password field sends it and presses the button, as a public script relies on."""
    portal.open()
    portal.fill_in()
    portal.one("input[type=password]").send_keys(Keys.ENTER)
    portal.until(lambda: "signed_in" in portal.events("signed_in", "refused"))


def test_click_by_script_loses_the_password(portal: Portal) -> None:
    """A script's click skips the blur, so the server has no password and refuses; a native one works."""
    portal.open()
    portal.fill_in()
    portal.driver.execute_script("arguments[0].click()", portal.one(".v-button-primary"))
    window = portal.one("div.v-window.global-error.v-window-global-error")
    assert window.find_element(By.CSS_SELECTOR, ".v-label").text == "Неверный логин или пароль."
    portal.one(".v-window-closebox").click()
    portal.until(lambda: not portal.all(".v-window"))
    portal.one(".v-button-primary").click()
    portal.until(lambda: portal.events("refused", "signed_in") == ["refused", "signed_in"])


def test_refusal(portal: Portal) -> None:
    """A wrong password opens a modal window with the portal's words, until Escape closes it."""
    portal.open()
    portal.fill_in(password="wrong")
    portal.one(".v-button-primary").click()
    assert portal.one(".v-window-global-error .v-label").text == "Неверный логин или пароль."
    assert portal.all(f"body.v-modal-window-open > #{APP}-overlays > .v-window-modalitycurtain")
    ActionChains(portal.driver).send_keys(Keys.ESCAPE).perform()
    portal.until(lambda: not portal.all(".v-window, .v-window-modalitycurtain, body.v-modal-window-open"))


def test_curtain_of_the_refusal_blocks_clicks(portal: Portal) -> None:
    """The window's curtain takes all native clicks on the form; the form keeps its values."""
    portal.open()
    portal.fill_in(password="wrong")
    portal.one(".v-button-primary").click()
    portal.one(".v-window")
    with pytest.raises(ElementClickInterceptedException):
        portal.one(".v-checkbox > input").click()
    portal.one(".v-window-closebox").click()
    portal.until(lambda: not portal.all(".v-window"))
    portal.one(".v-checkbox > input").click()
    assert portal.one(".v-filterselect-input").get_property("value") == "a_student"
    assert portal.one("input[type=password]").get_property("value") == "wrong"


def test_blocked_account_sees_the_reason_only(portal: Portal) -> None:
    """A blocked student's page has the reason, no form and no card."""
    portal.control("students", username="a_student", password=PASSWORD, blocked="оплата")
    portal.control("lessons", **LESSON)
    portal.open("kk")
    portal.sign_in()
    text = portal.one(".v-information-component-error .v-label").text
    assert text == "Пайдаланушы бұғатталған. Себеп: оплата"
    assert not portal.all("input[type=password]")
    assert not portal.cards()
    assert portal.events("signed_in", "blocked") == ["blocked"]


def test_nothing_open(portal: Portal) -> None:
    """With nothing open there is a label that says so and no card, though the root has the card class."""
    portal.open()
    portal.sign_in()
    assert "Нет доступных дисциплин" in [label.text for label in portal.all("div.v-label")]
    assert portal.all(f"#{APP} > .v-ui > .v-verticallayout-card")
    assert not portal.cards()


def test_mark(portal: Portal) -> None:
    """The card has its four lines and one button; after the click it stays, disabled, also over a reload."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    label = portal.cards()[0].find_element(By.CSS_SELECTOR, ".v-label-bold")
    assert label.text.splitlines() == [LESSON["subject"], LESSON["teacher"], LESSON["time"], "Осталось 10 минут"]
    assert label.get_property("innerHTML").count("<br>") == 3  # type: ignore[union-attr]
    button = portal.button()
    assert [each.text for each in portal.driver.find_elements(By.XPATH, PUBLIC_XPATH)] == ["Отметиться"]
    assert button.get_attribute("tabindex") == "0"
    button.click()
    portal.until_gone(button)
    for _ in range(2):
        button = portal.button()
        assert button.text == "Отмечен"
        assert "v-disabled" in str(button.get_attribute("class"))
        assert button.get_attribute("aria-disabled") == "true"
        assert button.get_attribute("tabindex") == "-1"
        assert button.is_enabled()  # a div always is, for Selenium
        portal.load()
    button = portal.button()
    button.click()
    assert portal.events("click", "marked") == ["click", "marked"]


def test_marking_one_card_makes_the_others_stale(portal: Portal) -> None:
    """A mark re-draws the page: the reference to the next card's button is of no use any more."""
    for number in range(2):
        portal.control("lessons", **LESSON | {"subject": f"Subject {number}"})
    portal.open()
    portal.sign_in()
    first, second = portal.button(0), portal.button(1)
    first.click()
    portal.until_gone(second)
    portal.button(1).click()
    portal.until(lambda: len(portal.get("marks")) == 2)


def test_click_before_the_first_answer_is_lost(portal: Portal) -> None:
    """Of two buttons clicked without waiting only the first one's click reaches the server, without a sign."""
    for number in range(2):
        portal.control("lessons", **LESSON | {"subject": f"Subject {number}"})
    portal.open()
    portal.sign_in()
    first, second = portal.button(0), portal.button(1)
    # one script, so that no answer can come in between: by two commands the second may meet a page drawn anew
    portal.driver.execute_script("arguments[0].click(); arguments[1].click()", first, second)
    portal.until_gone(first)
    assert portal.events("click", "marked", "already_marked") == ["click", "marked"]


def test_home_reloads_and_flags_switch_the_language(portal: Portal) -> None:
    """Home gives the same view anew and marks nothing; a flag sets the cookie and reloads in its language."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    button = portal.button()
    portal.one(".v-button-borderless").click()
    portal.until_gone(button)
    portal.until(portal.cards)
    button = portal.button()
    portal.one('img.v-icon[src*="flags/gb.png"]').find_element(By.XPATH, "./ancestor::*[@role='button']").click()
    portal.until_gone(button)
    portal.until(portal.cards)
    assert portal.button().text == "Mark attendance"
    cookie = portal.driver.get_cookie("r5-locale")
    assert cookie is not None
    assert cookie["value"] == "en"
    assert portal.get("marks") == []


def test_lesson_that_is_not_live_needs_a_reload(portal: Portal) -> None:
    """A lesson without `live` comes and goes with a reload only, while with push a live one needs none."""
    portal.control("behaviour", push=True)
    portal.open()
    portal.sign_in()
    silent = portal.control("lessons", **LESSON | {"subject": "Silent"})
    live = portal.control("lessons", **LESSON | {"subject": "Live"}, live=True)
    portal.until(lambda: portal.cards())
    assert [card.text.splitlines()[0] for card in portal.cards()] == ["Live"]
    assert portal.idle()
    portal.load()
    assert [card.text.splitlines()[0] for card in portal.cards()] == ["Silent", "Live"]
    portal.delete(f"lessons/{silent['id']}")
    portal.delete(f"lessons/{live['id']}")
    portal.until(lambda: len(portal.cards()) == 1)
    assert portal.cards()[0].text.startswith("Silent")
    portal.load()
    assert not portal.cards()


def test_live_lesson_closes_on_the_open_page_when_its_time_is_over(portal: Portal) -> None:
    """A live card goes by itself at its end: one timer on the server, nothing asked by the page."""
    portal.control("behaviour", push=True)
    portal.open()
    portal.sign_in()
    portal.control("lessons", **LESSON, live=True, minutes=0.01)
    # Only the page is looked at: a question to the control API would notice the end as well.
    portal.until(portal.cards)
    portal.until(lambda: portal.all(".v-label") and not portal.cards())
    assert portal.events("seen", "closed", "heartbeat") == ["seen", "closed"]


def test_without_push_live_lessons_wait_too(portal: Portal) -> None:
    """Without push nothing reaches the open page: the next round trip brings no new card either."""
    portal.control("lessons", **LESSON | {"subject": "First"})
    portal.open()
    portal.sign_in()
    portal.control("lessons", **LESSON | {"subject": "Second"}, live=True)
    button = portal.button()
    button.click()
    portal.until_gone(button)
    assert len(portal.cards()) == 1
    portal.load()
    assert len(portal.cards()) == 2


def test_with_push_an_expiry_shows_at_once(portal: Portal) -> None:
    """A page with push learns of the end of its session without any request of its own."""
    portal.control("behaviour", push=True)
    portal.open()
    portal.sign_in()
    portal.control("expire")
    assert portal.notification() == "Время сеанса истекло"
    assert portal.events("session_not_found", "heartbeat") == []


def test_loading_indicator_comes_after_a_moment(portal: Portal) -> None:
    """During a long round trip the client is active and, a little later, the indicator is displayed."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.control("behaviour", slow_ms=500)
    indicator = portal.one(".v-loading-indicator")
    assert not indicator.is_displayed()
    portal.button().click()
    assert not portal.idle()
    portal.until(indicator.is_displayed)
    portal.until(portal.idle)
    assert not indicator.is_displayed()


def test_session_that_is_gone_shows_at_the_next_round_trip(portal: Portal) -> None:
    """After an expiry the page looks alive until a click, then is dead; Escape reloads, to the login view."""
    portal.control("lessons", **LESSON)
    portal.open("kk")
    portal.sign_in()
    portal.control("expire", username="a_student")
    button = portal.button()
    button.click()
    assert portal.notification() == "Время сеанса истекло"
    assert portal.idle()
    button.click()
    assert portal.events("click", "marked", "session_not_found") == ["session_not_found"]
    ActionChains(portal.driver).send_keys(Keys.ESCAPE).perform()
    portal.one("input[type=password]")


def test_heartbeat_finds_out_that_the_session_is_gone(driver: webdriver.Chrome) -> None:
    """An open page that nobody touches learns of its expiry from its heartbeat."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    with in_thread(PortalSimulator(heartbeat_seconds=0.2).serving()) as url:
        portal = Portal(url, driver)
        portal.load()
        portal.until(lambda: portal.events("heartbeat"))
        portal.control("expire")
        assert portal.notification() == "Время сеанса истекло"
        driver.get("about:blank")
        portal.close()


@pytest.mark.parametrize(
    ("behaviour", "caption", "details"),
    [
        ("communication_problem", "Проблема со связью", "Invalid JSON response from server: Bad Gateway"),
        ("authentication_problem", "Проблема аутентификации", ""),
    ],
)
def test_failing_round_trips_are_notified(portal: Portal, behaviour: str, caption: str, details: str) -> None:
    """Refused round trips end the application with a Russian notification, whatever the language."""
    portal.control("lessons", **LESSON)
    portal.open("en")
    portal.sign_in()
    portal.control("behaviour", **{behaviour: True})
    portal.button().click()
    assert portal.notification() == caption
    assert portal.one("p.v-Notification-details > i").text == details
    assert portal.idle()
    assert portal.get("marks") == []


def test_lost_connection_is_tried_again(portal: Portal) -> None:
    """While connections are cut the reconnect dialog stands there; afterwards the click is done, once."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.control("behaviour", connection_lost=True)
    portal.button().click()
    portal.one(f"#{APP}-overlays > .v-reconnect-dialog .text")
    assert portal.all("body.v-reconnecting")
    assert not portal.idle()
    portal.control("behaviour", connection_lost=False)
    portal.settle()
    assert not portal.all(".v-reconnect-dialog")
    assert not portal.all("body.v-reconnecting")
    assert portal.events("click", "marked") == ["click", "marked"]


def test_click_while_the_connection_is_lost_is_dropped_by_a_reload(portal: Portal) -> None:
    """What waited under the reconnect dialog is never done where the page is loaded anew instead."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.control("behaviour", connection_lost=True)
    portal.button().click()
    portal.one(".v-reconnect-dialog")
    portal.driver.get("about:blank")
    portal.control("behaviour", connection_lost=False)
    portal.load()
    assert portal.button().text == "Отметиться"
    assert portal.events("click", "marked") == []


def test_failed_heartbeat_leaves_the_page_idle_under_the_dialog(driver: webdriver.Chrome) -> None:
    """A connection that is lost between two clicks shows the dialog, though the client is idle all the while."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    with in_thread(PortalSimulator(heartbeat_seconds=0.2, reconnect_seconds=0.2).serving()) as url:
        portal = Portal(url, driver)
        portal.load()
        portal.control("behaviour", connection_lost=True)
        portal.one(".v-reconnect-dialog")
        assert portal.idle()
        portal.control("behaviour", connection_lost=False)
        portal.until(lambda: not portal.all(".v-reconnect-dialog"))
        driver.get("about:blank")
        portal.close()


def test_bootstrap_failure_alerts(portal: Portal) -> None:
    """Where the bootstrap script cannot be loaded the page alerts, and the next good load works."""
    portal.open()
    portal.control("behaviour", bootstrap_failure=True)
    portal.driver.get(f"{portal.url}{PAGE_PATH}")
    alert = portal.until(lambda: expected.alert_is_present()(portal.driver))
    assert isinstance(alert, webdriver.common.alert.Alert)
    assert alert.text == "Failed to load the bootstrap javascript: ./VAADIN/vaadinBootstrap.js?v=7.7.13"
    alert.accept()
    portal.control("behaviour", bootstrap_failure=False)
    portal.load()


def test_stuck_page_never_becomes_ready(portal: Portal) -> None:
    """A stuck page is complete for the browser but stays initializing, until the trouble is lifted."""
    portal.open()
    portal.control("behaviour", stuck_loading=True)
    portal.driver.get(f"{portal.url}{PAGE_PATH}")
    client = "vaadin.clients.RegistrationOnline"
    state = f"return [{client}.initializing, {client}.isActive(), document.readyState]"
    assert portal.driver.execute_script(state) == [True, True, "complete"]
    assert portal.all(".v-app-loading")
    portal.control("behaviour", stuck_loading=False)
    portal.until(lambda: portal.all("input[type=password]"))
    assert not portal.all(".v-app-loading")


def test_page_left_while_stuck_leaves_no_ui(portal: Portal) -> None:
    """A tab that is closed before it got its UI adds none when the trouble is lifted."""
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


def test_unknown_view(portal: Portal) -> None:
    """The unknown view has neither cards nor the label that says there is nothing."""
    portal.control("behaviour", unknown_view=True)
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    assert not portal.cards()
    assert not portal.all("input[type=password], .v-window, .v-information-component-error")
    assert "Нет доступных дисциплин" not in portal.one("body").text


def test_confirmation(portal: Portal) -> None:
    """With the dialog on only its yes button marks; no and the close box leave the lesson open."""
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


def test_swallowed_click_changes_nothing(portal: Portal) -> None:
    """A swallowed click is answered with the page as it was, same nodes; the next one counts."""
    portal.control("behaviour", swallow_clicks=1)
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    button = portal.button()
    button.click()
    portal.until(lambda: portal.events("swallowed") and portal.idle())
    assert button.text == "Отметиться"
    assert portal.get("marks") == []
    button.click()
    portal.until(lambda: len(portal.get("marks")) == 1)
    assert portal.get("behaviour")["swallow_clicks"] == 0


@pytest.mark.parametrize(("behaviour", "marks"), [("expire_on_click", 0), ("expire_after_mark", 1)])
def test_session_ends_around_the_mark(portal: Portal, behaviour: str, marks: int) -> None:
    """The click meets the expiry, before the mark or after it; the server alone knows which."""
    portal.control("behaviour", **{behaviour: 1})
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.button().click()
    assert portal.notification() == "Время сеанса истекло"
    assert len(portal.get("marks")) == marks
    portal.load()
    portal.sign_in()
    assert ("v-disabled" in str(portal.button().get_attribute("class"))) == bool(marks)


def test_ids_change_with_every_load(portal: Portal) -> None:
    """GWT's ids are counters that begin elsewhere on each load: of no use as locators."""
    seen = set()
    for _ in range(6):
        portal.load()
        seen.add(portal.one("input[type=password]").get_attribute("id"))
    assert all(str(each).startswith("gwt-uid-") for each in seen)
    assert len(seen) > 1


def test_idle_page_asks_nothing(portal: Portal) -> None:
    """An open page is quiet: between two live lessons it sends no request at all."""
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

"""The sandbox's page around the phones: screens of all sizes, panels, the keyboard, and what axe finds."""

from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from sandbox.cast import LONGEST_NAME
from tests.sandbox.axe import serious_faults
from tests.sandbox.browsing import Page, Sandbox, started
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.ordeal]

WIDTHS = (320, 360, 390, 480, 600, 719, 720, 768, 900, 1024, 1100, 1101, 1280, 1440, 1600, 1759, 1760, 1920)
LAID_OUT_WITHIN = 10.0  # seconds
OVERFLOWING = """
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= wide) return [];
return [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > wide + 0.5)
    .slice(0, 4).map((each) => each.className || each.tagName);
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox for all tests of this module."""
    with started(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def page(driver: webdriver.Chrome, sandbox: Sandbox) -> Page:
    """Its page, on a screen of 1440 pixels."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.one(".phone")
    page.one("#tour-start")  # the first look
    return page


def overflow(page: Page) -> str:
    """Return what is wider than the screen once the page has its layout; empty: nothing."""
    with suppress(TimeoutException):
        WebDriverWait(page.driver, LAID_OUT_WITHIN, 0.1).until(lambda _driver: not page.run(OVERFLOWING))
    found = page.run(OVERFLOWING)
    return str(found) if found else ""


def test_no_horizontal_scrolling(page: Page) -> None:
    """From 320 to 1920 pixels the page is never wider than the screen, in both scenes, with and without the tour."""
    found = {}
    for shown in ("#tour-start", "#tour-close"):
        for scene in ("classroom", "marker"):
            page.sized(1440, 900)
            page.press(f"[data-scene={scene}]")
            for width in WIDTHS:
                page.sized(width)
                if wide := overflow(page):
                    found[shown, scene, width] = wide
        page.press(shown)
    assert found == {}


def test_small_screen_shows_one_view_at_a_time(page: Page) -> None:
    """At 390 px the tabs show one phone, the portal or the log; at 1440 px all phones of a scene and both panels."""
    views = ".phone, .panel"
    page.sized(390)
    page.press("#tabs button", "Madina")
    for tab, shown in (("Saule", "Saule"), ("Portal", "Open lesson"), ("Log", "Event log")):
        page.press("#tabs button", tab)
        (view,) = [each for each in page.driver.find_elements(By.CSS_SELECTOR, views) if each.is_displayed()]
        assert shown in view.text
    page.sized(1440, 900)
    page.one(".phone", "Madina")
    assert len([each for each in page.driver.find_elements(By.CSS_SELECTOR, views) if each.is_displayed()]) == 5


def test_portal_down_in_words(page: Page) -> None:
    """A portal that is down is explained: what it means for the phones, and when the students are told."""
    page.press("#down")
    words = page.one("#notice", "nobody can be marked").text
    assert "told after five minutes, at " in words
    assert page.one("#down").get_attribute("aria-pressed") == "true"
    page.press("#down")
    page.one("#portal-state", "up")
    assert not page.driver.find_element(By.ID, "notice").is_displayed()


def test_focus_is_kept_over_updates(page: Page) -> None:
    """A lesson's button keeps the keyboard's focus while lessons, marks and the log change."""
    page.sized(1440, 900)
    page.opens_lesson()
    button = page.one("#lessons button", "Close")
    page.run("arguments[0].focus()", button)
    lesson = {"subject": "Physics", "teacher": "Kim V.", "time": "15:00"}
    httpx.post(f"{page.url}/portal/lessons", json=lesson, timeout=PATIENCE).raise_for_status()
    page.sees_lesson("Physics")
    page.one("#log li", "Physics")
    assert page.driver.switch_to.active_element == button
    button.send_keys(Keys.ENTER)
    page.sees_lesson("closed")


def test_log_is_filtered_by_person(page: Page) -> None:
    """The event log shows what crossed a border for one person alone."""
    page.sized(1440, 900)
    page.acts("Saule", "start")
    page.acts("Aruzhan", "start")
    page.one("#log li", "Aruzhan")
    page.one("#log li", "Saule")
    page.one("#log-person").send_keys("Aruzhan")
    shown = [each.text for each in page.driver.find_elements(By.CSS_SELECTOR, "#log li") if each.is_displayed()]
    assert shown
    assert [each for each in shown if "Aruzhan" not in each] == []


def test_added_student_gets_a_phone(page: Page) -> None:
    """A student who is added by name has a phone in both scenes, and can be filtered in the log."""
    page.sized(1440, 900)
    page.press(".adding summary")
    name = page.one("#add input")
    assert name.size["width"] >= 120, "there is no room to read what is typed"
    name.send_keys("Zhanna", Keys.ENTER)
    page.one('.phone[data-person="Zhanna"]', "A student's phone.")
    new = page.driver.find_element(By.CSS_SELECTOR, '.phone[data-person="Zhanna"]')
    assert "Unblock" not in new.text
    page.acts("Zhanna", "start")
    page.sees("Zhanna", "invitation")
    page.press("[data-scene=classroom]")
    page.press("#tabs button", "Zhanna")
    page.acts("Zhanna", "start")
    assert "Zhanna" in page.one("#registers").text


def test_nothing_serious_for_axe(page: Page) -> None:
    """Axe finds nothing serious: both scenes, the first look and the tour, light and dark, wide and narrow."""
    found = {}
    for shown in ("#tour-start", "#tour-close"):
        for scene in ("classroom", "marker"):
            for is_dark in (False, True):
                page.dark(is_dark)
                for width in (1440, 390):
                    page.sized(width, 900)
                    page.press(f"[data-scene={scene}]")
                    page.settles()
                    if faults := serious_faults(page.driver):
                        found[shown, scene, is_dark, width] = faults
        page.press(shown)
    page.dark(False)
    assert found == {}


def test_keyboard_reaches_everything(page: Page) -> None:
    """The Tab key goes through header, first look, phones, panels and log, and always shows where it is."""
    reached = set[str]()
    for _ in range(80):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        where = str(page.run("return document.activeElement.closest('[id]')?.id ?? ''"))
        assert page.run(
            "return document.activeElement === document.body || document.activeElement.matches(':focus-visible')"
        )
        reached.add(where)
    assert {"tour-start", "tour-later", "down", "log", "log-person", "portal-link"} <= reached


def test_long_names_do_not_widen_the_page(page: Page) -> None:
    """Students with the longest names are added: the page is still not wider than the screen."""
    longest = "W" * LONGEST_NAME
    httpx.post(f"{page.url}/api/people", json={"name": longest}, timeout=PATIENCE).raise_for_status()
    found = {}
    for scene in ("classroom", "marker"):
        page.sized(1440, 900)
        page.press(f"[data-scene={scene}]")
        page.press("#tabs button", longest)
        for width in WIDTHS:
            page.sized(width)
            if wide := overflow(page):
                found[scene, width] = wide
    assert found == {}

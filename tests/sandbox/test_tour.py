"""The sandbox's page: its guided tour, its panels, screens of all sizes."""

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.sandbox.browsing import Page, Sandbox
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser]

WIDTHS = (320, 360, 390, 480, 600, 719, 720, 768, 900, 1024, 1100, 1101, 1280, 1440, 1600, 1759, 1760, 1920)
TEACHER, STUDENT = "Yerlan", "Aruzhan"
OVERFLOWING = """
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= wide) return [];
return [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > wide + 0.5)
    .slice(0, 4).map((each) => each.className || each.tagName);
"""


@pytest.mark.ordeal
def test_tour_from_start_to_end(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Whoever presses what pulses gets through all seven steps, with the real bots, a real Chrome and a real face check."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.press("#tour-start")
    page.follows_the_tour()
    states = [each.get_attribute("class") for each in driver.find_elements(By.CSS_SELECTOR, "#tour-steps li")]
    assert states == ["done"] * 7
    page.sees_lesson(f"{STUDENT} marked after")
    row = page.one("#registers tbody tr", STUDENT)
    assert "present" in row.text
    page.sees(TEACHER, "-final.xlsx")
    log = page.driver.find_element(By.ID, "log").get_attribute("textContent") or ""
    assert "marks attendance" in log
    for secret in ("portal-1", "lms-1", "SANDBOX"):
        assert secret not in log
    assert page.console() == []


@pytest.mark.ordeal
def test_tour_on_a_small_screen(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """At 390 px, one phone at a time, what pulses leads to a marked student too."""
    page = Page(driver, sandbox.url)
    page.sized(390)
    page.press("#tour-start")
    page.follows_the_tour(until="Step 6 of 7")
    assert "a_student" in httpx.get(f"{sandbox.url}/portal/marks", timeout=PATIENCE).text
    assert page.console() == []


@pytest.mark.ordeal
def test_tour_is_skipped_closed_and_started_over(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Steps can be skipped; the tour closes, comes back where it was, also after a reload, and starts over afresh."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.press("#tour-start")
    page.acts("Saule", "start")
    page.taps("Saule", "Admin Panel")
    page.taps("Saule", "Generate Invitation Code")
    page.at("Step 2 of 7")
    assert "code" in page.one("#tour-news").text
    page.press("#tour-skip")
    page.at("Step 3 of 7")
    page.press("#tour-close")
    assert not driver.find_element(By.ID, "tour").is_displayed()
    assert driver.find_elements(By.CSS_SELECTOR, ".pulse") == []

    driver.refresh()
    page.press("#tour-open", "Tour: 1 of 7")
    page.at("Step 3 of 7")
    driver.refresh()
    page.at("Step 3 of 7")
    for _ in range(5):
        page.press("#tour-skip")
    page.at("Done")

    before = httpx.get(f"{sandbox.url}/api/sandbox", timeout=PATIENCE).json()["run"]
    page.press("#tour-again", "Start over")
    page.at("Step 1 of 7")
    assert httpx.get(f"{sandbox.url}/api/sandbox", timeout=PATIENCE).json()["run"] != before
    page.acts("Saule", "start")
    page.taps("Saule", "Admin Panel")


def test_no_horizontal_scrolling(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """At widths from 320 to 1920 pixels the page is never wider than the screen, in any scene, with and without the tour."""
    page = Page(driver, sandbox.url)
    page.one(".phone")
    found = {}
    for shown in ("#tour-start", "#tour-close"):
        for scene in ("classroom", "marker"):
            page.sized(1440, 900)
            page.press(f"[data-scene={scene}]")
            for width in WIDTHS:
                page.sized(width)
                if wide := page.run(OVERFLOWING):
                    found[shown, scene, width] = wide
        page.press(shown)
    assert found == {}


def test_small_screen_shows_one_view_at_a_time(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """At 390 px the tabs show one phone, the portal or the log; at 1440 px all phones of a scene and both panels."""
    page = Page(driver, sandbox.url)
    views = ".phone, .panel"
    page.sized(390)
    page.press("#tabs button", "Madina")
    for tab, shown in (("Saule", "Saule"), ("Portal", "Open lesson"), ("Log", "Event log")):
        page.press("#tabs button", tab)
        (view,) = [each for each in driver.find_elements(By.CSS_SELECTOR, views) if each.is_displayed()]
        assert shown in view.text
    page.sized(1440, 900)
    page.one(".phone", "Madina")
    assert len([each for each in driver.find_elements(By.CSS_SELECTOR, views) if each.is_displayed()]) == 5


def test_portal_down_in_words(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """A portal that is down is explained: what it means for the phones, and when the students are told."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.press("#down")
    words = page.one("#notice", "nobody can be marked").text
    assert "told after five minutes, at " in words
    assert page.one("#down").get_attribute("aria-pressed") == "true"
    page.press("#down")
    page.one("#portal-state", "up")
    assert not driver.find_element(By.ID, "notice").is_displayed()


def test_focus_is_kept_over_updates(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """A lesson's button keeps the keyboard's focus while lessons, marks and the log change."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.opens_lesson()
    button = page.one("#lessons button", "Close")
    page.run("arguments[0].focus()", button)
    lesson = {"subject": "Physics", "teacher": "Kim V.", "time": "15:00"}
    httpx.post(f"{sandbox.url}/portal/lessons", json=lesson, timeout=PATIENCE).raise_for_status()
    page.sees_lesson("Physics")
    page.one("#log li", "Physics")
    assert driver.switch_to.active_element == button
    button.send_keys(Keys.ENTER)
    page.sees_lesson("closed")


def test_log_is_filtered_by_person(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """The event log shows what crossed a border for one person alone."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.acts("Saule", "start")
    page.acts("Aruzhan", "start")
    page.one("#log li", "Aruzhan")
    page.one("#log li", "Saule")
    page.one("#log-person").send_keys("Aruzhan")
    shown = [each.text for each in driver.find_elements(By.CSS_SELECTOR, "#log li") if each.is_displayed()]
    assert shown
    assert [each for each in shown if "Aruzhan" not in each] == []


def test_added_student_gets_a_phone(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """A student who is added by name has a phone in both scenes, and can be filtered in the log."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.press(".adding summary")
    page.one("#add input").send_keys("Zhanna", Keys.ENTER)
    page.acts("Zhanna", "start")
    page.sees("Zhanna", "invitation")
    page.press("[data-scene=classroom]")
    page.press("#tabs button", "Zhanna")
    page.acts("Zhanna", "start")
    assert "Zhanna" in page.one("#registers").text

"""The sandbox's guided tour, as a person clicks."""

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.sandbox.browsing import Page, Sandbox
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.ordeal]

TEACHER, STUDENT = "Yerlan", "Aruzhan"


def test_tour_from_start_to_end(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Who presses what pulses gets through all steps, with the real bots, a real Chrome and a real face check."""
    page = Page(driver, sandbox.url)
    page.sized(1440, 900)
    page.press("#tour-start")
    page.follows_the_tour()
    states = [each.get_attribute("class") for each in driver.find_elements(By.CSS_SELECTOR, "#tour-steps li")]
    assert states == ["done"] * 7
    row = page.one("#registers tbody tr", STUDENT)
    assert "present" in row.text
    page.sees(TEACHER, "(final)")
    page.press("[data-scene=marker]")
    page.sees_lesson(f"{STUDENT} marked after")
    log = page.driver.find_element(By.ID, "log").get_attribute("textContent") or ""
    assert "marks attendance" in log
    for secret in ("portal-1", "lms-1", "SANDBOX"):
        assert secret not in log
    assert page.console() == []


def test_pressed_at_once(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Who presses as soon as the page takes a click begins the tour: no press is lost while the page is loading."""
    for _ in range(8):
        page = Page(driver, sandbox.url)
        page.press("#tour-start")
        page.one(".pulse")


def test_tour_on_a_small_screen(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """At 390 px, one phone at a time, what pulses leads to a marked student too."""
    page = Page(driver, sandbox.url)
    page.sized(390)
    page.press("#tour-start")
    page.follows_the_tour(until="Step 6 of 7")
    assert "a_student" in httpx.get(f"{sandbox.url}/portal/marks", timeout=PATIENCE).text
    assert page.console() == []


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
    page.acts("Saule", "link:*")
    page.press("#tour-show")
    assert page.driver.switch_to.active_element.text == "Aruzhan", "Show me closed the menu that it leads to"
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
    page.press("#tour-over", "Start over")
    page.at("Step 1 of 7")
    assert httpx.get(f"{sandbox.url}/api/sandbox", timeout=PATIENCE).json()["run"] != before
    page.acts("Saule", "start")
    page.taps("Saule", "Admin Panel")

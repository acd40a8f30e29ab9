"""The page objects read every view and press every button, against the simulator and the real Vaadin."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from core.clock import SystemClock
from portal.browser import Browser
from portal.errors import AccountBlocked, PageChanged, SignInRefused
from portal.lessons import Click, Lesson
from portal.pages import AttendancePage
from portal.session import ChromePortal
from portal.views import Reading, View
from tests.e2e.people import Portal
from tests.portal.browsers import LESSON, PASSWORD, USERNAME, until
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser]

MARK_BUTTON = ".v-verticallayout-card .v-button-primary"
both_browsers = pytest.mark.parametrize("browser", ["headless-shell", "chromium"], indirect=True)


def lesson(subject: str) -> Lesson:
    """Return the lesson that the portal shows for a subject."""
    return replace(LESSON, subject=subject)


def shown(reading: Reading) -> list[tuple[str, bool, str]]:
    """Return subject, enabled and caption of a reading's cards."""
    return [(card.lesson.subject, card.enabled, card.caption) for card in reading.cards]


@contextmanager
def reload_of(browser: Browser) -> Iterator[None]:
    """Wait at the end of the block until the document is replaced."""
    browser.driver.execute_script("window.isTheOldOne = true")
    yield
    between_documents = [WebDriverException]
    WebDriverWait(browser.driver, PATIENCE, 0.02, between_documents).until(
        lambda driver: driver.execute_script("return !window.isTheOldOne")
    )


@both_browsers
def test_lesson_is_marked(portal: Portal, page: ChromePortal) -> None:
    """From the login view to the mark: each view is recognized, the card is read completely, the mark is confirmed."""
    assert page.settle() == Reading(View.LOGIN)
    assert page.sign_in(USERNAME, PASSWORD) == Reading(View.NOTHING)
    number = portal.opens("Algebra & <b>", minutes=7)
    page.load(portal.address)
    reading = page.settle()
    assert reading.view is View.OPEN
    (card,) = reading.cards
    assert card.lesson == replace(lesson("Algebra & <b>"), minutes_left=7)
    assert (card.enabled, card.caption) == (True, "Отметиться")
    assert page.mark(card.lesson) == Click(True)
    assert portal.marks() == [(number, USERNAME)]
    for _ in range(2):
        reading = page.settle()
        assert reading.view is View.MARKED
        assert shown(reading) == [("Algebra & <b>", False, "Отмечен")]
        page.load(portal.address)


@both_browsers
def test_wrong_password_is_refused_with_the_portals_text(portal: Portal, page: ChromePortal) -> None:
    """A refusal has the portal's text and costs one attempt; its window can be closed, the right password works."""
    page.settle()
    with pytest.raises(SignInRefused, match=r"^Неверный логин или пароль\.$"):
        page.sign_in(USERNAME, "wrong")
    assert len(portal.events("refused")) == 1
    assert page.close_window()
    assert page.settle().view is View.LOGIN
    page.load(portal.address)
    assert page.settle().view is View.LOGIN
    assert page.sign_in(USERNAME, PASSWORD).view is View.NOTHING
    assert len(portal.events("refused")) == 1


def test_blocked_account_is_reported_with_the_portals_text(portal: Portal, page: ChromePortal) -> None:
    """A blocked account is an error with the portal's text at the sign-in, and a reading with that text afterwards."""
    text = "Пользователь заблокирован. Причина: оплата"
    portal.has_student(USERNAME, PASSWORD, blocked="оплата")
    page.settle()
    with pytest.raises(AccountBlocked) as blocked:
        page.sign_in(USERNAME, PASSWORD)
    assert str(blocked.value) == text
    page.load(portal.address)
    assert page.settle() == Reading(View.BLOCKED, text)


def test_two_cards_are_marked_one_by_one(portal: Portal, number: int, at_the_card: ChromePortal) -> None:
    """Each mark goes to the right lesson, although the answer to the first one redraws the other card."""
    other = portal.opens("Biology")
    at_the_card.load(portal.address)
    at_the_card.settle()
    assert at_the_card.mark(lesson("Biology")).confirmed
    assert portal.marks() == [(other, USERNAME)]
    reading = at_the_card.settle()
    assert reading.view is View.OPEN
    assert shown(reading) == [("Algebra", True, "Отметиться"), ("Biology", False, "Отмечен")]
    assert at_the_card.mark(LESSON).confirmed
    assert at_the_card.settle().view is View.MARKED
    assert portal.marks() == [(other, USERNAME), (number, USERNAME)]


def test_username_is_typed_whole_at_a_slow_portal(portal: Portal, page: ChromePortal) -> None:
    """With answers that take 0.4 s the combo box still gets the whole username: one sign-in, no refusal."""
    page.settle()
    portal.behaves(slow_ms=400)
    assert page.sign_in(USERNAME, PASSWORD).view is View.NOTHING
    assert [event["username"] for event in portal.events("signed_in")] == [USERNAME]
    assert portal.events("refused") == []


@pytest.mark.ordeal
def test_every_language(portal: Portal, page: ChromePortal) -> None:
    """In every language the views are recognized, the countdown is read, and the dialog is confirmed."""
    languages = {
        "kk": ("Белгілену", "Белгіленді"),
        "en": ("Mark attendance", "Marked"),
        "ru": ("Отметиться", "Отмечен"),
    }
    for language in languages:
        page.language = language
        page.load(portal.address)
        assert page.settle() == Reading(View.LOGIN)
    page.sign_in(USERNAME, PASSWORD)
    portal.behaves(confirm_dialog=True)
    for language, (offer, done) in languages.items():
        page.language = language
        page.load(portal.address)
        assert page.settle() == Reading(View.NOTHING)
        number = portal.opens(language)
        page.load(portal.address)
        reading = page.settle()
        assert reading.cards[0].lesson == replace(lesson(language), minutes_left=10)
        assert shown(reading) == [(language, True, offer)]
        assert page.mark(lesson(language)).confirmed
        assert shown(page.settle()) == [(language, False, done)]
        portal.closes(number)
    assert len(portal.events("confirmed")) == len(portal.marks()) == 3


def test_header_buttons_are_not_taken_for_a_lessons(
    portal: Portal, browser: Browser, at_the_card: ChromePortal
) -> None:
    """Home and the flags reload the view, each flag in its language; the reading is the same, and nothing is marked."""
    before = at_the_card.settle()
    flags = {"kz": "Белгілену", "gb": "Mark attendance", "ru": "Отметиться"}
    buttons = {f'//img[contains(@src, "flags/{flag}.png")]/../..': caption for flag, caption in flags.items()}
    for button, caption in {**buttons, "//*[contains(@class, 'v-button-borderless')]": "Отметиться"}.items():
        with reload_of(browser):
            browser.driver.find_element(By.XPATH, button).click()
        reading = at_the_card.settle()
        assert [card.lesson for card in reading.cards] == [card.lesson for card in before.cards]
        assert shown(reading) == [("Algebra", True, caption)]
    assert portal.events("click") == []


def test_ignored_click_is_no_mark(portal: Portal, at_the_card: ChromePortal) -> None:
    """A click that the portal ignores is not confirmed, the next one is; afterwards nothing is clicked."""
    portal.behaves(swallow_clicks=1)
    assert at_the_card.mark(LESSON) == Click(False)
    assert portal.marks() == []
    assert at_the_card.mark(LESSON) == Click(True)
    assert len(portal.marks()) == 1
    with pytest.raises(PageChanged):
        at_the_card.mark(LESSON)
    assert len(portal.events("click")) == 2


def test_click_that_comes_too_late_is_no_mark(portal: Portal, number: int, at_the_card: ChromePortal) -> None:
    """If the lesson has closed or the student is blocked meanwhile, the click is no mark and the new view is read."""
    portal.closes(number)
    for _ in range(2):  # the second time there is no card any more
        with pytest.raises(PageChanged):
            at_the_card.mark(LESSON)
        assert at_the_card.settle().view is View.NOTHING
    assert len(portal.events("click")) == 1
    portal.opens("Biology")
    at_the_card.load(portal.address)
    at_the_card.settle()
    portal.has_student(USERNAME, PASSWORD, blocked="оплата")
    with pytest.raises(PageChanged):
        at_the_card.mark(lesson("Biology"))
    assert at_the_card.settle().view is View.BLOCKED
    assert portal.marks() == []


def test_covered_button_raises(portal: Portal, browser: Browser, at_the_card: ChromePortal) -> None:
    """A window over the page makes the click raise PageChanged."""
    portal.behaves(confirm_dialog=True)
    browser.driver.find_element(By.CSS_SELECTOR, MARK_BUTTON).click()
    assert at_the_card.settle().view is View.OPEN
    with pytest.raises(PageChanged):
        at_the_card.mark(LESSON)
    assert len(portal.events("click")) == 1
    assert portal.marks() == []


def test_unknown_view_is_not_nothing(portal: Portal, page: ChromePortal) -> None:
    """A page with neither lessons nor the text for "no lessons" is unknown, not empty."""
    portal.opens("Algebra")
    portal.behaves(unknown_view=True)
    page.settle()
    assert page.sign_in(USERNAME, PASSWORD) == Reading(View.UNKNOWN)


def test_change_of_the_open_page_is_noticed(portal: Portal, signed_in: ChromePortal) -> None:
    """With push, a lesson that appears between two loads is noticed without a load, and so is the session's end."""
    portal.behaves(push=True)
    signed_in.load(portal.address)
    assert signed_in.settle().view is View.NOTHING
    assert not signed_in.changed()
    portal.opens("Algebra", live=True)
    until(signed_in.changed)
    assert shown(signed_in.settle()) == [("Algebra", True, "Отметиться")]
    assert not signed_in.changed()
    portal.expires()
    until(signed_in.changed)
    # Vaadin's caption consists of question marks if the page was between two of its long polls.
    assert signed_in.settle().view in (View.SESSION_LOST, View.COMMUNICATION)


def test_old_document_is_never_taken_for_the_new_page(
    portal: Portal, browser: Browser, at_the_card: ChromePortal
) -> None:
    """From the load on, the old page is always read as "loading", also with a click under way."""
    page = AttendancePage(browser.driver, time.sleep, SystemClock())
    portal.behaves(slow_ms=300)
    for click, view in ((False, View.OPEN), (True, View.MARKED)):
        browser.driver.execute_script("window.isTheOldOne = true")
        if click:
            browser.driver.find_element(By.CSS_SELECTOR, MARK_BUTTON).click()
        page.load(portal.address)
        reading = page.read()
        assert reading.view is View.LOADING
        while reading.view is View.LOADING:
            reading = page.read()
        assert browser.driver.execute_script("return window.isTheOldOne") is None
        assert reading.view is view


def test_waits_for_a_change(portal: Portal, page: ChromePortal) -> None:
    """Waiting for a change ends as soon as a lesson appears without a load, else when the time is up."""
    portal.behaves(push=True)
    page.settle()
    page.sign_in(USERNAME, PASSWORD)
    page.load(portal.address)
    page.settle()
    begun = time.monotonic()
    assert not page.changed(within=0.3)
    assert time.monotonic() - begun >= 0.3
    soon = threading.Timer(0.2, portal.opens, ["Algebra"], {"live": True})
    soon.start()
    assert page.changed(within=10 * PATIENCE)
    soon.join()
    assert page.settle().view is View.OPEN

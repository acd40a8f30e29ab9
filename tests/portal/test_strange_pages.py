"""A real Chrome at pages that the portal is not known to show: nothing is pressed or typed on a guess."""

import time
from collections.abc import Iterator

import pytest

from core.clock import SystemClock
from portal.browser import Browser
from portal.errors import NotThePortal, PasswordExpired, PortalUnavailable, UnknownView
from portal.limits import Patience
from portal.pages import AttendancePage
from portal.session import ChromePortal
from portal.views import Reading, View
from tests.e2e.people import Portal, empty_portal
from tests.portal.browsers import LESSON, PASSWORD, USERNAME

pytestmark = [pytest.mark.integration, pytest.mark.browser]


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulator with one student: these pages are its options."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


def test_only_known_buttons_are_pressed(portal: Portal, page: ChromePortal) -> None:
    """Other buttons before the right ones are left alone; without a known one nothing is typed or pressed."""

    def load(**behaviour: bool) -> Reading:
        portal.behaves(**behaviour)
        page.load(portal.address)
        return page.settle()

    assert load(unknown_buttons=True).view is View.UNKNOWN
    with pytest.raises(UnknownView):
        page.sign_in(USERNAME, PASSWORD)
    kind, picture, source = page.evidence()
    assert "" not in (kind, picture or "")
    assert PASSWORD not in source
    assert load(unknown_buttons=False, other_buttons=True, sign_out_button=True).view is View.LOGIN
    portal.opens(LESSON.subject, LESSON.time)
    assert page.sign_in(USERNAME, PASSWORD).view is View.OPEN
    reading = load(unknown_buttons=True)
    assert (reading.view, [card.caption for card in reading.strange]) == (View.UNKNOWN, ["Подробнее, Зачесть"])
    assert page.evidence()[0] != kind
    assert load(unknown_buttons=False).card(LESSON) is not None
    assert page.mark(LESSON)
    assert len(portal.marks()) == 1
    page.leave()
    assert len(portal.events("signed_out")) == 1
    portal.behaves(password_expired=True)
    page.load(portal.address)
    assert page.settle().view is View.LOGIN
    with pytest.raises(PasswordExpired, match="Срок действия пароля истёк"):
        page.sign_in(USERNAME, PASSWORD)
    assert load().view is View.PASSWORD_EXPIRED
    assert portal.events("wrong_button") == []


@pytest.mark.ordeal
def test_pages_that_are_no_portal_and_a_slow_one(portal: Portal, browser: Browser, page: ChromePortal) -> None:
    """Each page of another server is recognised by what it is; a slow portal gets the time that it needs."""
    page.settle()
    kinds = set()
    for foreign, error, text in (
        ("maintenance", NotThePortal, "not the portal: Технические работы"),
        ("captive", NotThePortal, "not the portal: Wi-Fi"),
        ("listing", NotThePortal, "not the portal: Index of /"),
        ("not found", NotThePortal, "not the portal: HTTP 404 Not Found"),
        ("bad gateway", PortalUnavailable, "HTTP 502 Bad Gateway 502 Bad Gateway"),
        ("empty", NotThePortal, "not the portal: an empty page"),
    ):
        portal.behaves(foreign_page=foreign)
        page.load(portal.address)
        with pytest.raises(error) as told:
            page.settle()
        assert str(told.value).startswith(text)
        assert told.value.pictured
        kinds.add(page.evidence()[0])
    assert len(kinds) == 6
    portal.behaves(foreign_page=None, slow_ms=400)
    slow = AttendancePage(browser.driver, time.sleep, SystemClock(), Patience(least=0.7))
    slow.load(portal.address)
    assert slow.settle().view is View.LOGIN
    portal.behaves(slow_ms=0)


@pytest.mark.ordeal
def test_a_portal_of_eleven_seconds_a_request(portal: Portal, browser: Browser) -> None:
    """With the usual limits such a portal is read, signed in to and marked at; each step takes a few requests."""
    number = portal.opens(LESSON.subject, LESSON.time)
    portal.behaves(slow_ms=11_000)
    slow = ChromePortal(browser, portal.address, time.sleep, SystemClock(), patience=Patience())
    try:
        begun = time.monotonic()
        slow.load(portal.address)
        assert slow.settle().view is View.LOGIN
        print(f"login form after {time.monotonic() - begun:.0f} s")
        assert slow.sign_in(USERNAME, PASSWORD).card(LESSON) is not None
        print(f"lessons after {time.monotonic() - begun:.0f} s")
        assert slow.mark(LESSON).confirmed
        print(f"marked after {time.monotonic() - begun:.0f} s")
        assert portal.marks() == [(number, USERNAME)]
    finally:
        portal.behaves(slow_ms=0)
        browser.driver.get("about:blank")

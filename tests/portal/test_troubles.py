"""The page objects with a portal in trouble, against the simulator and the real Vaadin."""

import time
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By

from core.clock import SystemClock
from portal.browser import Browser
from portal.errors import PortalUnavailable, SessionLost
from portal.pages import AttendancePage
from portal.session import ChromePortal
from portal.views import Reading, View
from sandbox.portal.server import PortalSimulator
from tests.e2e.people import Portal
from tests.portal.browsers import LESSON, PASSWORD, USERNAME, page_of, until
from tests.servers import in_thread, vaadin_portal

pytestmark = [pytest.mark.integration, pytest.mark.browser]

EXPIRED = "Время сеанса истекло"


def sign_in_again(portal: Portal, page: ChromePortal) -> View:
    """Load the address, sign in and return what the page shows then."""
    page.load(portal.address)
    assert page.settle().view is View.LOGIN
    return page.sign_in(USERNAME, PASSWORD).view


@pytest.mark.ordeal
def test_session_ends_around_the_click(portal: Portal, at_the_card: ChromePortal) -> None:
    """If the session ends before, with or after the click, no mark is confirmed; after a sign-in the card shows it."""
    portal.expires()
    assert not at_the_card.changed()  # nothing to see on the page
    with pytest.raises(SessionLost, match=EXPIRED):
        at_the_card.mark(LESSON)
    assert at_the_card.settle().view is View.SESSION_LOST
    assert sign_in_again(portal, at_the_card) is View.OPEN
    for behaviour, marks, view in (("expire_on_click", 0, View.OPEN), ("expire_after_mark", 1, View.MARKED)):
        portal.behaves(**{behaviour: 1})
        with pytest.raises(SessionLost, match=EXPIRED):
            at_the_card.mark(LESSON)
        assert len(portal.marks()) == marks
        assert sign_in_again(portal, at_the_card) is view


@pytest.fixture(params=["simulated", pytest.param("vaadin", marks=pytest.mark.vaadin)])
def beating_portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """A portal of each kind whose pages send a heartbeat every second."""
    simulated = request.param == "simulated"
    simulator = PortalSimulator(heartbeat_seconds=1, reconnect_seconds=0.2)
    with in_thread(simulator.serving()) if simulated else vaadin_portal("--heartbeat", "1") as url:
        portal = Portal(url)
        portal.has_student(USERNAME, PASSWORD)
        yield portal
        portal.http.close()


def test_expiry_is_noticed_by_a_heartbeat(beating_portal: Portal, browser: Browser) -> None:
    """An idle page notices its lost session by a heartbeat, as a change."""
    page = page_of(browser, beating_portal.address)
    page.load(beating_portal.address)
    assert page.settle().view is View.LOGIN
    loads = len(beating_portal.events("page_load"))
    beating_portal.expires()
    until(page.changed)
    assert page.settle() == Reading(View.SESSION_LOST, EXPIRED)
    assert len(beating_portal.events("page_load")) == loads
    browser.driver.get("about:blank")


def test_failing_round_trip_ends_the_page(portal: Portal, at_the_card: ChromePortal) -> None:
    """A click that fails is no mark; the page can't be used any more, and the next load continues the session."""
    for behaviour, caption in (
        ("communication_problem", "Проблема со связью"),
        ("authentication_problem", "Проблема аутентификации"),
    ):
        portal.behaves(**{behaviour: True})
        with pytest.raises(SessionLost, match=caption):
            at_the_card.mark(LESSON)
        assert at_the_card.settle() == Reading(View.COMMUNICATION, caption)
        portal.behaves(**{behaviour: False})
        at_the_card.load(portal.address)
        assert at_the_card.settle().view is View.OPEN
    assert portal.marks() == []


@pytest.mark.ordeal
def test_lost_connection(portal: Portal, at_the_card: ChromePortal) -> None:
    """A click without a connection is not confirmed: a load drops it, else it is sent once on reconnection."""
    portal.behaves(connection_lost=True)
    with pytest.raises(SessionLost):
        at_the_card.mark(LESSON)
    assert at_the_card.settle().view is View.COMMUNICATION
    at_the_card.load(portal.address)
    portal.behaves(connection_lost=False)
    assert at_the_card.settle().view is View.OPEN
    assert portal.marks() == []
    portal.behaves(connection_lost=True)
    with pytest.raises(SessionLost):
        at_the_card.mark(LESSON)
    portal.behaves(connection_lost=False)
    until(lambda: at_the_card.settle().view is View.MARKED)
    assert len(portal.events("marked")) == 1


def test_page_that_never_becomes_ready_raises(portal: Portal, browser: Browser, page: ChromePortal) -> None:
    """The wait for a stuck page ends at its limit with PortalUnavailable; a later load works."""
    page.settle()
    portal.behaves(stuck_loading=True)
    page.load(portal.address)
    stuck = AttendancePage(browser.driver, time.sleep, SystemClock())
    with pytest.raises(PortalUnavailable, match=r"not ready within 0\.5 s"):
        stuck.settle(within=0.5)
    portal.behaves(stuck_loading=False)
    page.load(portal.address)
    assert page.settle().view is View.LOGIN


def test_slow_answer_raises(portal: Portal, browser: Browser, at_the_card: ChromePortal) -> None:
    """A click whose answer takes longer than the limit raises PortalUnavailable."""
    portal.behaves(slow_ms=3000)
    page = AttendancePage(browser.driver, time.sleep, SystemClock())
    with pytest.raises(PortalUnavailable):
        page.mark(LESSON, within=0.3)
    portal.behaves(slow_ms=0)


def test_error_page_raises_with_its_status(portal: Portal, page: ChromePortal) -> None:
    """An error page raises PortalUnavailable with the HTTP status; the next load works."""
    page.settle()
    portal.behaves(status=503)
    page.load(portal.address)
    with pytest.raises(PortalUnavailable, match="HTTP 503"):
        page.settle()
    portal.behaves(status=None)
    page.load(portal.address)
    assert page.settle().view is View.LOGIN


def test_alert_of_a_failed_start_raises(portal: Portal, page: ChromePortal) -> None:
    """An alert raises PortalUnavailable with its text and is dismissed."""
    page.settle()
    portal.behaves(bootstrap_failure=True)
    page.load(portal.address)
    with pytest.raises(PortalUnavailable, match="the page said: Failed to load the bootstrap javascript"):
        page.settle()
    portal.behaves(bootstrap_failure=False)
    page.load(portal.address)
    assert page.settle().view is View.LOGIN


def test_address_without_a_server_raises(browser: Browser, page: ChromePortal) -> None:
    """An address without a server raises PortalUnavailable, from the load or from the reading after it."""
    page.settle()
    with pytest.raises(PortalUnavailable):
        load_and_settle(page, "http://127.0.0.1:9/RegistrationOnline")
    assert not browser.driver.find_elements(By.CSS_SELECTOR, "input[type=password]")


def load_and_settle(page: ChromePortal, address: str) -> None:
    """Load an address and wait until it is ready."""
    page.load(address)
    page.settle()

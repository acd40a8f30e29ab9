"""The request for the initial state, against the simulator and the real Vaadin."""

import pytest

from portal.session import ChromePortal
from portal.views import View
from tests.e2e.people import Portal
from tests.portal.browsers import PASSWORD, USERNAME

pytestmark = [pytest.mark.integration, pytest.mark.browser]


@pytest.fixture
def watched(portal: Portal, page: ChromePortal) -> ChromePortal:
    """The portal signed in and just loaded, without a lesson."""
    page.settle()
    page.sign_in(USERNAME, PASSWORD)
    page.load(portal.address)
    assert page.settle().view is View.NOTHING
    return page


def test_quiet_page(portal: Portal, watched: ChromePortal) -> None:
    """Requests load nothing, the open page stays usable, and the server keeps one UI for all of them."""
    loads = len(portal.events("page_load"))
    for _ in range(3):
        assert watched.unchanged()
    assert len(portal.events("page_load")) == loads
    assert portal.http.get("/sessions").json() == {"sessions": 1, "uis": 2}
    assert watched.settle().view is View.NOTHING


def test_new_lesson(portal: Portal, watched: ChromePortal) -> None:
    """A new lesson changes the answer, and the load that follows shows it."""
    assert watched.unchanged()
    portal.opens("Algebra & <b>")
    assert not watched.unchanged()
    watched.load(portal.address)
    assert watched.settle().view is View.OPEN
    assert not watched.unchanged()


def test_marked_lesson(portal: Portal, watched: ChromePortal) -> None:
    """With a marked card, whose countdown runs, the answer is "the same" until the card disappears."""
    number = portal.opens("Algebra", minutes=9)
    watched.load(portal.address)
    (card,) = watched.settle().cards
    assert watched.mark(card.lesson).confirmed
    assert not watched.unchanged()  # after a click no request is sent: a load proves the mark
    watched.load(portal.address)
    assert watched.settle().view is View.MARKED
    assert watched.unchanged()
    portal.closes(number)
    assert not watched.unchanged()


def test_one_for_another(portal: Portal, watched: ChromePortal) -> None:
    """Another lesson in the place of the first one changes the answer, also if they differ by one digit only."""
    number = portal.opens("Algebra 1", minutes=9)
    watched.load(portal.address)
    (card,) = watched.settle().cards
    watched.mark(card.lesson)
    watched.load(portal.address)
    watched.settle()
    assert watched.unchanged()
    portal.closes(number)
    portal.opens("Algebra 2", minutes=9)
    assert not watched.unchanged()


def test_session_gone(portal: Portal, watched: ChromePortal) -> None:
    """After the end of the session the answer is "something new", and the load shows the login view."""
    portal.expires()
    assert not watched.unchanged()
    watched.load(portal.address)
    assert watched.settle().view is View.LOGIN

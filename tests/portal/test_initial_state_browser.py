"""The question whether a load would show anything new, on the simulator and on the real Vaadin."""

import pytest

from portal.session import ChromePortal
from portal.views import View
from tests.e2e.people import Portal
from tests.portal.browsers import PASSWORD, USERNAME

pytestmark = [pytest.mark.integration, pytest.mark.browser]


@pytest.fixture
def watched(portal: Portal, page: ChromePortal) -> ChromePortal:
    """Give a page that is signed in and freshly loaded, without a lesson."""
    page.settle()
    page.sign_in(USERNAME, PASSWORD)
    page.load(portal.address)
    assert page.settle().view is View.NOTHING
    return page


def test_quiet_page(portal: Portal, watched: ChromePortal) -> None:
    """Nothing new: no load, the open page lives on, and the server keeps one UI for the questions, however many."""
    loads = len(portal.events("page_load"))
    for _ in range(3):
        assert watched.unchanged()
    assert len(portal.events("page_load")) == loads
    assert portal.http.get("/sessions").json() == {"sessions": 1, "uis": 2}
    assert watched.settle().view is View.NOTHING


def test_new_lesson(portal: Portal, watched: ChromePortal) -> None:
    """A lesson that has opened is noticed by the question, and found by the load that follows."""
    assert watched.unchanged()
    portal.opens("Algebra & <b>")
    assert not watched.unchanged()
    watched.load(portal.address)
    assert watched.settle().view is View.OPEN
    assert not watched.unchanged()


def test_marked_lesson(portal: Portal, watched: ChromePortal) -> None:
    """A marked card may stand there, its minutes going down, and the question goes on; its end is noticed."""
    number = portal.opens("Algebra", minutes=9)
    watched.load(portal.address)
    (card,) = watched.settle().cards
    assert watched.mark(card.lesson)
    assert not watched.unchanged()  # the page was pressed: the mark is proven by a load
    watched.load(portal.address)
    assert watched.settle().view is View.MARKED
    assert watched.unchanged()
    portal.closes(number)
    assert not watched.unchanged()


def test_one_for_another(portal: Portal, watched: ChromePortal) -> None:
    """One lesson in the place of another is something new, also where they differ by a digit alone."""
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
    """Where the session is gone the question tells of something new, and the load meets the login form."""
    portal.expires()
    assert not watched.unchanged()
    watched.load(portal.address)
    assert watched.settle().view is View.LOGIN

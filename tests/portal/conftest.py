"""Fixtures: a portal (the simulator, then the one on Vaadin) and Chromes that show it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from portal.browser import Browser
from portal.session import ChromePortal
from tests.e2e.people import Portal, empty_portal
from tests.portal.browsers import LESSON, PASSWORD, USERNAME, OpenBrowser, chromes, page_of


@pytest.fixture(params=["simulated", pytest.param("vaadin", marks=pytest.mark.vaadin)])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """A portal with one student and no lesson: the simulator, then the one on Vaadin."""
    with empty_portal(request.getfixturevalue(f"{request.param}_portal_url")) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


@pytest.fixture(scope="module")
def open_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBrowser]:
    """Open a browser of a kind once per module."""
    opened: dict[str, Browser] = {}
    with ExitStack() as at_the_end:

        def open_browser(kind: str) -> Browser:
            if kind not in opened:
                profiles = tmp_path_factory.mktemp("profiles")
                opened[kind] = chromes(profiles, kind).open("shared", time.sleep)
                at_the_end.callback(opened[kind].end)
            return opened[kind]

        yield open_browser


@pytest.fixture
def browser(request: pytest.FixtureRequest, open_browser: OpenBrowser) -> Browser:
    """A browser without cookies: the headless shell, or the kind with which the test is parametrized."""
    browser = open_browser(getattr(request, "param", "headless-shell"))
    command = {"cmd": "Network.clearBrowserCookies", "params": {}}
    browser.driver.execute("executeCdpCommand", command)
    return browser


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[ChromePortal]:
    """The portal at its login view, in Russian."""
    page = page_of(browser, portal.address)
    page.load(portal.address)
    yield page
    browser.driver.get("about:blank")


@pytest.fixture
def signed_in(browser: Browser, portal: Portal, page: ChromePortal) -> ChromePortal:
    """The portal with the student signed in; only the sign-in itself uses shorter pauses."""
    quick = page_of(browser, portal.address, lambda _: time.sleep(0.01))
    quick.settle()
    quick.sign_in(USERNAME, PASSWORD)
    return page


@pytest.fixture
def number(portal: Portal) -> int:
    """Open the lesson; its number on the server."""
    return portal.opens(LESSON.subject, LESSON.time)


@pytest.fixture
def at_the_card(number: int, signed_in: ChromePortal) -> ChromePortal:
    """The portal with the student signed in and the open lesson on the page."""
    assert signed_in.settle().card(LESSON) is not None
    return signed_in

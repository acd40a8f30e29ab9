"""What several files share: a portal (each of the two) with Chromes; a Telegram with the marker in this process."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from portal.browser import Browser
from portal.session import ChromePortal
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Portal, Telegram
from tests.integration.browsers import LESSON, PASSWORD, USERNAME, OpenBrowser, chromes, page_of
from tests.integration.marker import Run, RunningMarker, SteppedClock, marker
from tests.servers import in_thread


@pytest.fixture(params=["simulated", pytest.param("vaadin", marks=pytest.mark.vaadin)])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """Give a portal with one student and no lesson: the simulator, then the one on the real toolkit."""
    portal = Portal(request.getfixturevalue(f"{request.param}_portal_url"))
    portal.reset()
    portal.has_student(USERNAME, PASSWORD)
    yield portal
    portal.http.close()


@pytest.fixture(scope="module")
def open_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBrowser]:
    """Give the module's browser of a kind, opened by the first test that needs it."""
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
    """Give a browser without cookies: the headless shell, or the one that the test is parametrized with."""
    browser = open_browser(getattr(request, "param", "headless-shell"))
    command = {"cmd": "Network.clearBrowserCookies", "params": {}}
    browser.driver.execute("executeCdpCommand", command)
    return browser


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[ChromePortal]:
    """Give the page objects at the portal's login view, in Russian."""
    page = page_of(browser, portal.address)
    page.load(portal.address)
    yield page
    browser.driver.get("about:blank")


@pytest.fixture
def signed_in(browser: Browser, portal: Portal, page: ChromePortal) -> ChromePortal:
    """Give the page objects of a student who is in; only the way there is hurried."""
    hurried = page_of(browser, portal.address, lambda _: time.sleep(0.01))
    hurried.settle()
    hurried.sign_in(USERNAME, PASSWORD)
    return page


@pytest.fixture
def number(portal: Portal) -> int:
    """Open the lesson, and give its number on the server."""
    return portal.opens(LESSON.subject, LESSON.time)


@pytest.fixture
def at_the_card(number: int, signed_in: ChromePortal) -> ChromePortal:
    """Give the page objects of a student who has the open lesson on the page."""
    assert signed_in.settle().card(LESSON) is not None
    return signed_in


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with our bot in it, without its limits on speed."""
    telegram = Telegram(telegram_url)
    telegram.call("/reset")
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    telegram.call("/limits", per_second=None, per_chat_per_second=None)
    yield telegram
    telegram.http.close()


@pytest.fixture
def clock() -> SteppedClock:
    """Give a clock that the test moves."""
    return SteppedClock()


@pytest.fixture
def admins() -> tuple[int, ...]:
    """Give who the marker's admins are."""
    return (ADMIN,)


@pytest.fixture
def capacity() -> int:
    """Give how many monitors the marker has room for."""
    return 2


@pytest.fixture
def run(
    tmp_path: Path, telegram: Telegram, clock: SteppedClock, admins: tuple[int, ...], capacity: int
) -> Iterator[Run]:
    """Give what starts the marker; a second call starts it anew on the same data, perhaps with other admins."""
    with ExitStack() as stack:

        def start(admins: tuple[int, ...] = admins) -> RunningMarker:
            stack.close()
            held: list[RunningMarker] = []
            stack.enter_context(in_thread(marker(tmp_path, telegram.url, clock, held.append, admins, capacity)))
            return held[0]

        yield start


@pytest.fixture
def bot(run: Run) -> RunningMarker:
    """Give the running marker."""
    return run()


@pytest.fixture
def student(telegram: Telegram, bot: RunningMarker) -> Person:
    """Give a student, who has not written yet."""
    return Person(telegram, 2001, "Aruzhan")

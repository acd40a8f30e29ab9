"""What the tests with a real Chrome share: the kinds of it, whom to sign in as, how to wait."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from core.clock import SystemClock
from portal.browser import Browser, Chromes
from portal.lessons import Lesson
from portal.limits import Pause
from portal.session import ChromePortal
from tests import children
from tests.servers import missing, need_browser
from tests.waiting import PATIENCE

# What a test can name as its browser, and where it may be.
BROWSERS = {
    "headless-shell": (
        "/usr/lib/chromium/chromium-headless-shell",
        "chromium-headless-shell",
        "chrome-headless-shell",
    ),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
}
USERNAME, PASSWORD = "a_student", "correct horse"
# What the portal shows for the lesson that most tests open.
LESSON = Lesson("Algebra", "Ivanov I. I.", "Л27 (15:00 - 16:00)")

OpenBrowser = Callable[[str], Browser]


def chromes(profiles: Path, kind: str = "headless-shell") -> Chromes:
    """Give what opens browsers of one kind, which end when we end; skip the test where there is none."""
    need_browser()
    program = next(filter(None, map(shutil.which, BROWSERS[kind])), None)
    if program is None:
        missing(f"no {kind} here")
    children.own_profiles(profiles)
    driver = os.environ.get("CHROMEDRIVER_PATH")
    return Chromes(profiles, chrome_bin=program, chromedriver_path=driver, start_within=PATIENCE)


def page_of(browser: Browser, address: str, pause: Pause = time.sleep) -> ChromePortal:
    """Give the page objects of a portal in an open browser, with patience for a slow machine."""
    return ChromePortal(browser, address, pause, SystemClock(), ready_within=PATIENCE)


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain"
        time.sleep(0.02)

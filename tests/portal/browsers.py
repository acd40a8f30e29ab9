"""Shared by the tests with a real Chrome: browser kinds, credentials, waiting."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from core.clock import SystemClock
from portal.browser import Browser, Chromes
from portal.lessons import Lesson
from portal.limits import Patience, Pause
from portal.session import ChromePortal
from tests import children
from tests.servers import missing, need_browser
from tests.waiting import PATIENCE

# The kinds of browsers, with their programs.
BROWSERS = {
    "headless-shell": (
        "/usr/lib/chromium/chromium-headless-shell",
        "chromium-headless-shell",
        "chrome-headless-shell",
    ),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
}
USERNAME, PASSWORD = "a_student", "correct horse"
# The lesson that most tests open, as the portal shows it.
LESSON = Lesson("Algebra", "Ivanov I. I.", "Л27 (15:00 - 16:00)")

OpenBrowser = Callable[[str], Browser]


def chromes(profiles: Path, kind: str = "headless-shell") -> Chromes:
    """Return the Chromes of one kind, which end with the test process; skip the test if there is no such browser."""
    need_browser()
    program = next(filter(None, map(shutil.which, BROWSERS[kind])), None)
    if program is None:
        missing(f"no {kind} here")
    children.own_profiles(profiles)
    driver = os.environ.get("CHROMEDRIVER_PATH")
    return Chromes(profiles, chrome_bin=program, chromedriver_path=driver, start_within=PATIENCE)


def page_of(browser: Browser, address: str, pause: Pause = time.sleep) -> ChromePortal:
    """Return a portal in an open browser, with limits for a slow machine."""
    return ChromePortal(browser, address, pause, SystemClock(), patience=Patience(PATIENCE))


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s"
        time.sleep(0.02)

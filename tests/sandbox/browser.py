"""A Chromium for the tests of the sandbox's page, and the rules of axe-core that it must keep."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests import children


@contextmanager
def chrome(profile: Path, *arguments: str) -> Iterator[webdriver.Chrome]:
    """Start a Chromium that keeps its console's entries, and end it with all its processes."""
    program, driver = programs()
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1440,900", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(driver, env={**os.environ, "TMPDIR": str(profile), "ATTENDANCE_PROFILE": str(profile)})
    children.own_profiles(profile)
    browser = webdriver.Chrome(options=options, service=service)
    try:
        yield browser
    finally:
        browser.quit()
        # Debian's start script runs between the driver and Chrome, so quit() may leave Chrome running.
        for process in psutil.process_iter():
            if children.environment_of(process).get("TMPDIR") == str(profile):
                children.kill(process)


def programs() -> tuple[str, str]:
    """Return Chromium's and its driver's paths; skip the test without them."""
    found = [shutil.which(name) for name in ("chromium-headless-shell", "chromium", "chromedriver")]
    program, driver = found[0] or found[1], found[2]
    if program is None or driver is None:
        missing("no Chromium with its driver on PATH")
    return str(program), str(driver)


def missing(reason: str) -> None:
    """Skip the test, or fail it where everything has to be installed."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)

"""Finds Chrome and chromedriver, and whether Chrome's sandbox works here."""

import functools
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.driver_finder import DriverFinder

from portal.errors import BrowserMissing

log = logging.getLogger(__name__)

# The headless shell first: it needs half the memory of the full browser (measured: 140 MB against 249 MB a student).
# Debian's /usr/bin/chromium-headless-shell is a script that stays Chrome's parent, so that the driver can't end Chrome.
_BROWSERS = (
    "/usr/lib/chromium/chromium-headless-shell",
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)


def find_programs(chrome: str | None = None, driver: str | None = None) -> tuple[str, str]:
    """Return the paths of Chrome and chromedriver: the given ones, PATH, Selenium Manager, webdriver-manager.

    May take long (a download), so never call it on the event loop. Raises BrowserMissing.
    """
    for given, name in ((chrome, "CHROME_BIN"), (driver, "CHROMEDRIVER_PATH")):
        if given is not None and shutil.which(given) is None:
            raise BrowserMissing(f"{name}: there is no program '{given}'")
    chrome = shutil.which(chrome) if chrome else next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which(driver or "chromedriver")
    if chrome and driver:
        return chrome, driver
    options = ChromeOptions()
    if chrome:
        options.binary_location = chrome
    try:
        finder = DriverFinder(Service(), options)
        return chrome or finder.get_browser_path(), driver or finder.get_driver_path()
    except (WebDriverException, OSError) as error:
        log.info("Selenium Manager found no browser: %s", type(error).__name__)
    if chrome:
        from webdriver_manager.chrome import ChromeDriverManager
        from webdriver_manager.core.os_manager import ChromeType

        kind = ChromeType.CHROMIUM if "chromium" in Path(chrome).name else ChromeType.GOOGLE
        try:
            return chrome, ChromeDriverManager(chrome_type=kind).install()
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; its own are ValueErrors
            log.info("webdriver-manager found no driver: %s", type(error).__name__)
    raise BrowserMissing(
        "no Chrome with its driver here: install the packages chromium and chromium-driver (Debian), "
        "or Google Chrome (Ubuntu, macOS), or set CHROME_BIN and CHROMEDRIVER_PATH"
    )


@functools.cache
def sandbox_possible() -> bool:
    """Say whether Chrome's sandbox works here: it needs user namespaces, and does not run as root."""
    if sys.platform != "linux":
        return True
    if os.geteuid() == 0 or shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False)
    return tried.returncode == 0

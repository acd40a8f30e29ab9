"""Finds Chrome and chromedriver, and starts them with the options and the time limits that the monitors need."""

import functools
import logging
import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection
from selenium.webdriver.common.driver_finder import DriverFinder
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from portal.errors import BrowserFailed, BrowserMissing, DriverMismatch, public
from portal.grid import Grid
from portal.limits import Pause
from portal.processes import PROFILE_VARIABLE

log = logging.getLogger(__name__)

# Seconds. A frozen Chrome must cost one of these, not urllib3's eight minutes (120 s and three more tries).
COMMAND_TIMEOUT = 20
START_TIMEOUT = 60
_BETWEEN_LOOKS = 0.05
_DOWNLOADED_WITHIN = 3600

# Starts the headless shell named in ATTENDANCE_CHROME; the file says why.
_HEADLESS_SHELL = Path(__file__).with_name("headless-shell")
# The environment variables that Chrome and its driver get: no token, no key, no password.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "FONTCONFIG_PATH")
PAIR = "install the driver of Chrome's own version, or name a pair in CHROME_BIN and CHROMEDRIVER_PATH"
_FITS = re.compile(r"This version of ChromeDriver only supports Chrome version (\d+)")
_PORT = re.compile(rb"started successfully on port (\d+)")
# Of the log after a failed start: so many lines of so many characters.
_LOG_LINES, _LONGEST_LOG_LINE = 4, 300

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

ARGUMENTS = (
    "--window-size=1280,900",  # smaller windows get another layout elsewhere in the portal
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-dev-shm-usage",  # containers give 64 MB of it
    "--disable-gpu",
    "--in-process-gpu",
    # nobody sees what is drawn: 11 MB less (docs/measurements.md)
    "--disable-software-rasterizer",
    "--disable-gpu-compositing",
    "--disable-accelerated-2d-canvas",
    "--num-raster-threads=1",
    # the network in the browser's process, one process less
    "--enable-features=NetworkServiceInProcess2",
    # a page lives for twenty seconds: optimising its code costs memory and gains nothing
    "--js-flags=--lite-mode --max-semi-space-size=1 --max-old-space-size=64",
    "--mute-audio",
    "--password-store=basic",
    "--blink-settings=imagesEnabled=false",
    "--renderer-process-limit=1",
    # earlier pages are not kept in memory; a single site needs no isolation from itself
    "--disable-features=BackForwardCache,IsolateOrigins,site-per-process,Translate,MediaRouter,OptimizationHints",
    "--disable-site-isolation-trials",
    # throttled timers would delay Vaadin's heartbeats
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
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
            for lock in (Path.home() / ".wdm").glob(".wdm-lock-*"):
                if time.time() - lock.stat().st_mtime > _DOWNLOADED_WITHIN:  # of a process that was killed meanwhile
                    lock.unlink()
            return chrome, ChromeDriverManager(chrome_type=kind).install()
        except Exception as error:  # noqa: BLE001  # it raises plain ones, as for a missing platform
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


def chrome_options(arguments: Sequence[str], chrome: str | None, profile: Path) -> ChromeOptions:
    """Return the options for a Chrome on this machine, or without ``chrome`` for one on a Selenium Grid."""
    options = ChromeOptions()
    # "none": a load returns at once, and the thread stays free for commands; readiness is Vaadin's, not the document's
    options.page_load_strategy = "none"
    is_shell = chrome is not None and "headless-shell" in Path(chrome).name
    for argument in arguments if is_shell else (*arguments, "--headless=new"):
        options.add_argument(argument)
    if chrome is not None:
        options.binary_location = str(_HEADLESS_SHELL) if is_shell else chrome
        options.add_argument(f"--user-data-dir={profile}")
        if not sandbox_possible():
            options.add_argument("--no-sandbox")
            options.add_argument("--no-zygote")
    return options


def start_driver(path: str, chrome: str, profile: Path, temporary: Path) -> "subprocess.Popen[bytes]":
    """Start chromedriver in a process session of its own. Raises BrowserFailed."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"ATTENDANCE_CHROME": chrome, PROFILE_VARIABLE: str(profile), "TMPDIR": str(temporary)}
    # port 0: the system picks a free one, without a race; Chrome's log says why a start failed
    command = [path, "--port=0", "--log-level=SEVERE", "--enable-chrome-logs"]
    try:
        read, write = os.pipe()
    except OSError as error:
        raise BrowserFailed(f"chromedriver can't be started ({error.strerror})") from error
    output = os.fdopen(read, "rb")
    # Nobody reads after the start: what does not fit into the pipe is lost, instead of blocking Chrome.
    os.set_blocking(write, False)
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=write, stderr=write, env=environment, start_new_session=True
        )
    except OSError as error:
        output.close()
        raise BrowserFailed(f"chromedriver can't be started ({error.strerror})") from error
    finally:
        os.close(write)
    process.stdout = output
    return process


def read_port(process: "subprocess.Popen[bytes]", pause: Pause, within: float, output: bytearray) -> int | None:
    """Read the port from chromedriver's output at its start; None if chromedriver ended. Raises BrowserFailed.

    What it wrote is appended to ``output``.
    """
    assert process.stdout is not None  # noqa: S101  # for the type checker: ``start_driver`` opens the pipe
    with selectors.DefaultSelector() as selector:  # select() refuses descriptors above 1023: a few hundred students
        selector.register(process.stdout, selectors.EVENT_READ)
        for _ in range(int(within / _BETWEEN_LOOKS)):
            if not selector.select(0):
                pause(_BETWEEN_LOOKS)
                continue
            chunk = os.read(process.stdout.fileno(), 4096)
            output += chunk
            if (match := _PORT.search(output)) is not None:
                return int(match.group(1))
            if not chunk:
                return None
    raise BrowserFailed(f"chromedriver did not start within {within:g} s")


def end_of_log(process: "subprocess.Popen[bytes]", output: bytearray) -> str:
    """Return the last lines that chromedriver and Chrome wrote, after ``output``, without paths and addresses."""
    assert process.stdout is not None  # noqa: S101  # as above
    os.set_blocking(process.stdout.fileno(), False)
    text = (output + (process.stdout.read() or b"")).decode(errors="replace")
    lines = [public(line.strip())[:_LONGEST_LOG_LINE] for line in text.splitlines()]
    shown = [line for line in lines if line and "on port" not in line][-_LOG_LINES:]
    return " | ".join(shown) or "empty"


def mismatch(text: str) -> DriverMismatch | None:
    """Return the error where chromedriver's message says that it fits another version of Chrome."""
    if (fits := _FITS.search(text)) is None:
        return None
    current = re.search(r"browser version is (\d+)", text)
    versions = f"chromedriver {fits.group(1)}, Chrome {current.group(1) if current else 0}"
    return DriverMismatch(f"Chrome and its driver do not fit together ({versions}): {PAIR}", words=versions)


def connect(address: str, options: ChromeOptions, within: float, grid: Grid | None = None) -> WebDriver:
    """Start a Chrome through the driver at this address, or through a Selenium Grid. Raises BrowserFailed."""
    config = ClientConfig(
        remote_server_addr=address,
        username=grid.user if grid is not None else None,
        password=grid.password if grid is not None else None,
        timeout=within,  # type: ignore[arg-type]  # an int by Selenium's annotation; urllib3 takes any number
        # without urllib3's three retries, which turn one time-out into four
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": False}},
    )
    connection = ChromiumRemoteConnection(
        remote_server_addr=address, vendor_prefix="goog", browser_name="chrome", ignore_proxy=True, client_config=config
    )
    try:
        driver = WebDriver(command_executor=connection, options=options)
        driver.set_script_timeout(COMMAND_TIMEOUT - 5)
    # the last ones: something else than a driver answered, such as a proxy with a page
    except (WebDriverException, HTTPError, AttributeError, KeyError, TypeError, ValueError) as error:
        text = getattr(error, "msg", None) or type(error).__name__
        failed = grid.start_failed(text) if grid is not None else BrowserFailed(f"Chrome did not start: {public(text)}")
        raise mismatch(text) or failed from error
    config.timeout = COMMAND_TIMEOUT
    return driver

"""Starts and ends a Chrome with its driver, and answers for every process of it.

chromedriver gets a process session of its own: all of Chrome's processes stay in it (they may change their group,
not their session), so that the whole can be ended from outside, never by name. The profile's folder in their
environment finds what an earlier process of ours left behind.
"""

import contextlib
import functools
import logging
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection
from selenium.webdriver.common.driver_finder import DriverFinder
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from portal.errors import BrowserFailed, BrowserMissing
from portal.limits import Pause

log = logging.getLogger(__name__)

# Seconds. A frozen Chrome must cost one of these, not urllib3's eight minutes (120 s and three more tries).
COMMAND_TIMEOUT = 20
START_TIMEOUT = 60
QUIT_TIMEOUT = 5
# chromedriver takes a free IPv4 port and ends where the same IPv6 port is in use, or the other way round.
_DRIVER_STARTS = 3
_BETWEEN_LOOKS = 0.05

# The slim one first: half the memory of the full browser (measured: 140 MB against 249 MB a student).
# Debian's /usr/bin/chromium-headless-shell is a script that stays Chrome's parent, so that the driver can't end Chrome.
_BROWSERS = (
    "/usr/lib/chromium/chromium-headless-shell",
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)
# Starts the headless shell named in ATTENDANCE_CHROME; the file says why.
_HEADLESS_SHELL = Path(__file__).with_name("headless-shell")
# What Chrome and its driver may know of our environment: no token, no key, no password.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "FONTCONFIG_PATH")
# Names the profile in the environment of the driver and all its children: how a later process of ours knows them.
_MARK = "ATTENDANCE_PROFILE"
_PORT = re.compile(rb"started successfully on port (\d+)")

ARGUMENTS = (
    "--window-size=1280,900",  # smaller ones get another layout elsewhere in the portal
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
    # nothing is drawn for anybody: 11 MB less (docs/measurements)
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
    # the pages before stay out of memory; one site needs no isolation from itself
    "--disable-features=BackForwardCache,IsolateOrigins,site-per-process,Translate,MediaRouter,OptimizationHints",
    "--disable-site-isolation-trials",
    # throttled timers would let Vaadin's heartbeats slip
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)


class Browser:
    """One Chrome with one driver. ``driver`` belongs to the thread that opened it; ``kill`` is for anybody."""

    def __init__(self, driver: WebDriver, process: "subprocess.Popen[bytes] | None") -> None:
        """Take what ``Chromes.open`` started; ``process`` is None on a Selenium Grid."""
        self.driver = driver
        self._process = process

    @property
    def pid(self) -> int:
        """The driver's process, of which Chrome's are children; 0 on a Selenium Grid."""
        return self._process.pid if self._process is not None else 0

    def collect_garbage(self) -> None:
        """Have the page's garbage collected now.

        Raises:
            BrowserFailed: Chrome is gone.
        """
        try:
            self.driver.execute("executeCdpCommand", {"cmd": "HeapProfiler.collectGarbage", "params": {}})
        except (WebDriverException, HTTPError) as error:
            raise BrowserFailed("the page's garbage can't be collected") from error

    def end(self) -> None:
        """Quit Chrome so that its profile is whole, then make sure that nothing of it is left. Never raises."""
        self.driver.command_executor.client_config.timeout = QUIT_TIMEOUT  # type: ignore[union-attr]
        try:
            self.driver.quit()
        except (WebDriverException, HTTPError, OSError) as error:
            log.info("chrome did not quit (%s), ended from outside", type(error).__name__)
        self.kill()

    def kill(self) -> None:
        """End every process of this browser at once; its driver's next command fails. From any thread."""
        if self._process is not None:
            end_processes(self._process.pid, None)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=QUIT_TIMEOUT)
            _close_output(self._process)


class Chromes:
    """Opens browsers: local ones, each with a profile of its own, or sessions of a Selenium Grid."""

    def __init__(
        self,
        profiles: Path,
        chrome_bin: str | None = None,
        chromedriver_path: str | None = None,
        remote_url: str | None = None,
        parallel_starts: int = 3,
        arguments: Sequence[str] = ARGUMENTS,
        start_within: float = START_TIMEOUT,
    ) -> None:
        """Take the folder for the profiles, and the settings CHROME_BIN, CHROMEDRIVER_PATH, SELENIUM_REMOTE_URL.

        ``arguments`` are Chrome's own; benchmarks measure what each of them gives. ``start_within`` is how many seconds
        the driver, and then Chrome, may take to start.
        """
        self._arguments = tuple(arguments)
        self._start_within = start_within
        self._profiles = profiles
        self._chrome_bin = chrome_bin
        self._chromedriver_path = chromedriver_path
        self._remote_url = remote_url
        self._starting = threading.Semaphore(parallel_starts)

    @functools.cached_property
    def _programs(self) -> tuple[str, str]:
        """Chrome and its driver: named ones, PATH, Selenium Manager, and webdriver-manager as the last resort."""
        return find_programs(self._chrome_bin, self._chromedriver_path)

    def folder(self, name: str) -> Path:
        """Return the folder of the profile of this name."""
        return self._profiles / name

    def check(self) -> None:
        """Find Chrome and its driver now, once, before any thread needs them. Raises BrowserMissing."""
        if self._remote_url is None:
            chrome, driver = self._programs
            log.info("browser: %s with %s, sandbox %s", chrome, driver, "on" if sandbox_possible() else "off")
            if not sandbox_possible():
                log.warning("Chrome's sandbox is off: the kernel or the user (root) does not allow it here")

    def open(self, name: str, pause: Pause) -> Browser:
        """Open a browser with the profile of this name; waits for its turn through ``pause``.

        Raises:
            BrowserMissing: there is none on this machine.
            BrowserFailed: it did not start.
        """
        profile = self._profiles / name
        options = _options(profile if self._remote_url is None else None, self._arguments)
        while not self._starting.acquire(blocking=False):
            pause(0.1)
        try:
            if self._remote_url is not None:
                options.add_argument("--headless=new")
                return Browser(_connect(self._remote_url, options, self._start_within), None)
            chrome, driver_path = self._programs
            if "headless-shell" in Path(chrome).name:
                options.binary_location = str(_HEADLESS_SHELL)
            else:
                options.binary_location = chrome
                options.add_argument("--headless=new")
            try:
                self._profiles.mkdir(parents=True, exist_ok=True, mode=0o700)
                profile.mkdir(exist_ok=True, mode=0o700)
            except OSError as error:
                raise BrowserFailed(f"the profile's folder can't be made ({error.strerror})") from error
            return self._start(driver_path, chrome, profile, options, pause)
        finally:
            self._starting.release()

    def _start(self, driver: str, chrome: str, profile: Path, options: ChromeOptions, pause: Pause) -> Browser:
        for _ in range(_DRIVER_STARTS):
            process = _start_driver(driver, chrome, profile)
            try:
                port = _port_of(process, pause, self._start_within)
                if port is not None:
                    return Browser(_connect(f"http://127.0.0.1:{port}", options, self._start_within), process)
            except BaseException:
                _discard(process)
                raise
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=QUIT_TIMEOUT)
            _discard(process)
            if process.returncode < 0:  # killed, perhaps by our own `kill`: not to be started again
                break
            log.info("chromedriver ended at its start")
        raise BrowserFailed("chromedriver ended at its start")

    def kill(self, name: str) -> None:
        """End every process that works on this profile, in whatever state of starting it is. From any thread."""
        end_processes(None, self._profiles / name)

    def forget(self, name: str) -> None:
        """Delete the profile of this name, with the portal's session in it; nobody may be using it. Never raises."""
        self.kill(name)
        try:
            shutil.rmtree(self._profiles / name)
        except FileNotFoundError:
            log.debug("no profile to delete")
        except OSError:
            log.exception("a profile could not be deleted")

    def adopt(self, name: str, new_name: str) -> None:
        """Put the profile ``name``, with its session, in the place of ``new_name``; nobody may be using either.

        Never raises: without it the student signs in once more, no more than that.
        """
        self.forget(new_name)
        try:
            (self._profiles / name).rename(self._profiles / new_name)
        except FileNotFoundError:
            log.debug("no profile to take over")
        except OSError:
            log.exception("a profile could not be taken over")
            self.forget(name)

    def forget_all(self, prefix: str) -> None:
        """Delete the profiles whose names begin so; nobody may be using them."""
        for profile in self._profiles.glob(f"{prefix}*"):
            self.forget(profile.name)

    def sweep(self) -> int:
        """End what an earlier process of ours left running in our profiles; return how many processes it was.

        Only the one process that holds the lock on DATA_DIR may call it: every profile in it is ours.
        """
        ended = end_processes(None, self._profiles)
        if ended:
            log.warning("ended %d processes of an earlier run", ended)
        return ended


def find_programs(chrome: str | None = None, driver: str | None = None) -> tuple[str, str]:
    """Return the paths of Chrome and chromedriver. May take long (a download): never on the loop.

    Raises:
        BrowserMissing: nothing found; the text says what to install.
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
    """Say whether Chrome can build its sandbox: it needs user namespaces, and refuses to as root."""
    if sys.platform != "linux":
        return True
    if os.geteuid() == 0 or shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def end_processes(session: int | None, profile: Path | None) -> int:
    """Kill a process session, and those sessions in which a process is marked with this profile or one below it.

    The mark finds a driver and Chrome's first process; Chrome's children write over their environment, but stay in
    the session.

    Returns:
        How many were killed.
    """
    killed = 0
    for _ in range(3):  # a process may have been starting another one meanwhile
        alive = [process for process in psutil.process_iter() if _alive(process)]
        marked = [process for process in alive if profile is not None and _is_marked(process, profile)]
        sessions = {session, *map(_session, marked)} - {None, os.getsid(0)}
        found = [process for process in alive if process in marked or _session(process) in sessions]
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
                killed += 1
        if not found:
            break
        psutil.wait_procs(found, timeout=2)
    return killed


def _alive(process: psutil.Process) -> bool:
    try:
        return process.pid != os.getpid() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _is_marked(process: psutil.Process, profile: Path) -> bool:
    try:
        mark = process.environ().get(_MARK)
    except psutil.Error:
        return False  # gone meanwhile, or somebody else's
    return mark is not None and Path(mark).is_relative_to(profile)


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def _options(profile: Path | None, arguments: Sequence[str]) -> ChromeOptions:
    options = ChromeOptions()
    # "none": a load returns at once, and the thread stays free for commands; readiness is Vaadin's, not the document's
    options.page_load_strategy = "none"
    for argument in arguments:
        options.add_argument(argument)
    if profile is not None:
        options.add_argument(f"--user-data-dir={profile}")
        if not sandbox_possible():
            options.add_argument("--no-sandbox")
            options.add_argument("--no-zygote")
    return options


def _start_driver(path: str, chrome: str, profile: Path) -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"ATTENDANCE_CHROME": chrome, _MARK: str(profile)}
    try:
        return subprocess.Popen(
            [path, "--port=0", "--log-level=SEVERE"],  # port 0: the system picks a free one, without a race
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise BrowserFailed(f"chromedriver can't be started ({error.strerror})") from error


def _port_of(process: "subprocess.Popen[bytes]", pause: Pause, within: float) -> int | None:
    """Read the port from what the driver says at its start; None where it ended instead."""
    assert process.stdout is not None  # noqa: S101  # for the type checker: the pipe was asked for
    said = b""
    for _ in range(int(within / _BETWEEN_LOOKS)):
        if not select.select([process.stdout], [], [], 0)[0]:
            pause(_BETWEEN_LOOKS)
            continue
        chunk = os.read(process.stdout.fileno(), 4096)
        said += chunk
        if (match := _PORT.search(said)) is not None:
            return int(match.group(1))
        if not chunk:
            return None
    raise BrowserFailed(f"chromedriver did not come up within {within:g} s")


def _discard(process: "subprocess.Popen[bytes]") -> None:
    end_processes(process.pid, None)
    process.wait()
    _close_output(process)


def _close_output(process: "subprocess.Popen[bytes]") -> None:
    if process.stdout is not None:
        process.stdout.close()


def _connect(address: str, options: ChromeOptions, within: float) -> WebDriver:
    config = ClientConfig(
        remote_server_addr=address,
        timeout=within,  # type: ignore[arg-type]  # an int by Selenium's annotation; urllib3 takes any number
        # without urllib3's own three more tries: they turn one time-out into four
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": False}},
    )
    connection = ChromiumRemoteConnection(
        remote_server_addr=address,
        vendor_prefix="goog",
        browser_name="chrome",
        ignore_proxy=True,
        client_config=config,
    )
    try:
        driver = WebDriver(command_executor=connection, options=options)
        driver.set_script_timeout(COMMAND_TIMEOUT - 5)
    except (WebDriverException, HTTPError) as error:
        text = getattr(error, "msg", None) or type(error).__name__
        raise BrowserFailed(f"Chrome did not start: {text.splitlines()[0]}") from error
    config.timeout = COMMAND_TIMEOUT
    return driver


def set_language(browser: Browser, address: str, language: str = "ru") -> None:
    """Set the portal's own language cookie before the first load; without it the portal speaks Kazakh.

    Raises:
        BrowserFailed: Chrome is gone.
    """
    cookie = {"name": "r5-locale", "value": language, "url": address, "path": "/"}
    command = {"cmd": "Network.setCookie", "params": cookie}
    try:
        browser.driver.execute("executeCdpCommand", command)
    except (WebDriverException, HTTPError) as error:
        raise BrowserFailed("the language cookie can't be set") from error

"""Opens and ends browsers: a Chrome with its driver and a profile, or a session on a Selenium Grid."""

import atexit
import contextlib
import functools
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from core import machine
from core.encryption import Cipher
from core.settings import Settings
from portal import driver
from portal.errors import BrowserFailed
from portal.grid import FILE, Grid
from portal.limits import Line, Pause
from portal.processes import end_processes, in_use

log = logging.getLogger(__name__)

QUIT_TIMEOUT = 5  # seconds
# chromedriver takes a free IPv4 port, and ends if the same IPv6 port is in use, or the other way round.
_DRIVER_STARTS = 3
_ENDED_AT_ONCE = 8  # sessions on a Selenium Grid
_LOCKS = ("SingletonLock", "SingletonCookie", "SingletonSocket")  # symbolic links, the first to "hostname-pid"


@dataclass(eq=False)
class Browser:
    """One Chrome with one driver. ``driver`` is for the thread that opened it; ``kill`` is for any thread."""

    driver: WebDriver
    _process: "subprocess.Popen[bytes] | None"  # chromedriver; None on a Selenium Grid
    _end_remote: Callable[[bool], object] = lambda _has_quit: None  # ends the session on the Grid if it has not quit

    @property
    def pid(self) -> int:
        """The driver's process, the parent of Chrome's; 0 on a Selenium Grid."""
        return self._process.pid if self._process is not None else 0

    def devtools(self, command: str, /, **parameters: Any) -> Any:
        """Execute a command of Chrome's DevTools protocol; return its result. Raises BrowserFailed: Chrome is gone."""
        try:
            return self.driver.execute("executeCdpCommand", {"cmd": command, "params": parameters})["value"]
        except (WebDriverException, HTTPError) as error:
            raise BrowserFailed(f"{command} failed") from error

    def end(self) -> None:
        """Quit Chrome, so that its profile is written completely, and kill what is left of it. Never raises."""
        self.driver.command_executor.client_config.timeout = QUIT_TIMEOUT  # type: ignore[union-attr]
        has_quit = True
        try:
            self.driver.quit()
        except (WebDriverException, HTTPError, OSError) as error:
            log.info("Chrome did not quit (%s) and is killed", type(error).__name__)
            has_quit = False
        self.kill(has_quit)

    def kill(self, has_quit: bool = False) -> None:
        """Kill every process of this browser; its driver's next command fails. From any thread."""
        self._end_remote(has_quit)
        if self._process is not None:
            _discard(self._process, QUIT_TIMEOUT)


@dataclass(eq=False)
class Chromes:
    """Opens browsers and manages their profiles.

    ``grid``: on a Selenium Grid instead of this machine. ``arguments`` are Chrome's (benchmarks measure the effect of
    each). ``start_within`` is how many seconds the driver, and then Chrome, may take to start.
    """

    profiles: Path
    chrome_bin: str | None = None
    chromedriver_path: str | None = None
    grid: Grid | None = None
    parallel_starts: int = 3
    arguments: Sequence[str] = driver.ARGUMENTS
    start_within: float = driver.START_TIMEOUT

    def __post_init__(self) -> None:
        self._starting = Line(self.parallel_starts)
        # drivers that are killed leave files there; a short name, since Chrome makes sockets in it
        self._temporary = Path(tempfile.mkdtemp(prefix="c-"))
        atexit.register(shutil.rmtree, self._temporary, ignore_errors=True)

    @functools.cached_property
    def programs(self) -> dict[str, str]:
        """Paths of the programs needed on this machine, by name: none with a Selenium Grid. Raises BrowserMissing."""
        if self.grid is not None:
            return {}
        chrome, chromedriver = driver.find_programs(self.chrome_bin, self.chromedriver_path)
        return {"Chrome": chrome, "chromedriver": chromedriver}

    @property
    def amounts(self) -> machine.Amounts:
        """What one browser takes of this machine. Raises BrowserMissing."""
        if not self.programs:
            return machine.REMOTE_CHROME
        is_shell = "headless-shell" in self.programs["Chrome"]
        return machine.HEADLESS_SHELL if is_shell else machine.FULL_CHROME

    def check(self) -> None:
        """Find Chrome and its driver now, before any thread needs them. Raises BrowserMissing."""
        if self.programs:
            log.info("browser: %s with %s", *self.programs.values())
            if not driver.sandbox_possible():
                log.warning("Chrome's sandbox is off: the kernel or the user (root) does not allow it here")

    def open(self, name: str, pause: Pause) -> Browser:
        """Open a browser with this profile; waiting goes through ``pause``. Raises BrowserMissing, BrowserFailed."""
        with self._starting.place(pause):
            if self.grid is None:
                return self._open_local(self.profiles / name, pause)
            return self._open_remote(self.grid, self.profiles / name)

    def _open_remote(self, grid: Grid, profile: Path) -> Browser:
        grid.end_kept(profile)  # it may hold the last place
        grid.require_place()
        options = driver.chrome_options(self.arguments, None, profile)
        opened = driver.connect(grid.address, options, self.start_within, grid)
        session = str(opened.session_id)
        grid.keep(profile, session)
        return Browser(opened, None, lambda has_quit: grid.end(profile, session, has_quit))

    def _open_local(self, profile: Path, pause: Pause) -> Browser:
        chrome, driver_path = self.programs.values()
        try:
            self.profiles.mkdir(parents=True, exist_ok=True, mode=0o700)
            profile.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise BrowserFailed(f"the profile's folder can't be made ({error.strerror})") from error
        _unlock(profile)
        options = driver.chrome_options(self.arguments, chrome, profile)
        for _ in range(_DRIVER_STARTS):
            process = driver.start_driver(driver_path, chrome, profile, self._temporary)
            output = bytearray()
            try:
                port = driver.read_port(process, pause, self.start_within, output)
                if port is not None:
                    return Browser(driver.connect(f"http://127.0.0.1:{port}", options, self.start_within), process)
            except BrowserFailed as failed:
                log.warning("%s; the end of its log: %s", failed, driver.end_of_log(process, output))
                _discard(process)
                raise
            except BaseException:
                _discard(process)
                raise
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=QUIT_TIMEOUT)
            log_end = driver.end_of_log(process, output)
            _discard(process)
            if process.returncode < 0:  # killed, perhaps by our own `kill`: must not be started again
                break
            log.warning("chromedriver ended at its start; the end of its log: %s", log_end)
        raise BrowserFailed("chromedriver ended at its start")

    def kill(self, name: str) -> None:
        """Kill every process that uses this profile, also of a browser that is just starting. From any thread."""
        end_processes(None, self.profiles / name)
        if self.grid is not None:
            self.grid.end_kept(self.profiles / name)

    def forget(self, name: str) -> None:
        """Delete the profile of this name, with the portal's session in it. It must not be in use. Never raises."""
        self.kill(name)
        try:
            shutil.rmtree(self.profiles / name)
        except FileNotFoundError:
            log.debug("no profile to delete")
        except OSError:
            log.exception("a profile could not be deleted")

    def adopt(self, name: str, new_name: str) -> None:
        """Replace the profile ``new_name`` by ``name``, with its session. Neither may be in use. Never raises."""
        self.forget(new_name)
        try:
            (self.profiles / name).rename(self.profiles / new_name)
        except FileNotFoundError:
            log.debug("no profile to rename")
        except OSError:
            log.exception("a profile could not be renamed")
            self.forget(name)

    def forget_all(self, prefix: str) -> None:
        """Delete the profiles whose names start with this prefix. They must not be in use."""
        for profile in self.profiles.glob(f"{prefix}*"):
            self.forget(profile.name)

    def sweep(self) -> int:
        """Kill what an earlier run left in our profiles; return how many processes. Only with the lock on DATA_DIR."""
        ended = end_processes(None, self.profiles)
        if ended:
            log.warning("ended %d processes of an earlier run", ended)
        left = [file.parent for file in self.profiles.glob(f"*/{FILE}")] if self.grid is not None else []
        if self.grid is not None and left:
            with ThreadPoolExecutor(_ENDED_AT_ONCE) as pool:
                gone = sum(pool.map(self.grid.end_kept, left))
            log.warning("ended %d of %d sessions of an earlier run on the Selenium Grid", gone, len(left))
        return ended


def configured(settings: Settings, profiles: Path, cipher: Cipher | None = None) -> Chromes:
    """Return the Chromes that the settings describe; with ``cipher`` the ids of sessions on a Grid are kept."""
    address = settings.selenium_remote_url
    grid = Grid(address.get_secret_value(), cipher) if address is not None else None
    return Chromes(profiles, settings.chrome_bin, settings.chromedriver_path, grid)


def _unlock(profile: Path) -> None:
    """Delete the locks of a Chrome that did not end cleanly: after one under another hostname none starts again."""
    locks = [profile / name for name in _LOCKS if os.path.lexists(profile / name)]
    if not locks or in_use(profile):
        return
    log.info("a Chrome did not end cleanly: its profile's locks are deleted")
    for lock in locks:
        with contextlib.suppress(OSError):  # Chrome says that it can't use the profile then
            lock.unlink()


def _discard(process: "subprocess.Popen[bytes]", within: float | None = None) -> None:
    end_processes(process.pid, None)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within)
    if process.stdout is not None:
        process.stdout.close()


def set_language(browser: Browser, address: str, language: str = "ru") -> None:
    """Set the portal's language cookie before a load; without it the portal answers in Kazakh."""
    browser.devtools("Network.setCookie", name="r5-locale", value=language, url=address, path="/")

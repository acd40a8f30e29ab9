"""A Chrome that is killed, hangs or does not start: the errors raised, and that no process is left."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from urllib3.exceptions import ReadTimeoutError

from portal.browser import Browser, Chromes
from portal.errors import BrowserFailed, BrowserMissing
from portal.views import View
from tests import children
from tests.e2e.people import Portal
from tests.portal.browsers import chromes, page_of, until
from tests.servers import need_browser
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser]

both_kinds = pytest.mark.parametrize("opened", ["headless-shell", "chromium"], indirect=True)


class Opened:
    """One browser of a test, with its processes and the login view on its page."""

    def __init__(self, chromes: Chromes, profile: Path, address: str) -> None:
        self.browser: Browser = chromes.open(profile.name, time.sleep)
        self.page = page_of(self.browser, address)
        self.address = address
        self._profile = profile
        try:
            (self.driver,) = [each for each in children.browsers(profile) if children.name_of(each) == "chromedriver"]
            (self.chrome,) = children.children_of(self.driver)
            self._session = os.getsid(self.driver.pid)
            self.page.load(address)
            assert self.page.settle().view is View.LOGIN
        except BaseException:
            self.browser.end()  # what it leaves open would fail another test
            raise

    def processes(self) -> list[psutil.Process]:
        """Return the living processes of its process session or with its profile in the environment."""
        return [*filter(self._is_of_the_session, psutil.process_iter()), *children.browsers(self._profile)]

    def waits_until_gone(self) -> None:
        """Wait until no process is left: on a busy machine a killed process takes a while to end."""
        until(lambda: self.processes() == [])

    def _is_of_the_session(self, process: psutil.Process) -> bool:
        try:
            return os.getsid(process.pid) == self._session and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, ProcessLookupError):
            return False


@pytest.fixture
def address(simulated_portal_url: str) -> str:
    """The address of a portal without trouble."""
    portal = Portal(simulated_portal_url)
    portal.reset()
    portal.http.close()
    return portal.address


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> Iterator[Opened]:
    """A browser of this test; ending it leaves no process, whatever the test did to it."""
    kind = getattr(request, "param", "headless-shell")
    opened = Opened(chromes(tmp_path / "profiles", kind), tmp_path / "profiles" / "7", address)
    yield opened
    opened.browser.end()
    opened.waits_until_gone()


@both_kinds
@pytest.mark.parametrize("way", [Browser.end, Browser.kill])
def test_nothing_is_left(opened: Opened, way: Callable[[Browser], None]) -> None:
    """After an end or a kill Chrome, its helpers and chromedriver are gone."""
    assert len(opened.processes()) > 3
    assert opened.driver in opened.processes()
    way(opened.browser)
    opened.waits_until_gone()
    with pytest.raises(BrowserFailed):
        opened.page.settle()
    with pytest.raises(BrowserFailed):
        opened.page.load(opened.address)


@both_kinds
def test_killed_chrome_raises(opened: Opened) -> None:
    """The next reading and the next load of a killed Chrome raise BrowserFailed."""
    opened.chrome.kill()
    with pytest.raises(BrowserFailed):
        opened.page.settle()
    with pytest.raises(BrowserFailed):
        opened.page.load(opened.address)


@both_kinds
def test_killed_renderer_raises(opened: Opened) -> None:
    """A crashed page does not recover: reading and loading raise BrowserFailed."""
    for process in opened.processes():
        if "--type=renderer" in children.command_of(process):
            children.kill(process)
    with pytest.raises(BrowserFailed):
        opened.page.settle()
    with pytest.raises(BrowserFailed):
        load_and_settle(opened)


def load_and_settle(opened: Opened) -> None:
    """Load the address and wait until it is ready."""
    opened.page.load(opened.address)
    opened.page.settle()


def test_killed_driver_raises(opened: Opened) -> None:
    """Without chromedriver our error is raised, not the HTTP library's; the remaining Chrome is ended."""
    opened.driver.kill()
    with pytest.raises(BrowserFailed):
        opened.page.settle()
    assert opened.chrome.is_running()


@pytest.mark.parametrize("frozen", ["chrome", "driver"])
@pytest.mark.ordeal
def test_frozen_browser_costs_one_time_out(opened: Opened, frozen: str, caplog: pytest.LogCaptureFixture) -> None:
    """A frozen Chrome or driver raises BrowserFailed after one time-out, not four, and is killed from outside."""
    executor = opened.browser.driver.command_executor
    executor.client_config.timeout = 5  # type: ignore[union-attr]
    process: psutil.Process = getattr(opened, frozen)
    for each in (process, *children.children_of(process, recursive=True)):
        each.send_signal(signal.SIGSTOP)
    with pytest.raises(BrowserFailed):
        opened.page.settle()
    with pytest.raises(ReadTimeoutError):
        opened.browser.driver.get_screenshot_as_png()  # a GET, which urllib3 repeats unless it is told not to
    assert "Retrying" not in caplog.text  # urllib3 logs each repetition so
    opened.browser.kill()
    opened.waits_until_gone()


def test_sweep_ends_what_an_earlier_process_left(opened: Opened, tmp_path: Path) -> None:
    """A Chrome without its driver, as after a crash of the bot, is found by its profile and ended."""
    opened.driver.kill()
    until(lambda: opened.driver not in opened.processes())
    assert Chromes(tmp_path / "others").sweep() == 0
    assert opened.chrome in opened.processes()
    assert Chromes(tmp_path / "profiles").sweep() > 0
    opened.waits_until_gone()
    assert Chromes(tmp_path / "profiles").sweep() == 0


def test_sweep_ends_frozen_children_too(opened: Opened, tmp_path: Path) -> None:
    """Frozen children of Chrome, which overwrite their environment and survive their parent, are ended by the sweep."""
    for process in opened.processes():
        process.send_signal(signal.SIGSTOP)
    Chromes(tmp_path / "profiles").sweep()
    opened.waits_until_gone()


def test_browser_is_killed_by_the_name_of_its_profile(opened: Opened, tmp_path: Path) -> None:
    """A browser, also one that is just starting, is killed by its profile; the browser of another profile stays."""
    profiles = Chromes(tmp_path / "profiles")
    profiles.kill("77")
    assert opened.page.settle().view is View.LOGIN
    profiles.kill("7")
    opened.waits_until_gone()
    with pytest.raises(BrowserFailed):
        opened.page.settle()


@pytest.mark.ordeal
def test_end_of_one_browser_leaves_the_others(tmp_path: Path, address: str) -> None:
    """Profiles are compared by their full name: killing 1 does not end 11."""
    opener = chromes(tmp_path)
    first, second = (Opened(opener, tmp_path / name, address) for name in ("1", "11"))
    try:
        first.browser.kill()
        first.waits_until_gone()
        assert second.page.settle().view is View.LOGIN
    finally:
        first.browser.end()
        second.browser.end()


def test_profile_is_kept_and_private(simulated_portal_url: str, tmp_path: Path, address: str) -> None:
    """The portal sees the same device whenever a profile is opened, and another one with another profile."""
    portal = Portal(simulated_portal_url)
    opener = chromes(tmp_path / "profiles")
    for name in ("1", "1", "2"):
        Opened(opener, tmp_path / "profiles" / name, address).browser.end()
    first, again, other = (event["detail"] for event in portal.events("device"))
    assert first == again
    assert first != other
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "profiles", tmp_path / "profiles" / "1")] == [0o700] * 2
    portal.http.close()


def test_missing_programs_are_named() -> None:
    """A configured Chrome or driver that does not exist is a permanent error that names the setting."""
    for wrong, setting in (
        (Chromes(Path("profiles"), chrome_bin="no-chrome-here"), "CHROME_BIN"),
        (Chromes(Path("profiles"), chromedriver_path="no-driver-here"), "CHROMEDRIVER_PATH"),
    ):
        with pytest.raises(BrowserMissing, match=setting) as error:
            wrong.check()
        assert error.value.permanent


@pytest.mark.parametrize("settings", [{"chrome_bin": "/bin/false"}, {"chromedriver_path": "/bin/false"}])
def test_program_that_ends_at_once_raises(tmp_path: Path, settings: dict[str, Any]) -> None:
    """A Chrome or driver that does not start raises an error that is not permanent, and leaves no process."""
    with pytest.raises(BrowserFailed) as error:
        Chromes(tmp_path, **settings).open("7", time.sleep)
    assert not error.value.permanent
    assert children.browsers(tmp_path) == []


def test_driver_without_a_port_is_started_again(tmp_path: Path) -> None:
    """A driver that ends at its start, as it does if its port is taken, is started again."""
    driver, tried = tmp_path / "driver", tmp_path / "tried"
    real = os.environ.get("CHROMEDRIVER_PATH") or shutil.which("chromedriver")
    driver.write_text(f'#!/bin/sh\n[ -e "{tried}" ] && exec "{real}" "$@"\ntouch "{tried}"\nexit 1\n')
    driver.chmod(0o700)
    need_browser()
    children.own_profiles(tmp_path / "profiles")
    Chromes(tmp_path / "profiles", chromedriver_path=str(driver)).open("7", time.sleep).end()
    assert tried.exists()


@pytest.mark.parametrize("opened", ["chromium"], indirect=True)
def test_profile_locked_by_another_host_is_opened(opened: Opened, tmp_path: Path) -> None:
    """A profile whose Chrome was killed under another hostname is opened again; one that is in use stays locked."""
    profile = tmp_path / "profiles" / "7"
    lock = profile / "SingletonLock"
    opener = chromes(tmp_path / "profiles", "chromium")
    with pytest.raises(BrowserFailed):
        opener.open("7", time.sleep)
    assert lock.is_symlink()
    opened.browser.kill()
    opened.waits_until_gone()
    lock.unlink()
    lock.symlink_to("another-host-7")
    again = opener.open("7", time.sleep)
    assert lock.readlink() != Path("another-host-7")
    again.end()


def test_log_of_a_failed_start_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The last lines of chromedriver's log are logged when it does not start, without paths and addresses."""
    need_browser()
    driver = tmp_path / "driver"
    driver.write_text(
        "#!/bin/sh\nseq 1 300\n"
        "echo 'no libnss3.so in /home/somebody/lib: see https://me:secret@proxy:3128/' >&2\nexit 1\n"
    )
    driver.chmod(0o700)
    with pytest.raises(BrowserFailed) as error:
        Chromes(tmp_path / "profiles", chromedriver_path=str(driver)).open("7", time.sleep)
    assert "libnss3" not in str(error.value)
    assert "299 | 300 | no libnss3.so in <...>: see <...>" in caplog.text
    assert "secret" not in caplog.text
    assert "somebody" not in caplog.text


def test_wait_for_a_start_can_be_interrupted(tmp_path: Path) -> None:
    """The wait for a turn to start goes through the caller's pause, which may interrupt it."""

    def pause(seconds: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Chromes(tmp_path, parallel_starts=0).open("7", pause)


def test_killed_driver_leaves_no_files(tmp_path: Path) -> None:
    """The temporary files of a driver that was killed are gone when our process ends."""
    script = (
        "import sys, time, tempfile; from pathlib import Path; from portal.browser import Chromes\n"
        "browser = Chromes(Path(sys.argv[1])).open('7', time.sleep)\n"
        "print(len(list(Path(tempfile.gettempdir()).rglob('*'))), flush=True)\n"
        "browser.kill()\n"
    )
    need_browser()
    profiles, temporary = tmp_path / "profiles", tmp_path / "t"
    temporary.mkdir()
    children.own_profiles(profiles)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = children.run([sys.executable, "-c", script, str(profiles)], timeout=PATIENCE, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    until(lambda: list(temporary.iterdir()) == [])

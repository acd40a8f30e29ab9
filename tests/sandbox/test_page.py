"""`python -m sandbox`: its web page in a browser, and its processes."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests import children
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


ROOT = Path(__file__).resolve().parents[2]


class Sandbox:
    """The sandbox as a child process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        # Its temporary folders are then in one that a test can check afterwards.
        environment = {**os.environ, "TMPDIR": str(folder)}
        command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
        self.folder = folder
        self.process = children.start(command, env=environment, stdout=subprocess.PIPE, text=True)
        children.own_profiles(folder)
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.reads("Open http").split()[1]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def reads(self, words: str) -> str:
        """Wait for an output line with these words."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            self.said.append(line)
            if words in line:
                return line

    def family(self) -> list[psutil.Process]:
        """All descendants of the sandbox: the bot, its drivers and Chromes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def bot(self) -> psutil.Process:
        """The bot's process."""
        (bot,) = psutil.Process(self.process.pid).children()
        return bot

    def end(self) -> None:
        """End the sandbox, whatever the test did."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(timeout=PATIENCE)
            if self.process.stdout is not None:
                self.process.stdout.close()


class Page:
    """Page object of the sandbox's page."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self._driver = driver
        driver.get(url)
        self.console()  # drop the entries of an earlier sandbox's page

    def _until(self, what: str, look: Callable[[], WebElement | bool | None]) -> WebElement:
        wait = WebDriverWait(self._driver, PATIENCE, 0.1, [StaleElementReferenceException])
        found = wait.until(lambda _: look(), f"not on the page: {what}")
        return found if isinstance(found, WebElement) else self._driver.find_element(By.TAG_NAME, "body")

    def _one(self, css: str, words: str = "") -> WebElement:
        def look() -> WebElement | None:
            found = self._driver.find_elements(By.CSS_SELECTOR, css)
            fitting = [each for each in found if words in each.text and each.is_displayed() and each.is_enabled()]
            return fitting[-1] if fitting else None

        return self._until(f"{css} {words!r}", look)

    def _press(self, css: str, words: str) -> None:
        def look() -> bool:
            self._one(css, words).click()
            return True

        self._until(f"{css} {words!r}", look)

    def starts(self, person: str) -> None:
        """Press Start in an empty chat."""
        self._press(f".phone[data-person={person}] .start", "Start")

    def taps(self, person: str, label: str) -> None:
        """Press an inline button."""
        self._press(f".phone[data-person={person}] .inline", label)

    def opens_link_as(self, person: str, student: str) -> None:
        """Press the link in a person's chat and open it as a student."""
        self._press(f".phone[data-person={person}] .inline-link", "https://t.me/")
        self._press(".open-as button", student)

    def types_login(self, person: str, part: str) -> None:
        """Press the username or password at the top of a chat, which types it, and send it."""
        self._press(f".phone[data-person={person}] .login .{part}", "")
        self._press(f".phone[data-person={person}] .write button", "Send")

    def sees(self, person: str, words: str) -> str:
        """Wait for a message with these words; returns its text."""
        texts: list[str] = []

        def look() -> bool:
            # read in the same step: the page replaces a bubble when its message changes
            bubbles = self._driver.find_elements(By.CSS_SELECTOR, f".phone[data-person={person}] .bubble")
            texts[:] = [text for bubble in bubbles if words in (text := bubble.text)]
            return bool(texts)

        self._until(f"{person}'s message {words!r}", look)
        return texts[-1]

    def chat(self, person: str) -> str:
        """The current text of a chat."""
        return self._driver.find_element(By.CSS_SELECTOR, f".phone[data-person={person}] .messages").text

    def shares(self, person: str) -> None:
        """Press the button that shares the phone number or location."""
        self._press(f".phone[data-person={person}] .shares button", "Share")

    def types(self, person: str, text: str) -> None:
        """Type a text and send it."""
        self._one(f".phone[data-person={person}] .write input").send_keys(text)
        self._press(f".phone[data-person={person}] .write button", "Send")

    def opens_lesson(self) -> None:
        """Open the lesson that the form proposes."""
        self._press("#lesson button", "Open lesson")

    def sees_lesson(self, words: str) -> None:
        """Wait for words in the list of lessons."""
        self._one("#lessons li", words)

    def sees_bot(self, words: str) -> None:
        """Wait for words in the state of the bot's process."""
        self._one("#bot-state", words)

    def starts_bot_again(self) -> None:
        """Press Start again."""
        self._press("#bot-start", "Start again")

    def formatted(self, html: str) -> str:
        """Convert a message's HTML as the page does; returns HTML."""
        script = """
            const done = arguments[1], box = document.createElement("div");
            import("/page/formatting.js").then(({ formatted }) => {
                box.append(formatted(arguments[0], "some_bot", {}));
                done(box.innerHTML);
            });
        """
        return str(self._driver.execute_async_script(script, html))

    def console(self) -> list[str]:
        """Entries of the browser's console."""
        return [str(entry["message"]) for entry in self._driver.get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A Chrome for the sandbox's page."""
    chrome, chromedriver = _programs()
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    profile = tmp_path_factory.mktemp("newcomer")
    for argument in ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1440,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(chromedriver, env={**os.environ, "TMPDIR": str(profile), "ATTENDANCE_PROFILE": str(profile)})
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


def _programs() -> tuple[str, str]:
    found = [shutil.which(name) for name in ("chromium-headless-shell", "chromium", "chromedriver")]
    chrome, chromedriver = found[0] or found[1], found[2]
    if chrome is None or chromedriver is None:
        reason = "no Chromium with its driver on PATH"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return chrome, chromedriver


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder, *arguments)
    try:
        yield sandbox
    finally:
        sandbox.end()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A running sandbox."""
    with started(tmp_path) as running:
        yield running


def eventually_gone(processes: list[psutil.Process]) -> bool:
    """Wait until all processes have ended; zombies count as ended."""
    deadline = time.monotonic() + PATIENCE
    while any(map(_alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def register(page: Page) -> None:
    """Register the first student through the page."""
    page.starts("Saule")
    page.taps("Saule", "Admin Panel")
    page.taps("Saule", "Generate Invitation Code")
    page.opens_link_as("Saule", "Aruzhan")
    page.sees("Aruzhan", "your username on the portal")
    page.types_login("Aruzhan", "username")
    page.sees("Aruzhan", "your portal password")
    page.types_login("Aruzhan", "password")
    page.sees("Aruzhan", "Registration complete!")


@pytest.mark.browser
def test_first_path(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Through the page a student registers, starts monitoring and is marked; SIGTERM ends all processes."""
    page = Page(driver, sandbox.url)
    register(page)
    assert "portal-1" not in page.chat("Aruzhan"), "the password is still on the screen"
    page.taps("Aruzhan", "Start Monitoring")
    page.sees("Aruzhan", "on since")
    page.opens_lesson()
    assert "a_student" in page.sees("Aruzhan", "Attendance Marked.")
    page.sees_lesson("marked: a_student")
    assert page.console() == []

    family = sandbox.family()
    assert any("chrom" in children.name_of(process) for process in family)
    sandbox.process.terminate()
    assert sandbox.process.wait(timeout=PATIENCE) == 0
    assert eventually_gone(family)
    assert [entry for entry in sandbox.folder.iterdir() if entry.name.startswith("attendance-sandbox-")] == []


@pytest.mark.browser
@pytest.mark.ordeal
def test_killed_bot_is_shown_and_restarted(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Terminal and page show a killed bot's last line, and a button restarts it."""
    page = Page(driver, sandbox.url)
    register(page)
    page.taps("Aruzhan", "Start Monitoring")
    page.sees("Aruzhan", "on since")
    bot, orphans = sandbox.bot(), sandbox.family()[1:]
    bot.send_signal(signal.SIGKILL)
    page.sees_bot("the bot has ended, killed by SIGKILL: 20")
    assert "killed by SIGKILL. Its last line: 20" in sandbox.reads("bot.py ended unexpectedly")
    assert eventually_gone(orphans), "the killed bot's Chrome still runs"
    page.starts_bot_again()
    page.sees_bot("the bot is running")
    page.opens_lesson()
    page.sees("Aruzhan", "Attendance Marked.")


@pytest.mark.browser
@pytest.mark.ordeal
def test_killed_sandbox(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """When the sandbox is killed, the bot and its Chromes end too."""
    if sys.platform != "linux":
        pytest.skip("the kernel ends a dead process's children on Linux only")
    page = Page(driver, sandbox.url)
    register(page)
    page.taps("Aruzhan", "Start Monitoring")
    page.sees("Aruzhan", "on since")
    family = sandbox.family()
    sandbox.process.kill()
    assert eventually_gone(family)


@pytest.mark.browser
def test_bot_messages_cannot_script_the_page(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Only Telegram's tags and web links of a message's HTML are kept; of all other tags only the text."""
    page = Page(driver, sandbox.url)
    hostile = (
        '<b onclick="x()">bold</b><img src=x onerror="x()"><script>x()</script><u><iframe src="/"></iframe>under</u>'
        '<a href="javascript:x()">bad</a> <a href="https://a.example/?b=1&amp;c">good</a> <code>/no http://n.example</code>'
    )
    assert page.formatted(hostile) == (
        '<b>bold</b>x()<u>under</u>bad <a href="https://a.example/?b=1&amp;c" target="_blank" '
        'rel="noopener noreferrer">good</a> <code title="Copy">/no http://n.example</code>'
    )


@pytest.mark.ordeal
def test_bot_that_refuses_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terminal and page show the error line of bot.py and its exit code."""
    monkeypatch.setenv("CHROME_BIN", "/no/such/chrome")
    with started(tmp_path) as sandbox:
        assert "exit code 69. Its last line: CHROME_BIN: there is no program" in sandbox.reads("ended unexpectedly")
        bot = httpx.get(f"{sandbox.url}/api/bot", timeout=PATIENCE).json()
        assert (bot["state"], bot["outcome"]) == ("ended", "exit code 69")
        assert "/no/such/chrome" in bot["last_line"]
        assert httpx.get(f"{sandbox.url}/api/bot?since=x", timeout=PATIENCE).status_code == 400


@pytest.mark.ordeal
def test_bot_does_not_inherit_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, a proxy and a portal in our environment are not passed on to the bot."""
    _programs()
    for name in ("TELEGRAM_BOT_TOKEN", "HTTPS_PROXY", "PORTAL_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "https://the-callers-own.example")
    with started(tmp_path) as sandbox:
        sandbox.reads("is ready")
        given = sandbox.bot().environ()
        assert [name for name, value in given.items() if "the-callers-own" in value] == []
        assert given["PORTAL_URL"].startswith("http://127.0.0.1:")
        assert given["ENV_FILE"] == ""


@pytest.mark.ordeal
def test_data_folder_is_kept(tmp_path: Path) -> None:
    """With --data the bot's files are kept, with the key outside its data folder."""
    _programs()
    kept = tmp_path / "kept"
    with started(tmp_path, "--data", str(kept)) as sandbox:
        sandbox.reads("is ready")
    assert sandbox.process.returncode == 0
    assert (kept / "data" / "ledger.sqlite3").exists()
    assert (kept / "secrets" / "encryption.key").exists()
    assert {entry.name for entry in tmp_path.iterdir()} == {"kept"}


def test_port_in_use(sandbox: Sandbox) -> None:
    """A second sandbox on the same port ends with one line that names the port, and starts no bot."""
    port = str(httpx.URL(sandbox.url).port)
    command = [sys.executable, "-m", "sandbox", "--port", port]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert second.returncode == 1
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert port in line


def test_content_security_policy(sandbox: Sandbox) -> None:
    """Every file of the page has a policy that allows only content from the sandbox."""
    files = [f"/page/{file.name}" for file in (ROOT / "sandbox" / "page").iterdir()]
    for path in ("/", *files):
        answer = httpx.get(f"{sandbox.url}{path}", timeout=PATIENCE)
        assert answer.status_code == 200
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")

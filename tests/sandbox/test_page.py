"""`python -m sandbox`: its web page in a browser, and its processes."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from selenium import webdriver

from tests import children
from tests.sandbox.browser import programs
from tests.sandbox.browsing import Page, Sandbox, eventually_gone, started
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


ROOT = Path(__file__).resolve().parents[2]
# Bytes of all the page's files: it works offline and without a build step.
HEAVIEST = 300_000


def register(page: Page) -> None:
    """Register the first student through the page."""
    page.acts("Saule", "start")
    page.taps("Saule", "Admin Panel")
    page.taps("Saule", "Generate Invitation Code")
    page.opens_link_as("Saule", "Aruzhan")
    page.sees("Aruzhan", "your username on the portal")
    page.types_login("Aruzhan", "username")
    page.sees("Aruzhan", "your portal password")
    page.types_login("Aruzhan", "password")
    page.sees("Aruzhan", "Registration complete!")


@pytest.mark.browser
@pytest.mark.ordeal
def test_first_path(driver: webdriver.Chrome, sandbox: Sandbox) -> None:
    """Through the page a student registers, starts monitoring and is marked; SIGTERM ends all processes."""
    page = Page(driver, sandbox.url)
    register(page)
    page.until("no password", lambda: "portal-1" not in page.chat("Aruzhan"))
    page.taps("Aruzhan", "Start Monitoring")
    page.sees("Aruzhan", "on since")
    page.opens_lesson()
    assert "a_student" in page.sees("Aruzhan", "Attendance Marked.")
    page.sees_lesson("Aruzhan marked after")
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
    bot = sandbox.bot()
    orphans = children.children_of(bot, recursive=True)
    bot.send_signal(signal.SIGKILL)
    page.sees_bot("The bots have ended, killed by SIGKILL: 20")
    page.sized(390)
    assert page.one("#bot-state .words", "The bots have ended").size["width"] > 200
    page.sized(1440, 900)
    assert "killed by SIGKILL. Its last line: 20" in sandbox.reads("bot.py ended unexpectedly")
    assert eventually_gone(orphans), "the killed bot's Chrome still runs"
    page.starts_bot_again()
    page.sees_bot("The bots are running")
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
    code = '<code role="button" tabindex="0" title="Copy" data-action="copy">/no http://n.example</code>'
    assert page.formatted(hostile) == (
        '<b>bold</b>x()<u>under</u>bad <a href="https://a.example/?b=1&amp;c" target="_blank" '
        f'rel="noopener noreferrer">good</a> {code}'
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
    programs()
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
    programs()
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


def test_weight() -> None:
    """The whole page is lighter than 300 kB, and none of its files names another site to load from."""
    files = [file for file in (ROOT / "sandbox" / "page").rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < HEAVIEST
    loads = re.compile(r"""(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|from ["']https?:|@import""")
    assert [file.name for file in files if loads.search(file.read_text(encoding="utf-8"))] == []

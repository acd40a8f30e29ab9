"""bot.py and attendance.py as processes: start, refused start, exit codes, and end."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests import children
from tests.bot_process import BotProcess, MarkerProcess
from tests.e2e.people import ADMIN, TOKEN, Person, Portal, Telegram, eventually
from tests.servers import need_browser
from tests.waiting import PATIENCE

USERNAME, PASSWORD = "a_student", "Correct-Horse-7"


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The empty simulated portal: these tests do not depend on the toolkit."""
    portal = Portal(simulated_portal_url)
    portal.reset()
    yield portal
    portal.http.close()


def run_bot(folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run bot.py with a clean environment until it exits."""
    return BotProcess(folder, **settings).runs()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "TELEGRAM_BOT_TOKEN: got nothing, wants "),
        ({"TELEGRAM_BOT_TOKEN": TOKEN}, "ADMIN_TELEGRAM_ID: got nothing, wants "),
        ({"TELEGRAM_BOT_TOKEN": "12345:secret-typo"}, "TELEGRAM_BOT_TOKEN: got a value that is not shown here, wants "),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "@me"},
            "ADMIN_TELEGRAM_ID: got '@me', wants ",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "REFRESH_INTERVAL": "often"},
            "REFRESH_INTERVAL: got 'often', wants ",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "PORTAL_URL": "http://portal.example/"},
            "PORTAL_URL: got 'http://portal.example/', wants ",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "ENCRYPTION_KEY": "not-a-key"},
            "ENCRYPTION_KEY: got a value that is not shown here, wants ",
        ),
    ],
)
@pytest.mark.ordeal
def test_wrong_settings_end_the_start(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    """Wrong settings: exit code 78, and a line for each with its value and what is expected; no secret."""
    done = run_bot(tmp_path, **settings)
    assert done.returncode == 78
    assert done.stderr.startswith(said)
    assert all(": got " in line and ", wants " in line for line in done.stderr.splitlines())
    assert "secret-typo" not in done.stderr


def test_a_token_that_telegram_does_not_know(tmp_path: Path, telegram: Telegram) -> None:
    """An unknown token: exit code 78 and one line without the token."""
    need_browser()
    stranger = "9876543210:AAEhBOweik6ad6PsWZRcXjYZ0123456789a"
    done = run_bot(tmp_path, TELEGRAM_BOT_TOKEN=stranger, ADMIN_TELEGRAM_ID="1", TELEGRAM_API_URL=telegram.url)
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1].startswith("TELEGRAM_BOT_TOKEN: got a token that Telegram does not know")
    assert stranger not in done.stderr


@pytest.mark.ordeal
def test_the_room_is_logged_at_the_start(tmp_path: Path, telegram: Telegram) -> None:
    """The start logs how many monitors fit, what is missing for more, and leaves face workers their part."""
    need_browser()
    strangers = {  # the bots end after the start: Telegram does not know them
        name: f"{digit * 10}:AAEhBOweik6ad6PsWZRcXjYZ0123456789x"
        for name, digit in (("TELEGRAM_BOT_TOKEN", "1"), ("TEACHER_BOT_TOKEN", "3"), ("STUDENT_BOT_TOKEN", "4"))
    }
    files = {}
    for engine in ("none", "local"):
        more = {"FACE_ENGINE": engine, "MAX_ACTIVE_MONITORS": "10000", "ADMIN_TELEGRAM_ID": "1"}
        done = run_bot(tmp_path / engine, TELEGRAM_API_URL=telegram.url, **strangers, **more)
        assert done.returncode == 78
        room = re.search(r" room for 10000 monitors; memory for \d+, .*open files for (\d+)", done.stderr)
        assert room, done.stderr
        assert re.search(r" WARNING .*no room for 10000 monitors: memory for \d+, .*: (raise|lift) ", done.stderr)
        files[engine] = int(room[1])
    assert files["none"] > files["local"]


def test_one_process_for_one_data_folder(bot: MarkerProcess, admin: Person, telegram: Telegram) -> None:
    """A second bot on the same DATA_DIR exits with 75 and one line; the first continues."""
    admin.says("/start")
    admin.sees("invitation code")
    second = run_bot(bot.folder, TELEGRAM_BOT_TOKEN=TOKEN, ADMIN_TELEGRAM_ID=str(ADMIN), TELEGRAM_API_URL=telegram.url)
    assert second.returncode == 75
    assert "is in use by another process" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    admin.taps("Admin Panel")
    admin.sees("0 students")


@pytest.mark.ordeal
def test_a_lost_key_is_not_replaced(bot: MarkerProcess, telegram: Telegram) -> None:
    """With students but without their key the bot refuses to start (78) and leaves the data unchanged."""
    bot.seed(2001, USERNAME, PASSWORD)
    key = bot.folder / "secrets" / "encryption.key"
    key.unlink()
    before = (bot.folder / "data" / "students.json").read_bytes()
    settings = {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "TELEGRAM_API_URL": telegram.url}
    refused = run_bot(bot.folder, ENCRYPTION_KEY_FILE=str(key), **settings)
    assert refused.returncode == 78
    assert "restore the key" in refused.stderr
    assert not key.exists()
    other = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="
    wrong = run_bot(bot.folder, ENCRYPTION_KEY=other, **settings)
    assert wrong.returncode == 78
    assert "encrypted with a key that is not among" in wrong.stderr
    assert (bot.folder / "data" / "students.json").read_bytes() == before


@pytest.mark.ordeal
def test_telegram_unreachable_at_the_start(bot: MarkerProcess, telegram: Telegram) -> None:
    """A bot that can't reach Telegram at its start retries, and can be stopped meanwhile."""
    telegram.call("/faults", method="getMe", kind="502", times=2)
    bot.start()
    admin = Person(telegram, ADMIN, "Admin")
    admin.says("/start")
    admin.sees("invitation code")
    assert bot.stop() == 0
    telegram.call("/faults", method="getMe", kind="502", times=1000)
    bot.start()

    def refused() -> bool:
        calls = [call for call in telegram.get("/calls") if call["method"] == "getMe" and call["status"] == 502]
        return len(calls) > 2

    eventually("a refused call", refused)
    assert bot.stop() == 0


class Terminal:
    """attendance.py in a process, with its standard input."""

    def __init__(self, folder: Path, portal_address: str, *arguments: str, **settings: str) -> None:
        need_browser()
        self.folder = folder
        passed_on = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = {
            **passed_on,
            "ENV_FILE": "",
            "DATA_DIR": str(folder),
            "PORTAL_URL": portal_address,
            "REFRESH_INTERVAL": "1",
            "KBTU_USERNAME": USERNAME,
            "KBTU_PASSWORD": PASSWORD,
            **settings,
        }
        children.own_profiles(folder)
        self.process: subprocess.Popen[str] = children.start(
            [sys.executable, "attendance.py", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def reads(self, words: str) -> str:
        """Read lines until one contains these words; returns it."""
        assert self.process.stdout is not None
        seen: list[str] = []
        line: str
        for line in self.process.stdout:
            seen.append(line)
            if words in line:
                return line
        raise AssertionError(f"'{words}' never came:\n{''.join(seen)}")

    def types(self, text: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Wait for its end; returns the exit code and the remaining output."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, rest

    def left(self) -> list[psutil.Process]:
        """Return its remaining Chrome processes."""
        return children.browsers(self.folder)


@pytest.fixture
def start_terminal(tmp_path: Path, portal: Portal) -> Iterator[Callable[..., Terminal]]:
    """Starts terminals, each in a folder; they end with the test."""
    started: list[Terminal] = []

    def start(*arguments: str, folder: str = "", portal_address: str = portal.address, **settings: str) -> Terminal:
        started.append(Terminal(tmp_path / folder, portal_address, *arguments, **settings))
        return started[-1]

    yield start
    for terminal in started:
        children.end(terminal.process)
        for process in terminal.left():
            process.kill()


def test_the_terminal_marks_and_stops_with_ctrl_c(portal: Portal, start_terminal: Callable[..., Terminal]) -> None:
    """attendance.py marks an open lesson, reports it, exits with 0 on Ctrl-C, and leaves no Chrome running."""
    portal.has_student(USERNAME, PASSWORD)
    terminal = start_terminal()
    terminal.reads("signed in, watching")
    lesson = portal.opens("Algebra")
    assert "Algebra, Ivanov I. I., Л27 (15:00 - 16:00)" in terminal.reads("Attendance Marked.")
    assert portal.marks() == [(lesson, USERNAME)]
    terminal.process.send_signal(signal.SIGINT)
    code, said = terminal.end()
    assert (code, terminal.left()) == (0, [])
    assert PASSWORD not in said


@pytest.mark.ordeal
def test_the_terminal_asks_in_manual_mode(portal: Portal, start_terminal: Callable[..., Terminal]) -> None:
    """With --mode manual a lesson is marked only after a yes."""
    portal.has_student(USERNAME, PASSWORD)
    terminal = start_terminal("--mode", "manual")
    terminal.reads("signed in, watching")
    portal.opens("Biology", time="Л2 (10:00 - 11:00)")
    terminal.reads("Attendance available! Biology")
    terminal.types("n")
    second = portal.opens("Algebra")
    terminal.reads("Attendance available! Algebra")
    assert portal.marks() == []
    terminal.types("y")
    terminal.reads("Attendance Marked. Algebra")
    assert portal.marks() == [(second, USERNAME)]
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end()[0] == 0


def test_the_terminal_rehearses(portal: Portal, tmp_path: Path, start_terminal: Callable[..., Terminal]) -> None:
    """With --rehearse an open lesson is recorded and not clicked; Ctrl-C ends the trace; a file is not replaced."""
    portal.has_student(USERNAME, PASSWORD)
    portal.opens("Algebra")
    file = tmp_path / "trace.jsonl"
    terminal = start_terminal("--rehearse", str(file), folder="a")
    terminal.reads("nothing is marked; the trace is")

    def written() -> str:
        return file.read_text(encoding="utf-8")

    eventually("the open lesson", lambda: '"view": "open", "after": "load"' in written())
    terminal.process.send_signal(signal.SIGINT)
    code, said = terminal.end()
    assert (code, terminal.left()) == (0, [])
    assert "stopped, 0 records withheld; read" in said
    assert json.loads(written().splitlines()[-1])["why"] == "stopped"
    assert file.stat().st_mode & 0o777 == 0o600
    for text in (USERNAME, PASSWORD, "Algebra", "Ivanov"):
        assert text not in written()
    assert portal.events("click") == []
    again = start_terminal("--rehearse", str(file), folder="a")
    code, said = again.end()
    assert (code, again.left()) == (2, [])
    assert "File exists" in said


@pytest.mark.ordeal
def test_the_terminal_s_exit_codes(portal: Portal, tmp_path: Path, start_terminal: Callable[..., Terminal]) -> None:
    """2 without an account or with a wrong argument, 3: account refused, 4: portal can't be reached, 5: blocked."""
    nobody = start_terminal(folder="a", KBTU_USERNAME="", KBTU_PASSWORD="")
    assert nobody.end()[0] == 2
    assert start_terminal("--mode", "sometimes", folder="b").end()[0] == 2
    portal.has_student(USERNAME, "another-password")
    refused = start_terminal(folder="c")
    code, said = refused.end()
    assert (code, refused.left()) == (3, [])
    assert "Неверный логин или пароль." in said
    away = start_terminal(folder="d", portal_address="http://127.0.0.1:9/RegistrationOnline")
    code, said = away.end()
    assert (code, away.left()) == (4, [])
    assert "the portal can't be used now" in said
    portal.has_student(USERNAME, PASSWORD, blocked="fees")
    blocked = start_terminal("--rehearse", str(tmp_path / "trace.jsonl"), folder="e")
    code, said = blocked.end()
    assert (code, blocked.left()) == (5, [])
    assert "the portal has blocked this account: ask the registrar's office" in said

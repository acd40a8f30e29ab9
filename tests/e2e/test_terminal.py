"""attendance.py as a process: what it prints, its exit codes, and its end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import psutil
import pytest

from portal.certificates import ADD_COMMAND
from tests import children
from tests.e2e.people import Portal, eventually
from tests.servers import need_browser
from tests.tls import ISSUER, without_its_issuer
from tests.waiting import PATIENCE

USERNAME, PASSWORD = "a_student", "Correct-Horse-7"


pytestmark = pytest.mark.parametrize("portal", ["simulated"], indirect=True)  # they do not depend on the toolkit


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
            children.kill(process)


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
@pytest.mark.parametrize("rehearses", [False, True])
@pytest.mark.parametrize("signals", [(children.HANGS_UP,), (signal.SIGINT, signal.SIGINT)])
def test_the_terminal_leaves_no_chrome(
    rehearses: bool,
    signals: tuple[signal.Signals, ...],
    portal: Portal,
    tmp_path: Path,
    start_terminal: Callable[..., Terminal],
) -> None:
    """Chrome ends with a terminal that is closed, and with a Ctrl-C that is pressed twice."""
    portal.has_student(USERNAME, PASSWORD)
    terminal = start_terminal(*(["--rehearse", str(tmp_path / "trace.jsonl")] if rehearses else []))
    terminal.reads("the portal shows: nothing" if rehearses else "watching")
    chromes = terminal.left()
    assert chromes
    for number in signals:
        terminal.process.send_signal(number)
        eventually("the end of Chrome begins", lambda: terminal.left() != chromes)
    code, _ = terminal.end()
    assert (code, terminal.left()) == (0, [])


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


@pytest.mark.ordeal
def test_the_terminal_names_a_missing_certificate(tmp_path: Path, start_terminal: Callable[..., Terminal]) -> None:
    """Monitoring and a rehearsal both end with 4, and with one line that names certificate and remedy."""
    trace = tmp_path / "trace.jsonl"
    with without_its_issuer(tmp_path) as address:
        for arguments in ((), ("--rehearse", str(trace))):
            terminal = start_terminal(*arguments, folder="a", portal_address=address, LOG_LEVEL="ERROR")
            code, said = terminal.end()
            assert (code, terminal.left()) == (4, [])
            (line,) = [line for line in said.splitlines() if ISSUER in line]
            assert f"the certificate of '{ISSUER}' is missing" in line
            assert ADD_COMMAND in line
    end = json.loads(trace.read_text(encoding="utf-8").splitlines()[-1])
    assert end["why"] == "CertificateRefused"


@pytest.mark.ordeal
def test_a_rehearsal_says_what_it_meets(
    portal: Portal, tmp_path: Path, start_terminal: Callable[..., Terminal]
) -> None:
    """A rehearsal prints one line for each other thing that the portal shows, and for a trouble what to do."""
    portal.has_student(USERNAME, PASSWORD)
    portal.behaves(foreign_page="captive")
    terminal = start_terminal("--rehearse", str(tmp_path / "trace.jsonl"))
    said = terminal.reads("this is not the portal: check PORTAL_URL, and whether the network wants a sign-in")
    assert "Wi-Fi" in said
    loads = len(portal.events("page_load"))
    eventually("another load", lambda: len(portal.events("page_load")) > loads + 1)
    portal.behaves(foreign_page=None)
    assert terminal.process.stdout is not None
    before = list(takewhile(lambda line: "the portal shows: login" not in line, terminal.process.stdout))
    assert not any("this is not the portal" in line for line in before)
    terminal.reads("the portal shows: nothing")
    portal.has_student(USERNAME, PASSWORD, blocked="fees")
    terminal.reads("the portal has blocked this account: ask the registrar's office")
    terminal.reads("AccountBlocked, 0 records withheld")
    assert (terminal.end()[0], terminal.left()) == (5, [])

"""What attendance.py shows in the terminal when monitoring ends or is in trouble, and its exit codes."""

import queue

import pytest

from attendance import BLOCKED, PASSWORD_EXPIRED, PORTAL, REFUSED, follow
from lessons.events import Event, StatusEvent
from monitor import AttendanceMonitor

pytestmark = pytest.mark.unit


def shown(events: list[StatusEvent], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Return the exit code after these events, and the printed lines without their times."""
    waiting: queue.SimpleQueue[StatusEvent] = queue.SimpleQueue()
    for event in events:
        waiting.put(event)
    monitor = AttendanceMonitor("a_student", "correct horse", "manual", lambda *_: None, lambda *_: None)
    code = follow(monitor, waiting)  # type: ignore[arg-type]  # a queue of both kinds
    return code, [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("event", "error", "code", "sentence"),
    [
        (Event.REFUSED, "", REFUSED, "the portal refuses username or password: check them there"),
        (Event.BLOCKED, "", BLOCKED, "the portal has blocked this account: ask the registrar's office"),
        (Event.BLOCKED, "AccountLocked", BLOCKED, "the portal has locked this account for a while: wait"),
        (Event.BLOCKED, "AccountExpired", BLOCKED, "this account has expired: ask the registrar's office"),
        (Event.PASSWORD_EXPIRED, "", PASSWORD_EXPIRED, "the portal wants a new password: set it there"),
    ],
)
def test_accounts(event: Event, error: str, code: int, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each reason of the portal not to let an account in is one sentence with what to do, and the portal's words."""
    ended, (line,) = shown([StatusEvent(event, "words", code=error)], capsys)
    assert ended == code
    assert line.startswith(sentence)
    assert line.endswith("(words)")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("PortalUnavailable", "the portal is down or can't be reached"),
        ("NotThePortal", "this is not the portal: check PORTAL_URL"),
        ("UnknownView", "the portal shows a page that this program does not know"),
    ],
)
def test_portals(error: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one sign-in the program gives up at the third trouble; each is told apart."""
    ended, lines = shown([StatusEvent(Event.TROUBLE, "text", code=error)] * 4, capsys)
    assert ended == PORTAL
    assert len(lines) == 4
    assert lines[-1] == "the portal can't be used now"
    assert lines[0].startswith(sentence)


def test_slow_portal(capsys: pytest.CaptureFixture[str]) -> None:
    """A slow portal is no reason to give up: each try waits longer."""
    slow = StatusEvent(Event.TROUBLE, "not ready within 15 s", code="PortalSlow")
    ended, lines = shown([slow] * 5 + [StatusEvent(Event.STOPPED)], capsys)
    assert ended == 0
    assert [line.startswith("the portal is slow: ") for line in lines] == [True] * 5

"""What attendance.py shows in the terminal when monitoring ends or is in trouble, and its exit codes."""

import importlib
import pkgutil
import queue

import pytest

import lessons
import portal
from attendance import BLOCKED, PASSWORD_EXPIRED, PORTAL, REFUSED, follow
from core.sqlite import DatabaseUnavailable
from lessons.events import ENDS, Event, StatusEvent
from marker.trouble_texts import reason
from monitor import AttendanceMonitor, ending
from portal import certificates
from portal.driver import mismatch
from portal.errors import BrowserMissing, CertificateRefused, DriverMismatch, PortalError
from telegram_app.i18n import texts

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
    """Without one sign-in the program gives up at the third trouble; each is told apart, and once."""
    ended, lines = shown([StatusEvent(Event.TROUBLE, "text", code=error)] * 4, capsys)
    assert ended == PORTAL
    assert len(lines) == 2
    assert lines[-1] == "the portal can't be used now"
    assert lines[0].startswith(sentence)


def test_slow_portal(capsys: pytest.CaptureFixture[str]) -> None:
    """A slow portal is no reason to give up: each try waits longer. It is told once."""
    slow = StatusEvent(Event.TROUBLE, "not ready within 15 s", code="PortalSlow")
    ended, lines = shown([slow] * 5 + [StatusEvent(Event.STOPPED)], capsys)
    assert ended == 0
    assert [line.startswith("the portal is slow: ") for line in lines] == [True]


def test_trouble_that_comes_back_is_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A trouble is one line until the portal is watched again; another one meanwhile is a line, too."""
    down, slow = (StatusEvent(Event.TROUBLE, "text", code=code) for code in ("PortalUnavailable", "PortalSlow"))
    watching = StatusEvent(Event.WATCHING)
    _, lines = shown([watching, down, slow, down, watching, down, StatusEvent(Event.STOPPED)], capsys)
    kinds = ("signed in", "the portal is down", "the portal is slow", "watching again", "the portal is down")
    assert len(lines) == len(kinds)
    assert all(line.startswith(kind) for line, kind in zip(lines, kinds, strict=True))


def kinds_of(error: type[Exception]) -> set[type[Exception]]:
    """Return an error's class and those below it that the product defines."""
    below = (kind for kind in error.__subclasses__() if kind.__module__.startswith(("portal.", "lessons.", "core.")))
    return {error}.union(*map(kinds_of, below))


for package in (portal, lessons):
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)
WITH_REMEDY = (CertificateRefused, DriverMismatch, BrowserMissing)  # in their own text: test_the_remedy_is_shown
KINDS = sorted({*kinds_of(PortalError), *kinds_of(DatabaseUnavailable)}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_sentence(kind: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    """Each typed error is one line of its own: what is wrong and, after a colon, what to do."""
    error = kind("it happened")
    event = StatusEvent(Event.TROUBLE, str(error), code=kind.__name__)
    if isinstance(error, PortalError):
        event = ending(error)
    ended, lines = shown([event] * 3 + [StatusEvent(Event.STOPPED)], capsys)
    assert (ended == 0) == (event.code == "PortalSlow")
    assert len(lines) == (1 if event.event in ENDS or ended == 0 else 2)
    sentence = lines[0].removesuffix(" (it happened)")
    assert sentence != event.event.value
    assert ": " in sentence or (sentence == "it happened" and kind in WITH_REMEDY)
    if kind is not PortalError:  # never raised itself
        assert reason(texts("en"), event.cause, "") != reason(texts("en"), "an error without a text", "")


@pytest.mark.parametrize("event", [Event.RESTARTED, Event.FAILED])
def test_every_event_has_a_sentence(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    """So is each event that stands for no typed error."""
    _, lines = shown([StatusEvent(event, "it happened"), StatusEvent(Event.STOPPED)], capsys)
    assert ": " in lines[0].removesuffix(" (it happened)")


def test_the_remedy_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing certificate, programs that do not fit and a missing Chrome are named with their remedy."""
    missing = certificates.missing("Test R36", certificates.UNKNOWN_ISSUER)
    other = mismatch("This version of ChromeDriver only supports Chrome version 114\nbrowser version is 131.0")
    assert other is not None
    for error, names, act in (
        (missing, "the certificate of 'Test R36' is missing", certificates.ADD_COMMAND),
        (other, "chromedriver 114, Chrome 131", "install the driver of Chrome's own version"),
        (BrowserMissing("no Chrome: install it"), "no Chrome", "install it"),
    ):
        event = StatusEvent(ending(error).event, str(error), code=ending(error).code, words=error.words)
        ended, lines = shown([event] * 3, capsys)
        assert ended == PORTAL
        assert names in lines[0]
        assert act in lines[0]

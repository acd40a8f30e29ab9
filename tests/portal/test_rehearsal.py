"""A rehearsal in a real Chrome, on both portals, and its trace played back to the page objects and a monitor."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import portal.rehearsal
from core.clock import SystemClock
from core.sqlite import Database
from lessons.journal import SCHEMA, Lessons
from lessons.marking import LessonRecords
from lessons.schedule import Schedule
from monitor import AttendanceMonitor
from portal.browser import Browser
from portal.errors import SignInRefused
from portal.limits import Patience, Pause
from portal.pages import LoginPage
from portal.rehearsal import Rehearsal
from portal.session import ChromePortal, PortalAccess
from portal.trace import Trace
from portal.views import View
from sandbox.portal.replay import RecordedView, Replay, TraceError, read_trace
from tests import children
from tests.children import ROOT
from tests.e2e.people import Portal
from tests.fakes import FakeClock
from tests.portal.browsers import PASSWORD, USERNAME, page_of, until
from tests.servers import in_thread
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser]

RECORDED = ROOT / "tests" / "fixtures" / "portal_trace.jsonl"  # of the portal on Vaadin
SPEED = 50.0
FIRST = ("Жжжжжщы ? <qw>", "Л00 (15:00 - 16:00)")


class Stopped(Exception):
    pass


def rehearse(browser: Browser, portal: Portal, path: Path, steps: list[Callable[[list[Any]], bool]]) -> list[Any]:
    """Rehearse until each step, called with the views so far, was true once; return the trace's records."""
    trace = Trace(path, time.monotonic, (USERNAME, PASSWORD))

    def records() -> list[Any]:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def pause(seconds: float) -> None:
        if steps and steps[0]([record for record in records() if record["kind"] == "view"]):
            steps.pop(0)
        if not steps:
            raise Stopped
        time.sleep(min(seconds, 0.05))

    rehearsal = Rehearsal(browser, portal.address, trace, pause, SystemClock(), refresh=0.3, stays=0.6)
    with pytest.raises(Stopped):
        rehearsal.run(USERNAME, PASSWORD)
    trace.close()
    return records()


@pytest.mark.ordeal
def test_nothing_is_pressed_and_nobody_named(portal: Portal, browser: Browser, tmp_path: Path) -> None:
    """Views, cards and requests are recorded; no lesson is clicked, and nothing of a person is in the trace."""
    names = ("Алгебра және геометрия", "Linear Algebra", "Иванов И. И.", "Ivanov I. I.")
    path = tmp_path / "trace.jsonl"

    def nothing(views: list[Any]) -> bool:
        if views and views[-1]["view"] == "nothing":
            for subject, teacher in ((names[0], names[2]), (names[1], names[3])):
                portal.opens(subject, teacher=teacher, minutes=7)
            return True
        return False

    def opened(views: list[Any]) -> bool:
        if sum(view["view"] == "open" for view in views) >= 2:
            portal.expires()
            return True
        return False

    def signed_in_again(views: list[Any]) -> bool:
        return [view["after"] for view in views].count("sign-in") >= 2

    records = rehearse(browser, portal, path, [nothing, opened, signed_in_again])
    assert portal.events("click") == []
    assert portal.marks() == []
    written = path.read_text(encoding="utf-8").casefold()
    for text in (USERNAME, PASSWORD, *names):
        assert text.casefold() not in written
    views = [record for record in records if record["kind"] == "view"]
    assert [(view["view"], view["after"]) for view in views[:2]] == [("login", "load"), ("nothing", "sign-in")]
    cards = [view["cards"] for view in views if view["view"] == "open"][-1]
    assert [(card["lines"][-1], card["caption"], card["enabled"]) for card in cards] == [
        ("Л00 (15:00 - 16:00)", "Отметиться", True)
    ] * 2
    assert cards[0]["lines"] != cards[1]["lines"]
    kinds = {request[0] for record in records if record["kind"] == "requests" for request in record["requests"]}
    assert {"page", "browser-details", "uidl", "file"} <= kinds
    assert all(view["ready"] > 0 for view in views)


def test_nothing_can_be_pressed() -> None:
    """A rehearsal has no way to mark: neither its module nor the page that it uses knows one."""
    assert not {"AttendancePage", "ChromePortal", "AttendanceMonitor", "Marking"} & set(vars(portal.rehearsal))
    assert not hasattr(LoginPage, "mark")
    assert "click" not in Path(portal.rehearsal.__file__).read_text(encoding="utf-8")


def test_refused_account_ends_it(portal: Portal, browser: Browser, tmp_path: Path) -> None:
    """A refused password is tried once; the window is recorded with the portal's words."""
    trace = Trace(tmp_path / "trace.jsonl", time.monotonic, (USERNAME, "wrong"))
    rehearsal = Rehearsal(browser, portal.address, trace, time.sleep, SystemClock())
    with pytest.raises(SignInRefused):
        rehearsal.run(USERNAME, "wrong")
    trace.close()
    assert len(portal.events("refused")) == 1
    written = (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    troubles = [record for record in map(json.loads, written.splitlines()) if record["kind"] == "trouble"]
    trouble = troubles[-1]  # a slow machine may record that the page was not ready before
    assert (trouble["error"], trouble["after"]) == ("SignInRefused", "sign-in")
    assert trouble["text"] == "Неверный логин или пароль."
    assert read_trace(written.splitlines())[-1].view == "refused"


class Played:
    """The recorded trace, played by a clock that the test moves from view to view."""

    def __init__(self, views: list[RecordedView]) -> None:
        self._views = views
        self._clock = FakeClock()
        self._shown = 0
        self.replay = Replay(views, SPEED, self._clock.monotonic)

    def signed_in(self) -> None:
        """The trace's time stood still until now, and goes on from the view after the sign-in."""
        self._goes_to("sign-in")

    def goes_on_until(self, view: str, after: str) -> None:
        before = self._views[self._shown].at
        self._goes_to(after, view)
        self._clock.advance((self._views[self._shown].at - before) / SPEED + 1e-6)

    def _goes_to(self, after: str, view: str = "") -> None:
        later = range(self._shown + 1, len(self._views))
        self._shown = next(n for n in later if self._views[n].after == after and view in self._views[n].view)

    def waits_for_ever(self) -> None:
        self._clock.advance(1000)

    def did(self, event: str) -> list[Any]:
        return [entry for entry in self.replay.log if entry["event"] == event]


@pytest.fixture
def played() -> Played:
    return Played(read_trace(RECORDED.read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def address(played: Played) -> Iterator[str]:
    with in_thread(played.replay.serving()) as url:
        yield f"{url}/RegistrationOnline"


def test_page_objects_read_a_played_trace(played: Played, address: str, browser: Browser) -> None:
    """Each view of the trace comes in its order, by a load or by itself; the button of a lesson can be pressed."""
    page = page_of(browser, address)

    def loaded() -> View:
        page.load(address)
        return page.settle().view

    assert loaded() is View.LOGIN
    played.waits_for_ever()
    assert loaded() is View.LOGIN
    assert page.sign_in("anybody", "anything").view is View.NOTHING
    played.signed_in()
    played.goes_on_until("open", "load")
    page.load(address)
    reading = page.settle()
    assert reading.view is View.OPEN
    (card,) = reading.cards
    assert (card.lesson.subject, card.lesson.time) == FIRST
    page.mark(card.lesson)
    assert [entry["lesson"].split("\n")[0] for entry in played.did("marked")] == [FIRST[0]]
    assert loaded() is View.MARKED
    played.goes_on_until("nothing", "load")
    assert loaded() is View.NOTHING
    played.goes_on_until("open", "change")
    until(page.changed)
    assert page.settle().view is View.OPEN
    played.goes_on_until("session lost", "change")
    until(page.changed)
    assert page.settle().view is View.SESSION_LOST
    assert loaded() is View.LOGIN
    assert page.sign_in("anybody", "anything").view is View.NOTHING


class LeftOpen(ChromePortal):
    """The portal in a Chrome that other tests use, too."""

    def __init__(self, browser: Browser, address: str, pause: Pause) -> None:
        super().__init__(browser, address, pause, SystemClock(), patience=Patience(PATIENCE))
        self.end = lambda: None


def test_monitor_marks_a_played_trace(played: Played, address: str, browser: Browser) -> None:
    """A real monitor signs in, and marks the lesson that came with a load and the one that came by itself."""
    found: list[tuple[str, str]] = []
    events: list[str] = []
    monitor = AttendanceMonitor(
        USERNAME,
        PASSWORD,
        "automatic",
        lambda _username, status, lesson: found.append((status, lesson.time)),
        lambda _username, event: events.append(event.event.name),
        portal=PortalAccess(lambda _profile, pause: LeftOpen(browser, address, pause), address),
        records=LessonRecords(Lessons(Database(":memory:", [SCHEMA]))),
        schedule=Schedule(0.5),
    )
    monitor.start()
    try:
        until(lambda: "WATCHING" in events)
        played.signed_in()
        played.goes_on_until("open", "load")
        until(lambda: ("marked", "Л00 (15:00 - 16:00)") in found)
        played.goes_on_until("open", "change")
        until(lambda: ("marked", "Л0 (16:00 - 17:00)") in found)
    finally:
        monitor.stop()
        assert monitor.join(PATIENCE)
    assert len(played.did("marked")) == 2
    assert len(played.did("signed_in")) == 1


def _played(tree: str, ready: str = "1") -> list[str]:
    """Return a trace of one view of this tree."""
    view = '{"t": 0, "kind": "view", "view": "nothing", "after": "load", "shape": 1, "ready": %s}'
    return ['{"schema": 1, "kind": "begin"}', f'{{"kind": "shape", "id": 1, "tree": {tree}}}', view % ready]


def test_what_runs_nothing_is_played() -> None:
    """The traces that are refused below are refused for what they contain: one like them is read."""
    captions = '{"kind": "captions", "captions": {"x": ["script", [], [], ["alert(1)"]]}}'
    lines = [*_played('["body", [], [["style", "hidden"]], ["x"]]'), captions]
    assert isinstance(read_trace(lines)[0].tree[3][0], str)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["no JSON"],
        ['{"kind": "begin", "schema": 2}'],
        ['{"schema": 1, "kind": "begin"}'],
        _played('["body", [], [], [["script", [], [], ["alert(1)"]]]]'),
        _played('["body", [], [], [["STYLE", [], [], ["* {display: none}"]]]]'),
        _played('["body", [], [["onclick", "alert(1)"]], []]'),
        _played('["body", [], []]'),
        _played("[" * 5000 + "]" * 5000),
        _played('["body", [], [], []]', ready='"soon"'),
    ],
)
def test_what_is_no_trace_is_refused(lines: list[str]) -> None:
    """A file that is no trace, has another schema or shows nothing is refused with the reason."""
    with pytest.raises(TraceError):
        read_trace(lines)


def test_command_plays_a_trace(tmp_path: Path) -> None:
    """`python -m sandbox.portal --replay` serves the trace's first view; what is no trace ends it with the reason."""
    command = [sys.executable, "-m", "sandbox.portal", "--port", "0", "--replay"]
    process = children.start([*command, str(RECORDED)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with httpx.Client(follow_redirects=True, trust_env=False, timeout=PATIENCE) as http:
            assert http.get(address).status_code == 200
            drawn = http.post(f"{address}/replay", json={"event": "load"}).json()
        assert drawn["ready"]
        assert "Вход в систему" in json.dumps(drawn["tree"], ensure_ascii=False)
    finally:
        children.end(process)
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"kind": "begin", "schema": 99}\n', encoding="utf-8")
    refused = children.run([*command, str(wrong)], timeout=PATIENCE)
    assert refused.returncode == 2
    assert "not a trace of schema 1" in refused.stderr

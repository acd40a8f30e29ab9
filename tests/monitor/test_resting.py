"""Resting: no browser while there is nothing to watch, and signed in again in time."""

from datetime import datetime, timedelta

import pytest

from lessons.events import Event, MonitorState
from lessons.schedule import WAKE_AHEAD
from portal.errors import PortalUnavailable, SessionLost
from tests.fakes import ALGORITHMS, LOGIN, shows
from tests.monitor.scene import MONDAY_MORNING, Scene

pytestmark = pytest.mark.unit


class Rest:
    """Rests in given spans (seconds from the beginning), which a test may change."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        self.spans = list(spans)

    def until(self, now: datetime) -> datetime | None:
        at = (now - MONDAY_MORNING).total_seconds()
        ends = [end for begin, end in self.spans if begin <= at < end]
        return MONDAY_MORNING + timedelta(seconds=max(ends)) if ends else None


def test_begins_outside() -> None:
    """Outside of the active hours there is no browser; shortly before they begin the student is signed in."""
    scene = Scene(rests_until=Rest((0, 3600)).until)
    scene.portal.page = LOGIN
    scene.run(3590)
    (opened,) = scene.portal.opened_at
    assert 3600 - WAKE_AHEAD <= opened <= 3600 - WAKE_AHEAD / 2
    assert len(scene.portal.credentials) == 1
    assert scene.monitor.status.last_check is not None
    assert scene.monitor.status.last_check < MONDAY_MORNING + timedelta(seconds=3600)


def test_hours_end() -> None:
    """At the end of the active hours the browser is ended, the session kept, and the status has the end of the rest."""
    scene = Scene(rests_until=Rest((100, 10_000)).until)
    scene.run(500)
    assert scene.portal.notes.count("open") == 1
    assert scene.portal.count("end") == 1
    assert scene.portal.count("leave") == 0
    resting = next(status for status in scene.statuses if status.state is MonitorState.RESTING)
    assert resting.next_check == MONDAY_MORNING + timedelta(seconds=10_000)
    assert scene.count(Event.RESTING) == 1


def test_skipped_while_watching() -> None:
    """Skipping the day stops watching at once, without a report of the open lesson; watching resumes on request."""
    rest = Rest()
    scene = Scene("manual", rests_until=rest.until)
    scene.portal.page = shows(ALGORITHMS)

    def skip() -> None:
        rest.spans.append((0, 50_000))
        scene.portal.page = shows()
        scene.monitor.look_again()

    def resume() -> None:
        rest.spans.clear()
        scene.monitor.look_again()

    scene.commands.at(30, skip)
    scene.commands.at(300, resume)
    scene.run(400)
    assert scene.portal.count("open") == 2
    assert 30 < scene.portal.opened_at[1] <= 302
    assert scene.count(Event.LESSON_CLOSED) == 0


def test_stopped_while_resting() -> None:
    """A resting monitor stops at once and has no browser to end."""
    scene = Scene(rests_until=Rest((0, 10_000)).until).run(20)
    assert scene.portal.count("open") == 0
    assert scene.events[-1].event is Event.STOPPED


def test_sessions_that_never_hold_are_trouble() -> None:
    """A portal that loses each session is reported as trouble."""
    scene = Scene()
    scene.portal.loads.extend([LOGIN] * 1000)
    scene.portal.sign_ins.extend([SessionLost("Время сеанса истекло")] * 1000)
    scene.run(300)
    assert scene.count(Event.TROUBLE) >= 1


def test_leaving_the_portal() -> None:
    """Stopping for the student ends the portal's session; stopping with the process keeps it."""
    for leave in (True, False):
        scene = Scene()
        scene.commands.at(30, lambda leave=leave, scene=scene: scene.monitor.stop(leave_portal=leave))  # type: ignore[misc]
        scene.run(60)
        assert scene.portal.count("leave") == int(leave)
        assert scene.portal.count("end") == 1


def test_skipped_while_the_portal_is_down() -> None:
    """Skipping the day during an outage ends the browser at once; nothing is marked when the portal is back."""
    rest = Rest()
    scene = Scene(rests_until=rest.until)

    def skip() -> None:
        rest.spans.append((0, 50_000))
        scene.monitor.look_again()

    scene.commands.at(10, lambda: scene.portal.show(PortalUnavailable("down")))
    scene.commands.at(200, skip)
    scene.commands.at(210, lambda: scene.portal.show(shows(ALGORITHMS)))
    scene.commands.at(205, lambda: states.append(scene.monitor.status.state))
    states: list[MonitorState] = []
    scene.run(2000)
    assert states == [MonitorState.RESTING]
    assert scene.portal.count("end") == 1
    assert scene.portal.count("click Algorithms") == 0


def test_skipped_while_signing_in() -> None:
    """If the day is skipped while a sign-in waits, the reading after the sign-in marks nothing."""
    rest = Rest()
    scene = Scene(rests_until=rest.until)
    scene.portal.page = LOGIN
    scene.portal.sign_ins.append(shows(ALGORITHMS))
    places = [scene.limits.sign_in(lambda _seconds: None) for _ in range(3)]
    for place in places:
        place.__enter__()

    def skip() -> None:
        rest.spans.append((0, 50_000))
        scene.monitor.look_again()

    scene.commands.at(5, skip)
    scene.commands.at(6, lambda: places[0].__exit__(None, None, None))
    scene.run(300)
    assert len(scene.portal.credentials) == 1
    assert scene.reported == []
    assert scene.portal.count("end") == 1


def test_hours_end_while_the_portal_is_down() -> None:
    """The end of the active hours ends the browser also while the portal does not answer."""
    scene = Scene(rests_until=Rest((600, 10_000)).until)
    scene.portal.page = PortalUnavailable("down")
    scene.run(2000)
    assert scene.portal.count("end") == 1
    assert scene.count(Event.RESTING) == 1
    assert max(scene.portal.loaded_at) < 600


def test_up_early_marks_nothing() -> None:
    """A lesson that is open before the active hours is marked when they begin."""
    scene = Scene(rests_until=Rest((0, 3600)).until)
    scene.portal.page = shows(ALGORITHMS)
    scene.run(3700)
    assert scene.portal.loaded_at[0] < 3600
    assert 3600 <= scene.reported_at("marked Algorithms") <= 3600 + 25


def test_clock_set_forward_while_resting() -> None:
    """A resting monitor looks at the wall clock each minute, in case the machine slept or the clock was set."""
    scene = Scene(rests_until=Rest((0, 36_000)).until)
    scene.run(100)
    assert max(scene.commands.pauses) <= 60


def test_stopped_while_resting_ends_the_session() -> None:
    """Stopping for the student ends the portal's session also without an open browser; a restart keeps it."""
    for leave in (True, False):
        scene = Scene(rests_until=Rest((0, 10_000)).until)
        scene.commands.at(30, lambda leave=leave, scene=scene: scene.monitor.stop(leave_portal=leave))  # type: ignore[misc]
        scene.run(60)
        assert len(scene.forgotten) == int(leave)

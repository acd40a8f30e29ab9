"""When nothing is to be watched: no browser, and back in time."""

from datetime import datetime, timedelta

from monitor import WAKE_AHEAD
from monitor_events import Event, State
from portal.errors import SessionLost
from tests.fakes import ALGORITHMS, LOGIN, shows
from tests.unit.scene import MONDAY_MORNING, Scene


class Rest:
    """Rests in given spans (seconds from the beginning); a test may change them."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        self.spans = list(spans)

    def until(self, now: datetime) -> datetime | None:
        at = (now - MONDAY_MORNING).total_seconds()
        ends = [end for begin, end in self.spans if begin <= at < end]
        return MONDAY_MORNING + timedelta(seconds=max(ends)) if ends else None


def test_begins_outside() -> None:
    """Outside of the hours there is no browser; before they begin the student is signed in."""
    scene = Scene(rests_until=Rest((0, 3600)).until)
    scene.portal.page = LOGIN
    scene.run(3590)
    (opened,) = scene.portal.opened_at
    assert 3600 - WAKE_AHEAD <= opened <= 3600 - WAKE_AHEAD / 2
    assert len(scene.portal.credentials) == 1
    assert scene.monitor.status.last_check is not None
    assert scene.monitor.status.last_check < MONDAY_MORNING + timedelta(seconds=3600)


def test_hours_end() -> None:
    """When the hours are over the browser is ended, the session kept, and the state says until when."""
    scene = Scene(rests_until=Rest((100, 10_000)).until)
    scene.run(500)
    assert scene.portal.notes.count("open") == 1
    assert scene.portal.count("end") == 1
    assert scene.portal.count("leave") == 0
    resting = next(status for status in scene.statuses if status.state is State.RESTING)
    assert resting.next_check == MONDAY_MORNING + timedelta(seconds=10_000)
    assert scene.count(Event.RESTING) == 1


def test_skipped_while_watching() -> None:
    """A student who skips the day is left alone at once, also by a lesson that was open, and taken up at a word."""
    rest = Rest()
    scene = Scene("manual", rests_until=rest.until)
    scene.portal.page = shows(ALGORITHMS)

    def skip() -> None:
        rest.spans.append((0, 50_000))
        scene.portal.page = shows()
        scene.monitor.look_again()

    def go_on() -> None:
        rest.spans.clear()
        scene.monitor.look_again()

    scene.commands.at(30, skip)
    scene.commands.at(300, go_on)
    scene.run(400)
    assert scene.portal.count("open") == 2
    assert 30 < scene.portal.opened_at[1] - 0 <= 302
    assert scene.count(Event.LESSON_CLOSED) == 0


def test_stopped_while_resting() -> None:
    """A resting monitor stops at once and has no browser to end."""
    scene = Scene(rests_until=Rest((0, 10_000)).until).run(20)
    assert scene.portal.count("open") == 0
    assert scene.events[-1].event is Event.STOPPED


def test_sessions_that_never_hold_are_trouble() -> None:
    """A portal that loses each session again and again becomes trouble that is told, not a silent loop."""
    scene = Scene()
    scene.portal.loads.extend([LOGIN] * 1000)
    scene.portal.sign_ins.extend([SessionLost("Время сеанса истекло")] * 1000)
    scene.run(300)
    assert scene.count(Event.TROUBLE) >= 1


def test_leaving_the_portal() -> None:
    """Stopping at the student's wish lets the portal's session go; stopping with the process keeps it."""
    for leave in (True, False):
        scene = Scene()
        scene.commands.at(30, lambda leave=leave, scene=scene: scene.monitor.stop(leave_portal=leave))  # type: ignore[misc]
        scene.run(60)
        assert scene.portal.count("leave") == int(leave)
        assert scene.portal.count("end") == 1

"""A monitor's life: start, interval of its reloads, status, and stopping."""

import threading
from datetime import timedelta

import pytest

from lessons.events import Event, MonitorState
from lessons.schedule import Commands
from monitor import AttendanceMonitor
from portal.errors import BrowserFailed, PortalUnavailable
from portal.limits import Pause
from portal.session import PortalAccess
from portal.views import Reading
from tests.fakes import ALGORITHMS, LOGIN, FakeClock, FakePortal, shows
from tests.monitor.scene import MONDAY_MORNING, Scene
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


@pytest.fixture
def scene() -> Scene:
    return Scene("automatic")


class TestPace:
    def test_interval(self, scene: Scene) -> None:
        """The page is reloaded at the configured interval."""
        scene.run(70)
        assert scene.portal.loaded_at == pytest.approx([0, 20, 40, 60], abs=0.1)

    @pytest.mark.parametrize(("chosen", "interval"), [("low", 17), ("high", 23)])
    def test_jitter(self, chosen: str, interval: float) -> None:
        """Each interval varies by fifteen per cent either way, so that monitors do not load in step."""
        scene = Scene(jitter=lambda low, high: low if chosen == "low" else high)
        scene.run(50)
        assert scene.portal.loaded_at == pytest.approx([0, interval, 2 * interval], abs=0.1)

    def test_turn_to_load(self, scene: Scene) -> None:
        """A monitor waits for its turn within the installation's rate limit."""
        for _ in range(30):
            scene.limits.wait_for_load(lambda _seconds: None)
        scene.run(10)
        assert scene.portal.loaded_at == pytest.approx([3.0], abs=0.01)

    def test_quiet_page(self, scene: Scene) -> None:
        """Between reloads the page waits for a change, two seconds at a time; without one nothing is done."""
        scene.portal.page = shows(marked=(ALGORITHMS,))
        scene.run(19)
        assert scene.portal.count("load") == 1
        assert scene.reported == []
        assert scene.portal.waits == pytest.approx([2.0] * 10)

    def test_while_a_lesson_is_offered(self) -> None:
        """While a lesson is offered commands don't wait for the page, which is checked once a second instead."""
        scene = Scene("manual")
        scene.portal.page = shows(ALGORITHMS)
        scene.run(19.5)
        assert scene.portal.waits == [0.0] * 19

    def test_nothing_new(self, scene: Scene) -> None:
        """If a load would show nothing new the page is not loaded, and the check counts all the same."""
        scene.portal.same.extend([None, True, True, False])
        seen = []
        scene.commands.at(45, lambda: seen.append(scene.monitor.status))
        scene.run(70)
        assert scene.portal.loaded_at == pytest.approx([0, 60], abs=0.2)
        (status,) = seen
        assert status.last_check is not None
        assert status.last_check - MONDAY_MORNING == pytest.approx(timedelta(seconds=40), abs=timedelta(seconds=0.1))

    def test_question_counts_as_a_load(self, scene: Scene) -> None:
        """The request for the initial state waits for its turn in the rate limit, as a load does."""
        scene.portal.same.extend([None, True])

        def others_load() -> None:
            for _ in range(30):
                scene.limits.wait_for_load(lambda _seconds: None)

        seen = []
        scene.commands.at(19, others_load)
        scene.commands.at(25, lambda: seen.append(scene.monitor.status.last_check))
        scene.run(30)
        (last_check,) = seen
        assert last_check is not None
        assert last_check - MONDAY_MORNING == pytest.approx(timedelta(seconds=22), abs=timedelta(seconds=0.2))

    def test_load_after_the_question(self, scene: Scene) -> None:
        """A request whose answer is "something new" and the load after it take two turns."""
        scene.portal.same.extend([None, False])

        def others_load() -> None:
            for _ in range(30):
                scene.limits.wait_for_load(lambda _seconds: None)

        scene.commands.at(22, others_load)
        scene.portal.asks_for = 2.5
        scene.run(30)
        assert scene.portal.loaded_at == pytest.approx([2.5, 25], abs=0.2)


class TestStatus:
    def test_steps(self, scene: Scene) -> None:
        """The status goes from starting to signing in, watching and stopped."""
        states = [scene.monitor.status.state]
        scene.portal.page = LOGIN
        scene.run(30)
        states += [status.state for status in scene.statuses]
        assert states == [MonitorState.STARTING, MonitorState.SIGNING_IN, MonitorState.WATCHING, MonitorState.STOPPED]

    def test_times(self, scene: Scene) -> None:
        """While watching, the status has the times of its beginning, the last check and the next check."""
        seen = []
        scene.commands.at(25, lambda: seen.append(scene.monitor.status))
        scene.run(30)
        (status,) = seen
        assert status.since == MONDAY_MORNING
        assert status.last_check is not None
        assert status.next_check is not None
        assert status.last_check - MONDAY_MORNING == pytest.approx(timedelta(seconds=20), abs=timedelta(seconds=0.1))
        assert status.next_check - MONDAY_MORNING == pytest.approx(timedelta(seconds=40), abs=timedelta(seconds=0.1))

    def test_next_check_after_a_look(self, scene: Scene) -> None:
        """Reading a page that changed by itself keeps the time of the next reload in the status."""
        seen = []
        scene.commands.at(5, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.commands.at(10, lambda: seen.append(scene.monitor.status.next_check))
        scene.run(15)
        (next_check,) = seen
        assert next_check is not None
        assert (next_check - MONDAY_MORNING).total_seconds() == pytest.approx(20, abs=0.1)


class TestStopping:
    def test_while_watching(self, scene: Scene) -> None:
        """A stop command ends the wait at once: the browser is ended, one last event is reported, the thread ends."""
        scene.run(7.3)
        assert scene.clock.passed == pytest.approx(7.3)
        assert scene.notes == ["open", "load", "end"]
        assert scene.events[-1].event is Event.STOPPED
        assert not scene.monitor.is_running()

    @pytest.mark.parametrize(
        "page", [PortalUnavailable("HTTP 503"), BrowserFailed("gone"), LOGIN], ids=["waiting", "no browser", "watching"]
    )
    def test_at_any_time(self, scene: Scene, page: Reading | Exception) -> None:
        """A stop command is executed at once also during a long pause, and no browser is left open."""
        scene.portal.page = page
        scene.run(200)
        assert scene.clock.passed == pytest.approx(200)
        assert scene.portal.count("open") == scene.portal.count("end")
        assert scene.events[-1].event is Event.STOPPED

    def test_while_waiting_for_a_turn(self, scene: Scene) -> None:
        """A monitor that waits for its turn to load stops at once."""
        for _ in range(1000):
            scene.limits.wait_for_load(lambda _seconds: None)
        scene.run(5)
        assert scene.clock.passed == pytest.approx(5)
        assert scene.notes == ["open", "end"]

    def test_before_anything_else(self, scene: Scene) -> None:
        """A monitor that is stopped before its thread has done anything does not load the page."""
        scene.limits.wait_for_load(lambda _seconds: None)  # so that there is something to wait for
        scene.monitor.stop()
        scene.run(60)
        assert scene.notes == ["open", "end"]

    def test_commands_after_the_end(self, scene: Scene) -> None:
        """Commands for a monitor that has ended do nothing."""
        scene.run(1)
        scene.monitor.stop()
        scene.monitor.set_mode("manual")
        scene.monitor.mark_now()
        assert not scene.monitor.is_running()
        assert scene.count(Event.STOPPED) == 1


class TestThread:
    def test_callbacks(self, scene: Scene) -> None:
        """Both callbacks are called on the monitor's thread."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        assert scene.threads == {"monitor-501"}

    def test_started_twice(self, scene: Scene) -> None:
        """A second start does nothing, while the monitor runs and after its end."""
        scene.commands.at(5, scene.monitor.start)
        scene.run(30)
        scene.monitor.start()
        assert scene.portal.count("open") == 1
        assert not scene.monitor.is_running()

    def test_join_before_the_start(self, scene: Scene) -> None:
        """Joining a monitor that was never started returns at once."""
        assert scene.monitor.join(0)
        assert not scene.monitor.is_running()

    def test_real_queue(self) -> None:
        """With the real queue and the real clock a command reaches a waiting monitor."""
        portal, watching, stopped = FakePortal(FakeClock()), threading.Event(), threading.Event()
        monitor = AttendanceMonitor(
            "a_student",
            "correct horse",
            "automatic",
            lambda *_told: None,
            lambda _name, event: (watching if event.event is Event.WATCHING else stopped).set(),
            portal=PortalAccess(portal.opener),
        )
        monitor.start()
        assert watching.wait(PATIENCE)
        assert monitor.is_running()
        assert not stopped.is_set()
        monitor.stop()
        assert stopped.wait(PATIENCE)
        assert monitor.join(PATIENCE)

    def test_hung_browser(self) -> None:
        """A hung browser is killed from outside when the monitor does not end in time."""
        hung = HungPortal(FakeClock())
        monitor = AttendanceMonitor(
            "a_student", "x", "automatic", lambda *_told: None, lambda *_event: None, portal=PortalAccess(hung.opener)
        )
        monitor.start()
        assert hung.hangs.wait(PATIENCE)
        monitor.stop()
        monitor.join(0.05)  # not in time
        assert monitor.join(PATIENCE)
        assert "kill" in hung.notes
        assert not monitor.is_running()


class HungPortal(FakePortal):
    """A browser that hangs until it is killed."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.hangs, self._killed = threading.Event(), threading.Event()

    def open(self, profile: str, pause: Pause) -> "HungPortal":
        super().open(profile, pause)
        return self

    def settle(self) -> Reading:
        self.hangs.set()
        assert self._killed.wait(PATIENCE)
        raise BrowserFailed("no answer from the driver")

    def kill(self) -> None:
        super().kill()
        self._killed.set()


class TestQueue:
    def test_order(self) -> None:
        """Commands come out in the order in which they were put in."""
        commands, served = Commands(), list[int]()
        for number in range(3):
            commands.put(lambda number=number: served.append(number))  # type: ignore[misc]
        while (command := commands.next(0)) is not None:
            command()
        assert served == [0, 1, 2]

    @pytest.mark.parametrize("within", [0, -1, 0.001])
    def test_nothing_to_do(self, within: float) -> None:
        """Without a command the queue returns None after the given time, also if that has passed already."""
        assert Commands().next(within) is None

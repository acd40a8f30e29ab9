"""MonitorRegistry: which monitors run, which are wanted, and how many may run."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from core.clock import Clock, SystemClock
from core.encryption import Cipher
from core.sqlite import Database
from lessons.events import Event, MonitorState, MonitorStatus, StatusEvent
from marker.monitors.bridge import Bridge
from marker.monitors.registry import MonitorRegistry, StillRunning
from marker.monitors.watch_state import WatchState
from marker.tables.schema import SCHEMAS
from marker.tables.students import Watches
from monitor import AttendanceMonitor
from portal.errors import SignInRefused
from portal.lessons import Lesson
from portal.session import PortalAccess
from storage import Mode, NotRegistered, Storage, StorageUnavailable, Student
from tests.fakes import ALGORITHMS, LOGIN, Disk, FakeClock, FakePortal, shows
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


AIDA, BEN, CARL = 501, 502, 503
CIPHER = Cipher(Fernet.generate_key().decode())
ENDS = [Event.REFUSED, Event.BLOCKED, Event.NO_BROWSER, Event.FAILED]


class FakeMonitor:
    """A monitor that does nothing by itself; it keeps its calls, and sends the events that a test wants."""

    def __init__(
        self,
        student: Student,
        password: str,
        on_lesson: Callable[[str, str, Lesson], None],
        on_status: Callable[[str, StatusEvent], None],
        start_fails: Exception | None = None,
    ) -> None:
        self._start_fails = start_fails
        self.student, self.password, self.notes = student, password, list[str]()
        now = FakeClock().now()
        self.status = MonitorStatus(MonitorState.WATCHING, since=now, started=now)
        self._on_lesson, self._on_status = on_lesson, on_status
        self._running = False

    def start(self) -> None:
        if self._start_fails is not None:
            raise self._start_fails.with_traceback(None)
        self.notes.append("start")
        self._running = True

    def stop(self, *, leave_portal: bool = False) -> None:
        self.notes.append("stop, leaving the portal" if leave_portal else "stop")
        self._running = False
        self.say(Event.STOPPED)

    def join(self, timeout: float) -> bool:
        self.notes.append("join")
        return True

    def is_running(self) -> bool:
        return self._running

    def set_mode(self, mode: Mode) -> None:
        self.notes.append(f"mode {mode}")

    def mark_now(self, key: str | None = None) -> None:
        self.notes.append(f"mark {key}")

    def say(self, event: Event, text: str = "") -> None:
        self._on_status(self.student.username, StatusEvent(event, text, words=text))

    def find(self, status: str) -> None:
        self._on_lesson(self.student.username, status, ALGORITHMS)

    def end(self, event: Event, text: str = "") -> None:
        """End by itself, with a last event."""
        self.say(event, text)
        self._running = False

    def die(self) -> None:
        """End without an event."""
        self._running = False


class GatedStorage(Storage):
    """A storage whose set_monitoring can be held up."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, CIPHER, FakeClock())
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.held: list[bool] = [True, False]  # which wishes are held up

    def set_monitoring(self, telegram_id: int, monitoring: bool) -> Student:
        if monitoring in self.held and not self.gate.is_set():
            self.waiting.set()
            assert self.gate.wait(PATIENCE)
        return super().set_monitoring(telegram_id, monitoring)


def state(clock: Clock | None = None) -> WatchState:
    """Return a monitoring state in memory."""
    return WatchState(Watches(Database(":memory:", SCHEMAS)), clock or SystemClock())


class House:
    """A registry with a storage, fake monitors, and a listener on the loop."""

    def __init__(self, folder: Path, capacity: int = 10) -> None:
        self.storage = GatedStorage(folder)
        self.made: list[FakeMonitor] = []
        self.heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.bridge = Bridge(asyncio.get_running_loop())
        self.clock = FakeClock()
        self.start_fails: Exception | None = None
        self.registry = MonitorRegistry(self.storage, self._make, self.bridge, capacity, state(self.clock))
        self.registry.listen(self._on_lesson, self._on_status)

    def _make(
        self,
        student: Student,
        password: str,
        on_lesson: Callable[[str, str, Lesson], None],
        on_status: Callable[[str, StatusEvent], None],
    ) -> AttendanceMonitor:
        self.made.append(FakeMonitor(student, password, on_lesson, on_status, self.start_fails))
        return cast(AttendanceMonitor, self.made[-1])

    async def _on_lesson(self, person: int, username: str, status: str, lesson: Lesson) -> None:
        self.heard.put_nowait((person, username, status, lesson))

    async def _on_status(self, person: int, username: str, event: StatusEvent) -> None:
        self.heard.put_nowait((person, username, event.event, event.text))

    def register(self, *people: int) -> None:
        for person in people:
            self.storage.redeem(self.storage.create_invitation(11), person, f"student_{person}", f"password {person}")

    def wanted(self, person: int) -> bool:
        student = self.storage.student(person)
        assert student is not None
        return student.monitoring

    async def next_event(self) -> tuple[Any, ...]:
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()


@pytest.fixture
async def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.register(AIDA, BEN, CARL)
    return house


@pytest.fixture
async def small(tmp_path: Path) -> House:
    """A registry with room for one monitor."""
    house = House(tmp_path, capacity=1)
    house.register(AIDA, BEN, CARL)
    return house


class TestRemoving:
    async def test_monitor_first_record_last(self, house: House) -> None:
        """A removed student's monitor has ended before anything is deleted, and the record is deleted last."""
        await house.registry.start(AIDA)
        await house.registry.start(BEN)
        notes = house.made[0].notes

        def clean(student: Student) -> None:
            notes.append(f"clean {student.username}, {house.storage.student(AIDA) is not None}")

        assert (await house.registry.remove(AIDA, clean)).telegram_id == AIDA
        assert notes == ["start", "stop, leaving the portal", "join", "clean student_501, True"]
        assert house.storage.student(AIDA) is None
        assert house.registry.active() == [BEN]
        with pytest.raises(NotRegistered):
            await house.registry.remove(AIDA, clean)
        with pytest.raises(NotRegistered):
            await house.registry.start(AIDA)

    async def test_failure(self, house: House) -> None:
        """Where something can't be deleted, the student is still there and monitored as before."""
        await house.registry.start(AIDA)

        def clean(_student: Student) -> None:
            raise StorageUnavailable("disk full")

        for person in (AIDA, BEN):
            with pytest.raises(StorageUnavailable):
                await house.registry.remove(person, clean)
        assert house.registry.active() == [AIDA]
        assert house.wanted(AIDA)
        assert len(house.storage.students()) == 3

    async def test_hanging(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """While a monitor does not end, nothing of its student is deleted."""
        await house.registry.start(AIDA)
        cleaned: list[Student] = []
        monkeypatch.setattr(house.made[0], "join", lambda _timeout: False)
        with pytest.raises(StillRunning):
            await house.registry.remove(AIDA, cleaned.append)
        assert cleaned == []
        assert house.storage.student(AIDA) is not None


class TestOrder:
    async def test_events_of_one_student(self, house: House) -> None:
        """A monitor's events arrive in their order, also where storing one takes longer."""
        await house.registry.start(AIDA)
        said = [Event.TROUBLE, Event.WATCHING, Event.TROUBLE, Event.STOPPED]
        for event in said:
            house.made[0].say(event)
        assert [(await house.next_event())[2] for _ in said] == said

    async def test_end_of_the_process_is_no_end(self, house: House) -> None:
        """No event arrives for a monitor that stops with our process, since the next process continues it."""
        await house.registry.start(AIDA)
        await house.registry.start(BEN)
        await house.registry.stop(BEN)
        assert (await house.next_event())[0:3:2] == (BEN, Event.STOPPED)
        await house.registry.close()
        await house.bridge.close()
        assert "stop" in house.made[0].notes
        assert house.heard.empty()


class TestLastTrouble:
    async def test_kept(self, house: House) -> None:
        """The last error is kept with its time, also when it is over and after the monitor's end."""
        await house.registry.start(AIDA)
        assert house.registry.state.of(AIDA).trouble_at is None
        for event, text in ((Event.TROUBLE, "first"), (Event.UNKNOWN_VIEW, "second"), (Event.WATCHING, "")):
            house.made[0].say(event, text)
            await house.next_event()
        trouble = house.registry.state.of(AIDA)
        assert (trouble.trouble, trouble.trouble_text) == (Event.UNKNOWN_VIEW.value, "second")
        house.made[0].end(Event.REFUSED, "wrong password")
        await house.next_event()
        trouble = house.registry.state.of(AIDA)
        assert trouble.trouble_at is not None
        assert (trouble.trouble_text, trouble.trouble_at.tzinfo is not None) == ("wrong password", True)
        assert house.registry.state.of(BEN).trouble_at is None

    async def test_gone_with_the_student(self, house: House) -> None:
        """A student who registers again has no old error."""
        await house.registry.start(AIDA)
        house.made[0].say(Event.TROUBLE, "before")
        await house.next_event()
        await house.registry.remove(AIDA, lambda _student: None)
        assert house.registry.state.of(AIDA).trouble_at is None


class TestStarting:
    async def test_started(self, house: House) -> None:
        """A started monitor gets its student and the decrypted password; that it is wanted is stored."""
        assert await house.registry.start(AIDA)
        (monitor,) = house.made
        assert (monitor.student.username, monitor.password, monitor.notes) == ("student_501", "password 501", ["start"])
        assert house.wanted(AIDA)
        assert (house.registry.active(), house.registry.running(AIDA)) == ([AIDA], True)
        assert house.registry.status(AIDA) == monitor.status

    async def test_twice(self, house: House) -> None:
        """A second start finds a running monitor, also where both come at the same moment."""
        outcomes = await asyncio.gather(*(house.registry.start(AIDA) for _ in range(5)))
        assert outcomes == [True] * 5
        assert len(house.made) == 1

    async def test_after_a_silent_end(self, house: House) -> None:
        """After a monitor's thread has ended the student can start again."""
        await house.registry.start(AIDA)
        house.made[0].die()
        assert not house.registry.running(AIDA)
        assert house.registry.status(AIDA) is None
        assert await house.registry.start(AIDA)
        assert house.registry.active() == [AIDA]

    async def test_stranger(self, house: House) -> None:
        """Somebody who is not registered can't start a monitor."""
        with pytest.raises(NotRegistered):
            await house.registry.start(99)
        assert house.made == []

    async def test_wish_can_not_be_written(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the storage fails nothing is started."""
        Disk(monkeypatch).fail(OSError(28, "No space left on device"), at=0)
        with pytest.raises(StorageUnavailable):
            await house.registry.start(AIDA)
        assert (house.made, house.registry.active()) == ([], [])


class TestCapacity:
    async def test_full(self, small: House) -> None:
        """Beyond the capacity nothing is started or stored; after a stop there is room."""
        await small.registry.start(AIDA)
        assert not await small.registry.start(BEN)
        assert (small.wanted(BEN), len(small.made)) == (False, 1)
        await small.registry.stop(AIDA)
        assert await small.registry.start(BEN)

    async def test_ended_monitors_take_no_place(self, small: House) -> None:
        """A monitor that has ended by itself frees its place."""
        await small.registry.start(AIDA)
        small.made[0].die()
        assert await small.registry.start(BEN)

    async def test_at_the_same_moment(self, small: House) -> None:
        """Starts at the same moment do not exceed the capacity."""
        outcomes = await asyncio.gather(*(small.registry.start(person) for person in (AIDA, BEN, CARL)))
        assert sorted(outcomes) == [False, False, True]
        assert len(small.registry.active()) == 1

    async def test_resuming_beside_a_start(self, small: House) -> None:
        """A start while monitors are resumed does not exceed the capacity."""
        small.storage.set_monitoring(AIDA, True)
        await small.registry.start(BEN)
        await small.registry.resume()
        assert len(small.registry.active()) == 1


class TestStopping:
    async def test_stopped(self, house: House) -> None:
        """A stopped monitor is waited for, and no longer wanted."""
        await house.registry.start(AIDA)
        assert await house.registry.stop(AIDA)
        assert house.made[0].notes == ["start", "stop, leaving the portal", "join"]
        assert not house.wanted(AIDA)
        assert (house.registry.active(), house.registry.status(AIDA)) == ([], None)
        assert (await house.next_event())[2] is Event.STOPPED

    async def test_nothing_to_stop(self, house: House) -> None:
        """Without a running monitor Stop still stores that none is wanted."""
        house.storage.set_monitoring(AIDA, True)
        assert not await house.registry.stop(AIDA)
        assert not house.wanted(AIDA)

    async def test_wish_can_not_be_written(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """A monitor is stopped also where the storage fails."""
        await house.registry.start(AIDA)
        Disk(monkeypatch).fail(OSError(28, "No space left on device"), at=0)
        with pytest.raises(StorageUnavailable):
            await house.registry.stop(AIDA)
        assert house.made[0].notes == ["start", "stop, leaving the portal", "join"]
        assert house.registry.active() == []

    async def test_started_again(self, house: House) -> None:
        """After a stop the student gets a new monitor."""
        await house.registry.start(AIDA)
        await house.registry.stop(AIDA)
        assert await house.registry.start(AIDA)
        assert len(house.made) == 2


class TestCommands:
    async def test_mode(self, house: House) -> None:
        """A mode is stored, and set in the monitor if one runs."""
        await house.registry.set_mode(AIDA, "manual")
        await house.registry.start(AIDA)
        await house.registry.set_mode(AIDA, "automatic")
        student = house.storage.student(AIDA)
        assert student is not None
        assert student.mode == "automatic"
        assert house.made[0].student.mode == "manual"
        assert house.made[0].notes == ["start", "mode automatic"]

    async def test_mark_now(self, house: House) -> None:
        """Mark Now reaches a running monitor; without one the answer is False."""
        assert not house.registry.mark_now(AIDA, "00000000000000aa")
        await house.registry.start(AIDA)
        assert house.registry.mark_now(AIDA, "00000000000000aa")
        house.made[0].die()
        assert not house.registry.mark_now(AIDA, "00000000000000aa")
        assert house.made[0].notes == ["start", "mark 00000000000000aa"]


class TestHearing:
    async def test_lessons(self, house: House) -> None:
        """A monitor's lesson callbacks arrive on the loop with its student's ID."""
        await house.registry.start(AIDA)
        await asyncio.to_thread(house.made[0].find, "found")
        await asyncio.to_thread(house.made[0].find, "marked")
        assert await house.next_event() == (AIDA, "student_501", "found", ALGORITHMS)
        assert await house.next_event() == (AIDA, "student_501", "marked", ALGORITHMS)

    async def test_passing_trouble(self, house: House) -> None:
        """A temporary error is passed on, and the monitor is still wanted."""
        await house.registry.start(AIDA)
        await asyncio.to_thread(house.made[0].say, Event.TROUBLE, "HTTP 503")
        assert await house.next_event() == (AIDA, "student_501", Event.TROUBLE, "HTTP 503")
        assert house.wanted(AIDA)
        assert house.registry.active() == [AIDA]

    @pytest.mark.parametrize("event", ENDS)
    async def test_permanent_end(self, house: House, event: Event) -> None:
        """A permanent end is passed on with its text; the monitor is no longer wanted and can be started again."""
        await house.registry.start(AIDA)
        await asyncio.to_thread(house.made[0].end, event, "the portal's words")
        assert await house.next_event() == (AIDA, "student_501", event, "the portal's words")
        assert not house.wanted(AIDA)
        assert house.registry.active() == []
        assert await house.registry.start(AIDA)

    async def test_permanent_end_and_a_full_disk(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """A permanent end is passed on also where the storage fails."""
        await house.registry.start(AIDA)
        Disk(monkeypatch).fail(OSError(28, "No space left on device"), at=0)
        await asyncio.to_thread(house.made[0].end, Event.REFUSED, "the portal's words")
        await house.bridge.close()
        assert not house.heard.empty()
        assert house.heard.get_nowait() == (AIDA, "student_501", Event.REFUSED, "the portal's words")

    async def test_last_words_of_a_stopped_monitor(self, house: House) -> None:
        """Late events of a stopped monitor are dropped, and do not affect a newer one."""
        await house.registry.start(AIDA)
        await house.registry.stop(AIDA)
        await house.registry.start(AIDA)
        assert (await house.next_event())[2] is Event.STOPPED
        await asyncio.to_thread(house.made[0].say, Event.REFUSED, "late")
        await asyncio.to_thread(house.made[1].say, Event.WATCHING)
        assert (await house.next_event())[2] is Event.WATCHING
        assert house.wanted(AIDA)
        assert house.registry.active() == [AIDA]

    async def test_start_right_after_a_permanent_end(self, house: House) -> None:
        """A start while a permanent end is being stored is not undone by it."""
        await house.registry.start(AIDA)
        house.storage.held = [False]
        house.storage.gate.clear()
        await asyncio.to_thread(house.made[0].end, Event.REFUSED)
        assert await asyncio.to_thread(house.storage.waiting.wait, PATIENCE)
        starting = asyncio.create_task(house.registry.start(AIDA))
        await asyncio.wait({starting}, timeout=0.2)  # it may have to wait for what is held up
        house.storage.gate.set()
        assert await starting
        await house.next_event()
        assert house.registry.active() == [AIDA]
        assert house.wanted(AIDA)

    async def test_nobody_listens(self, tmp_path: Path) -> None:
        """Without a listener the registry works all the same."""
        house = House(tmp_path)
        house.register(AIDA)
        registry = MonitorRegistry(house.storage, house._make, house.bridge, 10, state())
        await registry.start(AIDA)
        await asyncio.to_thread(house.made[0].find, "found")
        await asyncio.to_thread(house.made[0].end, Event.REFUSED)
        await house.bridge.close()
        assert registry.active() == []
        assert not house.wanted(AIDA)


class TestRestart:
    async def test_resume(self, house: House) -> None:
        """After a restart the wanted monitors run again, and no others."""
        house.storage.set_monitoring(AIDA, True)
        house.storage.set_monitoring(CARL, True)
        assert await house.registry.resume() == 2
        assert house.registry.active() == [AIDA, CARL]
        assert [monitor.password for monitor in house.made] == ["password 501", "password 503"]

    async def test_resume_within_the_capacity(self, small: House, caplog: pytest.LogCaptureFixture) -> None:
        """On a smaller machine as many as fit are resumed; the others stay wanted, and the log says so."""
        for person in (AIDA, BEN):
            small.storage.set_monitoring(person, True)
        assert await small.registry.resume() == 1
        assert small.registry.active() == [AIDA]
        assert small.wanted(BEN)
        assert "1 of 2 monitors resumed" in caplog.text

    async def test_resume_beside_a_running_one(self, house: House) -> None:
        """A student who starts during the resuming has one monitor."""
        house.storage.set_monitoring(AIDA, True)
        await house.registry.start(AIDA)
        await house.registry.resume()
        assert len(house.made) == 1

    async def test_close(self, house: House) -> None:
        """At close every monitor is stopped and waited for, and stays wanted."""
        for person in (AIDA, BEN):
            await house.registry.start(person)
        await house.registry.close()
        assert [monitor.notes for monitor in house.made] == [["start", "stop", "join"]] * 2
        assert house.registry.active() == []
        assert (house.wanted(AIDA), house.wanted(BEN)) == (True, True)

    async def test_nothing_starts_after_closing(self, house: House) -> None:
        """A start after close is refused, and nothing is stored."""
        await house.registry.close()
        assert not await house.registry.start(AIDA)
        assert (house.made, house.wanted(AIDA)) == ([], False)

    async def test_start_under_way_while_closing(self, house: House) -> None:
        """A start during close leaves no monitor running."""
        house.storage.gate.clear()
        starting = asyncio.create_task(house.registry.start(AIDA))
        assert await asyncio.to_thread(house.storage.waiting.wait, PATIENCE)
        closing = asyncio.create_task(house.registry.close())
        await asyncio.sleep(0)
        house.storage.gate.set()
        await asyncio.gather(starting, closing)
        assert house.registry.active() == []
        assert not any(monitor.is_running() for monitor in house.made)


class TestRealMonitors:
    async def test_wrong_password(self, house: House) -> None:
        """A real monitor whose password is refused ends, is reported, and is no longer wanted."""
        portal = FakePortal(FakeClock())
        portal.page = LOGIN
        portal.sign_ins.append(SignInRefused("Неверный логин или пароль."))
        registry = real_registry(house, portal)
        await registry.start(AIDA)
        while (heard := await house.next_event())[2] is not Event.REFUSED:
            pass
        assert heard == (AIDA, "student_501", Event.REFUSED, "Неверный логин или пароль.")
        assert not house.wanted(AIDA)
        assert portal.credentials == [("student_501", "password 501")]

    async def test_mark(self, house: House) -> None:
        """A real monitor's mark arrives on the loop, and the monitor ends with its registry."""
        portal = FakePortal(FakeClock())
        portal.page = shows(ALGORITHMS)
        registry = real_registry(house, portal)
        await registry.start(AIDA)
        while (heard := await house.next_event())[2] != "marked":
            pass
        assert heard == (AIDA, "student_501", "marked", ALGORITHMS)
        await registry.close()
        assert portal.notes[-1] == "end"
        await house.bridge.close()


def real_registry(house: House, portal: FakePortal) -> MonitorRegistry:
    """Return a registry of real monitors with a fake portal."""

    def make(
        student: Student,
        password: str,
        on_lesson: Callable[[str, str, Lesson], None],
        on_status: Callable[[str, StatusEvent], None],
    ) -> AttendanceMonitor:
        return AttendanceMonitor(
            student.username, password, student.mode, on_lesson, on_status, portal=PortalAccess(portal.opener)
        )

    registry = MonitorRegistry(house.storage, make, house.bridge, 10, state())
    registry.listen(house._on_lesson, house._on_status)
    return registry

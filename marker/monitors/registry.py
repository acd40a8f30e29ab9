"""The students' monitors: start, stop, resume, and the number that may run."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any

from core.backoff import Backoff
from core.logs import brief
from lessons.events import ENDS, Event, MonitorStatus, StatusEvent
from marker.monitors.bridge import Bridge
from marker.monitors.watch_state import WatchState
from monitor import AttendanceMonitor
from portal.lessons import Lesson
from storage import Mode, NotRegistered, Storage, StorageUnavailable, Student

log = logging.getLogger(__name__)

# A monitor answers commands within a second; after this many seconds its Chrome counts as hung and is killed.
STOP_WITHIN = 4.0
WAITERS = 64  # threads that wait for monitors to end
_TROUBLES = (*ENDS, Event.TROUBLE, Event.UNKNOWN_VIEW, Event.MARK_REFUSED, Event.RESTARTED)
FIRST_RETRY, LONGEST_RETRY = 10.0, 300.0  # seconds until a monitor that could not be started is tried again


class StillRunning(Exception):
    """A stopped monitor has not ended (try again): its thread hangs outside of its Chrome."""


# Makes a monitor for a student, given the password and the two callbacks.
MakeMonitor = Callable[
    [Student, str, Callable[[str, str, Lesson], None], Callable[[str, StatusEvent], None]], AttendanceMonitor
]
# Called on the loop with a student's lesson ("found", "marked") or status event.
OnLesson = Callable[[int, str, str, Lesson], Coroutine[Any, Any, None]]
OnStatus = Callable[[int, str, StatusEvent], Coroutine[Any, Any, None]]


class MonitorRegistry:
    """All monitors of this process, by Telegram ID. Its methods run on the loop and never block it.

    At most ``capacity`` monitors and other Chromes run at a time.
    """

    def __init__(
        self, storage: Storage, make_monitor: MakeMonitor, bridge: Bridge, capacity: int, state: WatchState
    ) -> None:
        self.state = state
        self._storage = storage
        self._make_monitor = make_monitor
        self._bridge = bridge
        self.capacity = capacity
        self._monitors: dict[int, AttendanceMonitor] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._event_locks: dict[int, asyncio.Lock] = {}  # a student's events are handled in their order
        self._waiting: set[int] = set()  # wanted, but there is no place
        self._newly_waiting: set[int] = set()
        self._given_up: set[int] = set()  # ended for good, even if that could not be stored
        self._starting: set[int] = set()  # they hold a place while the store is written
        self._retries: dict[int, tuple[Backoff, float]] = {}  # of starts that failed: when the next one is due
        self._other_chromes = 0  # of password checks
        self._waiters = ThreadPoolExecutor(WAITERS, thread_name_prefix="monitor-end")
        self._closing = False
        self._on_lesson: OnLesson | None = None
        self._on_status: OnStatus | None = None

    def listen(self, on_lesson: OnLesson, on_status: OnStatus) -> None:
        """Set the listeners for lessons and status events; once, before the first start."""
        self._on_lesson = on_lesson
        self._on_status = on_status

    async def start(self, telegram_id: int) -> bool:
        """Start a student's monitor and store that it is wanted; False: all places are taken, or it can't start yet.

        Raises NotRegistered, StorageUnavailable.
        """
        async with self._lock(telegram_id):
            if self.running(telegram_id):
                return True
            if self._full():
                log.warning("capacity: %d monitors run, student %d has to wait", len(self.active()), telegram_id)
                return False
            self._starting.add(telegram_id)  # before any await, so that two starts at the same moment share no place
            try:
                student = await asyncio.to_thread(self._storage.set_monitoring, telegram_id, True)
                if self._closing:  # the next process starts it
                    return False
                self._given_up.discard(telegram_id)
                return self._start(student)
            finally:
                self._starting.discard(telegram_id)

    async def stop(self, telegram_id: int) -> bool:
        """Stop a student's monitor and store that none is wanted; True where one was running.

        Raises NotRegistered, StorageUnavailable; the monitor is stopped all the same.
        """
        async with self._lock(telegram_id):
            running = self.running(telegram_id)
            try:
                await asyncio.to_thread(self._storage.set_monitoring, telegram_id, False)
            finally:
                with suppress(StillRunning):
                    await self._end(telegram_id, leave_portal=True)
            return running

    async def restart(self, telegram_id: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Restart a running monitor with the student's present record; its place is kept meanwhile.

        ``meanwhile`` is called in a thread while no monitor of the student's runs, whether or not one did.
        """
        async with self._lock(telegram_id):
            student = self._storage.student(telegram_id)
            if student is None or not self.running(telegram_id):
                return await asyncio.to_thread(meanwhile)
            self._starting.add(telegram_id)
            try:
                with suppress(StillRunning):
                    await self._end(telegram_id)
                    if not self._closing:
                        await asyncio.to_thread(meanwhile)
                        self._start(student)
            finally:
                self._starting.discard(telegram_id)
        return None

    async def move(self, telegram_id: int, new_telegram_id: int, write: Callable[[], Student]) -> Student:
        """Stop a student's monitor, move the record by ``write`` (in a thread), and start it for the new account.

        Raises StillRunning, and what ``write`` raises: nothing was changed, and the student is monitored as before.
        """
        first, second = sorted((telegram_id, new_telegram_id))
        async with self._lock(first), self._lock(second):
            watched = self.running(telegram_id)
            student = self._storage.student(telegram_id)
            await self._end(telegram_id)
            try:
                student = await asyncio.to_thread(write)
                await asyncio.to_thread(self.state.reload)  # it has moved, too
            finally:
                if watched and student is not None:
                    self._start_if_room(student)
            return student

    async def remove(self, telegram_id: int, clean: Callable[[Student], None], *, erase: bool = False) -> Student:
        """Stop a student's monitor, delete their other data by ``clean`` (in a thread), then the student's record.

        The record is deleted last, so that after a crash or a failure the removal can be repeated.
        ``erase``: also remove the Telegram ID from the invitation code. Raises NotRegistered; StillRunning,
        StorageUnavailable, and what ``clean`` raises: the student is still there, and monitored as before.
        """
        async with self._lock(telegram_id):
            if (student := self._storage.student(telegram_id)) is None:
                raise NotRegistered(str(telegram_id))
            watched = self.running(telegram_id)
            await self._end(telegram_id, leave_portal=True)
            try:
                await asyncio.to_thread(clean, student)
                await asyncio.to_thread(self._storage.remove, telegram_id, erase=erase)
            except Exception:
                if watched:
                    self._start_if_room(student)
                raise
            self.state.forget(telegram_id)
            self._given_up.discard(telegram_id)
            return student

    async def set_mode(self, telegram_id: int, mode: Mode) -> None:
        """Change a student's mode, in the store and in the running monitor. Raises as ``start``."""
        await asyncio.to_thread(self._storage.set_mode, telegram_id, mode)
        log.info("monitor %d: mode %s", telegram_id, mode)
        if (monitor := self._monitors.get(telegram_id)) is not None:
            monitor.set_mode(mode)

    def mark_now(self, telegram_id: int, lesson_key: str) -> bool:
        """Have the student's monitor mark an open lesson; False where none runs."""
        if running := self.running(telegram_id):
            self._monitors[telegram_id].mark_now(lesson_key)
        return running

    def running(self, telegram_id: int) -> bool:
        monitor = self._monitors.get(telegram_id)
        return monitor is not None and monitor.is_running()

    def active(self) -> list[int]:
        """Return the students whose monitors run, in the order in which they started."""
        return [telegram_id for telegram_id, monitor in self._monitors.items() if monitor.is_running()]

    def status(self, telegram_id: int) -> MonitorStatus | None:
        """Return the status of a student's monitor; None where none runs."""
        return self._monitors[telegram_id].status if self.running(telegram_id) else None

    def last_check(self, telegram_id: int) -> datetime | None:
        """Return when a student's page was last read, by this process or a previous one."""
        status = self.status(telegram_id)
        return (status.last_check if status else None) or self.state.of(telegram_id).last_check

    async def skip_today(self, telegram_id: int, skip: bool) -> None:
        """Skip the rest of the local day, or no longer. Raises DatabaseUnavailable."""
        await asyncio.to_thread(self.state.skip_today, telegram_id, skip)
        log.info("monitor %d: %s", telegram_id, "today is skipped" if skip else "today is not skipped any more")
        if (monitor := self._monitors.get(telegram_id)) is not None:
            monitor.look_again()

    async def resume(self) -> int:
        """Start the wanted monitors that don't run, as far as there are places; return how many.

        At start these are the monitors of the previous process, later those that had no place.
        """
        resumed, waiting, now = 0, set(), self.state.clock.monotonic()
        for student in self._storage.students():
            async with self._lock(student.telegram_id):
                if not self._is_wanted(student.telegram_id) or self.running(student.telegram_id):
                    continue
                _backoff, due = self._retries.get(student.telegram_id, (None, now))
                if due <= now and self._start_if_room(student):
                    resumed += 1
                else:
                    waiting.add(student.telegram_id)
        self._newly_waiting |= waiting - self._waiting
        if waiting - self._waiting:
            log.warning("capacity: %d of %d monitors resumed", resumed, resumed + len(waiting))
        self._waiting = waiting
        return resumed

    def waits(self, telegram_id: int) -> bool:
        """Say whether a student's monitor waits for a place."""
        return telegram_id in self._waiting and self._is_wanted(telegram_id) and not self.running(telegram_id)

    def waiting(self) -> int:
        return len(self._waiting)

    def newly_waiting(self) -> set[int]:
        """Return the students who have begun to wait for a place since the last call."""
        found, self._newly_waiting = self._newly_waiting, set()
        return found

    def take_place(self) -> bool:
        """Take a place for a password check's Chrome; False where all are taken."""
        if has_place := not self._full():
            self._other_chromes += 1
        return has_place

    def give_place_back(self) -> None:
        self._other_chromes -= 1

    async def close(self) -> None:
        """End all monitors at once; they are started again by the next process."""
        self._closing = True
        monitors = list(self._monitors.values())
        for monitor in monitors:
            monitor.stop()
        await asyncio.to_thread(_join_all, monitors)
        self._waiters.shutdown(wait=False)
        self._monitors.clear()

    def _is_wanted(self, telegram_id: int) -> bool:
        """Read the store again: it may have changed while we waited for the lock."""
        student = self._storage.student(telegram_id)
        return student is not None and student.monitoring and telegram_id not in self._given_up

    def _start_if_room(self, student: Student) -> bool:
        return not self._full() and self._start(student)

    def _full(self) -> bool:
        return self._closing or len({*self.active(), *self._starting}) + self._other_chromes >= self.capacity

    async def _end(self, telegram_id: int, *, leave_portal: bool = False) -> None:
        """Stop a student's monitor and wait for its end, in threads of our own, since many may wait at a time.

        Raises StillRunning: it is kept, so that no second one starts on the same profile.
        """
        if (monitor := self._monitors.pop(telegram_id, None)) is None:
            return
        ended = False
        try:
            monitor.stop(leave_portal=leave_portal)
            ended = await asyncio.get_running_loop().run_in_executor(self._waiters, monitor.join, STOP_WITHIN)
        finally:
            if not ended:  # also if the wait was cancelled, or no thread can be started for it
                log.error("monitor %d: does not end", telegram_id)
                self._monitors[telegram_id] = monitor
        if not ended:
            raise StillRunning(str(telegram_id))

    def _lock(self, telegram_id: int) -> asyncio.Lock:
        return self._locks.setdefault(telegram_id, asyncio.Lock())

    def _start(self, student: Student) -> bool:
        """Start a monitor. False: an unforeseen error, such as no thread; the admin is told, ``resume`` tries again."""
        telegram_id = student.telegram_id
        try:
            self._make_and_start(student)
        except Exception as error:  # of one student only
            log.exception("monitor %d: can't be started", telegram_id)
            self._waiting.add(telegram_id)  # not newly: it is no place that is missing
            backoff, _due = self._retries.get(telegram_id, (Backoff(FIRST_RETRY, LONGEST_RETRY), 0.0))
            self._retries[telegram_id] = backoff, self.state.clock.monotonic() + backoff.next()
            if self._on_status is not None:
                event = StatusEvent(Event.RESTARTED, brief(error))
                self._bridge.send(self._on_status(telegram_id, student.username, event))
            return False
        self._retries.pop(telegram_id, None)
        log.info("monitor %d: started, mode %s", telegram_id, student.mode)
        return True

    def _make_and_start(self, student: Student) -> None:
        telegram_id = student.telegram_id

        def on_lesson(username: str, status: str, lesson: Lesson) -> None:
            if self._on_lesson is not None:
                self._bridge.send(self._on_lesson(telegram_id, username, status, lesson))

        def on_status(username: str, event: StatusEvent) -> None:
            self._bridge.send(self._handle(telegram_id, username, event, monitor))

        monitor = self._make_monitor(student, self._storage.password(telegram_id), on_lesson, on_status)
        monitor.start()
        self._monitors[telegram_id] = monitor  # its events are handled on the loop, so not before this

    async def _handle(self, telegram_id: int, username: str, event: StatusEvent, monitor: AttendanceMonitor) -> None:
        """Pass a status event to the listener; a monitor that ended for good is removed and no longer wanted."""
        # in their order: an error reported after its end would never end
        async with self._event_locks.setdefault(telegram_id, asyncio.Lock()):
            if self._monitors.get(telegram_id) is not monitor and event.event is not Event.STOPPED:
                return  # a late event of a monitor that was stopped
            if self._closing and event.event is Event.STOPPED:
                return  # the next process starts it again
            if event.event in _TROUBLES:
                await asyncio.to_thread(self.state.troubled, telegram_id, event)
            if event.event in ENDS:
                async with self._lock(telegram_id):
                    if self._monitors.get(telegram_id) is monitor:  # else a new one was started meanwhile
                        del self._monitors[telegram_id]
                        self._given_up.add(telegram_id)
                        await self._set_unwanted(telegram_id)
            if self._on_status is not None:
                await self._on_status(telegram_id, username, event)

    async def _set_unwanted(self, telegram_id: int) -> None:
        try:
            await asyncio.to_thread(self._storage.set_monitoring, telegram_id, False)
        except NotRegistered:
            log.info("monitor %d: ended, the student is gone", telegram_id)
        except StorageUnavailable:  # the student gets the message about the end all the same
            log.exception("monitor %d: ended, but it is still stored as wanted", telegram_id)


def _join_all(monitors: list[AttendanceMonitor]) -> None:
    """Wait for all at once, since a hung Chrome takes seconds to end."""
    with ThreadPoolExecutor(len(monitors) or 1, thread_name_prefix="monitor-end") as threads:
        if not all(list(threads.map(lambda monitor: monitor.join(STOP_WITHIN), monitors))):
            log.error("a monitor does not end")

"""Which student has a monitor: start, stop, resume, and who finds a place."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from core.active_hours import ActiveHours
from core.clock import Clock, SystemClock
from core.sqlite import Database
from lessons.events import Event, MonitorStatus, StatusEvent, Trouble
from marker.monitors.bridge import Bridge
from marker.monitors.watch_state import KeptWatches
from marker.tables.schema import SCHEMA
from marker.tables.watches import Watches
from monitor import AttendanceMonitor
from portal.lessons import Lesson
from storage import Mode, NotRegistered, Storage, StorageUnavailable, Student

log = logging.getLogger(__name__)

# A monitor serves commands within a second; after this long (seconds) its Chrome is taken for hung and killed.
STOP_WITHIN = 4.0
WAITERS = 64  # threads that wait for monitors to end
_PERMANENT = (Event.REFUSED, Event.BLOCKED, Event.NO_BROWSER, Event.FAILED)
_TROUBLES = (*_PERMANENT, Event.TROUBLE, Event.UNKNOWN_VIEW)


class StillRunning(Exception):
    """A monitor that was told to stop has not ended (try again): its thread hangs outside of its Chrome."""


class Started(Enum):
    """How ``MonitorRegistry.start`` ended."""

    STARTED = "started"
    RUNNING_ALREADY = "running already"
    FULL = "full"


# Makes a monitor for a student, given the password and the two callbacks.
MakeMonitor = Callable[
    [Student, str, Callable[[str, str, Lesson], None], Callable[[str, StatusEvent], None]], AttendanceMonitor
]
# Hear of a student's lesson ("found", "marked") and of status events; on the loop.
OnLesson = Callable[[int, str, str, Lesson], Coroutine[Any, Any, None]]
OnStatus = Callable[[int, str, StatusEvent], Coroutine[Any, Any, None]]


class MonitorRegistry:
    """All monitors of this process, by Telegram ID. Its methods run on the loop and never block it."""

    def __init__(
        self,
        storage: Storage,
        make_monitor: MakeMonitor,
        bridge: Bridge,
        capacity: int,
        clock: Clock | None = None,
        watches: Watches | None = None,
        hours: ActiveHours | None = None,
        zone: ZoneInfo = ZoneInfo("Asia/Almaty"),  # noqa: B008  # a constant
    ) -> None:
        """Take the store, what makes a monitor, the bridge, how many monitors the machine holds, what keeps
        their last words over restarts, and the hours in which they work.
        """
        self._kept = KeptWatches(
            watches or Watches(Database(":memory:", [SCHEMA])), clock or SystemClock(), hours or ActiveHours(), zone
        )
        self._storage = storage
        self._make_monitor = make_monitor
        self._bridge = bridge
        self.capacity = capacity
        self._monitors: dict[int, AttendanceMonitor] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._hearing: dict[int, asyncio.Lock] = {}  # one event of a student's at a time, in the order they came
        self._waiting: set[int] = set()  # who is wanted and found no place
        self._newly_waiting: set[int] = set()
        self._given_up: set[int] = set()  # ended for good, whatever the store could be told of it
        self._starting: set[int] = set()  # who holds a place while their wish is written
        self._guests = 0  # Chromes of ours that are no monitor's
        self._waiters = ThreadPoolExecutor(WAITERS, thread_name_prefix="monitor-end")
        self._closing = False
        self._on_lesson: OnLesson | None = None
        self._on_status: OnStatus | None = None

    def listen(self, on_lesson: OnLesson, on_status: OnStatus) -> None:
        """Say who hears of lessons and status events; once, before the first start."""
        self._on_lesson = on_lesson
        self._on_status = on_status

    async def start(self, telegram_id: int) -> Started:
        """Start a student's monitor and remember that it is wanted.

        Raises:
            NotRegistered: there is no such student.
            StorageUnavailable: the wish can't be written; nothing was started.
        """
        async with self._lock(telegram_id):
            if self.running(telegram_id):
                return Started.RUNNING_ALREADY
            if not self._reserve(telegram_id):
                log.warning("capacity: %d monitors run, student %d has to wait", len(self.active()), telegram_id)
                return Started.FULL
            try:
                student = await asyncio.to_thread(self._storage.set_monitoring, telegram_id, True)
                if self._closing:  # the next process starts it
                    return Started.FULL
                self._given_up.discard(telegram_id)
                self._start(student)
            finally:
                self._starting.discard(telegram_id)
            return Started.STARTED

    async def stop(self, telegram_id: int) -> bool:
        """Stop a student's monitor and remember that none is wanted; True where one was running.

        Raises:
            NotRegistered, StorageUnavailable: as ``start``; the monitor is stopped all the same.
        """
        async with self._lock(telegram_id):
            monitor = self._monitors.pop(telegram_id, None)
            running = monitor is not None and monitor.is_running()
            try:
                await asyncio.to_thread(self._storage.set_monitoring, telegram_id, False)
            finally:
                if monitor is not None and not await self._end(telegram_id, monitor, leave_portal=True):
                    self._monitors[telegram_id] = monitor  # so that no second one meets it on one profile
            return running

    async def restart(self, telegram_id: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Begin anew where a monitor runs, with what the store says now; its place is kept meanwhile.

        ``meanwhile`` is called in a thread while no monitor of the student's runs, whether or not one did.
        """
        async with self._lock(telegram_id):
            monitor = self._monitors.get(telegram_id)
            student = self._storage.student(telegram_id)
            if monitor is None or student is None or not monitor.is_running():
                await asyncio.to_thread(meanwhile)
                return
            self._starting.add(telegram_id)
            try:
                if await self._end(telegram_id, monitor) and not self._closing:
                    await asyncio.to_thread(meanwhile)
                    self._start(student)
            finally:
                self._starting.discard(telegram_id)

    async def move(self, telegram_id: int, new_telegram_id: int, write: Callable[[], Student]) -> Student:
        """Stop a student's monitor, let ``write`` (in a thread) move the record, and watch on for the new account.

        Raises:
            StillRunning: the monitor does not end; nothing was changed.
            What ``write`` raises: the student is watched as before.
        """
        first, second = sorted((telegram_id, new_telegram_id))
        async with self._lock(first), self._lock(second):
            monitor = self._monitors.pop(telegram_id, None)
            before = self._storage.student(telegram_id)
            watched = monitor is not None and monitor.is_running()
            if monitor is not None and not await self._end(telegram_id, monitor):
                self._monitors[telegram_id] = monitor
                raise StillRunning(str(telegram_id))
            student = before
            try:
                student = await asyncio.to_thread(write)
                await asyncio.to_thread(self._kept.read_anew)  # what is kept has moved, too
            finally:
                if watched and student is not None and self._reserve(student.telegram_id):
                    self._start(student)
                    self._starting.discard(student.telegram_id)
            return student

    async def remove(self, telegram_id: int, clean: Callable[[Student], None], *, erase: bool = False) -> Student:
        """Stop a student's monitor, let ``clean`` (in a thread) delete what else is kept, then forget the student.

        The student's record goes last: after a crash or a failure in between there is still somebody to remove.
        ``erase``: the invitation code names nobody any more.

        Raises:
            NotRegistered: there is no such student.
            StillRunning: the monitor does not end; nothing was deleted.
            StorageUnavailable, and what ``clean`` raises: the student is still there, and watched as before.
        """
        async with self._lock(telegram_id):
            student = self._storage.student(telegram_id)
            if student is None:
                raise NotRegistered(str(telegram_id))
            monitor = self._monitors.pop(telegram_id, None)
            watched = monitor is not None and monitor.is_running()
            if monitor is not None and not await self._end(telegram_id, monitor, leave_portal=True):
                self._monitors[telegram_id] = monitor  # it would go on for a student whom nobody sees any more
                raise StillRunning(str(telegram_id))
            try:
                await asyncio.to_thread(clean, student)
                await asyncio.to_thread(self._storage.erase if erase else self._storage.remove, telegram_id)
            except Exception:
                if watched and self._reserve(telegram_id):
                    self._start(student)
                    self._starting.discard(telegram_id)
                raise
            self._kept.forget(telegram_id)
            self._given_up.discard(telegram_id)
            return student

    async def set_mode(self, telegram_id: int, mode: Mode) -> None:
        """Change a student's mode, in the store and in the running monitor. Raises as ``start``."""
        await asyncio.to_thread(self._storage.set_mode, telegram_id, mode)
        log.info("monitor %d: mode %s", telegram_id, mode)
        monitor = self._monitors.get(telegram_id)
        if monitor is not None:
            monitor.set_mode(mode)

    def mark_now(self, telegram_id: int, lesson_key: str) -> bool:
        """Have an open lesson marked; False where no monitor runs that could."""
        monitor = self._monitors.get(telegram_id)
        if monitor is None or not monitor.is_running():
            return False
        monitor.mark_now(lesson_key)
        return True

    def running(self, telegram_id: int) -> bool:
        """Say whether a student's monitor runs."""
        monitor = self._monitors.get(telegram_id)
        return monitor is not None and monitor.is_running()

    def active(self) -> list[int]:
        """Return the students whose monitors run, in the order in which they started."""
        return [telegram_id for telegram_id, monitor in self._monitors.items() if monitor.is_running()]

    def status(self, telegram_id: int) -> MonitorStatus | None:
        """Return what a student's monitor is doing; None where there is none."""
        monitor = self._monitors.get(telegram_id)
        return monitor.status if monitor is not None and monitor.is_running() else None

    def last_trouble(self, telegram_id: int) -> Trouble | None:
        """Return what last went wrong for a student, also where it has passed."""
        return self._kept.last_trouble(telegram_id)

    def last_check(self, telegram_id: int) -> datetime | None:
        """Return when a student's page was read last, by this process or one before."""
        status = self.status(telegram_id)
        return (status.last_check if status else None) or self._kept.last_check(telegram_id)

    def checked(self, telegram_id: int, at: datetime) -> None:
        """Keep when a page was read last; from the monitor's thread. A failure is logged: nothing depends on it."""
        self._kept.checked(telegram_id, at)

    async def skip_today(self, telegram_id: int, skip: bool) -> None:
        """Leave the rest of the local day out, or don't any more. Raises DatabaseUnavailable."""
        await asyncio.to_thread(self._kept.skip_today, telegram_id, skip)
        log.info("monitor %d: %s", telegram_id, "today is skipped" if skip else "today is not skipped any more")
        monitor = self._monitors.get(telegram_id)
        if monitor is not None:
            monitor.look_again()

    def skips_today(self, telegram_id: int) -> bool:
        """Say whether a student skips the current local day."""
        return self._kept.skips_today(telegram_id)

    def rests_until(self, telegram_id: int, now: datetime) -> datetime | None:
        """Say until when nothing is watched for a student: a skipped day, or outside of the active hours."""
        return self._kept.rests_until(telegram_id, now)

    async def resume(self) -> int:
        """Start the monitors that are wanted and don't run, as many as there are places; return how many.

        At start these are the ones of the process before, later those that found no place then.
        """
        resumed, waiting = 0, set()
        for student in self._storage.students():
            async with self._lock(student.telegram_id):
                if not self._is_wanted(student.telegram_id) or self.running(student.telegram_id):
                    continue
                if self._reserve(student.telegram_id):
                    self._start(student)
                    self._starting.discard(student.telegram_id)
                    resumed += 1
                else:
                    waiting.add(student.telegram_id)
        self._newly_waiting |= waiting - self._waiting
        if waiting - self._waiting:
            log.warning("capacity: %d of %d monitors resumed", resumed, resumed + len(waiting))
        self._waiting = waiting
        return resumed

    def waiting(self) -> int:
        """Return how many monitors are wanted and have found no place."""
        return len(self._waiting)

    def newly_waiting(self) -> set[int]:
        """Return, once, the students who have begun to wait for a place."""
        found, self._newly_waiting = self._newly_waiting, set()
        return found

    def take_place(self) -> bool:
        """Take a place for a Chrome that is no monitor's; False where all are taken."""
        if self._full():
            return False
        self._guests += 1
        return True

    def give_place_back(self) -> None:
        """Give back what ``take_place`` took."""
        self._guests -= 1

    async def close(self) -> None:
        """End every monitor, all at once; who was watched is watched again after the next start."""
        self._closing = True
        monitors = list(self._monitors.values())
        for monitor in monitors:
            monitor.stop()
        await asyncio.to_thread(_join_all, monitors)
        self._waiters.shutdown(wait=False)
        self._monitors.clear()

    def _is_wanted(self, telegram_id: int) -> bool:
        """Ask the store anew: the wish may have changed while we waited for the lock."""
        student = self._storage.student(telegram_id)
        return student is not None and student.monitoring and telegram_id not in self._given_up

    def _reserve(self, telegram_id: int) -> bool:
        """Take a place, before any wait, so that starts at the same moment can't share one."""
        if self._full():
            return False
        self._starting.add(telegram_id)
        return True

    def _full(self) -> bool:
        return self._closing or len({*self.active(), *self._starting}) + self._guests >= self.capacity

    async def _end(self, telegram_id: int, monitor: AttendanceMonitor, *, leave_portal: bool = False) -> bool:
        """Stop a monitor and wait for its end, in threads of our own: many may wait, and others need the loop's."""
        monitor.stop(leave_portal=leave_portal)
        ended = await asyncio.get_running_loop().run_in_executor(self._waiters, monitor.join, STOP_WITHIN)
        if not ended:
            log.error("monitor %d: does not end", telegram_id)
        return ended

    def _lock(self, telegram_id: int) -> asyncio.Lock:
        return self._locks.setdefault(telegram_id, asyncio.Lock())

    def _start(self, student: Student) -> None:
        telegram_id = student.telegram_id

        def on_lesson(username: str, status: str, lesson: Lesson) -> None:
            if self._on_lesson is not None:
                self._bridge.send(self._on_lesson(telegram_id, username, status, lesson))

        def on_status(username: str, event: StatusEvent) -> None:
            self._bridge.send(self._hear(telegram_id, username, event, monitor))

        monitor = self._make_monitor(student, self._storage.password(telegram_id), on_lesson, on_status)
        self._monitors[telegram_id] = monitor
        monitor.start()
        log.info("monitor %d: started, mode %s", telegram_id, student.mode)

    async def _hear(self, telegram_id: int, username: str, event: StatusEvent, monitor: AttendanceMonitor) -> None:
        """Pass a status event on, each student's in their order: trouble heard after its end would never end."""
        async with self._hearing.setdefault(telegram_id, asyncio.Lock()):
            await self._pass_on(telegram_id, username, event, monitor)

    async def _pass_on(self, telegram_id: int, username: str, event: StatusEvent, monitor: AttendanceMonitor) -> None:
        """Pass a status event on; forget a monitor that ended by itself, and that it was wanted."""
        if self._monitors.get(telegram_id) is not monitor and event.event is not Event.STOPPED:
            return  # what a stopped monitor still says about its last second is of no interest any more
        if self._closing and event.event is Event.STOPPED:
            return  # it goes on with the next process, and so does what people were told of it
        if event.event in _TROUBLES:
            await asyncio.to_thread(self._kept.troubled, telegram_id, event)
        if event.event in _PERMANENT:
            async with self._lock(telegram_id):
                if self._monitors.get(telegram_id) is monitor:  # else a new one was started meanwhile, and is wanted
                    del self._monitors[telegram_id]
                    self._given_up.add(telegram_id)
                    await self._forget_wish(telegram_id)
        if self._on_status is not None:
            await self._on_status(telegram_id, username, event)

    async def _forget_wish(self, telegram_id: int) -> None:
        try:
            await asyncio.to_thread(self._storage.set_monitoring, telegram_id, False)
        except NotRegistered:
            log.info("monitor %d: ended, the student is gone", telegram_id)
        except StorageUnavailable:  # the student hears of the end all the same
            log.exception("monitor %d: ended, but is still written down as wanted", telegram_id)


def _join_all(monitors: list[AttendanceMonitor]) -> None:
    """Wait for all at once: each hung Chrome takes its time to be ended."""
    with ThreadPoolExecutor(len(monitors) or 1, thread_name_prefix="monitor-end") as threads:
        for ended in threads.map(lambda monitor: monitor.join(STOP_WITHIN), monitors):
            if not ended:
                log.error("a monitor does not end")

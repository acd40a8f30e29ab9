"""One student's monitor: a daemon thread that drives one headless Chrome and marks the lessons that open.

States: STARTING -> SIGNING_IN -> WATCHING, WAITING while something is wrong that may pass, STOPPED at the end.
Only the monitor's thread talks to its driver; everybody else puts a command into its queue. Intent is written to
the journal before a click, so that a mark is told exactly once, also after a crash between click and confirmation.
"""

import hashlib
import logging
import queue
import random
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from clock import Clock, SystemClock
from ledger import Database, LedgerUnavailable, LessonRow, Lessons
from monitor_events import Event, State, Status, StatusEvent
from portal.browser import Chromes
from portal.errors import (
    AccountBlocked,
    BrowserFailed,
    BrowserMissing,
    PageChanged,
    PortalError,
    PortalUnavailable,
    SessionLost,
    SignInRefused,
    UnknownView,
)
from portal.lessons import Lesson
from portal.limits import PortalLimits
from portal.session import OpenPortal, Portal, chrome_opener
from portal.views import Reading, View
from settings import ROOT
from storage import Mode, account_key

log = logging.getLogger(__name__)

LOGIN_URL = "https://wsp.kbtu.kz/RegistrationOnline"
REFRESH_INTERVAL = 20.0  # seconds between reloads
JITTER = 0.15  # of the interval, either way, so that students don't reload in step
FIRST_AGAIN = 1.0  # seconds before loading again what moved or lost its session, doubled each time
LOOK_INTERVAL = 1.0  # seconds between the cheap looks while nothing is reloaded
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds after trouble, doubled each time
QUICK_RETRIES = 3  # clicks that the portal swallowed are tried again at once, so many times a lesson


class Journal(Protocol):
    """What a monitor writes down of lessons; ``ledger.Lessons`` is one."""

    def seen(
        self, key: str, student: int, local_date: str, subject: str, teacher: str, time: str, at: datetime
    ) -> LessonRow:
        """Record an open lesson once."""

    def get(self, key: str) -> LessonRow | None:
        """Return what is known of a lesson."""

    def intend(self, key: str, at: datetime) -> None:
        """Record, before the click, that it will come."""

    def confirm(self, key: str, at: datetime) -> bool:
        """Record the page's confirmation; True the first time."""


def profile_name(username: str) -> str:
    """Return the name of an account's Chrome profile: the same for each spelling, and telling nobody whose it is."""
    return hashlib.blake2b(account_key(username).encode(), digest_size=8).hexdigest()


class _Stop(Exception):  # no error: it carries the stop command out of every wait
    pass


class Commands:
    """The monitor's queue: the only way from other threads to its own."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def put(self, command: Callable[[], None]) -> None:
        """Queue a command for the monitor's thread."""
        self._queue.put(command)

    def next(self, within: float) -> Callable[[], None] | None:
        """Return the next command, or None where none came within so many seconds."""
        try:
            return self._queue.get(timeout=max(within, 0))
        except queue.Empty:
            return None


class AttendanceMonitor:
    """Watches the portal for one student and marks (automatic) or reports (manual) each lesson that opens.

    ``on_attendance_found(username, status, lesson)`` with status "found" or "marked", and
    ``on_status_update(username, event)`` with a ``StatusEvent``, are both called on the monitor's thread.
    """

    def __init__(
        self,
        username: str,
        password: str,
        mode: Mode,
        on_attendance_found: Callable[[str, str, Lesson], None],
        on_status_update: Callable[[str, StatusEvent], None],
        *,
        student: int = 0,
        portal_url: str = LOGIN_URL,
        refresh_interval: float = REFRESH_INTERVAL,
        zone: ZoneInfo = ZoneInfo("Asia/Almaty"),  # noqa: B008  # a constant
        journal: Journal | None = None,
        open_portal: OpenPortal | None = None,
        kill_browser: Callable[[str], None] | None = None,
        limits: PortalLimits | None = None,
        clock: Clock | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        commands: Commands | None = None,
    ) -> None:
        """Take the account and the two callbacks; the rest has production defaults.

        Args:
            student: the Telegram ID under which the journal keeps the lessons.
            refresh_interval: seconds between reloads.
            zone: where a lesson has its date.
            open_portal: opens the portal for a profile; ``kill_browser`` ends, from another thread, whatever works
                on that profile.
        """
        self.username = username
        self._password = password
        self._mode: Mode = mode
        self._on_attendance_found = on_attendance_found
        self._on_status_update = on_status_update
        self._student = student
        self._portal_url = portal_url
        self._refresh_interval = refresh_interval
        self._zone = zone
        self._clock = clock or SystemClock()
        self._journal: Journal = journal or Lessons(Database(":memory:"))
        self._limits = limits or PortalLimits()
        self._jitter = jitter
        self._commands = commands or Commands()
        if open_portal is None:
            chromes = Chromes(ROOT / "data" / "profiles")
            open_portal, kill_browser = chrome_opener(chromes, portal_url, self._clock), chromes.kill
        self._open_portal = open_portal
        self._kill_browser = kill_browser or (lambda _profile: None)
        self._profile = profile_name(username)
        self._portal: Portal | None = None
        self._thread = threading.Thread(target=self._run, name=f"monitor-{student}", daemon=True)
        now = self._clock.now()
        self._status = Status(State.STARTING, since=now, started=now)
        self._open: dict[str, Lesson] = {}  # what the last reading showed as open
        self._wanted: set[str] = set()  # lessons that the student asked to mark
        self._clicks: dict[str, int] = {}
        self._woken = False
        self._troubles = 0
        self._again = 0  # loads in a row that a moving page or a lost session asked for

    # the public face: from any thread, returns at once

    def start(self) -> None:
        """Start the thread. A monitor runs once; a second start is harmless."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Ask the monitor to end its browser and its thread; ``join`` waits for it."""
        self._commands.put(self._raise_stop)

    def join(self, timeout: float) -> bool:
        """Wait until the thread has ended; a hung Chrome is killed after ``timeout`` seconds. True: it has ended."""
        if self._thread.ident is None:
            return True
        self._thread.join(timeout)
        if self._thread.is_alive():
            portal = self._portal
            if portal is not None:
                portal.kill()
            self._kill_browser(self._profile)  # also one that is only just starting
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def set_mode(self, mode: Mode) -> None:
        """Mark by itself ("automatic") or report and wait for ``mark_now`` ("manual")."""
        self._commands.put(lambda: self._change_mode(mode))

    def mark_now(self, key: str | None = None) -> None:
        """Mark the open lesson with this key, or every open lesson."""
        self._commands.put(lambda: self._want(key))

    def is_running(self) -> bool:
        """Say whether the thread is alive."""
        return self._thread.is_alive()

    @property
    def status(self) -> Status:
        """What the monitor is doing now."""
        return self._status

    # commands, on the monitor's thread

    def _raise_stop(self) -> None:
        raise _Stop

    def _change_mode(self, mode: Mode) -> None:
        self._mode = mode
        self._woken = True

    def _want(self, key: str | None) -> None:
        self._wanted |= {key} if key is not None else set(self._open)
        self._woken = True

    def _pause(self, seconds: float, until_woken: bool = False) -> None:
        """Wait while serving commands; every wait of this thread goes through here."""
        deadline = self._clock.monotonic() + seconds
        while True:
            command = self._commands.next(deadline - self._clock.monotonic())
            if command is not None:
                command()
            if self._clock.monotonic() >= deadline or (until_woken and self._woken):
                return

    # the thread

    def _run(self) -> None:
        last = StatusEvent(Event.STOPPED)
        try:
            self._live()
        except _Stop:
            pass
        except SignInRefused as refused:
            last = StatusEvent(Event.REFUSED, str(refused))
        except AccountBlocked as blocked:
            last = StatusEvent(Event.BLOCKED, str(blocked))
        except BrowserMissing as missing:
            last = StatusEvent(Event.NO_BROWSER, str(missing))
        except Exception:  # the thread's outermost edge: what ends here unsaid would be a monitor dead without a word
            log.exception("monitor %s: failed", self._student)
            last = StatusEvent(Event.FAILED)
        self._become(State.STOPPED, trouble=last.text)
        log.info("monitor %s: stopped (%s)", self._student, last.event.value)
        self._on_status_update(self.username, last)

    def _live(self) -> None:
        """Open a browser and watch with it, again and again, until a command or a permanent error ends it."""
        while True:
            try:
                self._portal = self._open_portal(self._profile, self._pause)
                self._watch(self._portal)
            except BrowserMissing:
                raise
            except BrowserFailed as failed:
                trouble = failed
            finally:
                self._let_go()
            self._wait_out(trouble)

    def _let_go(self) -> None:
        if self._portal is not None:
            self._portal.end()  # it stays in reach meanwhile: `join` kills a Chrome that does not end
            self._portal = None

    def _watch(self, portal: Portal) -> None:
        while True:
            try:
                self._check(portal)
                self._troubles = 0
                self._rest(portal)
                self._again = 0
            except (PageChanged, SessionLost) as passing:
                # the page moved under us, or the session ended: loading again mends it, without a word; where it
                # does not, the loads become rarer and rarer
                self._again += 1
                log.info("monitor %s: %s, loading again", self._student, type(passing).__name__)
                self._pause(_growing(FIRST_AGAIN, self._again) * self._jitter(0.5, 1.0))
            except (PortalUnavailable, UnknownView, LedgerUnavailable) as trouble:
                self._wait_out(trouble)

    def _check(self, portal: Portal) -> None:
        """Load the page, sign in where it asks for it, and deal with what it shows."""
        self._limits.wait_for_load(self._pause)
        portal.load(self._portal_url)
        reading = portal.settle()
        if reading.view is View.LOGIN:
            reading = self._sign_in(portal)
        if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
            raise PortalUnavailable(reading.text or reading.view.value)  # fresh from a load: more than an old session
        self._consider(portal, reading)

    def _sign_in(self, portal: Portal) -> Reading:
        self._become(State.SIGNING_IN)
        self._tell(StatusEvent(Event.SIGNING_IN))
        with self._limits.sign_in(self._pause):
            reading = portal.sign_in(self.username, self._password)
        if reading.view is View.REFUSED:
            raise SignInRefused(reading.text)
        return reading

    def _rest(self, portal: Portal) -> None:
        """Wait for the next reload; look once a second whether the page has changed by itself."""
        wait = self._refresh_interval * self._jitter(1 - JITTER, 1 + JITTER)
        reload_at = self._clock.monotonic() + wait
        while True:
            if self._swallowed():
                reload_at = min(reload_at, self._clock.monotonic() + LOOK_INTERVAL)
            left = reload_at - self._clock.monotonic()
            self._become(State.WATCHING, next_in=max(left, 0.0))
            if left <= 0:
                return
            self._pause(min(LOOK_INTERVAL, left), until_woken=True)
            if not (self._woken or portal.changed()):
                continue
            self._woken = False  # before the reading: what comes during it asks for another one
            reading = portal.settle()
            if reading.view in (View.SESSION_LOST, View.COMMUNICATION, View.LOGIN):
                raise SessionLost(reading.text)
            self._consider(portal, reading)

    def _swallowed(self) -> bool:
        """Say whether a click was not confirmed and is worth another one soon."""
        return any(0 < self._clicks.get(key, 0) <= QUICK_RETRIES for key in self._open)

    def _consider(self, portal: Portal, reading: Reading) -> None:
        """Mark, report or confirm each lesson that the page shows."""
        if reading.view is View.REFUSED:  # an error window, but no answer to a sign-in
            raise PortalUnavailable(reading.text)
        if reading.view is View.BLOCKED:
            raise AccountBlocked(reading.text)
        if reading.view is View.UNKNOWN:
            raise UnknownView("a page that is not known")
        now = self._clock.now()
        self._become(State.WATCHING, last_check=now)
        today = now.astimezone(self._zone).date()
        account = account_key(self.username)
        cards = [(card.lesson.identified(self._portal_url, account, today), card.enabled) for card in reading.cards]
        shown = {lesson.key: lesson for lesson, _ in cards}
        self._tell_closed(shown)
        for lesson, enabled in cards:
            if not enabled:
                self._settle_marked(lesson)
        self._open = {lesson.key: lesson for lesson, enabled in cards if enabled}
        moved: PageChanged | None = None
        for lesson, enabled in cards:
            if enabled:
                try:
                    self._meet(portal, lesson, today)
                except PageChanged as changed:  # this card alone: the others are not kept waiting
                    moved = changed
        if moved is not None:
            raise moved

    def _meet(self, portal: Portal, lesson: Lesson, today: date) -> None:
        """Deal with an open lesson: mark it where that is wanted, else report it."""
        now = self._clock.now()
        self._journal.seen(
            lesson.key, self._student, today.isoformat(), lesson.subject, lesson.teacher, lesson.time, now
        )
        if self._mode == "manual" and lesson.key not in self._wanted:
            self._on_attendance_found(self.username, "found", lesson)
            return
        self._journal.intend(lesson.key, now)
        self._clicks[lesson.key] = self._clicks.get(lesson.key, 0) + 1
        log.info("monitor %s: lesson %s, click %d", self._student, lesson.key, self._clicks[lesson.key])
        if portal.mark(lesson):
            self._settle_marked(lesson)
        else:
            log.warning("monitor %s: lesson %s, click not confirmed", self._student, lesson.key)

    def _settle_marked(self, lesson: Lesson) -> None:
        """Deal with a card that shows "marked": ours where we intended it, told once; else not ours to tell."""
        was_open = self._open.pop(lesson.key, None) is not None
        asked = lesson.key in self._wanted
        self._wanted.discard(lesson.key)
        self._clicks.pop(lesson.key, None)
        if self._journal.confirm(lesson.key, self._clock.now()):
            log.info("monitor %s: lesson %s, marked", self._student, lesson.key)
            self._on_attendance_found(self.username, "marked", lesson)
        elif was_open or asked:
            row = self._journal.get(lesson.key)
            if row is None or row.marked_at is None:
                self._tell(StatusEvent(Event.LESSON_MARKED_ELSEWHERE, lesson=lesson))

    def _tell_closed(self, shown: dict[str, Lesson]) -> None:
        for key, lesson in self._open.items():
            if key not in shown:
                log.info("monitor %s: lesson %s, closed", self._student, key)
                self._tell(StatusEvent(Event.LESSON_CLOSED, lesson=lesson))
        self._wanted &= set(shown)
        self._clicks = {key: count for key, count in self._clicks.items() if key in shown}

    def _wait_out(self, trouble: PortalError | LedgerUnavailable) -> None:
        """Pause after trouble that may pass: longer each time, with jitter, five minutes at most."""
        self._troubles += 1
        wait = _growing(FIRST_PAUSE, self._troubles) * self._jitter(0.7, 1.0)
        kind = Event.UNKNOWN_VIEW if isinstance(trouble, UnknownView) else Event.TROUBLE
        log.warning("monitor %s: %s: %s; again in %.0f s", self._student, type(trouble).__name__, trouble, wait)
        self._become(State.WAITING, trouble=str(trouble), next_in=wait)
        self._tell(StatusEvent(kind, str(trouble)))
        self._pause(wait)

    def _tell(self, event: StatusEvent) -> None:
        self._on_status_update(self.username, event)

    def _become(
        self, state: State, *, last_check: datetime | None = None, next_in: float | None = None, trouble: str = ""
    ) -> None:
        """Replace the snapshot; tell where watching begins."""
        before = self._status
        now = self._clock.now()
        self._status = Status(
            state=state,
            since=before.since if before.state is state else now,
            started=before.started,
            last_check=last_check or before.last_check,
            next_check=before.next_check if next_in is None else now + timedelta(seconds=next_in),
            trouble=trouble,
        )
        if state is State.WATCHING and before.state is not State.WATCHING:
            self._tell(StatusEvent(Event.WATCHING))


def _growing(first: float, times: int) -> float:
    """Return a pause that doubles each time, five minutes at most."""
    return min(first * 2.0 ** min(times - 1, 20), LONGEST_PAUSE)

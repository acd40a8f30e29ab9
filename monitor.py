"""One student's monitor: a daemon thread that drives one headless Chrome and marks the lessons that open.

States: STARTING -> SIGNING_IN -> WATCHING, WAITING while something is wrong that may pass, RESTING outside of the
active hours, STOPPED at the end. Only the monitor's thread talks to its driver; everybody else puts a command into
its queue. What happens to the lessons on the page is ``marking``'s.
"""

import hashlib
import logging
import queue
import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.backoff import Backoff
from core.clock import Clock, SystemClock
from core.settings import ROOT
from core.sqlite import Database, DatabaseUnavailable
from lessons.events import Event, State, Status, StatusEvent
from lessons.journal import SCHEMA, Lessons
from lessons.marking import Journal, Marking
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
from storage import Mode, account_key

log = logging.getLogger(__name__)

LOGIN_URL = "https://wsp.kbtu.kz/RegistrationOnline"
REFRESH_INTERVAL = 20.0  # seconds between reloads
JITTER = 0.15  # of the interval, either way, so that students don't reload in step
FIRST_AGAIN = 1.0  # seconds before loading again what moved or lost its session, doubled each time
LOOK_INTERVAL = 1.0  # seconds between the cheap looks while nothing is reloaded
WAIT_ON_PAGE = 2.0  # seconds for which the page is asked to wait for a change; a command may have to wait as long
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds after trouble, doubled each time
AGAIN_IS_TROUBLE = 6  # loads in a row that mended nothing, after which it counts as trouble
RESTING_LOOK = 60.0  # seconds between looks at the wall clock while resting: a machine may sleep meanwhile
WAKE_AHEAD = 240.0  # seconds before active hours begin: sixty students sign in, three at a time
CHECKED_EVERY = 300.0  # seconds between the notes of the last check that outlive the process


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
        forget_session: Callable[[str], None] = lambda _profile: None,
        limits: PortalLimits | None = None,
        clock: Clock | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        commands: Commands | None = None,
        rests_until: Callable[[datetime], datetime | None] = lambda _now: None,
        on_check: Callable[[datetime], None] = lambda _at: None,
    ) -> None:
        """Take the account and the two callbacks; the rest has production defaults.

        Args:
            student: the Telegram ID under which the journal keeps the lessons.
            refresh_interval: seconds between reloads.
            zone: where a lesson has its date.
            open_portal: opens the portal for a profile; ``kill_browser`` ends, from another thread, whatever works
                on that profile; ``forget_session`` lets its portal session go where no browser is open.
            rests_until: says of a moment until when nothing is to be watched; None: watch.
            on_check: hears now and then when the page was read last.
        """
        self.username = username
        self._password = password
        self._on_status_update = on_status_update
        self._student = student
        self._portal_url = portal_url
        self._refresh_interval = refresh_interval
        self._clock = clock or SystemClock()
        self._rests_until = rests_until
        self._on_check = on_check
        self._noted_at = -CHECKED_EVERY  # of the monotonic clock
        self._checked_at = 0.0  # the same; when the last check began
        self._marking = Marking(
            username,
            student,
            mode,
            portal_url,
            zone,
            journal or Lessons(Database(":memory:", [SCHEMA])),
            self._clock,
            on_attendance_found,
            self._tell,
        )
        self._limits = limits or PortalLimits()
        self._jitter = jitter
        self._commands = commands or Commands()
        if open_portal is None:
            chromes = Chromes(ROOT / "data" / "profiles")
            open_portal, kill_browser = chrome_opener(chromes, portal_url, self._clock), chromes.kill
        self._open_portal = open_portal
        self._kill_browser = kill_browser or (lambda _profile: None)
        self._forget_session = forget_session
        self._profile = profile_name(username)
        self._portal: Portal | None = None
        self._thread = threading.Thread(target=self._run, name=f"monitor-{student}", daemon=True)
        now = self._clock.now()
        self._status = Status(State.STARTING, since=now, started=now)
        self._woken = False
        self._leave_portal = False
        self._early = WAKE_AHEAD * jitter(0.5, 1.0)  # seconds, so that not all sign in at the same moment
        self._troubles = Backoff(FIRST_PAUSE, LONGEST_PAUSE, lambda: jitter(0.7, 1.0))
        # of loads in a row that a moving page or a lost session asked for
        self._again = Backoff(FIRST_AGAIN, LONGEST_PAUSE, lambda: jitter(0.5, 1.0))

    # the public face: from any thread, returns at once

    def start(self) -> None:
        """Start the thread. A monitor runs once; a second start is harmless."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self, *, leave_portal: bool = False) -> None:
        """Ask the monitor to end its browser and its thread; ``join`` waits for it.

        With ``leave_portal`` the portal's session is let go, else the next start goes on in it.
        """
        self._commands.put(lambda: self._raise_stop(leave_portal))

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

    def look_again(self) -> None:
        """Ask ``rests_until`` anew, now: the student skips the day, or does not any more."""
        self._commands.put(self._wake)

    def is_running(self) -> bool:
        """Say whether the thread is alive."""
        return self._thread.is_alive()

    @property
    def status(self) -> Status:
        """What the monitor is doing now."""
        return self._status

    # commands, on the monitor's thread

    def _raise_stop(self, leave_portal: bool) -> None:
        self._leave_portal = leave_portal
        raise _Stop

    def _change_mode(self, mode: Mode) -> None:
        self._marking.mode = mode
        self._woken = True

    def _want(self, key: str | None) -> None:
        self._marking.want(key)
        self._woken = True

    def _wake(self) -> None:
        self._woken = True

    def _pause(self, seconds: float, until_woken: bool = False) -> None:
        """Wait while serving commands; every wait of this thread goes through here."""
        deadline = self._clock.monotonic() + seconds
        while True:
            command = self._commands.next(deadline - self._clock.monotonic())
            if command is not None:
                command()
            elif self._clock.monotonic() >= deadline:
                return
            if until_woken and self._woken:
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
        if self._leave_portal:
            self._forget_session(self._profile)
        if self._status.last_check is not None:
            self._on_check(self._status.last_check)
        self._become(State.STOPPED, trouble=last.text)
        log.info("monitor %s: stopped (%s)", self._student, last.event.value)
        self._on_status_update(self.username, last)

    def _live(self) -> None:
        """Open a browser and watch with it, again and again, until a command or a permanent error ends it."""
        while True:
            self._sleep_outside_hours()
            try:
                self._portal = self._open_portal(self._profile, self._pause)
                self._watch(self._portal)
                continue  # the hours are over
            except BrowserMissing:
                raise
            except BrowserFailed as failed:
                trouble = failed
            finally:
                self._let_go()
            self._wait_out(trouble)

    def _sleep_outside_hours(self) -> None:
        """Wait, without a browser, until something may be watched; up a little earlier, to be signed in by then."""
        while (until := self._resting()) is not None:
            left = (until - self._clock.now()).total_seconds()
            self._become(State.RESTING, next_in=max(left, 0.0))
            self._woken = False
            self._pause(min(left - self._early, RESTING_LOOK), until_woken=True)

    def _resting(self) -> datetime | None:
        """Say until when to rest; None too where the time to get ready for the next window has begun."""
        now = self._clock.now()
        until = self._rests_until(now)
        if until is None or (until - now).total_seconds() <= self._early:
            return None
        return until

    def _let_go(self) -> None:
        if self._portal is not None:
            try:
                if self._leave_portal:
                    self._portal.leave()
            finally:
                self._portal.end()  # it stays in reach meanwhile: `join` kills a Chrome that does not end
                self._portal = None

    def _watch(self, portal: Portal) -> None:
        """Check and rest, over and over; returns when the hours are over."""
        while True:
            if self._resting() is not None:  # also where trouble lasts: what rests loads nothing
                self._marking.forget_open()
                return
            try:
                self._check(portal)
                self._troubles.reset()
                if self._rest(portal):
                    self._again.reset()
            except (PageChanged, SessionLost) as passing:
                self._load_again(passing)
            except UnknownView as unknown:
                self._wait_out(unknown, portal)
            except (PortalUnavailable, DatabaseUnavailable) as trouble:
                self._wait_out(trouble)

    def _load_again(self, passing: PortalError) -> None:
        """Load again what moved under us or lost its session: that mends it, without a word.

        Where it does not, the loads become rarer and rarer, and it is trouble like any other.
        """
        wait = self._again.next()
        log.info("monitor %s: %s, loading again", self._student, type(passing).__name__)
        if self._again.failures >= AGAIN_IS_TROUBLE:
            self._marking.interrupted()
            self._become(State.WAITING, trouble=str(passing), next_in=wait)
            self._tell(StatusEvent(Event.TROUBLE, str(passing)))
        self._sit_out(wait)

    def _check(self, portal: Portal) -> None:
        """Load the page, sign in where it asks for it, and deal with what it shows.

        Where the portal says that a load would show nothing new, there is none: the question counts as a load.
        """
        self._limits.wait_for_load(self._pause)
        self._checked_at = self._clock.monotonic()
        match portal.unchanged():
            case True:
                self._note_check()
                return
            case False:
                self._limits.wait_for_load(self._pause)  # the load is another request
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

    def _rest(self, portal: Portal) -> bool:
        """Wait for the next reload; look once a second whether the page has changed by itself.

        Returns:
            False where nothing is to be watched any more now.
        """
        wait = self._refresh_interval * self._jitter(1 - JITTER, 1 + JITTER)
        # from one check's beginning to the next one's: what it took is no part of the wait
        reload_at = max(self._checked_at + wait, self._clock.monotonic() + LOOK_INTERVAL)
        while True:
            if self._resting() is not None:
                return False
            if self._marking.swallowed():
                reload_at = min(reload_at, self._clock.monotonic() + LOOK_INTERVAL)
            left = reload_at - self._clock.monotonic()
            self._become(State.WATCHING, next_in=max(left, 0.0))
            if left <= 0:
                return True
            changed = self._wait_for_change(portal, left)
            if self._woken and self._resting() is not None:
                return False  # before another reading: a day that is skipped is not looked at any more
            if not (self._woken or changed):
                continue
            self._woken = False  # before the reading: what comes during it asks for another one
            reading = portal.settle()
            if reading.view in (View.SESSION_LOST, View.COMMUNICATION, View.LOGIN):
                raise SessionLost(reading.text)
            self._consider(portal, reading)

    def _wait_for_change(self, portal: Portal, left: float) -> bool:
        """Wait a little for the page to change by itself, or for a command; say whether the page did.

        Where a lesson is offered, a command must be served at once, and the page is looked at now and then. Else the
        page itself waits: that costs less, and commands wait for it a moment.
        """
        if self._marking.offers():
            self._pause(min(LOOK_INTERVAL, left), until_woken=True)
            return portal.changed()
        changed = portal.changed(within=min(WAIT_ON_PAGE, left))
        self._pause(0, until_woken=True)
        return changed

    def _consider(self, portal: Portal, reading: Reading) -> None:
        """Have the lessons of a page dealt with, where it is the page with the lessons."""
        if reading.view is View.REFUSED:  # an error window, but no answer to a sign-in
            raise PortalUnavailable(reading.text)
        if reading.view is View.BLOCKED:
            raise AccountBlocked(reading.text)
        if reading.view is View.UNKNOWN:
            raise UnknownView("a page that is not known")
        now = self._note_check()
        if self._rests_until(now) is None:  # else up before the hours, or the day was skipped during this look
            self._marking.consider(portal, reading)

    def _note_check(self) -> datetime:
        """Record that what the portal shows is known as of now; return when that is."""
        now = self._clock.now()
        self._become(State.WATCHING, last_check=now)
        if self._clock.monotonic() - self._noted_at >= CHECKED_EVERY:
            self._noted_at = self._clock.monotonic()
            self._on_check(now)
        return now

    def _wait_out(self, trouble: PortalError | DatabaseUnavailable, portal: Portal | None = None) -> None:
        """Pause after trouble that may pass: longer each time, with jitter, five minutes at most.

        With the portal, its page goes with the news: nobody can know it from words alone.
        """
        self._marking.interrupted()
        wait = self._troubles.next()
        log.warning("monitor %s: %s: %s; again in %.0f s", self._student, type(trouble).__name__, trouble, wait)
        self._become(State.WAITING, trouble=str(trouble), next_in=wait)
        event = StatusEvent(Event.TROUBLE, str(trouble))
        if portal is not None:
            kind, picture, source = portal.evidence()
            event = StatusEvent(Event.UNKNOWN_VIEW, str(trouble), kind=kind, picture=picture, source=source)
        self._tell(event)
        self._sit_out(wait)

    def _sit_out(self, seconds: float) -> None:
        """Pause after trouble; over at once where the student skips the day meanwhile."""
        deadline = self._clock.monotonic() + seconds
        while (left := deadline - self._clock.monotonic()) > 0 and self._resting() is None:
            self._woken = False
            self._pause(left, until_woken=True)

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
        if state is not before.state and state is not State.STOPPED:  # its end has a line with the reason
            log.info("monitor %s: %s", self._student, state.value)
        if state is State.WATCHING and before.state is not State.WATCHING:
            self._tell(StatusEvent(Event.WATCHING))
        if state is State.RESTING and before.state is not State.RESTING:
            self._tell(StatusEvent(Event.RESTING))

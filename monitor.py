"""One student's monitor: a daemon thread that drives one headless Chrome and marks the lessons that open.

States: STARTING -> SIGNING_IN -> WATCHING; WAITING while there is trouble that may pass, RESTING outside of the
active hours, STOPPED at the end. Only the monitor's thread uses its browser; other threads put commands into its
queue, as ``AttendanceMonitor``'s public methods do. ``lessons.marking`` handles the lessons on the page.
"""

import hashlib
import logging
import threading
from collections.abc import Callable

from core.logs import brief
from core.settings import ROOT
from core.sqlite import Database, DatabaseUnavailable
from lessons.events import Event, MonitorState, MonitorStatus, StatusEvent, StatusReporter, guarded
from lessons.journal import SCHEMA, Lessons
from lessons.marking import LessonRecords, Marking
from lessons.rounds import still
from lessons.schedule import Commands, Recovery, Schedule, StopRequested, Waits
from portal import errors
from portal.browser import Chromes
from portal.lessons import Lesson
from portal.session import PortalAccess, PortalClient, chrome_access
from portal.views import Reading, View
from portal.words import failed_sign_in
from storage import Mode, account_key

log = logging.getLogger(__name__)

LOOK_INTERVAL = 1.0  # seconds between looks at the page while a lesson is offered
WAIT_ON_PAGE = 2.0  # seconds for which the page waits for a change; a command may have to wait as long
RESTING_LOOK = 60.0  # seconds between looks at the wall clock while resting: the machine may sleep meanwhile
_ENDS: dict[type[errors.PortalError], Event] = {
    errors.SignInRefused: Event.REFUSED,
    errors.PasswordExpired: Event.PASSWORD_EXPIRED,
    errors.AccountBlocked: Event.BLOCKED,
    errors.BrowserMissing: Event.NO_BROWSER,
}


def ending(error: errors.PortalError) -> StatusEvent:
    """Return what an error means: trouble, unless it ends the monitoring. Plain kinds of ends need no code."""
    event = next((event for kind, event in _ENDS.items() if isinstance(error, kind)), Event.TROUBLE)
    return StatusEvent(event, str(error), code="" if type(error) in _ENDS else type(error).__name__)


def profile_name(username: str) -> str:
    """Return the name of an account's Chrome profile: equal for each spelling, and without the username in it."""
    return hashlib.blake2b(account_key(username).encode(), digest_size=8).hexdigest()


class AttendanceMonitor:
    """Watches the portal for one student and marks (automatic) or reports (manual) each lesson that opens.

    ``on_attendance_found(username, status, lesson)`` with status "found" or "marked", and
    ``on_status_update(username, event)`` with a ``StatusEvent``, are both called on the monitor's thread.
    Without ``portal`` a local Chrome with its profile in data/profiles is used; without ``records`` the lessons are
    recorded in memory only.
    """

    def __init__(
        self,
        username: str,
        password: str,
        mode: Mode,
        on_attendance_found: Callable[[str, str, Lesson], None],
        on_status_update: Callable[[str, StatusEvent], None],
        *,
        portal: PortalAccess | None = None,
        records: LessonRecords | None = None,
        schedule: Schedule | None = None,
        commands: Commands | None = None,
    ) -> None:
        self.username = username
        self._password = password
        self._profile = profile_name(username)
        self._schedule = schedule or Schedule()
        self._clock = self._schedule.clock
        self._access = portal or chrome_access(Chromes(ROOT / "data" / "profiles"), clock=self._clock)
        records = records or LessonRecords(Lessons(Database(":memory:", [SCHEMA])))
        self._student = records.student
        self._commands = commands or Commands()
        self._waits = Waits(self._commands, self._clock)
        callbacks = guarded(on_status_update), guarded(self._schedule.on_check)
        self._status = StatusReporter(username, records.student, self._clock, *callbacks)
        on_found = guarded(on_attendance_found)
        self._marking = Marking(username, mode, self._access.url, records, self._clock, on_found, self._status.report)
        self._recovery = Recovery(records.student, self._schedule, self._waits, self._status, self._marking)
        self._client: PortalClient | None = None
        self._thread = threading.Thread(target=self._run, name=f"monitor-{records.student}", daemon=True)
        self._checked_at = 0.0  # monotonic; when the last check began
        self._strange: set[str] = set()  # unknown cards that were reported
        self._signed_in = self._leave_portal = False  # during the last check; at the end

    def start(self) -> None:
        """Start the thread. A monitor runs once; a second start does nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self, *, leave_portal: bool = False) -> None:
        """End browser and thread; ``join`` waits for it. ``leave_portal`` ends the portal's session, too."""

        def stop() -> None:
            self._leave_portal = leave_portal
            raise StopRequested

        self._commands.put(stop)

    def join(self, timeout: float) -> bool:
        """Wait until the thread has ended; a hung Chrome is killed after ``timeout`` seconds. True: it has ended."""
        if self._thread.ident is None:
            return True
        self._thread.join(timeout)
        if self._thread.is_alive():
            if (client := self._client) is not None:
                client.kill()
            self._access.kill_browser(self._profile)  # also one that is just starting
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def set_mode(self, mode: Mode) -> None:
        """Mark lessons at once ("automatic") or report them and wait for ``mark_now`` ("manual")."""

        def change() -> None:
            self._marking.mode = mode
            self._waits.wake()

        self._commands.put(change)

    def mark_now(self, key: str | None = None) -> None:
        """Mark the open lesson with this key, or every open lesson."""

        def request() -> None:
            self._marking.request(key)
            self._waits.wake()

        self._commands.put(request)

    def look_again(self) -> None:
        """Call ``rests_until`` again now: the student skips the day, or does not any more."""
        self._commands.put(self._waits.wake)

    def is_running(self) -> bool:
        return self._thread.is_alive()

    @property
    def status(self) -> MonitorStatus:
        return self._status.current

    def _run(self) -> None:
        last = StatusEvent(Event.STOPPED)
        try:
            while True:
                try:
                    self._open_and_watch()
                except tuple(_ENDS):
                    raise
                except Exception as error:  # unforeseen: it may not end the monitoring  # noqa: BLE001  # logged there
                    self._recovery.restart_after(error)
        except StopRequested:
            pass
        except tuple(_ENDS) as permanent:
            last = ending(permanent)
        except Exception as error:
            log.exception("monitor %s: given up", self._student)
            last = StatusEvent(Event.FAILED, brief(error))
        try:
            if self._leave_portal:
                self._access.forget_session(self._profile)
        finally:
            self._status.stop(last)

    def _open_and_watch(self) -> None:
        """Open a browser and watch with it, again and again, until a command or a permanent error ends it."""
        while True:
            self._rest_outside_hours()
            try:
                self._client = self._access.open(self._profile, self._waits.pause)
                self._watch(self._client)
                continue  # the active hours are over
            except errors.BrowserMissing:
                raise
            except errors.BrowserFailed as failed:
                trouble = failed
                self._access.metrics.chrome_deaths.inc(self._client is not None)
                self._recovery.uncount_sign_in()
            finally:
                self._close_browser()
            self._recovery.wait_out(trouble)

    def _rest_outside_hours(self) -> None:
        """Wait without a browser until it is time to watch, or to sign in shortly before the active hours."""
        while (until := self._schedule.resting_until()) is not None:
            left = (until - self._clock.now()).total_seconds()
            self._status.become(MonitorState.RESTING, next_in=max(left, 0.0))
            self._waits.woken = False
            self._waits.pause(min(left - self._schedule.wakes_early, RESTING_LOOK), until_woken=True)
        if self._status.current.state is MonitorState.RESTING:
            self._status.become(MonitorState.STARTING, next_in=0.0)

    def _close_browser(self) -> None:
        if self._client is None:
            return
        for step in [self._client.leave] * self._leave_portal + [self._client.end]:
            try:
                step()  # before it is forgotten: `join` kills a Chrome that does not end
            except Exception:  # must not replace the error, or the stop, that ends the browser
                log.exception("monitor %s: the browser did not end", self._student)
        self._client = None

    def _watch(self, client: PortalClient) -> None:
        """Check the portal and wait, in turn; return when the active hours are over."""
        while True:
            if self._schedule.resting_until() is not None:  # also during trouble: nothing is loaded while resting
                self._marking.forget_open()
                return
            try:
                self._check(client)
                self._recovery.checked()
                if self._wait_for_reload(client) and not self._signed_in:
                    self._recovery.stayed_usable()
            except (errors.PageChanged, errors.SessionLost) as passing:
                self._recovery.wait_to_load_again(passing, client)
            except (errors.UnknownView, errors.PortalUnavailable, DatabaseUnavailable) as trouble:
                self._recovery.wait_out(trouble, client)

    def _check(self, client: PortalClient) -> None:
        """Load the page, unless the portal answers that it shows nothing new; sign in, and process the lessons."""
        self._access.limits.wait_for_load(self._waits.pause)  # the question counts as a load, too
        self._checked_at, self._signed_in = self._clock.monotonic(), False
        unchanged = None if self._marking.needs_load else client.unchanged()
        if unchanged:
            self._marking.nothing_new(self._status.checked())
            return
        if unchanged is not None:  # the portal was asked: the load is another request
            self._access.limits.wait_for_load(self._waits.pause)
        client.load(self._access.url)
        reading = _read(client)
        if reading.view is View.LOGIN:
            reading = self._sign_in(client)
        if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
            raise errors.PortalUnavailable(reading.text or reading.view.value, words=reading.text)  # just loaded
        self._process(client, reading, loaded=True)

    def _sign_in(self, client: PortalClient) -> Reading:
        self._recovery.before_sign_in()
        self._signed_in = True
        self._status.become(MonitorState.SIGNING_IN)
        self._status.report(StatusEvent(Event.SIGNING_IN))
        try:
            with self._access.limits.sign_in(self._waits.pause):
                reading = client.sign_in(self.username, self._password)
        except (errors.SignInFailed, errors.SessionLost):
            self._recovery.count_sign_in()
            raise
        except errors.PortalUnavailable:
            self._recovery.count_sign_in(answered=False)
            raise
        self._recovery.count_sign_in()
        if reading.view is View.REFUSED:
            raise failed_sign_in(reading.text)
        return reading

    def _wait_for_reload(self, client: PortalClient) -> bool:
        """Wait for the next reload, processing changes of the page and commands; False: the monitor has to rest."""
        # from the beginning of one check to the next, so that the duration of a check does not add up
        reload_at = max(self._checked_at + self._schedule.until_reload(), self._clock.monotonic() + LOOK_INTERVAL)
        while True:
            if self._schedule.resting_until() is not None:
                return False
            if (again_at := self._marking.clicks_again_at()) is not None:
                reload_at = min(reload_at, max(again_at, self._checked_at + LOOK_INTERVAL))
            if self._marking.needs_load:
                reload_at = min(reload_at, self._clock.monotonic() + LOOK_INTERVAL)
            left = reload_at - self._clock.monotonic()
            # what the student reads is when the check will really be: many students may wait for a turn
            next_in = max(left, 0.0) + self._access.limits.behind()
            self._status.become(MonitorState.WATCHING, next_in=next_in)
            if left <= 0:
                return True
            changed = self._wait_for_change(client, left)
            if self._waits.woken and self._schedule.resting_until() is not None:
                return False  # before another reading: nothing is marked on a day that is skipped
            if not (self._waits.woken or changed):
                continue
            self._waits.woken = False  # before the reading: a command during it asks for another one
            reading = _read(client)
            if reading.view in (View.SESSION_LOST, View.COMMUNICATION, View.LOGIN):
                raise errors.SessionLost(words=reading.text)
            self._process(client, reading, loaded=False)

    def _wait_for_change(self, client: PortalClient, left: float) -> bool:
        """Wait a little for a change of the page or a command; say whether the page changed."""
        if self._marking.has_open():  # a command must be executed at once
            self._waits.pause(min(LOOK_INTERVAL, left), until_woken=True)
            return client.changed()
        # the page itself waits, which costs less and delays commands a little
        changed = client.changed(within=min(WAIT_ON_PAGE, left))
        self._waits.pause(0, until_woken=True)
        return changed

    def _process(self, client: PortalClient, reading: Reading, loaded: bool) -> None:
        """Process the lessons of a reading; raise for a page without them."""
        if (refusal := reading.refusal()) is not None:
            raise refusal
        unknown = reading.view is View.UNKNOWN
        now = self._clock.now() if unknown else self._status.checked()
        if self._schedule.rests_until(now) is None:  # not before the active hours, nor on a day skipped just now
            if not unknown:
                self._marking.process(client, reading, loaded)
            for card in reading.strange:
                if (seen := f"{now:%F} {still((*card.lesson.label, card.caption))[0]}") not in self._strange:
                    self._strange.add(seen)
                    page = ("", None, "") if unknown else client.evidence()  # an unknown view has its own picture
                    lesson = card.lesson.identified(self._access.url, account_key(self.username), now.date())
                    self._status.report(StatusEvent(Event.UNKNOWN_CARD, card.caption, lesson, *page))
        if unknown:
            raise errors.UnknownView(reading.text or "unknown page")


def _read(client: PortalClient) -> Reading:
    """Wait for the page and read it; close an error window that answers nothing of ours, as a person would."""
    reading = client.settle()
    if reading.view is not View.REFUSED:
        return reading
    below = client.settle() if client.close_window() else reading
    if below.view in (View.REFUSED, View.NOTHING):  # no lesson there does not mean that none is open
        raise errors.PortalUnavailable(words=reading.text)
    return below

"""The marker in this process: real handlers and stores, Telegram over HTTP, no Chrome."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from core.clock import Clock
from core.encryption import Cipher
from core.health import PartHealth
from core.machine import Room
from core.metrics import Metrics
from core.settings import Settings
from core.sqlite import Database
from lessons.events import Event, MonitorState, MonitorStatus, StatusEvent
from lessons.journal import Lessons
from marker import health_report
from marker.application import Marker
from marker.monitors.bridge import Bridge
from marker.monitors.password_check import Outcome, SignInCheck, TrialResult
from marker.monitors.registry import MonitorRegistry
from marker.monitors.watch_state import WatchState
from marker.questions import STEPS
from marker.services import Services
from marker.tables.schema import SCHEMAS
from marker.tables.students import StudentRows, Watches
from monitor import AttendanceMonitor, profile_name
from portal.browser import Chromes
from portal.lessons import Lesson
from portal.limits import PortalLimits
from storage import Storage, Student
from telegram_app.attempts import Attempts
from telegram_app.claims import Claims
from telegram_app.factory import StoredSteps, build_application, running
from telegram_app.files import files_in, qr_picture
from telegram_app.intake import polling
from telegram_app.move_codes import MoveCodes
from telegram_app.outbox import Outbox
from telegram_app.people import People
from telegram_app.wire import PollingRequest
from tests.e2e.people import ADMIN, TOKEN, Person, eventually, labels
from tests.waiting import PATIENCE

KEY = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="


_STATES = {
    Event.WATCHING: MonitorState.WATCHING,
    Event.RESTING: MonitorState.RESTING,
    Event.TROUBLE: MonitorState.WAITING,
    Event.SIGNING_IN: MonitorState.SIGNING_IN,
}


class SteppedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
        self._ahead = 0.0

    def now(self) -> datetime:
        """Return the wall clock's time."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return self._ahead

    def forward(self, by: Any) -> None:
        """Move both clocks by a timedelta."""
        self._now += by
        self._ahead += by.total_seconds()


class FakeMonitor:
    """A monitor that does nothing by itself; the test lets it find lessons, from the test's own thread."""

    def __init__(self, student: Student, password: str, on_lesson: Any, on_status: Any, lessons: Lessons) -> None:
        self.student = student
        self.password = password
        self.mode = student.mode
        self.left_portal = False
        self.hangs = False
        self.marked_now: list[str] = []
        at = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
        self.status = MonitorStatus(MonitorState.WATCHING, since=at, started=at)
        self._on_lesson = on_lesson
        self._on_status = on_status
        self._lessons = lessons
        self._running = threading.Event()

    def start(self) -> None:
        """Begin."""
        self._running.set()

    def stop(self, *, leave_portal: bool = False) -> None:
        """End, with the event that a monitor sends however it ends."""
        self.left_portal = leave_portal
        if self._running.is_set():
            self._running.clear()
            self._on_status(self.student.username, StatusEvent(Event.STOPPED))

    def join(self, timeout: float) -> bool:
        """Say whether it has ended."""
        return not self.hangs

    def is_running(self) -> bool:
        """Say whether it runs."""
        return self._running.is_set()

    def set_mode(self, mode: Any) -> None:
        """Take over a mode."""
        self.mode = mode

    def look_again(self) -> None:
        """Nothing to look at."""

    def mark_now(self, key: str | None = None) -> None:
        """Keep the requested key."""
        self.marked_now.append(key or "")

    def finds(self, lesson: Lesson) -> None:
        """Report an open lesson, as a cycle in manual mode does."""
        now = datetime.now(UTC)
        self._lessons.seen(
            lesson.key, self.student.telegram_id, "2026-09-01", lesson.subject, lesson.teacher, lesson.time, now
        )
        self._on_lesson(self.student.username, "found", lesson)

    def marks(self, lesson: Lesson) -> None:
        """Report a mark that the page has confirmed."""
        now = datetime.now(UTC)
        self._lessons.intend(lesson.key, now)
        self._lessons.confirm(lesson.key, now)
        self._on_lesson(self.student.username, "marked", lesson)

    def meets_unknown_page(self, kind: str) -> None:
        """Report a page that is not known, with a picture."""
        event = StatusEvent(Event.UNKNOWN_VIEW, "a page", kind=kind, picture=qr_picture("x"), source="<html>")
        self._on_status(self.student.username, event)

    def meets(self, event: StatusEvent) -> None:
        """Report a status event with a picture."""
        self._on_status(self.student.username, replace(event, kind="00aa11bb22cc", picture=qr_picture("x")))

    def tells(
        self, event: Event, text: str = "", lesson: Lesson | None = None, ends: bool = False, **more: Any
    ) -> None:
        """Report a status event, perhaps its last; its state is the monitor's from then on."""
        if ends:
            self._running.clear()
        self.status = replace(self.status, state=_STATES.get(event, self.status.state))
        if event is Event.TROUBLE:
            more = {"code": "PortalUnavailable"} | more
        self._on_status(self.student.username, StatusEvent(event, text, lesson, **more))


class FakeSignInCheck:
    """A fake password check, with the result that the test sets, held back where it says so."""

    def __init__(self) -> None:
        self.verdict = TrialResult(Outcome.ACCEPTED)
        self.tried: list[tuple[str, str]] = []
        self.ended = 0  # trials that were cancelled
        self.adopted: list[tuple[str, str]] = []
        self.forgotten: list[str | None] = []
        self.answers = threading.Event()
        self.answers.set()
        self._closing = False

    async def attempt(self, username: str, password: str) -> TrialResult:
        """Try it, once the test lets it answer."""
        self.tried.append((username, password))
        try:
            while not self.answers.is_set():  # noqa: ASYNC110  # set from the test's own thread
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.ended += 1
            raise
        return TrialResult(Outcome.CLOSING) if self._closing else self.verdict

    async def close(self) -> None:
        """End the running trials without an outcome."""
        self._closing = True
        self.answers.set()

    def adopt(self, profile: str, username: str) -> None:
        """Keep whose profile it becomes."""
        self.adopted.append((profile, username))

    def forget(self, verdict: TrialResult) -> None:
        """Keep which profile is deleted."""
        if verdict.profile is not None:
            self.forgotten.append(verdict.profile)


class RunningMarker:
    """A test's access to the running marker."""

    def __init__(
        self,
        services: Services,
        marker: Marker,
        bridge: Bridge,
        loop: asyncio.AbstractEventLoop,
        database: Database,
        poll: PollingRequest,
    ) -> None:
        self._bridge = bridge
        self.poll = poll
        self.database = database
        self.services = services
        self.storage = services.storage
        self.monitors: dict[int, FakeMonitor] = {}
        self.start_fails: Exception | None = None  # raised for each monitor that is to start
        self.check = cast(FakeSignInCheck, services.sign_in_check)
        self._marker = marker
        self._loop = loop
        self._conflicts = 0

    def catches_up(self) -> bool:
        """Run catch_up."""
        asyncio.run_coroutine_threadsafe(self._marker.catch_up(), self._loop).result(timeout=PATIENCE)
        return True

    def looks_at_troubles(self) -> None:
        """Run the troubles' check, after all events so far."""
        self.settles()
        asyncio.run_coroutine_threadsafe(self._marker.notices.troubles.check(), self._loop).result(timeout=PATIENCE)

    def looks_at_the_disk(self) -> dict[str, Any]:
        """Run the check of the disk; return the marker's part of the health report afterwards."""
        poll, room = PollingRequest(None), Room({"memory": 2})

        async def look() -> PartHealth:
            await self._marker.outage.check()
            gauges = health_report.MarkerGauges(Metrics())
            return await health_report.report(self.services, self._marker, poll, {}, room, PortalLimits(), gauges)

        return vars(asyncio.run_coroutine_threadsafe(look(), self._loop).result(timeout=PATIENCE))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Run the periodic work during a block; an error that ends it is raised."""
        running = asyncio.run_coroutine_threadsafe(self._marker.run(asyncio.Event(), lambda: 0), self._loop)
        yield
        if running.done():
            running.result()
        running.cancel()

    def redraws(self) -> None:
        """Look at all screens once, after all events so far."""
        self.settles()
        asyncio.run_coroutine_threadsafe(self._marker.screens.check(), self._loop).result(timeout=PATIENCE)

    def learns_of_the_token(self, is_shared: bool) -> None:
        """Check whether another program uses the bot's token, after one more of Telegram's answers that say so."""
        self._conflicts += is_shared
        check = self._marker.shared_token.check(self._conflicts)
        asyncio.run_coroutine_threadsafe(check, self._loop).result(timeout=PATIENCE)

    def settles(self) -> None:
        """Wait until the monitors' events so far are handled."""
        asyncio.run_coroutine_threadsafe(self._bridge.settled(), self._loop).result(timeout=PATIENCE)

    def lets_time_pass(self) -> None:
        """End the offers that have timed out by now."""
        asyncio.run_coroutine_threadsafe(self._marker.offers.end_timed_out(), self._loop).result(timeout=PATIENCE)


Run = Callable[..., RunningMarker]  # starts the marker, perhaps with other admins


def all_is_sent(database: Database) -> None:
    """Wait until no message waits, nor one that was sent for its row to be deleted."""
    eventually("all to be sent", lambda: not database.read("SELECT 1 FROM outgoing"))


def starts_monitoring(bot: RunningMarker, person: Person) -> None:
    """Have a registered student start their monitor; wait for its menu, which a later event would change."""
    person.taps("Start Monitoring")
    eventually("the monitor", lambda: bot.monitors.get(person.number))
    person.waits("the menu with Stop", lambda ms: "Stop Monitoring" in labels(ms[-1]))


@asynccontextmanager
async def marker(
    folder: Path,
    telegram_url: str,
    clock: Clock,
    started: Callable[[RunningMarker], None],
    admins: tuple[int, ...] = (ADMIN,),
    capacity: int = 2,
    **more: Any,
) -> AsyncIterator[str]:
    """Run the marker against a Telegram; pass a RunningMarker to ``started``."""
    settings = Settings(
        telegram_bot_token=SecretStr(TOKEN),
        admin_telegram_id=admins,
        telegram_api_url=telegram_url,
        data_dir=folder / "data",
        **more,
    )
    async with AsyncExitStack() as stack:
        storage = Storage(folder / "data", Cipher(KEY), clock, invitation_days=settings.invitation_days)
        database = Database(folder / "data" / "ledger.sqlite3", SCHEMAS)
        stack.callback(database.close)
        people, lessons = People(database, "marker"), Lessons(database)
        bridge = Bridge(asyncio.get_running_loop())
        held: list[RunningMarker] = []

        def make(student: Student, password: str, on_lesson: Any, on_status: Any) -> AttendanceMonitor:
            if held[0].start_fails is not None:
                raise held[0].start_fails
            fake = FakeMonitor(student, password, on_lesson, on_status, lessons)
            held[0].monitors[student.telegram_id] = fake
            return cast(AttendanceMonitor, fake)

        watches = Watches(database)
        registry = MonitorRegistry(storage, make, bridge, capacity, WatchState(watches, clock))
        poll = PollingRequest(None)
        application = build_application(TOKEN, telegram_url, None, poll, StoredSteps(people, STEPS))

        async def lost(person: int) -> None:
            await conversations.presence.lost(person)

        # Telegram's pace is told to be faster here, so that a conversation costs a test no seconds.
        outbox = Outbox(application.bot, database, "marker", lost, clock, 0, files_in(folder / "data"))
        services = Services(
            settings=settings,
            clock=clock,
            storage=storage,
            lessons=lessons,
            people=people,
            registry=registry,
            outbox=outbox,
            watches=watches,
            claims=Claims(database, "marker"),
            attempts=Attempts(database, Cipher(KEY).digest),
            move_codes=MoveCodes(database),
            student_rows=StudentRows(database),
            sign_in_check=cast(SignInCheck, FakeSignInCheck()),
            probe=database.probe,
            languages=people.languages(),
            forget_profile=lambda username: Chromes(folder / "data" / "profiles").forget(profile_name(username)),
        )
        conversations = Marker(services, people.unreachable())
        conversations.add_to(application)
        held.append(RunningMarker(services, conversations, bridge, asyncio.get_running_loop(), database, poll))
        await stack.enter_async_context(running(application))
        services.username = application.bot.username
        stack.push_async_callback(outbox.close)
        await outbox.start()
        await stack.enter_async_context(polling(application, poll, services))
        stack.push_async_callback(conversations.notices.troubles.tell_gathered)
        stack.push_async_callback(bridge.close)
        stack.push_async_callback(registry.close)
        stack.push_async_callback(held[0].check.close)
        await conversations.resume()
        started(held[0])
        yield telegram_url


def to_the_panel(admin: Person) -> None:
    """Bring an admin to a new panel: the buttons of an old one could disappear during a tap."""
    typed = admin.says("/admin")
    below = "View All Students"
    admin.waits("the panel", lambda ms: any(m["message_id"] > typed and below in labels(m) for m in ms))

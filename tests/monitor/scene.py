"""A student's monitor with a fake portal, a fake clock and a script of timed actions."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from core.metrics import Metrics
from core.sqlite import Database
from lessons.events import Event, MonitorStatus, StatusEvent
from lessons.journal import SCHEMA, Lessons
from lessons.marking import LessonRecords
from lessons.metrics import LessonMetrics
from lessons.schedule import Schedule
from monitor import AttendanceMonitor
from portal.lessons import Lesson
from portal.limits import PortalLimits
from portal.metrics import PortalMetrics
from portal.session import PortalAccess
from storage import Mode
from tests.fakes import FakeClock, FakePortal, RecordingJournal, ScriptedCommands
from tests.waiting import PATIENCE

MONDAY_MORNING = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)


class Scene:
    """A monitor with its surroundings, and a record of what it reports. Seconds count from the clock's beginning."""

    def __init__(
        self,
        mode: Mode = "automatic",
        *,
        lessons: Lessons | None = None,
        username: str = "a_student",
        begin: datetime = MONDAY_MORNING,
        jitter: Callable[[float, float], float] = lambda low, high: (low + high) / 2,
        rests_until: Callable[[datetime], datetime | None] = lambda _now: None,
    ) -> None:
        self.clock = FakeClock(begin)
        self.notes: list[str] = []
        self.portal = FakePortal(self.clock, self.notes)
        self.commands = ScriptedCommands(self.clock)
        self.limits = PortalLimits(clock=self.clock)
        self.metrics = Metrics()
        self.lessons = lessons or Lessons(Database(":memory:", [SCHEMA]))
        self.found: list[tuple[float, str, Lesson]] = []
        self.events: list[StatusEvent] = []
        self.event_times: list[tuple[float, Event]] = []
        self.statuses: list[MonitorStatus] = []
        self.threads: set[str] = set()
        self.callback_fails: Exception | None = None
        self.forgotten: list[str] = []  # profiles whose portal session was deleted without a browser
        self.monitor = AttendanceMonitor(
            username,
            "correct horse",
            mode,
            self._on_attendance_found,
            self._on_status_update,
            portal=PortalAccess(
                self.portal.opener,
                limits=self.limits,
                forget_session=self.forgotten.append,
                metrics=PortalMetrics(self.metrics),
            ),
            records=LessonRecords(
                RecordingJournal(self.notes, self.lessons), student=501, metrics=LessonMetrics(self.metrics)
            ),
            schedule=Schedule(rests_until=rests_until, clock=self.clock, jitter=jitter),
            commands=self.commands,
        )

    def run(self, seconds: float) -> "Scene":
        """Run the monitor; stop it after so many seconds."""
        self.commands.at(seconds, self.monitor.stop)
        self.monitor.start()
        assert self.monitor.join(PATIENCE), "the monitor did not stop"
        return self

    def key(self, lesson: Lesson) -> str:
        """Return the key of a lesson that was found."""
        return next(found.key for _, _, found in self.found if found.subject == lesson.subject)

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a series, without the prefix of its name."""
        return self.metrics.registry.get_sample_value(f"attendance_{name}", labels) or 0.0

    @property
    def reported(self) -> list[str]:
        """Return the reports about lessons, in order."""
        return [f"{status} {lesson.subject}" for _, status, lesson in self.found]

    @property
    def marks(self) -> list[str]:
        return [report for report in self.reported if report.startswith("marked")]

    def reported_at(self, what: str) -> float:
        """Return when a report about a lesson first came."""
        return next(at for at, status, lesson in self.found if f"{status} {lesson.subject}" == what)

    def count(self, event: Event) -> int:
        return sum(each.event is event for each in self.events)

    def only(self, event: Event) -> StatusEvent:
        """Return the one status event of a kind."""
        (found,) = [each for each in self.events if each.event is event]
        return found

    def _on_attendance_found(self, username: str, status: str, lesson: Lesson) -> None:
        assert username == self.monitor.username
        self.threads.add(threading.current_thread().name)
        self.found.append((self.clock.passed, status, lesson))
        if self.callback_fails is not None:
            raise self.callback_fails
        self.notes.append(f"report {status} {lesson.subject}")

    def _on_status_update(self, username: str, event: StatusEvent) -> None:
        assert username == self.monitor.username
        self.threads.add(threading.current_thread().name)
        self.events.append(event)
        self.event_times.append((self.clock.passed, event.event))
        self.statuses.append(self.monitor.status)
        if self.callback_fails is not None:
            raise self.callback_fails

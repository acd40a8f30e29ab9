"""Ignored clicks, sessions that expire around a click, lessons that close meanwhile: reported marks stay correct."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.sqlite import Database
from lessons.events import Event, StatusEvent
from lessons.journal import SCHEMA, Lessons
from lessons.marking import LessonRecords
from lessons.schedule import Schedule
from monitor import AttendanceMonitor
from portal.lessons import Lesson
from portal.session import chrome_access
from tests.e2e.people import Portal, empty_portal, eventually
from tests.faults.counts import times
from tests.portal.browsers import PASSWORD, USERNAME, chromes
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.ordeal]

ROUNDS = times(50)
# Faults of a round's clicks: mostly so few that clicks do not become rare.
TROUBLES: list[dict[str, int]] = [
    {"swallow_clicks": 1},
    {"expire_on_click": 1},
    {"expire_after_mark": 1},
    {"swallow_clicks": 3},
    {"swallow_clicks": 1, "expire_after_mark": 1},
    {"expire_on_click": 2},
]


class RecordedEvents:
    """Callbacks of a monitor that record its events."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.marked: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.watching = threading.Event()

    def lesson(self, _username: str, status: str, lesson: Lesson) -> None:
        """The callback for lessons."""
        with self._lock:
            if status == "marked":
                self.marked[lesson.subject] += 1

    def status(self, _username: str, event: StatusEvent) -> None:
        """The callback for the monitor's state."""
        if event.event is Event.WATCHING:
            self.watching.set()
        if event.event in (Event.LESSON_CLOSED, Event.LESSON_MARKED_ELSEWHERE) and event.lesson is not None:
            with self._lock:
                self.closed[event.lesson.subject] += 1


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulated portal with one student."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


@pytest.fixture
def recorded(tmp_path: Path, portal: Portal) -> Iterator[RecordedEvents]:
    """The recorded events of a watching monitor with a real Chrome."""
    recorded, opener = RecordedEvents(), chromes(tmp_path)
    database = Database(tmp_path / "ledger.sqlite3", [SCHEMA])
    monitor = AttendanceMonitor(
        USERNAME,
        PASSWORD,
        "automatic",
        recorded.lesson,
        recorded.status,
        portal=chrome_access(opener, portal.address, clock=SystemClock(), ready_within=PATIENCE),
        records=LessonRecords(Lessons(database)),
        schedule=Schedule(refresh_interval=1),
    )
    monitor.start()
    assert recorded.watching.wait(PATIENCE)
    yield recorded
    monitor.stop()
    assert monitor.join(PATIENCE)
    database.close()


def test_reported_marks_equal_the_servers(portal: Portal, recorded: RecordedEvents) -> None:
    """Each round has two lessons, one of which closes at a random moment around the clicks, and faults at clicks.

    The one that stays open is marked and reported once. The other is reported as the server has it: marked once,
    closed, or not at all if it closed before the monitor saw it.
    """
    chance = random.Random(7)
    names: dict[int, str] = {}
    for number in range(ROUNDS):
        portal.behaves(**TROUBLES[number % len(TROUBLES)], slow_ms=chance.choice([0, 0, 150]))
        stays = portal.opens(f"Stays {number}", time=f"Л{number} (09:00 - 10:00)")
        closes = portal.opens(f"Closes {number}", time=f"Л{number} (11:00 - 12:00)")
        names |= {stays: f"Stays {number}", closes: f"Closes {number}"}
        time.sleep(chance.uniform(0.0, 2.0))  # the random moment of the closing, not a wait
        portal.closes(closes)
        eventually("the mark", lambda: (stays, USERNAME) in portal.marks())  # noqa: B023
        eventually("the message", lambda: recorded.marked[names[stays]])  # noqa: B023
        portal.behaves(swallow_clicks=0, expire_on_click=0, expire_after_mark=0, slow_ms=0)
        loads = len(portal.events("page_load"))
        eventually("another load", lambda: len(portal.events("page_load")) > loads)  # noqa: B023
        portal.closes(stays)
    on_the_server = Counter(names[lesson] for lesson, _ in portal.marks())
    assert max(on_the_server.values()) == 1
    # a mark made as the lesson closes, whose card disappears before it is read, is reported as closed
    assert set(recorded.marked) <= set(on_the_server)
    assert set(on_the_server) - set(recorded.marked) <= set(recorded.closed)
    assert max(recorded.marked.values()) == 1
    assert max(recorded.closed.values(), default=1) == 1
    assert not set(recorded.marked) & set(recorded.closed)
    print(
        f"{ROUNDS} rounds: {len(on_the_server)} marks, {len(recorded.marked)} reported as marked, "
        f"{len(recorded.closed)} as closed"
    )

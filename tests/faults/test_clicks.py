"""Clicks that the portal swallows, sessions that end around a click, lessons that close meanwhile: marks stay true."""

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
from tests.e2e.people import Portal, eventually
from tests.faults.counts import times
from tests.portal.browsers import PASSWORD, USERNAME, chromes
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.ordeal]

ROUNDS = times(50)
# What a round's clicks meet. More swallowed ones than a monitor repeats at once come back at the next checks.
TROUBLES: list[dict[str, int]] = [
    {"swallow_clicks": 1},
    {"expire_on_click": 1},
    {"expire_after_mark": 1},
    {"swallow_clicks": 5},
    {"swallow_clicks": 1, "expire_after_mark": 1},
    {"expire_on_click": 2, "swallow_clicks": 1},
]


class Heard:
    """What the student is told, in a monitor's own words."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.marked: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.watching = threading.Event()

    def lesson(self, _username: str, status: str, lesson: Lesson) -> None:
        """Hear of a lesson."""
        with self._lock:
            if status == "marked":
                self.marked[lesson.subject] += 1

    def status(self, _username: str, event: StatusEvent) -> None:
        """Hear how the monitor is."""
        if event.event is Event.WATCHING:
            self.watching.set()
        if event.event in (Event.LESSON_CLOSED, Event.LESSON_MARKED_ELSEWHERE) and event.lesson is not None:
            with self._lock:
                self.closed[event.lesson.subject] += 1


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """Give a portal with one student."""
    portal = Portal(simulated_portal_url)
    portal.reset()
    portal.has_student(USERNAME, PASSWORD)
    yield portal
    portal.http.close()


@pytest.fixture
def heard(tmp_path: Path, portal: Portal) -> Iterator[Heard]:
    """Give what a monitor tells that watches, with a real Chrome."""
    heard, opener = Heard(), chromes(tmp_path)
    database = Database(tmp_path / "ledger.sqlite3", [SCHEMA])
    monitor = AttendanceMonitor(
        USERNAME,
        PASSWORD,
        "automatic",
        heard.lesson,
        heard.status,
        portal=chrome_access(opener, portal.address, clock=SystemClock(), ready_within=PATIENCE),
        records=LessonRecords(Lessons(database)),
        schedule=Schedule(refresh_interval=1),
    )
    monitor.start()
    assert heard.watching.wait(PATIENCE)
    yield heard
    monitor.stop()
    assert monitor.join(PATIENCE)
    database.close()


def test_marks_as_the_server_has_them(portal: Portal, heard: Heard) -> None:
    """Each round: two lessons, one of which closes at a random moment around the clicks, and the clicks meet trouble.

    The one that stays open is marked and told once. Of the other, what is told is what the server has: marked once, or
    closed, or nothing where it was gone before the monitor had seen it.
    """
    chance = random.Random(7)
    names: dict[int, str] = {}
    for number in range(ROUNDS):
        portal.behaves(**TROUBLES[number % len(TROUBLES)], slow_ms=chance.choice([0, 0, 150]))
        stays = portal.opens(f"Stays {number}", time=f"Л{number} (09:00 - 10:00)")
        closes = portal.opens(f"Closes {number}", time=f"Л{number} (11:00 - 12:00)")
        names |= {stays: f"Stays {number}", closes: f"Closes {number}"}
        time.sleep(chance.uniform(0.0, 2.0))  # the moment is what is tried out; nothing is waited for
        portal.closes(closes)
        eventually("the mark", lambda: (stays, USERNAME) in portal.marks())  # noqa: B023
        eventually("the message", lambda: heard.marked[names[stays]])  # noqa: B023
        portal.behaves(swallow_clicks=0, expire_on_click=0, expire_after_mark=0, slow_ms=0)
        loads = len(portal.events("page_load"))
        eventually("another look", lambda: len(portal.events("page_load")) > loads)  # noqa: B023
        portal.closes(stays)
    on_the_server = Counter(names[lesson] for lesson, _ in portal.marks())
    assert max(on_the_server.values()) == 1
    # a mark made in the moment of the closing, whose card was gone before the page could show it, is told as closed
    assert set(heard.marked) <= set(on_the_server)
    assert set(on_the_server) - set(heard.marked) <= set(heard.closed)
    assert max(heard.marked.values()) == 1
    assert max(heard.closed.values(), default=1) == 1
    assert not set(heard.marked) & set(heard.closed)
    print(
        f"{ROUNDS} rounds: {len(on_the_server)} marks, {len(heard.marked)} told as marked, {len(heard.closed)} closed"
    )

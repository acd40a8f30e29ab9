"""Chrome, its page, its driver: killed or frozen under a watching monitor, which watches again soon."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from core.clock import SystemClock
from lessons.events import Event, MonitorState, StatusEvent
from lessons.schedule import Schedule
from monitor import AttendanceMonitor, profile_name
from portal.session import chrome_access
from tests import children
from tests.e2e.people import Portal
from tests.faults.counts import FULL, measured
from tests.portal.browsers import PASSWORD, USERNAME, chromes, until
from tests.waiting import PATIENCE

PARTS = ("browser", "renderer", "chromedriver")
# Seconds until the monitor watches again: after the driver's error, and after a freeze, which takes a time-out to see.
AFTER_ERROR, AFTER_FREEZE = 30.0, 45.0
KILLS = [(part, signal.SIGKILL) for part in PARTS]
FREEZES = [(part, signal.SIGSTOP) for part in PARTS]
# In full 50: each of the six about eight times. Else three, one of them a freeze.
ORDEALS = list(itertools.islice(itertools.cycle(KILLS + FREEZES), 50)) if FULL else [KILLS[0], KILLS[2], FREEZES[1]]


@dataclass
class Watched:
    """A monitor with a real Chrome, and when it was last heard to watch."""

    monitor: AttendanceMonitor
    folder: Path
    heard: list[tuple[float, Event]]
    changed: threading.Condition

    def hear(self, _username: str, event: StatusEvent) -> None:
        with self.changed:
            self.heard.append((time.monotonic(), event.event))
            self.changed.notify_all()

    def waits_for(self, event: Event, since: float, patience: float) -> float:
        """Return how long after ``since`` an event was heard."""
        with self.changed:
            assert self.changed.wait_for(lambda: self._at(event, since) is not None, patience), (
                f"no '{event.value}' within {patience:g} s; heard {self.heard[-5:]}"
            )
            at = self._at(event, since)
        assert at is not None
        return at - since

    def _at(self, event: Event, since: float) -> float | None:
        return next((at for at, heard in self.heard if heard is event and at > since), None)


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """Give a portal with one student."""
    portal = Portal(simulated_portal_url)
    portal.reset()
    portal.has_student(USERNAME, PASSWORD)
    yield portal
    portal.http.close()


@pytest.fixture
def watched(tmp_path: Path, portal: Portal) -> Iterator[Watched]:
    """Give a monitor that watches; at the end nothing of it is left."""
    opener = chromes(tmp_path)
    held = Watched(None, tmp_path, [], threading.Condition())  # type: ignore[arg-type]  # set in the next lines
    held.monitor = AttendanceMonitor(
        USERNAME,
        PASSWORD,
        "automatic",
        lambda _username, _status, _lesson: None,
        held.hear,
        portal=chrome_access(opener, portal.address, clock=SystemClock(), ready_within=PATIENCE),
        schedule=Schedule(refresh_interval=2),
    )
    begun = time.monotonic()
    held.monitor.start()
    held.waits_for(Event.WATCHING, begun, PATIENCE)
    yield held
    held.monitor.stop()
    assert held.monitor.join(PATIENCE)
    assert children.browsers(tmp_path) == []


@pytest.mark.ordeal
def test_watches_again(watched: Watched, portal: Portal, tmp_path: Path) -> None:
    """Whatever part of Chrome is killed or frozen, the monitor watches again; a stranger's Chrome stays."""
    other = chromes(tmp_path / "stranger")
    stranger = other.open("stranger", time.sleep)
    try:
        for part, deed in ORDEALS:
            lesson = portal.opens(f"Lesson {part} {deed}", time="Л27 (15:00 - 16:00)")
            until(lambda number=lesson: (number, USERNAME) in portal.marks())  # type: ignore[misc]
            victim = _found(part, tmp_path / profile_name(USERNAME))
            begun = time.monotonic()
            victim.send_signal(deed)
            error_after = watched.waits_for(Event.TROUBLE, begun, PATIENCE)
            again = watched.waits_for(Event.WATCHING, begun, PATIENCE)
            if deed is signal.SIGSTOP:
                measured(f"{part} frozen, watching again", again, AFTER_FREEZE)
            else:
                measured(f"{part} killed, watching again after its error", again - error_after, AFTER_ERROR)
            portal.closes(lesson)
        assert stranger.driver.title == ""  # it still answers
        assert watched.monitor.status.state is MonitorState.WATCHING
    finally:
        stranger.end()


def _found(part: str, profile: Path) -> psutil.Process:
    """Return a part of the Chrome on this very profile: other tests on this machine have students of that name, too."""

    def ours() -> psutil.Process | None:
        for process in psutil.process_iter():
            try:
                line = process.cmdline()
                if process.status() == psutil.STATUS_ZOMBIE or not line:
                    continue
                leader = psutil.Process(os.getsid(process.pid))
                if leader.environ().get("ATTENDANCE_PROFILE") != str(profile):
                    continue
            except (psutil.Error, ProcessLookupError):
                continue
            kind = next((a for a in line if a.startswith("--type=")), "")
            if part == "chromedriver" and process.pid == leader.pid:
                return process
            if part == "renderer" and kind == "--type=renderer":
                return process
            if part == "browser" and not kind and process.pid != leader.pid:
                return process
        return None

    until(lambda: ours() is not None)
    found = ours()
    assert found is not None
    return found

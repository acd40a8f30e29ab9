"""Chrome, its renderer or its driver is killed or frozen; the monitor recovers."""

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
from tests.e2e.people import Portal, empty_portal, eventually
from tests.faults.counts import FULL, measured
from tests.portal.browsers import PASSWORD, USERNAME, chromes, until
from tests.waiting import PATIENCE

PARTS = ("browser", "renderer", "chromedriver")
# Seconds until the monitor watches again: after the driver's error, and after a freeze, which is noticed by time-out.
AFTER_ERROR, AFTER_FREEZE = 30.0, 45.0
KILLS = [(part, signal.SIGKILL) for part in PARTS]
FREEZES = [(part, signal.SIGSTOP) for part in PARTS]
# With FAULTS=full 50, each of the six about eight times; otherwise three, one of them a freeze.
CASES = list(itertools.islice(itertools.cycle(KILLS + FREEZES), 50)) if FULL else [KILLS[0], KILLS[2], FREEZES[1]]


@dataclass
class Watched:
    """A monitor with a real Chrome, and its recorded events."""

    monitor: AttendanceMonitor
    folder: Path
    recorded: list[tuple[float, Event]]
    changed: threading.Condition

    def record(self, _username: str, event: StatusEvent) -> None:
        with self.changed:
            self.recorded.append((time.monotonic(), event.event))
            self.changed.notify_all()

    def waits_for(self, event: Event, since: float, patience: float) -> float:
        """Wait for an event after ``since``; returns the seconds between."""
        with self.changed:
            assert self.changed.wait_for(lambda: self._at(event, since) is not None, patience), (
                f"no '{event.value}' within {patience:g} s; recorded {self.recorded[-5:]}"
            )
            at = self._at(event, since)
        assert at is not None
        return at - since

    def _at(self, event: Event, since: float) -> float | None:
        return next((at for at, recorded in self.recorded if recorded is event and at > since), None)


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulated portal with one student."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


@pytest.fixture
def watched(tmp_path: Path, portal: Portal) -> Iterator[Watched]:
    """A monitor that watches; checks at the end that no Chrome is left."""
    opener = chromes(tmp_path)
    held = Watched(None, tmp_path, [], threading.Condition())  # type: ignore[arg-type]  # set in the next lines
    held.monitor = AttendanceMonitor(
        USERNAME,
        PASSWORD,
        "automatic",
        lambda _username, _status, _lesson: None,
        held.record,
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
    """After any part of Chrome is killed or frozen the monitor watches again; another Chrome is not affected."""
    other = chromes(tmp_path / "stranger")
    stranger = other.open("stranger", time.sleep)
    try:
        for part, fault in CASES:
            lesson = portal.opens(f"Lesson {part} {fault}", time="Л27 (15:00 - 16:00)")
            until(lambda number=lesson: (number, USERNAME) in portal.marks())  # type: ignore[misc]
            victim = _found(part, tmp_path / profile_name(USERNAME))
            begun = time.monotonic()
            victim.send_signal(fault)
            error_after = watched.waits_for(Event.TROUBLE, begun, PATIENCE)
            again = watched.waits_for(Event.WATCHING, begun, PATIENCE)
            if fault is signal.SIGSTOP:
                measured(f"{part} frozen, watching again", again, AFTER_FREEZE)
            else:
                measured(f"{part} killed, watching again after its error", again - error_after, AFTER_ERROR)
            portal.closes(lesson)
        assert stranger.driver.title == ""  # it still responds
        assert watched.monitor.status.state is MonitorState.WATCHING
    finally:
        stranger.end()


def _found(part: str, profile: Path) -> psutil.Process:
    """Return a part of the Chrome with this profile; other tests on this machine may use the same username."""

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

    found: psutil.Process = eventually(f"its {part}", ours)
    return found

"""Our monitors alone, without Telegram, to be measured beside the baseline.

`python -m benchmarks.students URL STUDENTS [SECONDS BETWEEN LOADS]` runs until it is terminated.
"""

import signal
import sys
import tempfile
import threading
from pathlib import Path

from core.clock import SystemClock
from core.sqlite import Database
from lessons.journal import SCHEMA, Lessons
from lessons.marking import LessonRecords
from lessons.schedule import Schedule
from monitor import AttendanceMonitor
from portal.browser import Chromes
from portal.session import chrome_access


def main() -> None:
    """Start the monitors and wait for the end."""
    url, students = sys.argv[1], int(sys.argv[2])
    between_loads = float(sys.argv[3]) if len(sys.argv) > 3 else 20.0
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        chromes = Chromes(Path(folder))
        portal = chrome_access(chromes, url, clock=SystemClock())
        monitors = [
            AttendanceMonitor(
                f"student_{number}",
                f"password-{number}",
                "automatic",
                lambda _username, _status, _lesson: None,
                lambda _username, _event: None,
                portal=portal,
                records=LessonRecords(Lessons(Database(":memory:", [SCHEMA])), number),
                schedule=Schedule(between_loads),
            )
            for number in range(students)
        ]
        for monitor in monitors:
            monitor.start()
        stop.wait()
        for monitor in monitors:
            monitor.stop()
        for monitor in monitors:
            monitor.join(10)
        chromes.sweep()


if __name__ == "__main__":
    main()

"""Our monitors alone, without Telegram, for the comparison with the baseline.

`python -m benchmarks.students URL STUDENTS [SECONDS BETWEEN LOADS]` runs until it is terminated.
"""

import signal
import sys
import tempfile
import threading
from pathlib import Path

from core.clock import SystemClock
from monitor import AttendanceMonitor
from portal.browser import Chromes
from portal.limits import PortalLimits
from portal.session import chrome_opener


def main() -> None:
    """Start the monitors and wait for SIGTERM."""
    url, students = sys.argv[1], int(sys.argv[2])
    between_loads = float(sys.argv[3]) if len(sys.argv) > 3 else 20.0
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock, limits = SystemClock(), PortalLimits()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        chromes = Chromes(Path(folder))
        monitors = [
            AttendanceMonitor(
                f"student_{number}",
                f"password-{number}",
                "automatic",
                lambda _username, _status, _lesson: None,
                lambda _username, _event: None,
                student=number,
                portal_url=url,
                refresh_interval=between_loads,
                open_portal=chrome_opener(chromes, url, clock),
                kill_browser=chromes.kill,
                limits=limits,
                clock=clock,
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

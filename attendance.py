"""Monitors one account in a terminal, without Telegram: `python attendance.py --mode manual`.

Username and password come from KBTU_USERNAME and KBTU_PASSWORD, or from a prompt (the password without echo).
Exit codes: 0 stopped, 2 usage, 3 the portal refused the account, 4 portal or browser can't be used.
"""

import argparse
import contextlib
import getpass
import queue
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from core import logs
from core import settings as settings_module
from core.clock import SystemClock
from core.settings import Settings, SettingsError
from core.sqlite import Database, DatabaseError
from lessons.events import Event, StatusEvent
from lessons.journal import SCHEMA, Lessons
from lessons.marking import LessonRecords
from lessons.schedule import Schedule
from monitor import AttendanceMonitor
from portal.browser import Chromes
from portal.errors import BrowserMissing
from portal.lessons import Lesson
from portal.session import chrome_access
from storage import Mode

STOPPED, USAGE, REFUSED, PORTAL = 0, 2, 3, 4
FIRST_TROUBLES = 3  # in a row before the first sign-in, after which the program gives up
ASK_AGAIN = 300.0  # seconds after a "no" before the same lesson is offered again, as in Telegram
STOP_WITHIN = 5.0


_Found = tuple[str, Lesson]  # "found" (open) or "marked"


def _line(text: str) -> None:
    print(f"{datetime.now().astimezone():%H:%M:%S} {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Monitor until stopped; return the exit code."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _complain("stopped", STOPPED)


def _run(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(description="Mark attendance on the portal for one account, in this terminal.")
    parser.add_argument("--mode", choices=("automatic", "manual"), default="automatic", help="manual asks each time")
    mode: Mode = parser.parse_args(arguments).mode
    try:
        settings = settings_module.load()
    except SettingsError as error:
        return _complain(str(error), USAGE)
    logs.set_up("WARNING" if settings.log_level == "INFO" else settings.log_level, settings.log_format)
    if (account := _account(settings)) is None:
        return _complain("KBTU_USERNAME and KBTU_PASSWORD: got nothing, and there is no terminal to ask in", USAGE)
    folder = settings.data_dir / "terminal"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(folder / "lock", timeout=0, mode=0o600):
            return _watch(settings, folder, *account, mode)
    except Timeout:
        return _complain(f"'{folder}' is in use by another attendance.py", USAGE)
    except (OSError, DatabaseError) as error:
        return _complain(str(error), USAGE)
    except BrowserMissing as error:
        return _complain(str(error), PORTAL)


def _complain(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


def _account(settings: Settings) -> tuple[str, str] | None:
    """Return username and password; prompt for what is missing. None without a terminal to prompt in."""
    username = settings.kbtu_username
    password = settings.kbtu_password.get_secret_value() if settings.kbtu_password else None
    if (username is None or password is None) and not sys.stdin.isatty():
        return None
    try:
        username = username or input("Portal username: ").strip()
        password = password or getpass.getpass("Portal password (not shown): ")
    except EOFError:
        return None
    return (username, password) if username and password else None


def _watch(settings: Settings, folder: Path, username: str, password: str, mode: Mode) -> int:
    clock = SystemClock()
    chromes = Chromes(
        folder / "profiles", settings.chrome_bin, settings.chromedriver_path, settings.selenium_remote_url
    )
    chromes.check()
    chromes.sweep()
    events: queue.SimpleQueue[_Found | StatusEvent] = queue.SimpleQueue()
    database = Database(folder / "ledger.sqlite3", [SCHEMA])
    monitor = AttendanceMonitor(
        username,
        password,
        mode,
        lambda _username, status, lesson: events.put((status, lesson)),
        lambda _username, event: events.put(event),
        portal=chrome_access(chromes, settings.portal_url, clock=clock),
        records=LessonRecords(Lessons(database), zone=settings.zone),
        schedule=Schedule(settings.refresh_interval, clock=clock),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _line(f"{username}: {mode} mode, Ctrl-C stops")
    monitor.start()
    try:
        return _follow(monitor, events)
    except KeyboardInterrupt:
        _line("stopped")
        return STOPPED
    finally:
        monitor.stop()
        monitor.join(STOP_WITHIN)
        database.close()


def _follow(monitor: AttendanceMonitor, events: "queue.SimpleQueue[_Found | StatusEvent]") -> int:
    """Show the monitor's events until it ends by itself; return the exit code."""
    troubles, watched = 0, False
    asked: dict[str, float] = {}  # when a lesson was offered, by its key
    while True:
        event = events.get()
        if isinstance(event, tuple):
            _show_lesson(monitor, *event, asked)
        elif event.event is Event.WATCHING:
            _line("signed in, watching" if not watched else "watching again")
            troubles, watched = 0, True
        elif event.event in (Event.TROUBLE, Event.UNKNOWN_VIEW):
            _line(f"{event.event.value}: {event.text}")
            troubles += 1
            if not watched and troubles >= FIRST_TROUBLES:
                _line("the portal can't be used now")
                return PORTAL
        elif event.event is Event.MARK_REFUSED and event.lesson is not None:
            _line(f"the portal does not accept the mark, mark it yourself: {_one_line(event.lesson)} {event.text}")
        elif event.event in (Event.REFUSED, Event.BLOCKED):
            _line(f"the portal refuses this account: {event.text}")
            return REFUSED
        elif event.event in (Event.NO_BROWSER, Event.FAILED):
            _line(event.text or "monitoring failed; the log says why")
            return PORTAL
        elif event.event is Event.LESSON_CLOSED and event.lesson is not None:
            _line(f"closed ({event.text}): {_one_line(event.lesson)} {event.words}".rstrip())
        elif event.event is Event.STOPPED:
            return STOPPED


def _show_lesson(monitor: AttendanceMonitor, status: str, lesson: Lesson, asked: dict[str, float]) -> None:
    if status == "marked":
        _line(f"Attendance Marked. {_one_line(lesson)}")
    elif time.monotonic() - asked.get(lesson.key, float("-inf")) >= ASK_AGAIN:
        _line(f"Attendance available! {_one_line(lesson)}")
        answer = ""
        with contextlib.suppress(EOFError):
            answer = input("Mark now? [y/N] ").strip().lower()
        asked[lesson.key] = time.monotonic()
        if answer in ("y", "yes"):
            monitor.mark_now(lesson.key)


def _one_line(lesson: Lesson) -> str:
    return ", ".join(lesson.describe().splitlines())


if __name__ == "__main__":
    sys.exit(main())

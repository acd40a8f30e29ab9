"""Monitors one account in a terminal, without Telegram: `python attendance.py --mode manual`.

With `--rehearse [FILE]` nothing is marked: what the portal shows is written into a redacted trace (docs/rehearsal.md).
Username and password come from KBTU_USERNAME and KBTU_PASSWORD, or from a prompt (the password without echo).
Exit codes: 0 stopped, 2 usage, 3 the portal refused the password, 4 portal or browser can't be used, 5 the account is
blocked, locked or expired, 6 the portal wants a new password.
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
from monitor import AttendanceMonitor, ending, profile_name
from portal.browser import Chromes, configured
from portal.errors import BrowserMissing, PortalError
from portal.lessons import Lesson
from portal.rehearsal import Rehearsal
from portal.session import chrome_access
from portal.trace import Trace
from portal.views import View
from storage import Mode

STOPPED, USAGE, REFUSED, PORTAL, BLOCKED, PASSWORD_EXPIRED = 0, 2, 3, 4, 5, 6
FIRST_TROUBLES = 3  # in a row before the first sign-in, after which the program gives up
ASK_AGAIN = 300.0  # seconds after a "no" before the same lesson is offered again, as in Telegram
STOP_WITHIN = 5.0
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ENDS = {
    Event.REFUSED: REFUSED,
    Event.BLOCKED: BLOCKED,
    Event.PASSWORD_EXPIRED: PASSWORD_EXPIRED,
    Event.NO_BROWSER: PORTAL,
    Event.FAILED: PORTAL,
}
# What is wrong, and what to do, by the error's type or the event; empty where the error's own text says both.
_SENTENCES = {
    "refused": "the portal refuses username or password: check them there, then start this again",
    "blocked": "the portal has blocked this account: ask the registrar's office",
    "password expired": "the portal wants a new password: set it there, then start this again with it",
    "no browser": "",
    "failed": "too many unforeseen errors: the log has them, report them",
    "restarted": "an unforeseen error: nothing to do, a new browser is started; the log has it",
    "PortalError": "the portal can't be used: open it in a browser to see why",
    "AccountLocked": "the portal has locked this account for a while: wait until you can sign in there yourself",
    "AccountExpired": "this account has expired: ask the registrar's office",
    "PortalSlow": "the portal is slow: nothing to do, the next try waits longer",
    "PortalUnavailable": "the portal is down or can't be reached: check the network, or wait",
    "CertificateRefused": "",
    "SignInFailed": "the portal does not finish the sign-in: wait, or sign in there yourself to see why",
    "SessionLost": "the portal has ended the session: nothing to do, it signs in again",
    "NotThePortal": "this is not the portal: check PORTAL_URL, and whether the network wants a sign-in of its own",
    "UnknownView": "the portal shows a page that this program does not know: open it in a browser",
    "PageChanged": "the page changes while it is read: nothing to do, it is loaded again",
    "NotPressed": "a button of the portal can't be pressed: nothing to do, the page is loaded again",
    "BrowserFailed": "Chrome or its driver failed: close what needs much memory, or install both anew",
    "DriverMismatch": "",
    "GridFailed": "the Selenium Grid can't be used: check SELENIUM_REMOTE_URL, and that a node runs",
    "GridFull": "the Selenium Grid has no place left: wait, or add a node",
    "DatabaseUnavailable": "the file of marks can't be written: free disk space, or check DATA_DIR",
}

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
    about = "mark nothing; write a redacted trace of the portal"
    parser.add_argument("--rehearse", nargs="?", const="rehearsal.jsonl", metavar="FILE", type=Path, help=about)
    parsed = parser.parse_args(arguments)
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
            return _watch(settings, folder, *account, parsed.mode, parsed.rehearse)
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


def _rehearse(settings: Settings, chromes: Chromes, username: str, password: str, path: Path) -> int:
    """Record what the portal shows until Ctrl-C; nothing is marked (portal/rehearsal.py)."""
    clock = SystemClock()
    trace = Trace(path, clock.monotonic, (username, username.partition("@")[0], password))
    _line(f"rehearsal: nothing is marked; the trace is '{path}'; Ctrl-C stops")
    why, code, told = "failed", PORTAL, ""

    def tell(met: View | PortalError) -> None:
        nonlocal told
        what = met.value if isinstance(met, View) else type(met).__name__
        if what != told:
            _line(f"the portal shows: {what}" if isinstance(met, View) else _sentence(ending(met)))
        told = what

    try:
        browser = chromes.open(profile_name(username), time.sleep)
        try:
            interval = settings.refresh_interval
            rehearsal = Rehearsal(browser, settings.portal_url, trace, time.sleep, clock, interval, on_met=tell)
            rehearsal.run(username, password)
        finally:
            browser.end()
    except KeyboardInterrupt:
        why, code = "stopped", STOPPED
    except PortalError as error:
        _line(_sentence(event := ending(error)))
        why, code = type(error).__name__, _ENDS.get(event.event, PORTAL)
    finally:
        captions = []
        with contextlib.suppress(OSError):  # the reason is reported already
            captions = trace.end(why)
        trace.close()
    if captions:
        _line(f"captions of buttons in it, of which none may name a person: {', '.join(captions)}")
    _line(f"{why}, {trace.withheld} records withheld; read '{path}' before you hand it in (docs/rehearsal.md)")
    return code


def _stop_by_signals() -> None:
    """Have Ctrl-C, SIGTERM and a closed terminal stop the program; a second one must not interrupt Chrome's end."""
    stopped_at = float("-inf")

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped_at
        before, stopped_at = stopped_at, time.monotonic()
        if stopped_at - before > STOP_WITHIN:
            raise KeyboardInterrupt

    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as below nohup
            signal.signal(number, stop)


def _watch(settings: Settings, folder: Path, username: str, password: str, mode: Mode, trace: Path | None) -> int:
    clock = SystemClock()
    chromes = configured(settings, folder / "profiles")
    chromes.check()
    chromes.sweep()
    _stop_by_signals()
    if trace is not None:
        return _rehearse(settings, chromes, username, password, trace)
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
    _line(f"{username}: {mode} mode, Ctrl-C stops")
    monitor.start()
    try:
        return follow(monitor, events)
    except KeyboardInterrupt:
        _line("stopped")
        return STOPPED
    finally:
        monitor.stop()
        monitor.join(STOP_WITHIN)
        database.close()


def follow(monitor: AttendanceMonitor, events: "queue.SimpleQueue[_Found | StatusEvent]") -> int:
    """Show the monitor's events until it ends by itself; return the exit code."""
    troubles, watched = 0, False
    told: set[str] = set()  # troubles since the portal was last watched
    asked: dict[str, float] = {}  # when a lesson was offered, by its key
    while True:
        event = events.get()
        if isinstance(event, tuple):
            _show_lesson(monitor, *event, asked)
        elif event.event is Event.WATCHING:
            _line("signed in, watching" if not watched else "watching again")
            troubles, watched = 0, True
            told.clear()
        elif event.event in (Event.TROUBLE, Event.UNKNOWN_VIEW, Event.RESTARTED):
            if event.cause not in told:
                _line(_sentence(event))
            told.add(event.cause)
            troubles += event.code != "PortalSlow"
            if not watched and troubles >= FIRST_TROUBLES:
                _line("the portal can't be used now")
                return PORTAL
        elif event.event is Event.MARK_REFUSED and event.lesson is not None:
            _line(f"the portal does not accept the mark, mark it yourself: {_one_line(event.lesson)} {event.text}")
        elif event.event is Event.UNKNOWN_CARD and event.lesson is not None:
            _line(f"no button that is known ({event.text}), mark it on the portal: {_one_line(event.lesson)}")
        elif event.event in _ENDS:
            _line(_sentence(event))
            return _ENDS[event.event]
        elif event.event is Event.LESSON_CLOSED and event.lesson is not None:
            _line(f"closed ({event.text}): {_one_line(event.lesson)} {event.words}".rstrip())
        elif event.event is Event.STOPPED:
            return STOPPED


def _sentence(event: StatusEvent) -> str:
    """Return what is wrong, what to do, and the portal's own words."""
    sentence = _SENTENCES.get(event.cause, event.event.value)
    words = event.words or event.text
    return f"{sentence} ({words})" if words and sentence else sentence or event.text


def _show_lesson(monitor: AttendanceMonitor, status: str, lesson: Lesson, asked: dict[str, float]) -> None:
    if status == "marked":
        _line(f"Attendance Marked. {_one_line(lesson)}")
    elif time.monotonic() - asked.get(lesson.key, float("-inf")) >= ASK_AGAIN:
        _line(f"Attendance available! {_one_line(lesson)}")
        with contextlib.suppress(EOFError):
            if input("Mark now? [y/N] ").strip().lower() in ("y", "yes"):
                monitor.mark_now(lesson.key)
        asked[lesson.key] = time.monotonic()


def _one_line(lesson: Lesson) -> str:
    return ", ".join(lesson.describe().splitlines())


if __name__ == "__main__":
    code = main()
    for number in _STOPS:  # a further one must not kill Python while it ends, which would change the exit code
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)

"""Ends the processes of a browser from outside, found by their process session or by their profile.

chromedriver starts in a process session of its own. Chrome's processes may change their process group but stay in
that session, so that all of them can be ended without going by name. Processes of an earlier run are found by the
profile's folder in their environment. A monitor asks for it when a command times out (monitor.py, by way of
browser.py) or when its thread does not stop.
"""

import contextlib
import os
import signal
from pathlib import Path

import psutil

# The environment variable of chromedriver and all its children that holds the profile's folder.
PROFILE_VARIABLE = "ATTENDANCE_PROFILE"


def end_processes(session: int | None, profile: Path | None) -> int:
    """Kill a process session, and each session with a process that uses this profile or one below it.

    The environment variable finds chromedriver and Chrome's first process; Chrome's children overwrite their
    environment, but stay in the session. Returns how many were killed.
    """
    killed = 0
    for _ in range(3):  # a process may start another one meanwhile
        alive = [process for process in psutil.process_iter() if _is_alive(process)]
        users = [process for process in alive if profile is not None and _uses(process, profile)]
        sessions = {session, *map(_session_of, users)} - {None, os.getsid(0)}
        found = [process for process in alive if process in users or _session_of(process) in sessions]
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
                killed += 1
        if not found:
            break
        psutil.wait_procs(found, timeout=2)
    return killed


def in_use(profile: Path) -> bool:
    """Say whether a living process of ours uses this profile."""
    return any(_is_alive(process) and _uses(process, profile) for process in psutil.process_iter())


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.pid != os.getpid() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _uses(process: psutil.Process, profile: Path) -> bool:
    try:
        used = process.environ().get(PROFILE_VARIABLE)
    except psutil.Error:
        return False  # ended meanwhile, or another user's
    return used is not None and Path(used).is_relative_to(profile)


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None

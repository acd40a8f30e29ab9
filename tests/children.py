"""Child processes of tests and benchmarks that end with their parent, even after a crash or `kill -9`.

A watcher process (this file, run as a script) reads the children's PIDs and Chrome profiles from a pipe. When the
parent ends, however it ends, the pipe closes, and the watcher ends the remaining processes. Unlike PR_SET_PDEATHSIG
this works on macOS, does not depend on the thread that started a process, and includes the Chromes of a bot.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
# What a child gets whose terminal is closed; where tests run below nohup it ignores this.
HANGS_UP = signal.SIGHUP if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else signal.SIGTERM
GRACE = 15.0  # seconds from SIGTERM to SIGKILL, in which a bot ends its Chromes
_watcher: "subprocess.Popen[str] | None" = None


def start(command: list[str], **options: Any) -> "subprocess.Popen[Any]":
    """Start a process in a session of its own that ends with this process; ``options`` are those of Popen."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **options)
    _register("process", process.pid)
    return process


def end(process: "subprocess.Popen[Any]") -> None:
    """Kill the process group of a child, and close its pipes."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def run(command: list[str], timeout: float, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command until it exits; return its exit code and output."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(command, text=True, **pipes, **options)
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        end(process)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def own_profiles(folder: Path) -> None:
    """Make the Chromes with a profile in or below a folder end with this process."""
    _register("profiles", folder)


def browsers(folder: Path) -> list[psutil.Process]:
    """Return the running processes of Chromes and drivers with a profile in or below a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            profile = process.environ().get("ATTENDANCE_PROFILE", "/")
            if Path(profile).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill(process: psutil.Process) -> None:
    """Kill a process that may have ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def name_of(process: psutil.Process) -> str:
    """Return the name of a process's program; an empty text if it has ended meanwhile."""
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def command_of(process: psutil.Process) -> list[str]:
    """Return the arguments that a process was started with; an empty list if it has ended meanwhile."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Return a process's environment; an empty one if it has ended meanwhile or may not be read."""
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}


def children_of(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
    """Return the running children of a process; an empty list if it has ended meanwhile."""
    try:
        return [each for each in process.children(recursive=recursive) if each.status() != psutil.STATUS_ZOMBIE]
    except psutil.Error:
        return children_of(process, recursive) if process.is_running() else []


def _register(kind: str, value: object) -> None:
    global _watcher  # one per process
    if _watcher is None:
        _watcher = subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        atexit.register(_end_watcher, _watcher)
    assert _watcher.stdin is not None
    print(kind, value, file=_watcher.stdin, flush=True)


def _end_watcher(watcher: "subprocess.Popen[str]") -> None:
    watcher.communicate()


def _watch() -> None:
    """Collect processes and profiles until the pipe closes, then end those that are left."""
    processes: list[psutil.Process] = []
    folders: list[Path] = []
    for line in sys.stdin:
        kind, value = line.rstrip("\n").split(" ", 1)
        if kind == "profiles":
            folders.append(Path(value))
        else:
            with contextlib.suppress(psutil.NoSuchProcess):
                processes.append(psutil.Process(int(value)))
        processes = [process for process in processes if process.is_running()]
    # psutil sends no signal to a new process with a reused PID
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=GRACE)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    if folders:
        sys.path.insert(0, str(ROOT))
        from portal.processes import end_processes  # slow to import, so only if needed

        for folder in folders:
            end_processes(None, folder)


if __name__ == "__main__":
    _watch()

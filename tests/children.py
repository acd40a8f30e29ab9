"""Processes that tests and benchmarks start, and that end with them: also after a crash or `kill -9`.

A watcher process (this file, run as a script) reads which processes and which Chrome profiles are ours from a pipe. The
pipe closes when we end, however we end; the watcher then ends what is left. Unlike PR_SET_PDEATHSIG this works on macOS
too, does not depend on the thread that started a process, and reaches the Chromes, which are children of children.
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
GRACE = 15.0  # seconds from SIGTERM to SIGKILL: a bot ends its own Chromes
_watcher: "subprocess.Popen[str] | None" = None


def start(command: list[str], **options: Any) -> "subprocess.Popen[Any]":
    """Start a process in a session of its own that ends when we end; ``options`` are Popen's."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **options)
    _tell("process", process.pid)
    return process


def end(process: "subprocess.Popen[Any]") -> None:
    """Kill a process that was started here, with its session, and close its pipes."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def run(command: list[str], timeout: float, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end and return what it printed."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(command, text=True, **pipes, **options)
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        end(process)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def own_profiles(folder: Path) -> None:
    """Have the Chromes with a profile in or below a folder end when we end."""
    _tell("profiles", folder)


def browsers(folder: Path) -> list[psutil.Process]:
    """Return the processes of Chromes and drivers with a profile in or below a folder, dead ones apart."""
    found = []
    for process in psutil.process_iter():
        try:
            profile = process.environ().get("ATTENDANCE_PROFILE", "/")
            if Path(profile).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _tell(kind: str, value: object) -> None:
    global _watcher  # one for the whole process
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
    """Note what is told until the pipe closes, then end what is left."""
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
    # psutil sends no signal to another process that got the same number meanwhile
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=GRACE)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    if folders:
        sys.path.insert(0, str(ROOT))
        from portal.browser import end_processes  # slow to import, and needed here only

        for folder in folders:
            end_processes(None, folder)


if __name__ == "__main__":
    _watch()

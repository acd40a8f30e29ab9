"""What this machine or container has left for Chromes and face workers: memory, processes and threads, open files.

The marker and the classroom share one account, so that both together fit.
"""

import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MOST_FILES = 65_536  # to which the limit on open files is raised
_MB = 1024 * 1024
MEMORY, TASKS, FILES = "memory", "processes and threads", "open files"
_REMEDY = {
    MEMORY: "raise MEMORY_LIMIT (docker-compose.yml), or add memory",
    TASKS: "raise pids_limit (docker-compose.yml), TasksMax (systemd) or ulimit -u",
    FILES: "raise ulimit -n (nofile)",
}
Amounts = Mapping[str, int]  # by resource; memory in bytes

# For each student, Chrome with chromedriver and the monitor; this process has two open files for each. Measured on two
# cores after ten loads: headless shell 121 MB and 54 threads, full Chrome 258 MB and 91; portal pages take more.
HEADLESS_SHELL: Amounts = {MEMORY: 160 * _MB, TASKS: 80, FILES: 4}
FULL_CHROME: Amounts = {MEMORY: 280 * _MB, TASKS: 120, FILES: 4}
REMOTE_CHROME: Amounts = {MEMORY: 8 * _MB, TASKS: 2, FILES: 4}
FACE_WORKER: Amounts = {MEMORY: 200 * _MB, TASKS: 8, FILES: 8}
_OURSELVES: Amounts = {MEMORY: 0, TASKS: 200, FILES: 400}  # worker threads, connections, databases


@dataclass(frozen=True)
class Room:
    """How many monitors fit, by resource."""

    fits: Amounts

    @property
    def narrowest(self) -> str:
        return min(self.fits, key=lambda name: self.fits[name])

    @property
    def count(self) -> int:
        """How many monitors may run: at least one, so that the bot can be tried."""
        return max(1, self.fits[self.narrowest])

    def lacks(self, wanted: int) -> str:
        """Return one line that says why so many monitors do not fit, and what to change; empty if they do."""
        if wanted <= self.count:
            return ""
        return f"no room for {wanted} monitors: {self}; {self.narrowest}: {_REMEDY[self.narrowest]}"

    def __str__(self) -> str:
        return ", ".join(f"{name} for {count}" for name, count in self.fits.items())


class Machine:
    """The account: what was free when it was made, less what was reserved. Raises the limit on open files.

    ``root`` is where /proc and /sys are found.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        _raise_file_limit()
        self.free = {MEMORY: _free_memory(root), TASKS: _free_tasks(root), FILES: _free_files()}
        self.reserve(_OURSELVES)

    def reserve(self, amounts: Amounts, count: int = 1) -> None:
        for name, amount in amounts.items():
            self.free[name] -= count * amount

    def room(self, monitor: Amounts) -> Room:
        """Return how many monitors fit that take so much each."""
        return Room({name: max(0, self.free[name] // amount) for name, amount in monitor.items()})


def _free_memory(root: Path) -> int:
    """Return the memory that is left within the limits of the cgroups; file cache that can be reclaimed is free."""
    free = psutil.virtual_memory().available
    for group, is_v2 in _cgroups(root, "memory"):
        limit, used = ("max", "current") if is_v2 else ("limit_in_bytes", "usage_in_bytes")
        with suppress(OSError, ValueError):  # no such file at the root, or "max": no limit
            left = _number(group / f"memory.{limit}") - _number(group / f"memory.{used}")
            free = min(free, left + _cache(group, "inactive_file" if is_v2 else "total_inactive_file"))
    return free


def _free_tasks(root: Path) -> int:
    """Return how many processes and threads may still be started: by the kernel, the cgroups and the user's limit."""
    left = [sys.maxsize]
    with suppress(OSError, ValueError, IndexError):
        running = int((root / "proc/loadavg").read_text().split()[3].partition("/")[2])
        left += [_number(root / f"proc/sys/kernel/{name}") - running for name in ("pid_max", "threads-max")]
    for group, _is_v2 in _cgroups(root, "pids"):
        with suppress(OSError, ValueError):
            left.append(_number(group / "pids.max") - _number(group / "pids.current"))
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:  # root is not limited
        left.append(limit - sum(_tasks_of_user(process) for process in psutil.process_iter()))
    return min(left)


def _tasks_of_user(process: psutil.Process) -> int:
    try:
        ours = process.uids().real == os.getuid()
        return (process.num_threads() if sys.platform == "linux" else 1) if ours else 0
    except psutil.Error:
        return 0


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _free_files() -> int:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (MOST_FILES if limit == resource.RLIM_INFINITY else limit) - psutil.Process().num_fds()


def _cgroups(root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """Yield this process's cgroup and those above it, which limit it as well; and whether they are of version 2."""
    try:
        lines = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:  # not Linux
        return
    for _, controllers, path in lines:
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = top / path.lstrip("/")
        if not own.is_dir():  # seen from within a container the path is the host's
            own = top
        yield from ((group, not controllers) for group in (own, *own.parents) if group.is_relative_to(top))


def _number(file: Path) -> int:
    return int(file.read_text())


def _cache(group: Path, name: str) -> int:
    with suppress(OSError):
        lines = [line.split() for line in (group / "memory.stat").read_text().splitlines()]
        return next((int(value) for found, value in lines if found == name), 0)
    return 0

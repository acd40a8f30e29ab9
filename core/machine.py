"""One account of this machine or container for both halves: memory, processes and threads, open files."""

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
_V1 = "limit_in_bytes", "usage_in_bytes", "total_inactive_file"  # of a cgroup's memory; version 2 has other names
MEMORY, TASKS, FILES = "memory", "processes and threads", "open files"
_REMEDY = {
    MEMORY: "raise MEMORY_LIMIT (docker-compose.yml), or add memory",
    TASKS: "raise pids_limit (docker-compose.yml), TasksMax (systemd) or ulimit -u",
    FILES: "raise ulimit -n (nofile)",
}
Amounts = Mapping[str, int]  # by resource; memory in bytes, files of this process

# For each student, with chromedriver. Measured on two cores after ten loads, with two open files of ours for each:
# headless shell 121 MB and 54 threads, full Chrome 258 MB and 91; the portal's pages and more cores take more.
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
        line = f"no room for {wanted} monitors: {self}; {self.narrowest}: {_REMEDY[self.narrowest]}"
        return line if wanted > self.fits[self.narrowest] else ""

    def __str__(self) -> str:
        return ", ".join(f"{name} for {count}" for name, count in self.fits.items())


class Machine:
    """What was free when it was made, less what was reserved. ``root`` is where /proc and /sys are found."""

    def __init__(self, root: Path = Path("/")) -> None:
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
        names = ("max", "current", "inactive_file") if is_v2 else _V1
        with suppress(OSError, ValueError):  # no such file at the root, or "max": no limit
            left = _number(group / f"memory.{names[0]}") - _number(group / f"memory.{names[1]}")
            stat = group / "memory.stat"
            lines = [line.split() for line in stat.read_text().splitlines()] if stat.exists() else []
            free = min(free, left + sum(int(value) for name, value in lines if name == names[2]))
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
        ours = [each.info for each in psutil.process_iter(["uids", "num_threads"]) if each.info["uids"]]
        left.append(limit - sum(each["num_threads"] or 1 for each in ours if each["uids"].real == os.getuid()))
    return min(left)


def _free_files() -> int:
    """Raise the limit on open files as far as is allowed; return how many may still be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return (MOST_FILES if soft == resource.RLIM_INFINITY else soft) - psutil.Process().num_fds()


def _cgroups(root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """Yield this process's cgroup and those above it, which limit it as well; and whether they are of version 2."""
    membership = root / "proc/self/cgroup"  # Linux only
    for line in membership.read_text().splitlines() if membership.exists() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = top / path.lstrip("/")
        if not own.is_dir():  # seen from within a container the path is the host's
            own = top
        yield from ((group, not controllers) for group in (own, *own.parents) if group.is_relative_to(top))


def _number(file: Path) -> int:
    return int(file.read_text())

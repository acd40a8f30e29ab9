"""One account of this machine or container for both halves: memory, processes and threads, open files."""

import ctypes
import os
import resource
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MOST_FILES = 65_536  # to which the limit on open files is raised
_MB = 1024 * 1024
_V1 = "limit_in_bytes", "usage_in_bytes", "total_inactive_file"  # of a cgroup's memory; version 2 has other names
MEMORY, TASKS, FILES = "memory", "processes and threads", "open files"
ADDRESSES, DATA = "address space", "data segments"  # of each single process
_OF_A_PROCESS = {ADDRESSES: resource.RLIMIT_AS, DATA: resource.RLIMIT_DATA}
_REMEDY = {
    MEMORY: "raise MEMORY_LIMIT (docker-compose.yml), or add memory",
    TASKS: "raise pids_limit (docker-compose.yml), TasksMax (systemd) or ulimit -u",
    FILES: "raise ulimit -n (nofile)",
    ADDRESSES: "lift ulimit -v (LimitAS of systemd); MEMORY_LIMIT or MemoryMax bound memory better",
    DATA: "raise ulimit -d (LimitDATA of systemd)",
}
Amounts = Mapping[str, int]  # by resource; memory in bytes, files of this process, ADDRESSES and DATA of one process

# For each student, with chromedriver. Measured on two cores after ten loads, with two open files of ours for each:
# headless shell 121 MB and 54 threads, full Chrome 258 MB and 91; the portal's pages and more cores take more.
# Address space is reserved, not used: a renderer has 1,483,080 MB of it, with 273 MB of data.
_PROCESS: Amounts = {ADDRESSES: 1_600_000 * _MB, DATA: 320 * _MB}
HEADLESS_SHELL: Amounts = {MEMORY: 160 * _MB, TASKS: 80, FILES: 4, **_PROCESS}
FULL_CHROME: Amounts = {MEMORY: 280 * _MB, TASKS: 120, FILES: 4, **_PROCESS}
REMOTE_CHROME: Amounts = {MEMORY: 8 * _MB, TASKS: 2, FILES: 4}
# A worker that examines a note: 117 MB, of which others share some; 699 MB of address space, 346 of data.
FACE_WORKER: Amounts = {MEMORY: 200 * _MB, TASKS: 8, FILES: 8, ADDRESSES: 800 * _MB, DATA: 500 * _MB}
_OURSELVES: Amounts = {MEMORY: 0, TASKS: 200, FILES: 400}  # worker threads, connections, databases
_GROWTH: Amounts = {ADDRESSES: 220 * _MB, DATA: 220 * _MB}  # of this process after its start, with small stacks
_SMALL_STACK = 1024 * 1024  # bytes for each thread
_ARENA_MAX = -8  # the number of glibc's option for mallopt


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

    def lacks(self, wanted: int, of: str = "monitor") -> str:
        """Return one line that says why so many do not fit, and what to change; empty if they do."""
        number = f"{wanted} {of}{'s' if wanted != 1 else ''}"
        line = f"no room for {number}: {self}; {self.narrowest}: {_REMEDY[self.narrowest]}"
        return line if wanted > self.fits[self.narrowest] else ""

    def __str__(self) -> str:
        return ", ".join(f"{name} for {count}" for name, count in self.fits.items())


class Machine:
    """What was free when it was made, less what was reserved. ``root`` is where /proc and /sys are found."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.free = {MEMORY: _free_memory(root), TASKS: _free_tasks(root), FILES: _free_files()}
        self.reserve(_OURSELVES)

    def reserve(self, amounts: Amounts, count: int = 1) -> None:
        for name in self.free:
            self.free[name] -= count * amounts[name]

    def room(self, monitor: Amounts) -> Room:
        """Return how many monitors fit that take so much each."""
        too_small = {name: 0 for name, limit in _process_limits().items() if name in monitor and limit < monitor[name]}
        return Room({name: max(0, free // monitor[name]) for name, free in self.free.items()} | too_small)


def save_memory() -> str:
    """Use little memory, under a limit on this process's still less; return why that is too small, empty if it is not.

    Each of malloc's arenas, up to 8 for a core, keeps what a thread once needed: reports, made in any of the threads,
    let the process grow by 54 MB (64 reports; with two arenas by 8). Under a limit each thread's stack and each arena
    would reserve 8 and 64 MB, until no thread can be started.
    """
    limits = _process_limits()
    if limits:
        threading.stack_size(_SMALL_STACK)
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no arenas
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1 if limits else 2)
    memory = psutil.Process().memory_info()
    for name, limit in limits.items():
        left = limit - (memory.vms if name == ADDRESSES else memory.data)
        if left < _GROWTH[name]:
            needed = (limit - left + _GROWTH[name]) // _MB
            return f"{name}: limited to {limit // _MB} MB, the bot alone needs {needed}; {_REMEDY[name]}"
    return ""


def _process_limits() -> dict[str, int]:
    """Return the limits on the memory of each single process, in bytes."""
    limits = {name: resource.getrlimit(number)[0] for name, number in _OF_A_PROCESS.items()}
    return {name: limit for name, limit in limits.items() if limit != resource.RLIM_INFINITY}


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

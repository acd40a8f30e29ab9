"""How many monitors fit into the memory of this machine or container."""

from pathlib import Path

import psutil

# Measured with the headless shell: 121 to 140 MB a student after ten loads, and chromedriver's 12 MB within it.
BYTES_PER_MONITOR = 160 * 1024 * 1024


def memory_capacity(root: Path = Path("/")) -> int:
    """Return how many monitors fit into the memory that this process may still use, within the limits of its cgroups.

    File cache that the kernel can reclaim counts as free: in a long-running container it would look like memory in
    use. ``root`` is where /proc and /sys are found.
    """
    free = psutil.virtual_memory().available
    for group, limit_file, used_file, cache in _cgroups(root):
        try:
            limit, used = int((group / limit_file).read_text()), int((group / used_file).read_text())
        except (OSError, ValueError):  # no such file at the root, or "max": no limit
            continue
        free = min(free, limit - used + _statistic(group / "memory.stat", cache))
    return max(1, free // BYTES_PER_MONITOR)


def _cgroups(root: Path) -> list[tuple[Path, str, str, str]]:
    """Return this process's cgroup and those above it, which limit it as well, with the names of their files."""
    try:
        lines = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:  # not Linux
        return []
    found = []
    for _number, controllers, path in lines:
        if not controllers:  # version 2
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = top / path.lstrip("/")
        if not own.is_dir():  # seen from within a container the path is the host's
            own = top
        found += [(group, *names) for group in (own, *own.parents) if group.is_relative_to(top)]
    return found


def _statistic(file: Path, name: str) -> int:
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(value) for found, value in lines if found == name), 0)

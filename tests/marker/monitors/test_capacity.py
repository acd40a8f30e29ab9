"""The number of monitors that fit into memory, within the limits of cgroups."""

from pathlib import Path

import pytest

from marker.monitors.capacity import BYTES_PER_MONITOR, memory_capacity

pytestmark = pytest.mark.unit


SIXTEEN = 16 * BYTES_PER_MONITOR


def machine(root: Path, membership: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_version_2(tmp_path: Path) -> None:
    """The smallest of the limits above this process counts, less what is used."""
    machine(tmp_path, "0::/system.slice/docker-1.scope\n")
    top = tmp_path / "sys/fs/cgroup"
    group(top / "system.slice/docker-1.scope", memory__max=SIXTEEN, memory__current=4 * BYTES_PER_MONITOR)
    group(top / "system.slice", memory__max=10 * BYTES_PER_MONITOR, memory__current=4 * BYTES_PER_MONITOR)
    assert memory_capacity(tmp_path) == 6


def test_file_cache_is_free(tmp_path: Path) -> None:
    """The kernel's file cache does not count as used memory."""
    machine(tmp_path, "0::/\n")
    cache = f"anon 1\ninactive_file {3 * BYTES_PER_MONITOR}\nactive_file 9"
    group(tmp_path / "sys/fs/cgroup", memory__max=SIXTEEN, memory__current=11 * BYTES_PER_MONITOR, memory__stat=cache)
    assert memory_capacity(tmp_path) == 8


def test_version_1(tmp_path: Path) -> None:
    """Version 1 of cgroups is read as well, also in a container, where the path is the host's."""
    machine(tmp_path, "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n")
    stat = f"inactive_file 1\ntotal_inactive_file {BYTES_PER_MONITOR}"
    group(
        tmp_path / "sys/fs/cgroup/memory",
        memory__limit_in_bytes=SIXTEEN,
        memory__usage_in_bytes=4 * BYTES_PER_MONITOR,
        memory__stat=stat,
    )
    assert memory_capacity(tmp_path) == 13


def test_no_limit_and_no_linux(tmp_path: Path) -> None:
    """Without a limit the machine's memory counts; there is always room for one monitor."""
    assert memory_capacity(tmp_path) >= 1
    machine(tmp_path, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", memory__max="max", memory__current=1)
    assert memory_capacity(tmp_path) >= 1


def test_nearly_full(tmp_path: Path) -> None:
    """A full cgroup leaves room for one monitor, so that the bot can still be tried."""
    machine(tmp_path, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", memory__max=SIXTEEN, memory__current=SIXTEEN)
    assert memory_capacity(tmp_path) == 1

"""What is left of the machine for monitors: within cgroups of both versions, the kernel's limits, and open files."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.machine import FACE_WORKER, FILES, FULL_CHROME, HEADLESS_SHELL, MEMORY, TASKS, Machine, Room
from tests.children import ROOT

pytestmark = pytest.mark.unit


EACH = HEADLESS_SHELL[MEMORY]
OURS = 200  # processes and threads of the bot itself


def machine(root: Path, membership: str, running: int = 100, pid_max: int = 4_000_000) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)
    (root / "proc/loadavg").write_text(f"0.00 0.01 0.05 1/{running} 4711\n")
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/sys/kernel/pid_max").write_text(f"{pid_max}\n")
    (root / "proc/sys/kernel/threads-max").write_text("4000000\n")


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def fits(root: Path, what: str) -> int:
    return Machine(root).room(HEADLESS_SHELL).fits[what]


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine itself has 64 GB free, and root's lack of a limit on processes."""
    memory = psutil.virtual_memory()._replace(available=64 * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr("os.geteuid", lambda: 0)


class TestMemory:
    def test_version_2(self, tmp_path: Path) -> None:
        """The smallest of the limits above this process counts, less what is used."""
        machine(tmp_path, "0::/system.slice/docker-1.scope\n")
        top = tmp_path / "sys/fs/cgroup"
        group(top / "system.slice/docker-1.scope", memory__max=16 * EACH, memory__current=4 * EACH)
        group(top / "system.slice", memory__max=10 * EACH, memory__current=4 * EACH)
        assert fits(tmp_path, MEMORY) == 6

    def test_file_cache_is_free(self, tmp_path: Path) -> None:
        """The kernel's file cache does not count as used memory."""
        machine(tmp_path, "0::/\n")
        cache = f"anon 1\ninactive_file {3 * EACH}\nactive_file 9"
        group(tmp_path / "sys/fs/cgroup", memory__max=16 * EACH, memory__current=11 * EACH, memory__stat=cache)
        assert fits(tmp_path, MEMORY) == 8

    def test_version_1(self, tmp_path: Path) -> None:
        """Version 1 of cgroups is read as well, also in a container, where the path is the host's."""
        machine(tmp_path, "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n")
        stat = f"inactive_file 1\ntotal_inactive_file {EACH}"
        folder = tmp_path / "sys/fs/cgroup/memory"
        used = {"memory__usage_in_bytes": 4 * EACH}
        group(folder, memory__limit_in_bytes=16 * EACH, memory__stat=stat, **used)
        assert fits(tmp_path, MEMORY) == 13

    def test_no_limit(self, tmp_path: Path) -> None:
        """Without a limit the machine's memory counts, also where there are no cgroups, as on macOS."""
        assert fits(tmp_path, MEMORY) == 64 * 2**30 // EACH
        machine(tmp_path, "0::/\n")
        group(tmp_path / "sys/fs/cgroup", memory__max="max", memory__current=1)
        assert fits(tmp_path, MEMORY) == 64 * 2**30 // EACH

    def test_nearly_full(self, tmp_path: Path) -> None:
        """A full cgroup leaves room for one monitor, so that the bot can still be tried."""
        machine(tmp_path, "0::/\n")
        group(tmp_path / "sys/fs/cgroup", memory__max=16 * EACH, memory__current=16 * EACH)
        room = Machine(tmp_path).room(HEADLESS_SHELL)
        assert (room.fits[MEMORY], room.count, room.narrowest) == (0, 1, MEMORY)


class TestProcessesAndThreads:
    @pytest.mark.parametrize(
        ("membership", "folder"),
        [("0::/docker/1\n", "sys/fs/cgroup/docker/1"), ("8:pids:/docker/1\n4:memory:/\n", "sys/fs/cgroup/pids")],
        ids=["version 2", "version 1 in a container"],
    )
    def test_cgroups(self, tmp_path: Path, membership: str, folder: str) -> None:
        """The compose file's old limit of 8,192 was enough for 66 full Chromes beside the bot itself."""
        machine(tmp_path, membership)
        group(tmp_path / folder, pids__max=8192, pids__current=50)
        assert Machine(tmp_path).room(FULL_CHROME).fits[TASKS] == (8192 - 50 - OURS) // 120 == 66

    def test_kernel(self, tmp_path: Path) -> None:
        """On a bare machine the kernel's number of process ids counts, less what runs."""
        machine(tmp_path, "0::/\n", running=768, pid_max=32_768)
        assert Machine(tmp_path).room(FULL_CHROME).fits[TASKS] == (32_768 - 768 - OURS) // 120

    def test_user(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The user's limit counts for everybody but root."""
        monkeypatch.setattr(resource, "getrlimit", lambda _which: (100_000, 100_000))
        as_root = fits(tmp_path, TASKS)
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        assert fits(tmp_path, TASKS) < (100_000 - OURS) // 80 < as_root


class TestOpenFiles:
    def test_limit_is_raised(self, tmp_path: Path) -> None:
        """The limit on open files is raised as far as is allowed, and counts less those that are open."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        try:
            left = fits(tmp_path, FILES)
            raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert raised == (min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536)
        assert (raised - 1000) // 4 < left < raised // 4


def test_face_workers(tmp_path: Path) -> None:
    """What the classroom's face workers take is not there for monitors."""
    machine(tmp_path, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", memory__max=20 * EACH, memory__current=0)
    shared = Machine(tmp_path)
    before: Any = shared.room(HEADLESS_SHELL).fits
    shared.reserve(FACE_WORKER, 4)
    assert before[MEMORY] == 20
    assert shared.room(HEADLESS_SHELL).fits[MEMORY] == (20 * EACH - 4 * 200 * 2**20) // EACH == 15


def test_what_does_not_fit() -> None:
    """One line says how many fit by each resource, which is the narrowest, and what to change."""
    room = Room({MEMORY: 100, TASKS: 68, FILES: 4000})
    assert room.lacks(68) == ""
    assert room.lacks(120) == (
        "no room for 120 monitors: memory for 100, processes and threads for 68, open files for 4000; "
        "processes and threads: raise pids_limit (docker-compose.yml), TasksMax (systemd) or ulimit -u"
    )


def test_no_room_at_all(tmp_path: Path) -> None:
    """Where not even one fits, one is tried all the same, and what is missing is said."""
    machine(tmp_path, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", pids__max=100, pids__current=10)
    room = Machine(tmp_path).room(HEADLESS_SHELL)
    assert (room.count, room.fits[TASKS], room.lacks(0)) == (1, 0, "")
    assert "processes and threads for 0" in room.lacks(1)


class TestLimitsOfOneProcess:
    """`ulimit -v` and `ulimit -d`, in a process of their own."""

    ASKS = (
        "import resource, sys, threading\n"
        "resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]) << 20,) * 2)\n"
        "from core.machine import FACE_WORKER, HEADLESS_SHELL, Machine, save_memory\n"
        "print(save_memory())\n"
        "room = Machine().room(HEADLESS_SHELL)\n"
        "print(room.lacks(1))\n"
        "print(min(Machine().room(FACE_WORKER).fits.values()))\n"
        "threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(60)]\n"
        "[each.start() for each in threads]\n"
    )

    def lines(self, limit: str, megabytes: int) -> list[str]:
        command = [sys.executable, "-c", self.ASKS, limit, str(megabytes)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()

    @pytest.mark.parametrize(
        ("limit", "megabytes", "too_small"),
        [("RLIMIT_AS", 683, "address space"), ("RLIMIT_DATA", 300, "data segments")],
    )
    def test_neither_chrome_nor_faces(self, limit: str, megabytes: int, too_small: str) -> None:
        """Where no Chrome and no face worker could start, that is said; the bot's own threads can still be started."""
        alone, monitors, face_workers = self.lines(limit, megabytes)
        assert alone == ""
        assert f"{too_small} for 0; {too_small}: " in monitors
        assert "ulimit" in monitors
        assert face_workers == "0"

    def test_enough(self) -> None:
        """A limit that Chrome and face workers fit in takes nothing away."""
        alone, monitors, face_workers = self.lines("RLIMIT_DATA", 1000)
        assert (alone, monitors) == ("", "")
        assert int(face_workers) > 0

    def test_not_even_the_bot(self) -> None:
        """A limit that the bot itself can't work in is named, with what it needs."""
        assert self.lines("RLIMIT_AS", 200)[0].startswith("address space: limited to 200 MB, the bot alone needs ")

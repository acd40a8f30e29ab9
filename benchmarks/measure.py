"""Shared by the benchmarks: servers in their own processes, the cost of a process tree, formatting of numbers."""

import platform
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import psutil

from tests import children


@dataclass
class Cost:
    """CPU and memory of a process tree. Ended children count with their last sample."""

    pid: int
    begun_with: float = 0.0
    cpu_of: dict[tuple[int, float], float] = field(default_factory=dict)
    pss: list[int] = field(default_factory=list)
    uss: list[int] = field(default_factory=list)  # unshared memory, independent of other processes
    processes: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """Start counting, without the CPU used so far."""
        self.sample(memory=False)
        self.begun_with = sum(self.cpu_of.values())

    def sample(self, memory: bool) -> None:
        """Sample the CPU, and optionally the memory (from smaps), which takes longer."""
        try:
            root = psutil.Process(self.pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        total = own = 0
        for process in tree:
            try:
                times = process.cpu_times()
                self.cpu_of[process.pid, process.create_time()] = times.user + times.system
                if memory:
                    memory_of = process.memory_full_info()
                    total, own = total + memory_of.pss, own + memory_of.uss
            except psutil.Error:
                continue
        if memory:
            self.pss.append(total)
            self.uss.append(own)
            self.processes.append(len(tree))

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds since ``begin``."""
        return sum(self.cpu_of.values()) - self.begun_with


def server(stack: ExitStack, command: list[str]) -> tuple["subprocess.Popen[str]", str]:
    """Start a server that ends with ``stack``; return its process and the URL that it prints."""
    process = children.start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, line[line.index("http") :].split()[0]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that is not below this share of the values; infinite without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return median, 95th percentile and extremes of a list of numbers."""
    if not values:
        return "none"
    ordered = sorted(values)
    return (
        f"median {statistics.median(ordered):.{digits}f}, 95 % {percentile(ordered, 0.95):.{digits}f}, "
        f"{ordered[0]:.{digits}f} to {ordered[-1]:.{digits}f}"
    )


def machine() -> str:
    """Describe this machine."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"

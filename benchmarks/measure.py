"""What the benchmarks share: the cost of a tree of processes, numbers for people."""

import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil


@dataclass
class Cost:
    """CPU and memory of a process and all below it. Ended children keep the CPU that they were last seen with."""

    pid: int
    begun_with: float = 0.0
    cpu_of: dict[tuple[int, float], float] = field(default_factory=dict)
    pss: list[int] = field(default_factory=list)
    uss: list[int] = field(default_factory=list)  # what is nobody else's: not changed by what else runs
    processes: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """Count from here: what was spent on starting is no part of it."""
        self.sample(memory=False)
        self.begun_with = sum(self.cpu_of.values())

    def sample(self, memory: bool) -> None:
        """Look at the tree now; memory (proportional set size, from smaps) costs more and is asked for apart."""
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
        """All CPU time seen since the beginning, in seconds."""
        return sum(self.cpu_of.values()) - self.begun_with


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return median, 95th percentile and extremes of a list of numbers."""
    if not values:
        return "none"
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return (
        f"median {statistics.median(ordered):.{digits}f}, 95 % {p95:.{digits}f}, "
        f"{ordered[0]:.{digits}f} to {ordered[-1]:.{digits}f}"
    )


def machine() -> str:
    """Say on what it was measured."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"

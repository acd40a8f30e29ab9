"""Ours against the frozen baseline, on the portal on the real Vaadin, in one run: memory, CPU, and how long it takes.

`python -m benchmarks.cost [--students 20] [--loads 20] [--out FILE]`

Each side in turn: one student from the start until signed in; then all of them for so many loads at 20 seconds in
which no lesson opens, as in most minutes of a day; then as long again with a lesson for all every minute or so, some of
which stand on the page together. Memory (PSS of the whole tree, chromedriver and Python included) after each part,
CPU-seconds a student-minute without the start. At last, for ours alone, lessons that the page shows by itself. The
portal's own CPU is no part of any of it.
"""

import argparse
import random
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.measure import Cost, machine, spread
from benchmarks.vaadin_soak import server
from portal.initial_state import FULL_EVERY
from tests import children
from tests.e2e.people import Portal, eventually
from tests.servers import VAADIN

SIDES = {"baseline": "benchmarks.baseline", "ours": "benchmarks.students"}
LIVE_LESSONS = 10
STARTS = 5  # of one student, for the time until signed in


@dataclass
class Side:
    """What was measured of one side."""

    starts: list[float] = field(default_factory=list)  # seconds
    delays: list[float] = field(default_factory=list)  # seconds from appearing to marked
    by_itself: list[float] = field(default_factory=list)  # the same, where the page shows lessons without a load
    memory: list[float] = field(default_factory=list)  # MB a student, one sample each load
    watching_memory: float = 0.0  # after the part without lessons
    watching_cpu: float = 0.0  # CPU-seconds a student-minute in which nothing opens
    lessons_cpu: float = 0.0  # the same, a lesson a minute
    missing: int = 0
    left: int = 0  # processes after the end


def main() -> int:
    """Measure both sides and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=20)
    parser.add_argument("--loads", type=int, default=20)
    parser.add_argument("--interval", type=float, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sides = {name: measure(module, arguments) for name, module in SIDES.items()}
    report = table(sides, arguments)
    print(report)
    if arguments.out is not None:
        arguments.out.write_text(report, encoding="utf-8")
    return 0


def measure(module: str, arguments: argparse.Namespace) -> Side:
    """Measure one side on a portal of its own."""
    side = Side()
    with ExitStack() as stack:
        _, url = server(stack, [str(VAADIN), "--port", "0"])
        portal = Portal(url.removesuffix("/").removesuffix("/RegistrationOnline"))
        portal.reset()
        for number in range(arguments.students):
            portal.has_student(f"student_{number}", f"password-{number}")
        for _ in range(STARTS):
            before = len(portal.events("signed_in"))
            begun = time.monotonic()
            process = start(module, portal, 1, arguments.interval)
            eventually("signed in", lambda: len(portal.events("signed_in")) > before, patience=60)  # noqa: B023
            side.starts.append(time.monotonic() - begun)
            end(process)
        before = len(portal.events("signed_in"))
        process = start(module, portal, arguments.students, arguments.interval)
        stack.callback(end, process)
        eventually(
            "all signed in", lambda: len(portal.events("signed_in")) >= before + arguments.students, patience=300
        )
        cost = Cost(process.pid)
        _watch(cost, side, arguments)
        _run(portal, cost, side, arguments)
        if module == SIDES["ours"]:
            _shown_by_itself(portal, side, arguments)
        tree = psutil.Process(process.pid).children(recursive=True)
        end(process)
        _, alive = psutil.wait_procs(tree, timeout=5)
        side.left = len(alive)
        for each in alive:
            each.kill()
    return side


def _watch(cost: Cost, side: Side, arguments: argparse.Namespace) -> None:
    """So many loads in which nothing opens."""
    cost.begin()
    begun = time.monotonic()
    for _ in range(arguments.loads):
        for _ in range(round(arguments.interval)):
            cost.sample(memory=False)
            time.sleep(1)
        cost.sample(memory=True)
        side.memory.append(cost.pss[-1] / 2**20 / arguments.students)
    side.watching_memory = side.memory[-1]
    side.watching_cpu = _rate(cost, begun, arguments.students)


def _run(portal: Portal, cost: Cost, side: Side, arguments: argparse.Namespace) -> None:
    """So many loads with a lesson for all at random moments."""
    chance = random.Random(arguments.seed)
    cost.begin()
    begun = time.monotonic()
    end_at = begun + arguments.loads * arguments.interval
    opened = 0
    next_lesson, next_memory = begun + 1, begun + arguments.interval
    while (now := time.monotonic()) < end_at:
        if now >= next_lesson and now < end_at - 3 * arguments.interval:
            portal.opens(f"Lesson {opened}", time=f"Л{opened} (15:00 - 16:00)", minutes=2)
            opened += 1
            next_lesson = now + chance.uniform(1.5, 4.5) * arguments.interval
        if now >= next_memory:
            next_memory += arguments.interval
            cost.sample(memory=True)
            side.memory.append(cost.pss[-1] / 2**20 / arguments.students)
        else:
            cost.sample(memory=False)
        time.sleep(1)
    side.lessons_cpu = _rate(cost, begun, arguments.students)
    side.delays = _delays(portal, 0)
    side.missing = opened * arguments.students - len(side.delays)


def _shown_by_itself(portal: Portal, side: Side, arguments: argparse.Namespace) -> None:
    """Lessons that an open page shows without a load, on pages that were loaded since the portal began to push."""
    before = len(portal.marks())
    portal.behaves(push=True)
    loads = len(portal.events("page_load"))
    eventually(
        "all pages pushed to",
        lambda: len(portal.events("page_load")) >= loads + arguments.students,
        patience=FULL_EVERY * 2 * arguments.interval,
    )
    time.sleep(2 * arguments.interval)
    chance = random.Random(arguments.seed)
    for number in range(LIVE_LESSONS):
        portal.opens(f"Live {number}", time=f"Л{number} (17:00 - 18:00)", minutes=1, live=True)
        time.sleep(chance.uniform(0.5, 1.0) * arguments.interval)
    side.by_itself = _delays(portal, before)
    side.missing += LIVE_LESSONS * arguments.students - len(side.by_itself)


def _rate(cost: Cost, begun: float, students: int) -> float:
    return cost.cpu_seconds / students / ((time.monotonic() - begun) / 60)


def _delays(portal: Portal, skipped: int) -> list[float]:
    marks = portal.http.get("/marks").raise_for_status().json()[skipped:]
    opened_at = {event["lesson"]: event["monotonic"] for event in portal.events("opened")}
    return [mark["monotonic"] - opened_at[mark["lesson"]] for mark in marks]


def start(module: str, portal: Portal, students: int, interval: float) -> "subprocess.Popen[bytes]":
    """Start one side in a process and session of its own."""
    command = [sys.executable, "-m", module, portal.address, str(students), str(interval)]
    return children.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a side, with whatever it leaves behind: it was started here."""
    try:
        tree = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
    if "baseline" in " ".join(map(str, process.args if isinstance(process.args, list) else [])):
        for each in tree:
            if each.is_running():
                each.kill()


def table(sides: dict[str, Side], arguments: argparse.Namespace) -> str:
    """Return the report."""
    base, ours = sides["baseline"], sides["ours"]

    def row(what: str, of_base: str, of_ours: str, ratio: float | None) -> str:
        return f"| {what} | {of_base} | {of_ours} | {'' if ratio is None else f'{ratio:.2f}'} |"

    def ratio(what: str, of_base: float, of_ours: float, digits: int) -> str:
        return row(what, f"{of_base:.{digits}f}", f"{of_ours:.{digits}f}", of_ours / of_base)

    return "\n".join(
        [
            f"# Cost beside the baseline: {arguments.students} students, {arguments.loads} loads at "
            f"{arguments.interval:g} s",
            "",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; Vaadin 7.7.13; seed {arguments.seed}. "
            "`python -m benchmarks.cost`",
            "",
            "| | baseline | ours | ours / baseline |",
            "|---|---|---|---|",
            row(
                "memory (PSS) a student after the first load, MB",
                f"{base.memory[0]:.0f}",
                f"{ours.memory[0]:.0f}",
                None,
            ),
            ratio("after the part without lessons, MB", base.watching_memory, ours.watching_memory, 0),
            ratio("at the end of the part with lessons, MB", base.memory[-1], ours.memory[-1], 0),
            ratio("CPU-seconds a student-minute, no lesson", base.watching_cpu, ours.watching_cpu, 2),
            ratio("CPU-seconds a student-minute, a lesson a minute", base.lessons_cpu, ours.lessons_cpu, 2),
            row(
                "one student, process start until signed in, s",
                spread(base.starts),
                spread(ours.starts),
                statistics.median(ours.starts) / statistics.median(base.starts),
            ),
            row("appears -> marked, by loads alone, s", spread(base.delays), spread(ours.delays), None),
            row("appears -> marked, where the page shows it by itself, s", "", spread(ours.by_itself), None),
            row("not marked", str(base.missing), str(ours.missing), None),
            row("processes left", str(base.left), str(ours.left), None),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

"""Memory saved and CPU used by each of Chrome's flags and by garbage collection, on the real Vaadin.

`python -m benchmarks.flags [--students 5] [--loads 20] [--out FILE]` removes one setting at a time;
`python -m benchmarks.flags --flat 500` loads 500 times, a second apart, and shows that memory does not grow.
It measures consecutive loads only; a monitor's checks between them are cheaper (`benchmarks.cost`).
"""

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Cost, machine, server
from core.clock import SystemClock
from portal.browser import Chromes
from portal.driver import ARGUMENTS
from portal.session import ChromePortal, chrome_access
from tests.e2e.people import Portal
from tests.servers import VAADIN

WARM_UP = 5  # loads that do not count
# Prefixes of the arguments to remove.
WITHOUT: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "without V8's limits (--js-flags)": ("--js-flags",),
    "without the network in the browser's process": ("--enable-features",),
    "without the flags against compositing": (
        "--disable-software-rasterizer",
        "--disable-gpu-compositing",
        "--disable-accelerated-2d-canvas",
        "--num-raster-threads",
    ),
    "without --in-process-gpu": ("--in-process-gpu",),
    "without --disable-features and its kind": ("--disable-features", "--disable-site-isolation-trials"),
    "with pictures": ("--blink-settings",),
}
NO_COLLECTION = "without collecting garbage"
NOTHING = "without all of these"


def main() -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=5)
    parser.add_argument("--loads", type=int, default=20)
    parser.add_argument("--flat", type=int, metavar="LOADS", help="loads a second apart, instead of the table")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.flat is not None and arguments.flat < 40:
        parser.error("--flat needs at least 40 loads for its two means")
    with ExitStack() as stack:
        _, url = server(stack, [str(VAADIN), "--port", "0"])
        portal = Portal(url.removesuffix("/").removesuffix("/RegistrationOnline"))
        portal.reset()
        report = flat(portal, arguments) if arguments.flat else table(portal, arguments)
    print(report)
    if arguments.out is not None:
        arguments.out.write_text(report, encoding="utf-8")
    return 0


def table(portal: Portal, arguments: argparse.Namespace) -> str:
    """Measure with one setting removed at a time."""
    taken = [flag for flags in WITHOUT.values() for flag in flags]
    variants = [(name, kept(flags), True) for name, flags in WITHOUT.items()]
    variants += [(NO_COLLECTION, ARGUMENTS, False), (NOTHING, kept(tuple(taken)), False)]
    lines = [
        f"# Chrome's flags: {arguments.students} students, {arguments.loads} loads",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; Vaadin 7.7.13. `python -m benchmarks.flags`",
        "",
        "| | MB (PSS) per student | CPU-seconds per load |",
        "|---|---|---|",
    ]
    for name, flags, collects in variants:
        memory, cpu = measure(portal, flags, collects, arguments)
        lines.append(f"| {name} | {memory:.0f} | {cpu:.2f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join([*lines, ""])


def kept(without: tuple[str, ...]) -> tuple[str, ...]:
    """Return our arguments without those with these prefixes."""
    return tuple(flag for flag in ARGUMENTS if not (without and flag.startswith(without)))


def measure(
    portal: Portal, flags: tuple[str, ...], collects: bool, arguments: argparse.Namespace
) -> tuple[float, float]:
    """Return MB per student at the end, and CPU-seconds per load."""
    with Pages(portal, flags, arguments.students, collects) as pages:
        for _ in range(WARM_UP):
            pages.load()
        before = pages.cpu()
        for _ in range(arguments.loads - WARM_UP):
            pages.load()
        cpu = (pages.cpu() - before) / arguments.students / (arguments.loads - WARM_UP)
        return pages.memory() / arguments.students, cpu


def flat(portal: Portal, arguments: argparse.Namespace) -> str:
    """Load many times, a second apart, and sample the memory."""
    samples: list[tuple[int, float]] = []
    # unshared memory only, since the share of common memory depends on how many Chromes run
    with Pages(portal, ARGUMENTS, 1, collects=True) as pages:
        for number in range(1, arguments.flat + 1):
            begun = time.monotonic()
            pages.load()
            if number % 10 == 0:
                samples.append((number, pages.own_memory()))
            time.sleep(max(0.0, begun + 1 - time.monotonic()))
    half = len(samples) // 2
    first, second = ([memory for _, memory in part] for part in (samples[1:half], samples[half:]))
    lines = [
        f"# Memory over {arguments.flat} loads, a second apart: one student",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; Vaadin 7.7.13. "
        f"`python -m benchmarks.flags --flat {arguments.flat}`",
        "",
        "| loads | MB (USS, unshared memory) |",
        "|---|---|",
        *(f"| {number} | {memory:.0f} |" for number, memory in samples if number % 50 == 0),
        "",
        f"Mean of the first half (without the first 10 loads) {statistics.mean(first):.1f} MB, of the second half "
        f"{statistics.mean(second):.1f} MB; the maximum was {max(first + second):.0f} MB.",
        "",
    ]
    return "\n".join(lines)


class Pages:
    """Pages of signed-in students, each in its own Chrome."""

    def __init__(self, portal: Portal, flags: tuple[str, ...], students: int, collects: bool) -> None:
        self._portal, self._flags, self._students, self._collects = portal, flags, students, collects
        self._stack = ExitStack()
        self._pages: list[ChromePortal] = []
        self._costs: list[Cost] = []

    def __enter__(self) -> "Pages":
        """Open the browsers and sign in."""
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        chromes = Chromes(Path(folder), arguments=self._flags)
        opener = chrome_access(chromes, self._portal.address, clock=SystemClock()).open
        for number in range(self._students):
            self._portal.has_student(f"student_{number}", "password")
            page = opener(f"student_{number}", time.sleep)
            self._stack.callback(page.end)
            assert isinstance(page, ChromePortal)  # for the type checker
            if not self._collects:
                page.collect_every = sys.maxsize
            page.load(self._portal.address)
            page.settle()
            page.sign_in(f"student_{number}", "password")
            self._pages.append(page)
            self._costs.append(Cost(page.pid))
        return self

    def __exit__(self, *_: object) -> None:
        """End the browsers."""
        self._stack.close()

    def load(self) -> None:
        """Load every page once."""
        for page in self._pages:
            page.load(self._portal.address)
            page.settle()

    def cpu(self) -> float:
        """Return the CPU-seconds of all browsers and drivers so far."""
        for cost in self._costs:
            cost.sample(memory=False)
        return sum(cost.cpu_seconds for cost in self._costs)

    def own_memory(self) -> float:
        """Return the unshared memory (USS) in MB."""
        self.memory()
        return sum(cost.uss[-1] for cost in self._costs) / 2**20

    def memory(self) -> float:
        """Return the current memory (PSS) of all browsers and drivers in MB."""
        for cost in self._costs:
            cost.sample(memory=True)
        return sum(cost.pss[-1] for cost in self._costs) / 2**20


if __name__ == "__main__":
    sys.exit(main())

"""Everything at once for minutes or an hour: monitors, classes, and faults at random moments, with a printed seed.

`python -m benchmarks.everything --minutes 10 [--seed N] [--out FILE] [--plot FILE]`; exit code 1 unless opened = marked
= told in both halves, memory and descriptors are flat, and nothing is left. An hour with its plot belongs in docs/.

Runs the real bot.py with both halves: 20 monitors on the Vaadin portal (on the simulated one where Java is missing,
or with --simulated), and a class of 20 on an LMS every ten minutes. Faults: Telegram refuses, hangs or cuts calls; the
LMS fails, hangs or is away; a process of a Chrome or its driver is killed; the disk of DATA_DIR is full. While a
teacher opens a session no fault begins, and while a class checks in the disk is not filled: people would have to repeat
themselves, and these do not.
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import lms_faults
from benchmarks.classroom import EMAIL, PASSWORD, ZONE, confirm_all, sign_in
from benchmarks.measure import Cost, machine, percentile, server, spread
from benchmarks.vaadin_soak import Soak, open_lessons, told_of
from sandbox.class_play import ClassPlay
from tests import children
from tests.bot_process import MarkerProcess
from tests.classroom.running import ROOM, STUDENT_TOKEN, STUDENTS, TEACHER_TOKEN, TEACHERS, Teacher
from tests.e2e.people import BOT, TOKEN, Person, Portal, Telegram, eventually
from tests.servers import VAADIN

IN_CLASS = 20
FIRST_CLASS, BETWEEN_CLASSES = 60.0, 600.0  # seconds
FAULT_EVERY = 20.0, 45.0  # seconds, from and to
FAULT_LASTS = 8.0  # seconds, of the LMS and the disk
SETTLED_WITHIN = 240.0  # seconds after the last fault
DISK = 1500  # MB, of DATA_DIR
TELEGRAM_FAULTS: list[dict[str, Any]] = [
    {"kind": "429", "retry_after": 3, "times": 3},
    {"kind": "500", "times": 5},
    {"kind": "502", "times": 5},
    {"kind": "refuse_connection", "times": 5},
    {"kind": "silence", "seconds": 6, "times": 2},
]
LMS_FAULTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"status": 500}, {"status": None}),
    ({"down": True}, {"down": False}),
    ({"slow_ms": 4000}, {"slow_ms": 0}),
]


@dataclass
class Samples:
    """The bot's own process over time."""

    process: psutil.Process
    minutes: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MB, unshared
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def take(self) -> None:
        self.minutes.append((time.monotonic() - self.begun) / 60)
        self.memory.append(self.process.memory_full_info().uss / 2**20)
        self.files.append(self.process.num_fds())
        self.threads.append(self.process.num_threads())

    def growth(self, values: list[float] | list[int]) -> float:
        """Return by how much the median of the last quarter exceeds that of the second one."""
        quarter = max(1, len(values) // 4)
        return statistics.median(values[-quarter:]) - statistics.median(values[quarter : 2 * quarter] or values)


class RandomFaults:
    """Injects faults on a thread of its own until it is stopped."""

    def __init__(self, seed: int, telegram_url: str, lms_url: str, bot: MarkerProcess, can_fill: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.class_opens, self.class_runs = threading.Event(), threading.Event()
        self._chance = random.Random(seed)
        self._telegram, self._bot = Telegram(telegram_url), bot
        self._lms = httpx.Client(base_url=f"{lms_url}/control", trust_env=False, timeout=30)
        self._kinds: list[Callable[[], None]] = [self._disturb_telegram, self._disturb_lms, self._kill]
        self._kinds += [self._fill_disk] if can_fill else []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and lift all faults."""
        self._done.set()
        self._thread.join()
        self._telegram.http.delete("/faults").raise_for_status()

    def _run(self) -> None:
        while not self._done.wait(self._chance.uniform(*FAULT_EVERY)):
            if not self.class_opens.is_set():
                self._chance.choice(self._kinds)()

    def _disturb_telegram(self) -> None:
        fault = self._chance.choice(TELEGRAM_FAULTS)
        self._telegram.call("/faults", method="*", **fault)
        self.counts[f"Telegram: {fault['kind']}"] += 1

    def _disturb_lms(self) -> None:
        on, off = self._chance.choice(LMS_FAULTS)
        self._lms.post("/behaviour", json=on).raise_for_status()
        self._done.wait(FAULT_LASTS)
        self._lms.post("/behaviour", json=off).raise_for_status()
        self.counts[f"LMS: {', '.join(f'{name} {value}' for name, value in on.items())}"] += 1

    def _kill(self) -> None:
        if processes := self._bot.browsers():
            killed = self._chance.choice(processes)
            self.counts[f"killed: {children.name_of(killed)}"] += 1
            children.kill(killed)

    def _fill_disk(self) -> None:
        if self.class_runs.is_set():
            return
        data = self._bot.folder / "data"
        ballast = data / "ballast"
        try:
            with ballast.open("wb") as file, suppress(OSError):
                while True:
                    os.write(file.fileno(), bytes(2**20))
            self._done.wait(FAULT_LASTS)
        finally:
            ballast.unlink(missing_ok=True)
        self.counts["disk full"] += 1


class Classes:
    """Holds a class every ten minutes, on a thread of its own."""

    def __init__(self, telegram_url: str, lms_url: str, teacher: Teacher, faults: RandomFaults) -> None:
        self._telegram_url, self._teacher, self._faults = telegram_url, teacher, faults
        self._lms = httpx.Client(base_url=f"{lms_url}/control", trust_env=False, timeout=30)
        self.results: list[tuple[int, int]] = []  # told, and present in the LMS
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Begin no other class, and wait for the end of a running one."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        pause = FIRST_CLASS
        while not self._done.wait(pause):
            begun = time.monotonic()
            self._hold(len(self.results))
            pause = max(1.0, BETWEEN_CLASSES - (time.monotonic() - begun))

    def _hold(self, number: int) -> None:
        batch, first = f"CS-{number + 1}", number * IN_CLASS + 1
        _enrol(self._lms, batch, first)
        self._faults.class_opens.set()
        self._faults.class_runs.set()
        time.sleep(FAULT_LASTS)  # a fault that has begun
        code = self._teacher.opens(batch)
        self._faults.class_opens.clear()
        over = threading.Event()
        confirming = threading.Thread(target=confirm_all, args=(self._telegram_url, over))
        confirming.start()
        play = ClassPlay(
            self._telegram_url, STUDENTS, IN_CLASS, 40, *ROOM, first_person=100_000 + first, first_id=first, seed=number
        )
        told = sum(bool(result.marked) for result in asyncio.run(play.play(code)))
        with suppress(AssertionError):
            eventually("the class in the LMS", lambda: self._present(batch) == told, SETTLED_WITHIN)
        over.set()
        confirming.join()
        self._faults.class_runs.clear()
        self.results.append((told, self._present(batch)))

    def _present(self, batch: str) -> int:
        return sum(status in (1, "present") for status in lms_faults.its_record(self._lms).get(batch, {}).values())


def _enrol(lms: httpx.Client, batch: str, first: int) -> None:
    ids = [f"S{number:04}" for number in range(first, first + IN_CLASS)]
    students = [{"id": each, "name": f"Student {each}", "email": ""} for each in ids]
    lms.post("/batches", json={"batch": batch, "students": students}).raise_for_status()
    lms.post("/courses", json={"email": EMAIL, "batch": batch, "subject": "Algebra"}).raise_for_status()


def main() -> int:
    """Run and write the report and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--students", type=int, default=20)
    parser.add_argument("--refresh-interval", type=float, default=20)
    parser.add_argument("--minutes-open", type=int, default=10, help="minutes for which each lesson is open")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--simulated", action="store_true", help="the simulated portal instead of the one on Vaadin")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--log", type=Path, help="where the bot's log is kept")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    simulated = arguments.simulated or shutil.which("java") is None
    portal_command = [sys.executable, "-m", "sandbox.portal"] if simulated else [str(VAADIN)]
    with ExitStack() as stack:
        _, portal_url = server(stack, [*portal_command, "--port", "0"])
        _, telegram_url = server(stack, [sys.executable, "-m", "sandbox.telegram", "--port", "0"])
        _, lms_url = server(stack, [sys.executable, "-m", "sandbox.lms", "--port", "0"])
        lms_url = lms_url.removesuffix("/api/v1").rstrip("/")
        telegram = Telegram(telegram_url)
        portal = Portal(portal_url.removesuffix("/").removesuffix("/RegistrationOnline"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        can_fill = _mounted(folder / "data", stack)
        (folder / "tmp").mkdir()
        bot = _bot(folder, telegram, portal, lms_url, arguments.refresh_interval)
        stack.callback(bot.end)
        numbers = range(2001, 2001 + arguments.students)
        for number in numbers:
            portal.has_student(f"student_{number}", f"password-{number}")
            bot.seed(number, f"student_{number}", f"password-{number}", monitoring=True)
        for token, name in ((TOKEN, BOT), (TEACHER_TOKEN, TEACHERS), (STUDENT_TOKEN, STUDENTS)):
            telegram.call("/bots", token=token, username=name, name=name)
        bot.start()
        for number in numbers:
            Person(telegram, number, f"Student {number}").says("/start")
        teacher = _signed_in_teacher(telegram, lms_url)
        eventually("all signed in", lambda: len(portal.events("signed_in")) >= arguments.students, 180)

        faults = RandomFaults(arguments.seed, telegram_url, lms_url, bot, can_fill)
        classes = Classes(telegram_url, lms_url, teacher, faults)
        soak, tree, samples = Soak(), Cost(bot.pid), Samples(psutil.Process(bot.pid))
        faults.start()
        classes.start()
        open_lessons(arguments, portal, soak, list(numbers), {"tree": tree}, samples.take)
        faults.stop()
        classes.join()
        expected = sorted((lesson, name) for lesson, (_, names) in soak.opened.items() for name in names)
        with suppress(AssertionError):
            eventually("all told", lambda: len(told_of(telegram, soak)) >= len(expected), SETTLED_WITHIN)
        marked, told = sorted(portal.marks()), sorted(told_of(telegram, soak))
        delays = _delays(portal)
        code = bot.stop()
        left = [children.name_of(each) for each in bot.browsers()]
        left += [file.name for file in (folder / "tmp").iterdir()]
        results = {
            "portal": "simulated" if simulated else "Vaadin 7.7.13",
            "opened, marked, told": f"{len(expected)}, {len(marked)}, {len(told)}",
            "opened = marked = told": expected == marked == told,
            "appears -> marked, seconds": f"{spread(delays)}; 99 % {percentile(delays, 0.99):.1f}",
            "classes: told, in the LMS": "; ".join(f"{one}, {other}" for one, other in classes.results),
            "classes: all told and in the LMS": bool(classes.results)
            and set(classes.results) == {(IN_CLASS, IN_CLASS)},
            "faults": ", ".join(f"{name} {count}" for name, count in sorted(faults.counts.items())),
            "disk": "filled at times" if can_fill else "never filled: a file system can't be mounted here",
            "memory of bot.py, MB (unshared)": spread(samples.memory, 0),
            "memory is flat (last quarter against the second: under 15 MB more)": samples.growth(samples.memory) < 15,
            "open files of bot.py": spread(samples.files, 0),
            "open files are flat (under 12 more)": samples.growth(samples.files) < 12,
            "threads are flat (under 12 more)": samples.growth(samples.threads) < 12,
            "memory of the tree, MB": spread([each / 2**20 for each in tree.pss], 0),
            "exit code of the stop": str(code),
            "left behind": ", ".join(left) or "nothing",
        }
        if arguments.log is not None:
            shutil.copyfile(bot.log_file, arguments.log)
        if arguments.plot is not None:
            _plot(arguments, samples, tree, portal, soak)
    good = all(value for value in results.values() if isinstance(value, bool)) and not left and code == 0
    report = _report(arguments, results)
    print(report)
    if not good:
        print(*sorted(set(expected) ^ set(marked)), *sorted(set(expected) ^ set(told)), sep="\n")
    if arguments.out is not None:
        arguments.out.write_text(report, encoding="utf-8")
    return 0 if good else 1


def _mounted(data: Path, stack: ExitStack) -> bool:
    """Make DATA_DIR a small file system of its own that can be filled; return whether that is possible."""
    data.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=700", "tmpfs", str(data)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        return False
    stack.callback(subprocess.run, ["umount", "--lazy", str(data)], check=True)
    return True


def _bot(folder: Path, telegram: Telegram, portal: Portal, lms_url: str, refresh_interval: float) -> MarkerProcess:
    bot = MarkerProcess(
        folder,
        telegram,
        portal,
        TEACHER_BOT_TOKEN=TEACHER_TOKEN,
        STUDENT_BOT_TOKEN=STUDENT_TOKEN,
        FACE_ENGINE="none",
        BASE_URL=f"{lms_url}/api/v1",
        JWT_LOGIN_ENDPOINT=f"{lms_url}/auth/login",
        TIMEZONE=ZONE,
        REFRESH_INTERVAL=str(refresh_interval),
        LOG_LEVEL="INFO",
        TMPDIR=str(folder / "tmp"),
    )
    bot.environment["HEALTH_PORT"] = str(bot.port)
    return bot


def _signed_in_teacher(telegram: Telegram, lms_url: str) -> Teacher:
    with httpx.Client(base_url=f"{lms_url}/control", trust_env=False, timeout=30) as lms:
        account = {"id": "m1", "name": "A. Teacher", "email": EMAIL, "location": "Main", "password": PASSWORD}
        lms.post("/teachers", json=account).raise_for_status()
        _enrol(lms, "CS-0", 9000)
    teacher = Teacher(telegram, 7001, "+77010000001")
    sign_in(teacher)
    return teacher


def _delays(portal: Portal) -> list[float]:
    opened_at = {event["lesson"]: event["monotonic"] for event in portal.events("opened")}
    marks = portal.http.get("/marks").raise_for_status().json()
    return [mark["monotonic"] - opened_at[mark["lesson"]] for mark in marks]


def _report(arguments: argparse.Namespace, results: dict[str, Any]) -> str:
    shown = {True: "yes", False: "NO"}
    lines = [
        f"# {arguments.students} monitors and classes of {IN_CLASS}, with faults, for {arguments.minutes:g} minutes",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; seed {arguments.seed}, REFRESH_INTERVAL "
        f"{arguments.refresh_interval:g} s; lessons open for {arguments.minutes_open} min.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {shown[value] if isinstance(value, bool) else value} |" for name, value in results.items()),
        "",
    ]
    return "\n".join(lines)


def _plot(arguments: argparse.Namespace, samples: Samples, tree: Cost, portal: Portal, soak: Soak) -> None:
    """Draw memory, descriptors, and lessons opened and marked over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawing, (memory, files, lessons) = plt.subplots(3, 1, figsize=(9, 8), sharex=True)
    memory.plot(samples.minutes, samples.memory, label="bot.py alone, MB")
    spaced = [samples.minutes[-1] * at / max(1, len(tree.pss) - 1) for at in range(len(tree.pss))]
    memory.plot(spaced, [each / 2**20 / 10 for each in tree.pss], label="with its Chromes, tens of MB")
    files.plot(samples.minutes, samples.files, label="open files of bot.py")
    files.plot(samples.minutes, samples.threads, label="threads of bot.py")
    marks = portal.http.get("/marks").raise_for_status().json()
    opened = {event["lesson"]: event["monotonic"] for event in portal.events("opened")}
    first = min(opened.values(), default=0.0)
    due = sorted(opened[lesson] - first for lesson, (_, names) in soak.opened.items() for _ in names)
    done = sorted(mark["monotonic"] - first for mark in marks)
    for label, moments in (("opened", due), ("marked", done)):
        lessons.step([each / 60 for each in moments], range(1, len(moments) + 1), where="post", label=label)
    lessons.set_xlabel("minutes")
    for each in (memory, files, lessons):
        each.legend(loc="lower right")
        each.set_ylim(bottom=0)
    drawing.suptitle(f"{datetime.now(UTC):%Y-%m-%d}, seed {arguments.seed}")
    drawing.savefig(arguments.plot, dpi=80)


if __name__ == "__main__":
    sys.exit(main())

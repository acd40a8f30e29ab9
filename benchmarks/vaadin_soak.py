"""Several students for a longer time on the real Vaadin: whether every lesson is marked and reported, and the cost.

`python -m benchmarks.vaadin_soak --minutes 30 --students 10 --out build/vaadin-soak.md`; the newest figures belong in
docs/measurements.md. With `--minutes-open 1` it measures the goal: all lessons that are open for 60 s are marked, 99 %
of them within how many seconds.

Runs the real bot.py with real Chromes and the Telegram simulator; lessons open at random times for random students.
Portal and Telegram run in their own processes, and their CPU is reported separately.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Cost, machine, percentile, server, spread
from tests.bot_process import MarkerProcess
from tests.e2e.people import BOT, TOKEN, Person, Portal, Telegram, eventually
from tests.servers import VAADIN

MEAN_GAP = 30.0  # seconds between two lessons, on average
SAMPLE_EVERY, MEMORY_EVERY = 5.0, 30.0  # seconds


@dataclass
class Soak:
    """Data collected during the run."""

    opened: dict[int, tuple[str, list[str]]] = field(default_factory=dict)  # lesson: subject, students
    sessions: list[dict[str, int]] = field(default_factory=list)


def main() -> int:
    """Run and write the report; exit code 1 if a mark or its message is missing or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--students", type=int, default=10)
    parser.add_argument("--refresh-interval", type=float, default=20)
    parser.add_argument("--minutes-open", type=int, default=5, help="minutes for which each lesson is open")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="where the report goes")
    parser.add_argument("--log", type=Path, help="where the bot's log is kept")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        portal_process, portal_url = server(stack, [str(VAADIN), "--port", "0"])
        telegram_process, telegram_url = server(stack, [sys.executable, "-m", "sandbox.telegram", "--port", "0"])
        telegram, portal = (
            Telegram(telegram_url),
            Portal(portal_url.removesuffix("/").removesuffix("/RegistrationOnline")),
        )
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bot = MarkerProcess(
            Path(folder), telegram, portal, REFRESH_INTERVAL=str(arguments.refresh_interval), LOG_LEVEL="INFO"
        )
        stack.callback(bot.end)
        soak = Soak()
        numbers = range(2001, 2001 + arguments.students)
        telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
        for number in numbers:
            portal.has_student(f"student_{number}", f"password-{number}")
            bot.seed(number, f"student_{number}", f"password-{number}", monitoring=True)
        begun = time.monotonic()
        bot.start()
        people = [Person(telegram, number, f"Student {number}") for number in numbers]
        for person in people:
            person.says("/start")
        eventually(
            "everybody to be signed in", lambda: len(portal.events("signed_in")) >= arguments.students, patience=120
        )
        signed_in_after = time.monotonic() - begun
        costs = {"bot": Cost(bot.pid), "portal": Cost(portal_process.pid), "telegram": Cost(telegram_process.pid)}
        open_lessons(arguments, portal, soak, list(numbers), costs)
        report, good = _report(arguments, telegram, portal, soak, costs, signed_in_after, bot.log())
        bot.stop()
        left = bot.browsers()
        if arguments.log is not None:
            arguments.log.write_text(bot.log(), encoding="utf-8")
    report += f"\nChrome and driver processes left after the stop: {len(left)}.\n"
    print(report)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(report, encoding="utf-8")
    return 0 if good and not left else 1


def open_lessons(
    arguments: argparse.Namespace,
    portal: Portal,
    soak: Soak,
    numbers: list[int],
    costs: dict[str, Cost],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Open lessons at random times, and leave time to mark the last ones; calls ``meanwhile`` every few seconds."""
    chance = random.Random(arguments.seed)
    for cost in costs.values():
        cost.begin()
    begun = time.monotonic()
    end = begun + arguments.minutes * 60
    next_lesson, next_memory = begun + 5, begun
    while (now := time.monotonic()) < end:
        # leave time to notice the last lesson
        if now >= next_lesson and now < end - 2 * arguments.refresh_interval - 10:
            who = chance.sample(numbers, chance.randint(1, len(numbers)))
            subject = f"Lesson {len(soak.opened) + 1}"
            names = [f"student_{number}" for number in who]
            lesson = portal.opens(
                subject, time=f"Л{len(soak.opened) + 1} (15:00 - 16:00)", minutes=arguments.minutes_open, students=names
            )
            soak.opened[lesson] = (subject, names)
            next_lesson = now + chance.expovariate(1 / MEAN_GAP)
        memory = now >= next_memory
        if memory:
            next_memory = now + MEMORY_EVERY
            soak.sessions.append(portal.http.get("/sessions").raise_for_status().json())
        for cost in costs.values():
            cost.sample(memory)
        meanwhile()
        time.sleep(max(0.0, min(SAMPLE_EVERY, next_lesson - time.monotonic(), end - time.monotonic())))
    for cost in costs.values():
        cost.sample(memory=True)


def _report(
    arguments: argparse.Namespace,
    telegram: Telegram,
    portal: Portal,
    soak: Soak,
    costs: dict[str, Cost],
    signed_in_after: float,
    log: str,
) -> tuple[str, bool]:
    expected = {(lesson, name) for lesson, (_, names) in soak.opened.items() for name in names}
    marks = portal.http.get("/marks").raise_for_status().json()
    marked = [(mark["lesson"], mark["username"]) for mark in marks]
    told = told_of(telegram, soak)
    opened_at = {event["lesson"]: event["monotonic"] for event in portal.events("opened")}
    delays = [mark["monotonic"] - opened_at[mark["lesson"]] for mark in marks]
    student_minutes = arguments.students * arguments.minutes
    good = sorted(marked) == sorted(expected) == sorted(told)
    bot = costs["bot"]
    per_student = [total / 2**20 / arguments.students for total in bot.pss]
    lines = [
        f"# {arguments.students} students for {arguments.minutes:g} minutes on Vaadin 7.7.13",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; REFRESH_INTERVAL {arguments.refresh_interval:g} s, "
        f"seed {arguments.seed}, a lesson every {MEAN_GAP:g} s on average, open for {arguments.minutes_open} min.",
        "",
        "| | |",
        "|---|---|",
        f"| lessons, students in them | {len(soak.opened)}, {len(expected)} |",
        f"| marked on the portal's server | {len(marked)} ({len(set(marked) - expected)} unexpected) |",
        f"| reported in Telegram | {len(told)} ({len(told) - len(set(told))} twice) |",
        f"| opened = marked = reported | {'yes' if good else 'NO'} |",
        f"| share marked | {100 * len(set(marked) & expected) / max(len(expected), 1):.2f} % |",
        f"| appears -> marked, seconds | {spread(delays)}; 99 % {percentile(delays, 0.99):.2f} |",
        f"| from the process's start until all were signed in | {signed_in_after:.1f} s |",
        f"| CPU-seconds per student-minute: bot with its Chromes | {bot.cpu_seconds / student_minutes:.3f} |",
        f"| the same: portal's server, Telegram simulator | {costs['portal'].cpu_seconds / student_minutes:.3f}, "
        f"{costs['telegram'].cpu_seconds / student_minutes:.3f} |",
        f"| memory (PSS) per student, the whole tree with bot.py, MB | {spread(per_student, 0)}; "
        f"first {per_student[0]:.0f}, last {per_student[-1]:.0f} |",
        f"| processes of the tree | {spread(bot.processes, 0)} |",
        f"| sessions on the server | {spread([s['sessions'] for s in soak.sessions], 0)} |",
        f"| UIs on the server | {spread([s['uis'] for s in soak.sessions], 0)} |",
        f"| sign-ins | {len(portal.events('signed_in'))} |",
        f"| warnings in the bot's log | {_warnings(log)} |",
        "",
    ]
    return "\n".join(lines), good


def told_of(telegram: Telegram, soak: Soak) -> list[tuple[int, str]]:
    """Return for each delivered message about a mark the lesson and the student."""
    return [
        (lesson, f"student_{call['params']['chat_id']}")
        for call in telegram.get("/calls")
        if call["method"].lower() == "sendmessage"
        and call["status"] == 200
        and "Attendance Marked." in str(call["params"].get("text"))
        for lesson, (subject, _) in soak.opened.items()
        if f"\n{subject}\n" in call["params"]["text"]
    ]


def _warnings(log: str) -> int:
    return sum(" WARNING " in line or " ERROR " in line for line in log.splitlines() if "sandbox is off" not in line)


if __name__ == "__main__":
    sys.exit(main())

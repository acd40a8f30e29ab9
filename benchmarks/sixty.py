"""Sixty students at once on the real bot: one lesson for all, and people who use the menu meanwhile.

`python -m benchmarks.sixty [--students 60] [--lessons 5] [--vaadin] [--out FILE]`

The real bot.py, a Chrome for each student, Telegram's simulator over HTTP; the portal's simulator, or with --vaadin
the portal on the real toolkit. The simulators' CPU is reported apart: they share the machine with the bot.
"""

import argparse
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks.measure import Cost, machine, spread
from benchmarks.vaadin_soak import server
from tests.bot_process import MarkerProcess
from tests.e2e.people import BOT, TOKEN, Person, Portal, Telegram, eventually, labels
from tests.servers import VAADIN

TAP_EVERY = 0.5  # seconds between two taps of somebody's


def main() -> int:
    """Run and write the report; 1 where a mark is missing, doubled, or was not told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--lessons", type=int, default=5)
    parser.add_argument("--refresh-interval", type=float, default=20)
    parser.add_argument("--vaadin", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        command = [str(VAADIN), "--port", "0"] if arguments.vaadin else _python("sandbox.portal")
        portal_process, portal_url = server(stack, command)
        telegram_process, telegram_url = server(stack, _python("sandbox.telegram"))
        telegram = Telegram(telegram_url)
        portal = Portal(portal_url.removesuffix("/").removesuffix("/RegistrationOnline"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bot = MarkerProcess(
            folder,
            telegram,
            portal,
            REFRESH_INTERVAL=str(arguments.refresh_interval),
            LOG_LEVEL="INFO",
            MAX_ACTIVE_MONITORS=str(arguments.students),
        )
        stack.callback(bot.end)
        telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
        numbers = list(range(2001, 2001 + arguments.students))
        for number in numbers:
            portal.has_student(f"student_{number}", f"password-{number}")
            bot.seed(number, f"student_{number}", f"password-{number}", monitoring=True)
        begun = time.monotonic()
        bot.start()
        people = [Person(telegram, number, f"Student {number}") for number in numbers]
        for person in people:
            person.says("/start")
        eventually(
            "everybody to be signed in", lambda: len(portal.events("signed_in")) >= arguments.students, patience=300
        )
        signed_in_after = time.monotonic() - begun
        costs = {
            "bot": Cost(bot.pid),
            "portal": Cost(portal_process.pid),
            "telegram": Cost(telegram_process.pid),
        }
        for cost in costs.values():
            cost.begin()
        begun = time.monotonic()
        done = threading.Event()
        answers: list[float] = []
        tapper = threading.Thread(target=_taps, args=(telegram_url, numbers, answers, done))
        tapper.start()
        for number in range(arguments.lessons):
            lesson = portal.opens(f"Lesson {number}", time=f"Л{number} (15:00 - 16:00)")
            wanted = {(lesson, f"student_{each}") for each in numbers}
            eventually("all marks", lambda: wanted <= set(portal.marks()), patience=120)  # noqa: B023
            portal.closes(lesson)
        done.set()
        tapper.join()
        minutes = (time.monotonic() - begun) / 60
        for cost in costs.values():
            cost.sample(memory=True)
        eventually("all messages", lambda: len(_told(telegram)) >= arguments.lessons * arguments.students, patience=60)
        told = _told(telegram)
        marks = portal.http.get("/marks").raise_for_status().json()
        opened_at = {event["lesson"]: event["monotonic"] for event in portal.events("opened")}
        delays = [mark["monotonic"] - opened_at[mark["lesson"]] for mark in marks]
        good = len(marks) == len(told) == len(set(told)) == arguments.lessons * arguments.students
        bot.stop()
        left = len(bot.browsers())
    student_minutes = minutes * arguments.students
    report = "\n".join(
        [
            f"# {arguments.students} students at once, {arguments.lessons} lessons for all, on "
            f"{'Vaadin 7.7.13' if arguments.vaadin else 'the simulated portal'}",
            "",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; REFRESH_INTERVAL {arguments.refresh_interval:g} s. "
            "`python -m benchmarks.sixty`",
            "",
            "| | |",
            "|---|---|",
            f"| from the process's start until all were signed in | {signed_in_after:.1f} s |",
            f"| marks, messages, each once | {len(marks)}, {len(told)}, {'yes' if good else 'NO'} |",
            f"| appears -> marked, s | {spread(delays)} |",
            f"| a menu tap answered, ms | {spread([each * 1000 for each in answers], 0)} ({len(answers)} taps) |",
            f"| CPU-seconds a student-minute: bot, Chromes | {costs['bot'].cpu_seconds / student_minutes:.2f} |",
            f"| the same: portal, Telegram's simulator | {costs['portal'].cpu_seconds / student_minutes:.2f}, "
            f"{costs['telegram'].cpu_seconds / student_minutes:.2f} |",
            f"| memory (PSS) a student, the whole tree | {costs['bot'].pss[-1] / 2**20 / arguments.students:.0f} MB |",
            f"| Chrome and driver processes left | {left} |",
            "",
        ]
    )
    print(report)
    if arguments.out is not None:
        arguments.out.write_text(report, encoding="utf-8")
    return 0 if good and not left else 1


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module, "--port", "0"]


def _taps(telegram_url: str, numbers: list[int], answers: list[float], done: threading.Event) -> None:
    """Tap Status for one student after the other; keep how long each answer took."""
    http = httpx.Client(base_url=f"{telegram_url}/control", timeout=60, trust_env=False)
    turn = 0
    while not done.wait(TAP_EVERY):
        person = numbers[turn % len(numbers)]
        turn += 1
        chat = http.get("/chat", params={"bot": BOT, "person": person}).json()
        shown = next((m for m in reversed(chat["messages"]) if "Status" in labels(m)), None)
        if shown is None:
            continue
        body = {"bot": BOT, "person": person, "message_id": shown["message_id"], "button": "Status"}
        begun = time.monotonic()
        if not http.post("/tap", json=body).is_success:
            continue
        while http.get("/taps", params={"unanswered": 1}).json():
            time.sleep(0.005)
        answers.append(time.monotonic() - begun)
    http.close()


def _told(telegram: Telegram) -> list[tuple[str, str]]:
    """Return which mark was told to whom."""
    return [
        (str(call["params"]["chat_id"]), call["params"]["text"])
        for call in telegram.get("/calls")
        if call["method"].lower() == "sendmessage" and "Attendance Marked." in str(call["params"].get("text"))
    ]


if __name__ == "__main__":
    sys.exit(main())

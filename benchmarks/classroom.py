"""A class of 500 over HTTP: how many are recorded and told, how soon, when the LMS has it, and at what cost.

`python -m benchmarks.classroom [--students 500] [--over 60] [--batches 5] [--lms-faults] [--out FILE]`

Runs the real bot.py with the classroom alone, its default settings and SQLite, the Telegram simulator with its limit of
30 messages a second per bot, and the LMS simulator, each in its own process. The teacher taps Confirm All every few
seconds. `--lms-faults` injects faults into the LMS one after the other; some students are absent then, so that a wrong
record would differ, and the teacher taps Try Again when the LMS has refused a batch.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks import lms_faults
from benchmarks.measure import Cost, machine, server, spread
from sandbox.class_play import ClassPlay, StudentResult
from tests.bot_process import ClassProcess
from tests.classroom.running import ROOM, STUDENT_TOKEN, STUDENTS, TEACHER_TOKEN, TEACHERS, Teacher
from tests.e2e.people import Telegram, eventually, labels

EMAIL, PASSWORD = "teacher@example.org", "correct horse"
ZONE = "Asia/Almaty"
CONFIRM_EVERY = 4.0  # seconds
ACTING = (2.0, 8.0)  # seconds in which a student reads a message, and types the ID or shares the location
ABSENT = 25  # students, with --lms-faults
STABLE_AFTER = 20.0  # seconds after which a late write of the LMS would show


def main() -> int:
    """Run and write the report; exit code 1 unless all are recorded, told, and in the LMS."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=500)
    parser.add_argument("--over", type=float, help="seconds within which they arrive; 60, with --lms-faults 110")
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--lms-faults", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    # long enough that every fault meets a write, shorter than the code's life
    arguments.over = arguments.over or (110 if arguments.lms_faults else 60)
    with ExitStack() as stack:
        telegram_process, telegram_url = server(stack, [sys.executable, "-m", "sandbox.telegram", "--port", "0"])
        lms_process, lms_url = server(stack, [sys.executable, "-m", "sandbox.lms", "--port", "0"])
        lms_url = lms_url.removesuffix("/api/v1").rstrip("/")
        telegram = Telegram(telegram_url)
        telegram.call("/bots", token=TEACHER_TOKEN, username=TEACHERS, name="Teachers")
        telegram.call("/bots", token=STUDENT_TOKEN, username=STUDENTS, name="Students")
        lms = httpx.Client(base_url=f"{lms_url}/control", trust_env=False, timeout=30)
        batches = _enrol(lms, arguments.students + (ABSENT if arguments.lms_faults else 0), arguments.batches)
        if arguments.lms_faults:
            lms_faults.put_existing_record(lms, batches[0], ZONE, present=["S0001", f"S{arguments.students + 1:04}"])
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lms_settings = {"BASE_URL": f"{lms_url}/api/v1", "JWT_LOGIN_ENDPOINT": f"{lms_url}/auth/login"}
        bot = ClassProcess(folder, telegram, TIMEZONE=ZONE, **lms_settings)
        stack.callback(bot.end)
        bot.start()
        teacher = Teacher(telegram, 7001, "+77010000001")
        code = _opened(teacher, batches)
        costs = {"bot": Cost(bot.pid), "Telegram": Cost(telegram_process.pid), "LMS": Cost(lms_process.pid)}
        for cost in costs.values():
            cost.begin()
        done = threading.Event()
        lags: list[dict[str, float]] = []
        watching = [
            threading.Thread(target=confirm_all, args=(telegram_url, done)),
            threading.Thread(target=_watches, args=(bot.port, costs, lags, done)),
        ]
        fault_run = lms_faults.FaultRun()
        if arguments.lms_faults:
            watching.append(threading.Thread(target=fault_run.play, args=(lms_url, EMAIL, done)))
        for each in watching:
            each.start()
        play = ClassPlay(telegram_url, STUDENTS, arguments.students, arguments.over, *ROOM, acting=ACTING)
        begun = time.monotonic()
        results = asyncio.run(play.play(code))
        told = sum(bool(result.marked) for result in results)
        in_lms_at = _wait_for_lms(lms, folder / "data", told, fault_run if arguments.lms_faults else None)
        recorded = _recorded(folder / "data")
        done.set()
        for each in watching:
            each.join()
        calls = lms.get("/stats").raise_for_status().json()["by_call"]
        report = _report(arguments, results, recorded, in_lms_at, begun, costs, lags, calls)
        if arguments.lms_faults:
            last = max((result.arrived for result in results), default=begun)
            report += _fault_report(lms, telegram, folder / "data", arguments.students, fault_run, last)
        print(report)
        if arguments.out is not None:
            arguments.out.write_text(report, encoding="utf-8")
        is_good = in_lms_at is not None and recorded == told == arguments.students
        return 0 if is_good and all(fault_run.met.values()) else 1


def _enrol(lms: httpx.Client, students: int, batches: int) -> list[str]:
    """Add a teacher and the students to the LMS; return the names of the batches."""
    account = {"id": "m1", "name": "A. Teacher", "email": EMAIL, "location": "Main", "password": PASSWORD}
    lms.post("/teachers", json=account).raise_for_status()
    names = [f"CS-{number + 1}" for number in range(batches)]
    for at, name in enumerate(names):
        enrolled = [
            {"id": f"S{number + 1:04}", "name": f"Student {number + 1}", "email": ""}
            for number in range(students)
            if number % batches == at
        ]
        lms.post("/batches", json={"batch": name, "students": enrolled}).raise_for_status()
        lms.post("/courses", json={"email": EMAIL, "batch": name, "subject": "Algebra"}).raise_for_status()
    return names


def _opened(teacher: Teacher, batches: list[str]) -> str:
    """Sign the teacher in and open a session with all batches; return its code."""
    sign_in(teacher)
    return teacher.opens(*batches)


def sign_in(teacher: Teacher) -> None:
    """Sign the teacher in to the LMS."""
    teacher.says("/start")
    teacher.sees("Share your phone number")
    teacher.sends(contact={"phone_number": teacher.phone})
    teacher.sees("LMS password")
    teacher.says(PASSWORD)
    teacher.sees("e-mail address")
    teacher.says(EMAIL)
    teacher.sees("Take attendance:")


def confirm_all(telegram_url: str, done: threading.Event) -> None:
    """Tap Confirm All and Try Again as the teacher until the end."""
    telegram = Telegram(telegram_url)
    while not done.wait(CONFIRM_EVERY):
        chat = telegram.get("/chat", bot=TEACHERS, person=7001)
        for message in reversed(chat["messages"]):
            wanted = ("Try Again", "Confirm All")
            button = next((each for each in labels(message) if each.startswith(wanted)), None)
            if button is not None:
                body = {"bot": TEACHERS, "person": 7001, "message_id": message["message_id"], "button": button}
                telegram.http.post("/tap", json=body)  # refused if the board has just changed; repeated soon
                break


def _watches(port: int, costs: dict[str, Cost], lags: list[dict[str, float]], done: threading.Event) -> None:
    """Sample the CPU, and the delay of the bot's event loop from /healthz."""
    with httpx.Client(trust_env=False, timeout=30) as http:
        while not done.wait(1.0):
            for cost in costs.values():
                cost.sample(memory=True)
            lags.append(http.get(f"http://127.0.0.1:{port}/healthz").json().get("loop_lag_ms") or {})


def _wait_for_lms(
    lms: httpx.Client, folder: Path, told: int, fault_run: lms_faults.FaultRun | None = None
) -> float | None:
    """Wait until the LMS has exactly our record, with all told students present; return the time of it.

    With faults it counts only after the last one, and only if it is still so a while later.
    """

    def exact() -> bool:
        ours = lms_faults.our_record(folder)
        is_over = fault_run is None or fault_run.ended_at is not None
        return is_over and _recorded(folder) >= told and not lms_faults.differences(ours, lms_faults.its_record(lms))

    try:
        eventually("our record in the LMS", exact, 120 if fault_run is None else 300)
    except AssertionError:
        return None
    found = time.monotonic()
    if fault_run is not None:
        time.sleep(STABLE_AFTER)
    return found if exact() else None


def _recorded(folder: Path) -> int:
    """Return how many students our record has as present."""
    return sum(sum(each.values()) for each in lms_faults.our_record(folder).values())


def _fault_report(
    lms: httpx.Client,
    telegram: Telegram,
    folder: Path,
    students: int,
    fault_run: lms_faults.FaultRun,
    last: float,
) -> str:
    """Return the report about the faults; ``last`` is the time of the last arrival."""
    before = "not at all" if fault_run.ended_at is None else f"{last - fault_run.ended_at:.1f}"
    confirmed = sum(
        any("The LMS has it." in (each["text"] or "") for each in chat["messages"])
        for chat in (telegram.get("/chat", bot=STUDENTS, person=100_000 + number) for number in range(students))
    )
    differing = lms_faults.differences(lms_faults.our_record(folder), lms_faults.its_record(lms))
    lines = [
        "## Faults of the LMS",
        "",
        'One batch already had a record made by somebody else: the first write got 403 and "duplicate".',
        "Then, one after the other:",
        "",
        "| fault | calls during it |",
        "|---|---|",
        *(f"| {name} | {met} |" for name, met in fault_run.met.items()),
        "",
        "| | |",
        "|---|---|",
        f"| from the end of the last fault to the last arrival, s | {before} |",
        f"| students whose mark differs in the LMS, {STABLE_AFTER:g} s later | {differing} |",
        f"| students told that the LMS has the mark | {confirmed} of {students} |",
        f"| answers by HTTP status (0: none) | {lms_faults.statuses(lms)} |",
        "",
    ]
    return "\n" + "\n".join(lines)


def _report(
    arguments: argparse.Namespace,
    results: list[StudentResult],
    recorded: int,
    in_lms_at: float | None,
    begun: float,
    costs: dict[str, Cost],
    lags: list[dict[str, float]],
    calls: dict[str, int],
) -> str:
    done = [result for result in results if result.marked]
    last = max((result.arrived for result in results), default=begun)
    writes = calls.get("create", 0) + calls.get("update", 0)
    lag = ", ".join(f"{max((each.get(name, 0) for each in lags), default=0):.0f}" for name in ("p95", "max"))
    told_after = max((result.marked for result in done), default=0) - last
    in_lms_after = "never" if in_lms_at is None else f"{in_lms_at - last:.1f}"
    lines = [
        f"# A class of {arguments.students} in {arguments.batches} batches, arriving over {arguments.over:g} s",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; SQLite; at most 30 messages a second per bot; "
        f"default settings; a student takes {ACTING[0]:g} to {ACTING[1]:g} s to answer a question. "
        f"`python -m benchmarks.classroom{' --lms-faults' if arguments.lms_faults else ''}`",
        "",
        "| | |",
        "|---|---|",
        f"| recorded as present | {recorded} of {arguments.students} |",
        f"| told that they are marked | {len(done)} of {arguments.students} |",
        f"| from the last arrival until the last message, s | {told_after:.1f} |",
        f"| from the last arrival until the LMS had exactly our record, s | {in_lms_after} |",
        f"| link -> asked for the location, s | {spread([w.asked_place - w.arrived for w in done])} |",
        f"| location -> accepted, s | {spread([w.waiting - w.shared for w in done])} |",
        f"| link -> marked, s | {spread([w.marked - w.arrived for w in done])} |",
        f"| most messages to a student | {max((w.messages for w in done), default=0)} |",
        f"| LMS: writes, students per write | {writes}, {arguments.students / max(writes, 1):.0f} |",
        f"| LMS: all calls | {sum(calls.values())} |",
        f"| delay of the event loop, ms: 95 %, bound of the longest | {lag} |",
        *(
            f"| {name}: CPU-seconds, MB at most | {cost.cpu_seconds:.1f}, {max(cost.pss, default=0) / 2**20:.0f} |"
            for name, cost in costs.items()
        ),
        *(f"| not told: student {at + 1} | {each.error} |" for at, each in enumerate(results) if not each.marked),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

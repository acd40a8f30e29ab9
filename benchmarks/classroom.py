"""A class of 500 over HTTP: how long until everybody is recorded, told, and in the LMS, and at what cost.

`python -m benchmarks.classroom [--students 500] [--over 60] [--batches 5] [--lms-faults] [--out FILE]`

The real bot.py with the classroom alone, SQLite, Telegram's simulator with its limit of 30 messages a second a bot, the
LMS's simulator; each in a process of its own, and their CPU apart. The teacher confirms everybody every few seconds.
`--lms-faults` lets everything go wrong in the LMS meanwhile, one thing after the other; some students are absent then,
so that there is something to be wrong about, and the teacher taps Try Again where the LMS has refused a batch.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks import lms_faults
from benchmarks.measure import Cost, machine, spread
from benchmarks.vaadin_soak import server
from sandbox.class_play import ClassPlay, Way
from tests.bot_process import ClassProcess
from tests.classroom.running import ROOM, STUDENT_TOKEN, STUDENTS, TEACHER_TOKEN, TEACHERS, Teacher
from tests.e2e.people import Telegram, eventually, labels

EMAIL, PASSWORD = "teacher@example.org", "correct horse"
ZONE = "Asia/Almaty"
CONFIRM_EVERY = 4.0  # seconds
ABSENT = 25  # of an LMS's bad day
STILL_SO_AFTER = 20.0  # seconds; a write that the LMS did late would show by then


def main() -> int:
    """Run and write the report; 1 where somebody is missing anywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=500)
    parser.add_argument("--over", type=float, help="seconds within which they come; 60, on a bad day 150")
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--lms-faults", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    arguments.over = arguments.over or (150 if arguments.lms_faults else 60)  # else not every fault meets a write
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
            lms_faults.there_already(lms, batches[0], ZONE, present=["S0001", f"S{arguments.students + 1:04}"])
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lms_settings = {"BASE_URL": f"{lms_url}/api/v1", "JWT_LOGIN_ENDPOINT": f"{lms_url}/auth/login"}
        bot = ClassProcess(folder, telegram, TIMEZONE=ZONE, OTP_EXPIRY_SECONDS="900", **lms_settings)
        stack.callback(bot.end)
        bot.start()
        teacher = Teacher(telegram, 7001, "+77010000001")
        code = _opened(teacher, batches)
        costs = {"bot": Cost(bot.pid), "Telegram": Cost(telegram_process.pid), "LMS": Cost(lms_process.pid)}
        for cost in costs.values():
            cost.begin()
        done = threading.Event()
        lags: list[float] = []
        watching = [
            threading.Thread(target=_confirms, args=(telegram_url, done)),
            threading.Thread(target=_watches, args=(bot.port, costs, lags, done)),
        ]
        played = lms_faults.Played()
        if arguments.lms_faults:
            watching.append(threading.Thread(target=played.play, args=(lms_url, EMAIL, done)))
        for each in watching:
            each.start()
        play = ClassPlay(telegram_url, STUDENTS, arguments.students, arguments.over, *ROOM)
        begun = time.monotonic()
        ways = asyncio.run(play.play(code))
        in_lms_at = _wait_for_lms(lms, folder / "data", arguments.students, played if arguments.lms_faults else None)
        done.set()
        for each in watching:
            each.join()
        calls = lms.get("/stats").raise_for_status().json()["by_call"]
        report = _report(arguments, ways, in_lms_at, begun, costs, lags, calls)
        if arguments.lms_faults:
            last = max((way.arrived for way in ways), default=begun)
            report += _bad_day(lms, telegram, folder / "data", arguments.students, played, last)
        print(report)
        if arguments.out is not None:
            arguments.out.write_text(report, encoding="utf-8")
        is_good = in_lms_at is not None and all(way.marked for way in ways)
        return 0 if is_good and all(played.met.values()) else 1


def _enrol(lms: httpx.Client, students: int, batches: int) -> list[str]:
    """Give the LMS a teacher and the students, in batches; return their names."""
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
    """Sign the teacher in and open a session of all batches; return its code."""
    teacher.says("/start")
    teacher.sees("Share your phone number")
    teacher.sends(contact={"phone_number": teacher.phone})
    teacher.sees("LMS password")
    teacher.says(PASSWORD)
    teacher.sees("e-mail address")
    teacher.says(EMAIL)
    teacher.sees("Take attendance:")
    return teacher.opens(*batches)


def _confirms(telegram_url: str, done: threading.Event) -> None:
    """Play the teacher's thumb."""
    telegram = Telegram(telegram_url)
    while not done.wait(CONFIRM_EVERY):
        chat = telegram.get("/chat", bot=TEACHERS, person=7001)
        for message in reversed(chat["messages"]):
            wanted = ("Try Again", "Confirm All")
            button = next((each for each in labels(message) if each.startswith(wanted)), None)
            if button is not None:
                body = {"bot": TEACHERS, "person": 7001, "message_id": message["message_id"], "button": button}
                telegram.http.post("/tap", json=body)  # refused where the board has just changed: the next one does it
                break


def _watches(port: int, costs: dict[str, Cost], lags: list[float], done: threading.Event) -> None:
    """Sample the CPU, and how late the bot's loop is, by its own measure."""
    with httpx.Client(trust_env=False, timeout=30) as http:
        while not done.wait(1.0):
            for cost in costs.values():
                cost.sample(memory=True)
            lags.extend(http.get(f"http://127.0.0.1:{port}/healthz").json().get("loop_lags_ms", []))


def _wait_for_lms(
    lms: httpx.Client, folder: Path, students: int, played: lms_faults.Played | None = None
) -> float | None:
    """Wait until the LMS holds exactly our record, with everybody present; return when that was.

    On a bad day that counts only when the last fault is over, and where it is still so a while later.
    """

    def exact() -> bool:
        ours = lms_faults.our_record(folder)
        present = sum(sum(each.values()) for each in ours.values())
        is_over = played is None or played.ended_at is not None
        return is_over and present == students and not lms_faults.differences(ours, lms_faults.its_record(lms))

    try:
        eventually("the LMS to have everybody", exact, 120 if played is None else 300)
    except AssertionError:
        return None
    found = time.monotonic()
    if played is not None:
        time.sleep(STILL_SO_AFTER)
    return found if exact() else None


def _bad_day(
    lms: httpx.Client,
    telegram: Telegram,
    folder: Path,
    students: int,
    played: lms_faults.Played,
    last: float,
) -> str:
    """Return what is to be said of the faults; ``last`` is when the last student arrived."""
    before = "not at all" if played.ended_at is None else f"{last - played.ended_at:.1f}"
    confirmed = sum(
        any("The LMS has it." in (each["text"] or "") for each in chat["messages"])
        for chat in (telegram.get("/chat", bot=STUDENTS, person=100_000 + number) for number in range(students))
    )
    differing = lms_faults.differences(lms_faults.our_record(folder), lms_faults.its_record(lms))
    lines = [
        "## The LMS meanwhile",
        "",
        "One batch's record was there already, somebody else's: the first write got 403 and \"duplicate\".",
        "Then, one after the other:",
        "",
        "| fault | calls meanwhile |",
        "|---|---|",
        *(f"| {name} | {met} |" for name, met in played.met.items()),
        "",
        "| | |",
        "|---|---|",
        f"| the last fault was over so long before the last arrival, s | {before} |",
        f"| students of whom the LMS says something else, {STILL_SO_AFTER:g} s later | {differing} |",
        f"| students who were told that the LMS has it | {confirmed} of {students} |",
        f"| answers by HTTP status (0: none) | {lms_faults.statuses(lms)} |",
        "",
    ]
    return "\n" + "\n".join(lines)


def _report(
    arguments: argparse.Namespace,
    ways: list[Way],
    in_lms_at: float | None,
    begun: float,
    costs: dict[str, Cost],
    lags: list[float],
    calls: dict[str, int],
) -> str:
    done = [way for way in ways if way.marked]
    last = max((way.arrived for way in ways), default=begun)
    writes = calls.get("create", 0) + calls.get("update", 0)
    late = sorted(lags)
    lag = "none"
    if late:
        lag = f"{statistics.median(late):.0f}, 95 % {late[int(len(late) * 0.95)]:.0f}, most {late[-1]:.0f}"
    told_after = max((way.marked for way in done), default=0) - last
    in_lms_after = "never" if in_lms_at is None else f"{in_lms_at - last:.1f}"
    lines = [
        f"# A class of {arguments.students} in {arguments.batches} batches, arriving over {arguments.over:g} s",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; SQLite; at most 30 messages a second a bot. "
        f"`python -m benchmarks.classroom{' --lms-faults' if arguments.lms_faults else ''}`",
        "",
        "| | |",
        "|---|---|",
        f"| marked and told | {len(done)} of {arguments.students} |",
        f"| from the last arrival until everybody was told, s | {told_after:.1f} |",
        f"| from the last arrival until the LMS had exactly our record, s | {in_lms_after} |",
        f"| link -> asked for the place, s | {spread([w.asked_place - w.arrived for w in done])} |",
        f"| place -> waiting for the teacher, s | {spread([w.waiting - w.asked_place for w in done])} |",
        f"| link -> marked, s | {spread([w.marked - w.arrived for w in done])} |",
        f"| messages to a student, most | {max((w.messages for w in done), default=0)} |",
        f"| LMS: writes, students a write | {writes}, {arguments.students / max(writes, 1):.0f} |",
        f"| LMS: all calls | {sum(calls.values())} |",
        f"| the loop is late by, ms: median | {lag} |",
        *(
            f"| {name}: CPU-seconds, MB at most | {cost.cpu_seconds:.1f}, {max(cost.pss, default=0) / 2**20:.0f} |"
            for name, cost in costs.items()
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

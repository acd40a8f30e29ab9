"""The process ends with monitors in every state, and no process is left running."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from monitor import profile_name
from tests.bot_process import MarkerProcess
from tests.e2e.people import Person, Portal, Telegram, empty_portal, eventually, marker_telegram
from tests.faults.counts import FULL, measured
from tests.servers import need_browser

pytestmark = [pytest.mark.browser, pytest.mark.ordeal]

STUDENTS = 10 if FULL else 6
FIRST = 2001
STOPS_WITHIN = 10.0  # seconds; Docker kills after as many


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulated portal with the students."""
    with empty_portal(simulated_portal_url) as portal:
        for number in range(STUDENTS):
            portal.has_student(f"student_{number}", "Correct-Horse-7")
        yield portal


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Telegram with our bot registered."""
    with marker_telegram(telegram_url) as telegram:
        yield telegram


@pytest.fixture
def bot(tmp_path: Path, telegram: Telegram, portal: Portal) -> Iterator[MarkerProcess]:
    """The bot with all students monitored and a place for all but one."""
    need_browser()
    bot = MarkerProcess(tmp_path, telegram, portal, MAX_ACTIVE_MONITORS=str(STUDENTS - 1))
    for number in range(STUDENTS):
        bot.seed(
            FIRST + number,
            f"student_{number}",
            "Correct-Horse-7",
            "manual" if number == 0 else "automatic",
            monitoring=True,
        )
    try:
        yield bot
    finally:
        bot.end()


def ends(bot: MarkerProcess) -> None:
    """Stop the bot with SIGTERM: exit code 0, no Chrome left, and all students still to be monitored."""
    begun = time.monotonic()
    assert bot.stop() == 0
    measured(f"{STUDENTS} students: ended", time.monotonic() - begun, STOPS_WITHIN)
    assert bot.browsers() == []
    students = json.loads((bot.folder / "data" / "students.json").read_text(encoding="utf-8"))
    assert [each["monitoring"] for each in students.values()] == [True] * STUDENTS


def frozen(bot: MarkerProcess, username: str) -> list[psutil.Process]:
    """Freeze all processes of a student's Chrome and its driver."""
    own = profile_name(username)
    tree: list[psutil.Process] = []
    for process in bot.browsers():
        with suppress(psutil.NoSuchProcess):  # another student's Chrome may be ending
            if process.environ().get("ATTENDANCE_PROFILE", "").endswith(own):
                tree += [process, *process.children(recursive=True)]
    assert tree
    for process in tree:
        with suppress(psutil.NoSuchProcess):  # a short-lived child of Chrome
            process.send_signal(signal.SIGSTOP)
    return tree


def test_in_every_state(bot: MarkerProcess, portal: Portal, telegram: Telegram) -> None:
    """Monitors end and restart in every state: watching, asking, resting, waiting, signing in, paused, frozen."""
    asked, skips = (Person(telegram, FIRST + number, f"Student {number}") for number in (0, 1))
    asked.says("/start")
    skips.says("/start")
    bot.start()
    eventually("all signed in", lambda: len(portal.events("signed_in")) >= STUDENTS - 1)
    portal.opens("Algebra", students=["student_0"])
    asked.sees("Attendance available!")
    skips.taps("Skip Today")
    eventually("the skip", lambda: "today is skipped" in bot.log())
    tree = [process for number in range(2, 2 + STUDENTS // 2) for process in frozen(bot, f"student_{number}")]
    portal.behaves(slow_ms=3000)
    before = len(portal.events("page_load"))
    portal.expires()
    eventually("a new sign-in", lambda: len(portal.events("page_load")) > before)
    ends(bot)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in tree)

    portal.behaves(slow_ms=0, status=503)
    told = bot.log().count("PortalUnavailable")
    bot.start()
    eventually("a monitor in a pause", lambda: bot.log().count("PortalUnavailable") > told)
    ends(bot)  # the other monitors are still starting

    portal.behaves(status=None)
    signed_in = len(portal.events("signed_in"))
    bot.start()
    eventually("all sign-ins", lambda: len(portal.events("signed_in")) >= signed_in + STUDENTS - 2)
    ends(bot)

    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    bot.environment["ACTIVE_HOURS"] = f"{days[(datetime.now(UTC).weekday() + 3) % 7]} 08:00-21:00"
    rested = bot.log().count(": resting")
    bot.start()
    eventually("all resting", lambda: bot.log().count(": resting") >= rested + STUDENTS - 1)
    ends(bot)

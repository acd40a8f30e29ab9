"""Monitors on a real Selenium Grid: its parts are killed, full, and started again while a lesson opens."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import Mode
from tests import children
from tests.bot_process import MarkerProcess
from tests.e2e.people import ADMIN, Person, Portal, Telegram, empty_portal, eventually
from tests.e2e.test_first_path import register, start
from tests.grid import Grid

pytestmark = [pytest.mark.browser, pytest.mark.ordeal, pytest.mark.timeout(900)]

STUDENTS = [f"student{number}@kbtu.kz" for number in range(6)]
PASSWORD, HUB_PASSWORD = "Correct-Horse-7", "Hub-Secret-9"
PATIENCE = 400.0


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    """A hub that asks for a password, without nodes."""
    grid = Grid(tmp_path, "operator", HUB_PASSWORD)
    try:
        yield grid
    finally:
        grid.end()


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulated portal with six accounts."""
    with empty_portal(simulated_portal_url) as portal:
        for username in STUDENTS:
            portal.has_student(username, PASSWORD)
        yield portal


@pytest.fixture
def empty_bot(tmp_path: Path, telegram: Telegram, portal: Portal, grid: Grid) -> Iterator[MarkerProcess]:
    """A bot without students; the Grid's address, with its password, is in a file."""
    secret = tmp_path / "grid-address"
    secret.write_text(grid.address + "\n")
    bot = MarkerProcess(tmp_path, telegram, portal, SELENIUM_REMOTE_URL_FILE=str(secret), LOG_LEVEL="DEBUG")
    bot.environment["HEALTH_PORT"] = str(bot.port)
    try:
        yield bot
    finally:
        bot.end()


@pytest.fixture
def bot(empty_bot: MarkerProcess) -> MarkerProcess:
    """A bot with six students whose monitoring is on."""
    mode: Mode = "automatic"
    for number, username in enumerate(STUDENTS):
        empty_bot.seed(2001 + number, username, PASSWORD, mode, monitoring=True)
    return empty_bot


def all_watch(bot: MarkerProcess, portal: Portal, lesson: int | None = None) -> None:
    """Wait until all six have signed in, or are marked for a lesson."""
    if lesson is None:
        signed_in = lambda: {each["username"] for each in portal.events("signed_in")} >= set(STUDENTS)  # noqa: E731
        eventually("six students signed in", signed_in, PATIENCE)
    else:
        eventually("six marks", lambda: sum(at == lesson for at, _who in portal.marks()) == len(STUDENTS), PATIENCE)


def test_a_day_on_the_grid(bot: MarkerProcess, portal: Portal, grid: Grid) -> None:
    """Places come, the bot, the hub and a node are killed: all are marked each time, without another sign-in."""
    figures: dict[str, float] = {}

    def measured(what: str, since: float) -> None:
        figures[what] = round(time.monotonic() - since, 1)
        print(f"{what}: {figures[what]} s")

    # Six want a place where four are: two wait, and are told why.
    first = grid.start_node(4)
    bot.start()
    eventually("a monitor that waits for a place", lambda: "GridFull" in bot.log(), PATIENCE)
    eventually("four sessions", lambda: grid.sessions() == 4, PATIENCE)
    begun = time.monotonic()
    grid.start_node(6)
    all_watch(bot, portal)
    measured("second node used", begun)
    lesson = portal.opens("Algebra")
    all_watch(bot, portal, lesson)
    portal.closes(lesson)

    # The bot is killed: its sessions are ended at the next start, and the portal's sessions are kept.
    sign_ins = len(portal.events("signed_in"))
    bot.crash()
    assert grid.sessions() == 6
    lesson = portal.opens("Physics")
    begun = time.monotonic()
    bot.start()
    all_watch(bot, portal, lesson)
    measured("marked after the bot was killed", begun)
    assert len(portal.events("signed_in")) == sign_ins
    eventually("the six new sessions", lambda: grid.sessions() == 6)
    portal.closes(lesson)

    # The hub is killed and comes back after three seconds, without knowing its nodes' sessions.
    grid.kill_hub()
    lesson = portal.opens("Chemistry")
    time.sleep(3)
    begun = time.monotonic()
    grid.start_hub()
    all_watch(bot, portal, lesson)
    measured("marked after the hub was killed", begun)
    assert len(portal.events("signed_in")) == sign_ins
    portal.closes(lesson)

    # A node is killed; the other one has places for all.
    grid.kill_node(first)
    lesson = portal.opens("History")
    begun = time.monotonic()
    all_watch(bot, portal, lesson)
    measured("marked after a node was killed", begun)
    assert len(portal.events("signed_in")) == sign_ins

    assert bot.stop() == 0
    eventually("no session left", lambda: grid.sessions() == 0)
    assert not list((bot.folder / "data").rglob("grid-session"))
    log = bot.log()
    assert HUB_PASSWORD not in log + grid.log()
    assert re.findall(r"127\.0\.0\.1:\d+", log.replace(grid.url, "")) == []
    print(figures)


def test_password_is_never_shown(bot: MarkerProcess, grid: Grid) -> None:
    """`--check` names the Grid's places and no password; a wrong address is an error without it."""
    grid.start_node(2)
    checked = bot.runs("--check")
    assert "1 nodes with 2 places, 0 taken" in checked.stdout
    assert HUB_PASSWORD not in checked.stdout + checked.stderr
    wrong = bot.runs("--check", SELENIUM_REMOTE_URL=f"ftp://operator:{HUB_PASSWORD}@127.0.0.1")
    assert wrong.returncode == 78
    assert HUB_PASSWORD not in wrong.stdout + wrong.stderr


def test_registration_and_the_hub_restarted_twice(
    empty_bot: MarkerProcess, telegram: Telegram, portal: Portal, grid: Grid
) -> None:
    """The password is tried on the Grid, and the trial's portal session is the student's; it survives the hub's end."""
    bot, newcomer = empty_bot, STUDENTS[0]
    bot.start()
    admin, student = Person(telegram, ADMIN, "Admin"), Person(telegram, 3001, "Newcomer")
    grid.start_node(2)
    register(admin, student, newcomer, PASSWORD)
    eventually("the end of the trial's Chrome", lambda: grid.sessions() == 0)
    start(student)
    lesson = portal.opens("Algebra")
    student.sees("Attendance Marked.")
    assert portal.marks() == [(lesson, newcomer)]
    for subject in ("Physics", "Chemistry"):
        portal.closes(lesson)
        grid.kill_hub()
        lesson = portal.opens(subject)
        grid.start_hub()
        eventually("a mark", lambda: (lesson, newcomer) in portal.marks(), PATIENCE)  # noqa: B023
    sign_ins = [each["username"] for each in portal.events("signed_in")]
    assert bot.stop() == 0
    eventually("no session left", lambda: grid.sessions() == 0)
    assert not list((bot.folder / "data").rglob("grid-session"))
    assert HUB_PASSWORD not in bot.log() + grid.log()
    assert sign_ins == [newcomer]


def test_node_killed_while_signing_in(bot: MarkerProcess, portal: Portal, grid: Grid) -> None:
    """A node dies while students sign in and another one comes: all are marked, each once."""
    first = grid.start_node(6)
    bot.start()
    eventually("a first sign-in", lambda: portal.events("signed_in"), PATIENCE)
    grid.kill_node(first)
    grid.start_node(6)
    lesson = portal.opens("Algebra")
    all_watch(bot, portal, lesson)
    assert bot.stop() == 0
    assert HUB_PASSWORD not in bot.log() + grid.log()


def test_single_user_and_attendance_py(
    empty_bot: MarkerProcess, telegram: Telegram, portal: Portal, grid: Grid
) -> None:
    """SINGLE_USER and attendance.py watch on the Grid too; with the hub down --check and attendance.py say so."""
    bot = empty_bot
    alone = {"KBTU_USERNAME": STUDENTS[0], "KBTU_PASSWORD": PASSWORD}
    grid.start_node(2)
    me = Person(telegram, ADMIN, "Me")
    me.says("/start")
    bot.environment |= {"SINGLE_USER": "1", **alone}
    bot.start()
    portal.opens("Algebra")
    me.sees("Attendance Marked.")
    assert bot.stop() == 0
    eventually("no session left", lambda: grid.sessions() == 0)
    grid.kill_hub()
    checked = bot.runs("--check")
    assert checked.returncode == 69
    assert re.search(r"Chrome +FAILED +the Selenium Grid does not answer", checked.stdout)
    watched = children.run([sys.executable, "attendance.py"], timeout=120, env=bot.environment)
    assert watched.returncode not in (0, 1), watched
    assert "Traceback" not in watched.stderr
    for output in (checked.stdout + checked.stderr, watched.stdout + watched.stderr, bot.log()):
        assert HUB_PASSWORD not in output
        assert PASSWORD not in output

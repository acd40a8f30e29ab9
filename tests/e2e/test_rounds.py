"""Mark Now around a `kill -9`, and a lesson that opens several times a day, with the real bot and a real Chrome."""

from collections.abc import Iterator

import pytest

from tests.bot_process import MarkerProcess
from tests.e2e.people import Person, Portal, Telegram, empty_portal, eventually, labels

pytestmark = [pytest.mark.browser, pytest.mark.ordeal]

USERNAME, PASSWORD = "a_student", "Correct-Horse-7"


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulated portal with one student."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


def test_rounds_and_a_kill(bot: MarkerProcess, telegram: Telegram, portal: Portal) -> None:
    """Each round has one offer and one outcome, also where the process is killed after Mark Now."""
    bot.seed(2001, USERNAME, PASSWORD, "manual", monitoring=True)
    bot.start()
    student = Person(telegram, 2001, "Aruzhan")
    student.says("/start")
    lesson = portal.opens("Algebra", minutes=90)
    student.sees("Attendance available!")
    portal.behaves(status=502)
    loads = len(portal.events("page_load"))
    eventually("the outage", lambda: len(portal.events("page_load")) > loads)
    student.taps("Mark Now")
    student.sees("Marking...")
    bot.crash()
    portal.behaves(status=None)
    bot.start()
    student.sees("Attendance Marked.")
    eventually("the outcome", lambda: student.counts("\n\nMarked.") == 1)
    assert student.counts("Attendance available!") == 1
    for number in (2, 3):
        loads = len(portal.events("page_load"))
        eventually("a load that shows the mark", lambda: len(portal.events("page_load")) > loads + 1)  # noqa: B023
        portal.http.post(f"/lessons/{lesson}/again", json={}).raise_for_status()
        eventually("the next offer", lambda: student.counts("Attendance available!") == number)  # noqa: B023
        student.taps("Mark Now")
        eventually("the next mark", lambda: student.counts("Attendance Marked.") == number)  # noqa: B023
    portal.closes(lesson)
    loads = len(portal.events("page_load"))
    eventually("a load without it", lambda: len(portal.events("page_load")) > loads + 1)
    student.waits("no button", lambda messages: not any("Mark Now" in labels(message) for message in messages))
    assert student.counts("Not marked") == student.counts("Marking...") == 0
    assert [name for _, name in portal.marks()] == [USERNAME] * 3

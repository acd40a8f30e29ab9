"""The log at INFO: one line per event, with ids, and without secrets or names."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.bot_process import MarkerProcess
from tests.e2e.people import ADMIN, Person, Portal, Telegram, code_in, empty_portal, eventually

USERNAME, PASSWORD = "a_student", "Correct-Horse-7"
STUDENT = 2001
# The expected lines of the test below, in order.
EVENTS = [
    f"admin {ADMIN}: new invitation code",
    f"person {STUDENT}: password tried, accepted",
    f"person {STUDENT}: registered",
    f"monitor {STUDENT}: started, mode automatic",
    f"monitor {STUDENT}: watching",
    f"monitor {STUDENT}: lesson KEY, open",
    f"monitor {STUDENT}: lesson KEY, click 1",
    f"monitor {STUDENT}: lesson KEY, marked",
    f"person {STUDENT}: lesson KEY, to be told as marked",
    f"monitor {STUDENT}: mode manual",
    f"monitor {STUDENT}: lesson OTHER, open",
    f"monitor {STUDENT}: lesson OTHER, closed unmarked (not pressed)",
    f"person {STUDENT}: lesson OTHER, to be told as closed",
    f"monitor {STUDENT}: PortalUnavailable: HTTP 503 Service Unavailable 503; again in N s",
    f"monitor {STUDENT}: waiting",
    f"monitor {STUDENT}: watching",
    f"monitor {STUDENT}: stopped (stopped)",
    f"person {STUDENT}: data deleted on their own wish",
]


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulated portal with one student: these tests do not depend on the toolkit."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


@pytest.fixture
def bot(bot: MarkerProcess) -> MarkerProcess:
    """The bot with an operator's log settings."""
    bot.environment |= {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
    return bot


@pytest.mark.ordeal
def test_a_day_in_the_log(bot: MarkerProcess, portal: Portal, telegram: Telegram) -> None:
    """From the code to the deletion of the data each event has one line, in order, without secrets or names.

    Only the line of a failed load may repeat, since a second load can fail before the portal is back.
    """
    admin, student = Person(telegram, ADMIN, "Admin"), Person(telegram, STUDENT, "Aruzhan")
    bot.start()
    admin.says("/start")
    admin.taps("Admin Panel")
    admin.taps("Generate Invitation Code")
    code = code_in(admin.sees("t.me/")["text"])
    student.says("/start")
    student.taps("Enter Invitation Code")
    student.says(code)
    student.sees("username")
    student.says(USERNAME)
    student.sees("password")
    student.says(PASSWORD)
    student.taps("Start Monitoring")
    eventually("watching", lambda: f"monitor {STUDENT}: watching" in bot.log())
    lesson = portal.opens("Algebra")
    student.sees("Attendance Marked")
    portal.closes(lesson)
    student.taps("Switch to Manual")
    eventually("manual mode", lambda: f"monitor {STUDENT}: mode manual" in bot.log())
    lesson = portal.opens("Biology", time="Л2 (10:00 - 11:00)")
    student.sees("Attendance available!")
    portal.closes(lesson)
    student.sees("Not marked")
    portal.behaves(status=503)
    eventually("trouble", lambda: "PortalUnavailable" in bot.log())
    portal.behaves(status=None)
    eventually("watching again", lambda: bot.log().count(f"monitor {STUDENT}: watching") == 2)
    student.says("/start")
    student.taps("Stop Monitoring")
    eventually("the end", lambda: "stopped (stopped)" in bot.log())
    student.taps("Delete My Data")
    student.taps("Yes, Delete Everything")
    eventually("the deletion", lambda: "data deleted" in bot.log())
    assert bot.stop() == 0
    lines = [json.loads(line)["message"] for line in bot.log().splitlines()]
    of_people = [line for line in lines if re.match(r"(admin|person|monitor) \d", line)]
    keys = dict.fromkeys(re.findall(r"lesson ([0-9a-f]{16})", "\n".join(lines)))
    assert len(keys) == 2
    for key, name in zip(keys, ("KEY", "OTHER"), strict=True):
        of_people = [line.replace(key, name) for line in of_people]
    of_people = [re.sub(r"again in \d+ s", "again in N s", line) for line in of_people]
    assert list(dict.fromkeys(of_people)) == list(dict.fromkeys(EVENTS))
    repeated = {line for line in of_people if of_people.count(line) > EVENTS.count(line)}
    assert repeated <= {line for line in EVENTS if "PortalUnavailable" in line}
    for secret in (PASSWORD, code, USERNAME, "Aruzhan"):
        assert secret not in bot.log()

"""The log lines about people: one line for each event, with ids, without secrets.

The monitors' own lines are tested in tests/e2e/test_log.py.
"""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from lessons.events import CloseReason, Event
from marker.monitors.password_check import Outcome, TrialResult
from portal.lessons import Lesson
from tests.e2e.people import ADMIN, BOT, Person, Telegram, code_in, eventually, labels
from tests.marker.running import RunningMarker, SteppedClock, all_is_sent, to_the_panel

pytestmark = pytest.mark.integration


USERNAME, WRONG, PASSWORD, NEW_PASSWORD = "a_student", "Wrong-Horse-6", "Correct-Horse-7", "New-Horse-8"
STUDENT, NEW = 2001, 2002
NAME = "Aruzhan"
ALGEBRA = Lesson("Algebra", "Ivanov I. I.", "Л1 (09:00 - 10:00)", minutes_left=9, key="0123456789abcdef")
BIOLOGY = Lesson("Biology", "B. Teacher", "П3 (15:00 - 16:00)", key="00000000000000bb")

Lines = Callable[[], list[str]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """Return a function that returns the lines about people and monitors so far, at INFO and above."""
    caplog.set_level("INFO")
    return lambda: [
        record.getMessage()
        for record in caplog.records
        if re.match(r"(admin|person|monitor|student) \d", record.getMessage())
    ]


def test_each_event_once(
    lines: Lines,
    caplog: pytest.LogCaptureFixture,
    bot: RunningMarker,
    student: Person,
    telegram: Telegram,
    clock: SteppedClock,
) -> None:
    """From a code to a removal each event has exactly one line, in order; none has a secret, a username or a name."""
    written: list[str] = []

    def writes(*expected: str) -> None:
        written.extend(expected)
        eventually(f"{expected}; the log has {lines()}", lambda: len(lines()) >= len(written))
        bot.settles()
        assert lines() == written

    admin = Person(telegram, ADMIN, "Admin")
    admin.says("/start")
    admin.taps("Admin Panel")
    admin.taps("Generate Invitation Code")
    code = code_in(admin.sees("t.me/")["text"])
    writes(f"admin {ADMIN}: new invitation code")
    withdrawn = bot.storage.create_invitation(ADMIN)
    message = admin.screen()[-1]["message_id"]
    twice = [f"inv:revoke:{withdrawn}:0"] * 2  # the second tap revokes nothing
    telegram.taps_at_once(BOT, ADMIN, message, twice, forged=True)
    eventually("the taps' answers", lambda: not telegram.unanswered_taps())
    writes(f"admin {ADMIN}: invitation code revoked")
    student.says("/start AAAA2222")
    student.sees("There is no such")
    writes(f"person {STUDENT}: invitation code refused, UnknownCode")
    student.says(code)
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.sees("delete your message at once")
    bot.check.verdict = TrialResult(Outcome.REFUSED, f"{USERNAME}: неверный пароль")
    student.says(WRONG)
    student.sees("The portal refused the sign-in")
    writes(f"person {STUDENT}: password tried, refused")
    bot.check.verdict = TrialResult(Outcome.ACCEPTED)
    student.says(PASSWORD)
    student.sees("Registration complete!")
    writes(f"person {STUDENT}: password tried, accepted", f"person {STUDENT}: registered")

    student.taps("Start Monitoring")
    writes(f"monitor {STUDENT}: started, mode automatic")
    student.taps("Skip Today")
    writes(f"monitor {STUDENT}: today is skipped")
    student.taps("Don't Skip Today")
    writes(f"monitor {STUDENT}: today is not skipped any more")
    student.taps("Switch to Manual")
    writes(f"monitor {STUDENT}: mode manual")
    bot.monitors[STUDENT].finds(BIOLOGY)
    bot.services.lessons.seen(ALGEBRA.key, STUDENT, "2026-09-01", "Algebra", "Ivanov", ALGEBRA.time, clock.now())
    bot.monitors[STUDENT].marks(ALGEBRA)
    writes(f"person {STUDENT}: lesson {ALGEBRA.key}, to be told as marked")
    for _ in range(2):  # told once however often it is seen
        bot.monitors[STUDENT].tells(Event.LESSON_CLOSED, CloseReason.NOT_PRESSED.value, BIOLOGY)
    writes(f"person {STUDENT}: lesson {BIOLOGY.key}, to be told as closed")
    since = clock.now().isoformat(timespec="seconds")
    bot.monitors[STUDENT].tells(Event.TROUBLE, "HTTP 503")
    bot.settles()
    clock.forward(timedelta(minutes=6))
    for _ in range(2):
        bot.looks_at_troubles()
    writes(f"person {STUDENT}: trouble since {since}, to be told")
    for _ in range(2):
        bot.monitors[STUDENT].tells(Event.WATCHING)
    writes(f"person {STUDENT}: trouble is over, to be told")

    all_is_sent(bot.database)  # an answer overtakes notices, which then stand below it
    student.says("/start")
    student.waits("the menu below", lambda ms: "Update Password" in labels(ms[-1]))
    student.taps("Update Password")
    student.waits("the question", lambda ms: "delete your message at once" in (ms[-1]["text"] or ""))
    student.says(NEW_PASSWORD)
    student.sees("The new password is saved.")
    writes(
        f"person {STUDENT}: password tried, accepted",
        f"monitor {STUDENT}: started, mode manual",
        f"person {STUDENT}: password updated",
    )

    def moves() -> str:
        before = admin.counts("Move code for a_student")
        to_the_panel(admin)
        admin.taps("View All Students")
        admin.taps(USERNAME)
        admin.taps("Move to Another Account")
        admin.taps("Make Move Code")
        eventually("the code", lambda: admin.counts("Move code for a_student") > before)
        admin.waits("the panel below", lambda ms: "View All Students" in labels(ms[-1]))
        found = re.search(r"\b[A-HJ-NP-Z2-9]{12}\b", admin.sees("Move code for a_student")["text"])
        assert found
        return found.group()

    revoked = moves()
    writes(f"admin {ADMIN}: move code for student {STUDENT}")
    message = admin.screen()[-1]["message_id"]
    twice = [f"mov:revoke:{STUDENT}:0"] * 2  # the second tap revokes nothing
    telegram.taps_at_once(BOT, ADMIN, message, twice, forged=True)
    writes(f"admin {ADMIN}: move code for student {STUDENT} revoked")
    moved = moves()
    writes(f"admin {ADMIN}: move code for student {STUDENT}")
    new = Person(telegram, NEW, NAME)
    new.says(f"/start {moved}")
    new.taps("Move Here")
    new.sees("The registration is now this Telegram account's.")
    writes(f"monitor {NEW}: started, mode manual", f"student {STUDENT}: moved to {NEW}")

    to_the_panel(admin)
    admin.taps("View All Students")
    admin.taps(USERNAME)
    admin.taps("Stop")
    writes(f"admin {ADMIN}: stopped the monitor of {NEW}")
    admin.taps("Remove")
    admin.taps("Remove for good")
    admin.sees("a_student is removed.")
    eventually("the taps' answers", lambda: not telegram.unanswered_taps())
    writes(f"admin {ADMIN}: removed student {NEW}")
    for secret in (WRONG, PASSWORD, NEW_PASSWORD, code, withdrawn, revoked, moved, USERNAME, NAME):
        assert secret not in caplog.text

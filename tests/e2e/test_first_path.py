"""The marker from the invitation to "Attendance Marked.", on both portals."""

import json
import re
import stat

import pytest

from storage import Mode
from tests import children
from tests.bot_process import MarkerProcess
from tests.e2e.people import Person, Portal, Telegram, code_in, eventually, labels

USERNAME, PASSWORD = "student@kbtu.kz", "Correct-Horse-7"

pytestmark = pytest.mark.browser


def invite(admin: Person) -> str:
    """Create an invitation code as the admin."""
    admin.says("/start")
    admin.taps("Admin Panel")
    admin.taps("Generate Invitation Code")
    return code_in(admin.sees("Invitation code:")["text"])


def register(admin: Person, student: Person, username: str = USERNAME, password: str = PASSWORD) -> None:
    """Register a student."""
    code = invite(admin)
    student.says("/start")
    student.taps("Enter Invitation Code")
    student.sees("Send me your invitation code")
    student.says(code)
    student.sees("your username on the portal")
    student.says(username)
    student.sees("I will delete your message at once")
    student.says(password)
    student.sees("Registration complete!")


def member(bot: MarkerProcess, telegram: Telegram, password: str = PASSWORD, mode: Mode = "automatic") -> Person:
    """Start the bot with a registered student, who opens the menu."""
    bot.seed(2001, USERNAME, password, mode)
    bot.start()
    student = Person(telegram, 2001, "Aruzhan")
    student.says("/start")
    student.sees(USERNAME)
    return student


def start(student: Person) -> None:
    """Press Start Monitoring and wait until monitoring is on."""
    student.taps("Start Monitoring")
    student.sees("Monitoring: on since")


def test_a_student_is_invited_registers_and_is_marked_automatically(
    telegram: Telegram, portal: Portal, bot: MarkerProcess, admin: Person, student: Person
) -> None:
    """A student registers with a code, is marked on the server when a lesson opens, and gets one message."""
    portal.has_student(USERNAME, PASSWORD)
    register(admin, student)
    student.waits("the password's deletion", lambda shown: all(PASSWORD not in (m["text"] or "") for m in shown))
    menu = student.sees("Registration complete!")
    assert labels(menu) == ["Start Monitoring", "Switch to Manual", "Status", "Update Password", "Delete My Data"]

    start(student)
    lesson = portal.opens("Algorithms & Data <1>", time="Л27 (15:00 - 16:00)")

    told = student.sees("Attendance Marked.")
    assert told["text"] == f"[{USERNAME}] Attendance Marked.\nAlgorithms & Data <1>\nIvanov I. I.\nЛ27 (15:00 - 16:00)"
    assert told["rang"], "the mark came as an edit, which makes no sound"
    assert portal.marks() == [(lesson, USERNAME)]

    admin.taps("View All Students")
    admin.sees(f"{USERNAME}, automatic, ACTIVE")
    admin.taps("Back")
    admin.taps("View Active Monitors")
    admin.sees(f"{USERNAME}, watching")

    student.taps("Stop Monitoring")
    student.sees("Monitoring: off")
    assert student.counts("Attendance Marked.") == 1
    eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])
    assert telegram.refused_calls() == []
    assert bot.stop() == 0
    assert bot.browsers() == []
    assert PASSWORD not in bot.log()


@pytest.mark.ordeal
def test_in_manual_mode_the_student_marks_with_a_button(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """Manual mode offers each open lesson once, marks only the tapped one, and automatic mode marks the rest."""
    portal.has_student(USERNAME, PASSWORD)
    student = member(bot, telegram)
    student.taps("Switch to Manual")
    student.sees("Mode: manual")
    start(student)
    first = portal.opens("Algebra", time="Л1 (09:00 - 10:00)")
    portal.opens("Biology", time="Л2 (10:00 - 11:00)")
    offer = f"[{USERNAME}] Attendance available! Press the button to mark.\nAlgebra"
    student.sees(offer)
    student.sees(f"[{USERNAME}] Attendance available! Press the button to mark.\nBiology")
    assert portal.marks() == []

    message = student.sees(offer)
    telegram.call(
        "/tap", bot="attendance_test_bot", person=student.number, message_id=message["message_id"], button="Mark Now"
    )
    student.sees(f"[{USERNAME}] Attendance Marked.\nAlgebra")
    assert portal.marks() == [(first, USERNAME)]
    student.waits("no used button", lambda shown: [labels(m) for m in shown if offer in (m["text"] or "")] == [[]])
    eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])

    student.taps("Switch to Automatic")
    student.sees(f"[{USERNAME}] Attendance Marked.\nBiology")
    assert len(portal.marks()) == 2


@pytest.mark.ordeal
def test_a_lost_session_is_renewed_silently(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """After its session has expired the bot signs in again and marks the next lesson without an extra message."""
    portal.has_student(USERNAME, PASSWORD)
    student = member(bot, telegram)
    start(student)
    before = len(student.screen())
    portal.expires()
    lesson = portal.opens("Algebra")
    student.sees("Attendance Marked.")
    assert portal.marks() == [(lesson, USERNAME)]
    assert len(student.screen()) == before + 1
    assert len(portal.events("signed_in")) == 2


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
@pytest.mark.ordeal
def test_the_portal_s_session_over_a_restart_and_a_stop(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """A restart needs no new sign-in; Stop deletes the session, also while the day is skipped and no Chrome runs."""
    portal.has_student(USERNAME, PASSWORD)
    student = member(bot, telegram)
    start(student)
    (kept,) = bot.folder.glob("data/profiles/*/portal-session")
    assert bot.stop() == 0
    bot.start()
    portal.opens("Algebra")
    student.sees("Attendance Marked.")
    assert len(portal.events("signed_in")) == 1

    student.taps("Skip Today")
    eventually("no Chrome", lambda: not bot.browsers())
    assert kept.exists()
    student.taps("Stop Monitoring")
    student.sees("Monitoring: off")
    eventually("the session's deletion", lambda: not kept.exists())

    student.taps("Start Monitoring")
    student.sees("today is skipped")
    student.taps("Don't Skip Today")
    eventually("a new sign-in", lambda: len(portal.events("signed_in")) == 2)


@pytest.mark.ordeal
def test_a_wrong_password_stops_after_one_refusal(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """A refused sign-in is not repeated; the student sees the portal's text and can enter a new password."""
    portal.has_student(USERNAME, PASSWORD)
    student = member(bot, telegram, password="wrong-password")
    student.taps("Start Monitoring")
    told = student.sees("The portal refused the sign-in: «Неверный логин или пароль.»")
    assert told["text"].startswith(f"[{USERNAME}] ")
    assert len(portal.events("refused")) == 1

    student.taps("Update Password")
    student.sees("I will delete your message at once")
    student.says(PASSWORD)
    student.sees("The new password is saved.")
    start(student)
    assert len(portal.events("refused")) == 1
    assert all(
        "wrong-password" not in (m["text"] or "") and PASSWORD not in (m["text"] or "") for m in student.screen()
    )


@pytest.mark.ordeal
def test_a_swallowed_click_is_not_called_a_mark(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """If the portal ignores the click, the bot clicks again, and reports the mark only when the server has it."""
    portal.has_student(USERNAME, PASSWORD)
    student = member(bot, telegram)
    start(student)
    portal.behaves(swallow_clicks=2)
    lesson = portal.opens("Algebra")
    student.sees("Attendance Marked.")
    assert len(portal.events("swallowed")) == 2
    assert portal.marks() == [(lesson, USERNAME)]
    assert student.counts("Attendance Marked.") == 1


@pytest.mark.ordeal
def test_a_crash_between_click_and_message_tells_the_mark_exactly_once(
    telegram: Telegram, portal: Portal, bot: MarkerProcess
) -> None:
    """A mark made before a `kill -9` is reported once by the next process, and no Chrome is left running."""
    portal.has_student(USERNAME, PASSWORD)
    student = member(bot, telegram)
    start(student)
    # Messages to the student fail, so that the crash comes between the mark and its message.
    telegram.call("/faults", method="sendMessage", chat_id=student.number, kind="500", times=1000)
    lesson = portal.opens("Algebra")
    eventually("the mark in the bot's database", lambda: re.search(r"lesson \w+, marked", bot.log()))
    bot.crash()
    telegram.http.delete("/faults")

    bot.start()
    student.sees("Attendance Marked.")
    later = portal.opens("Biology", time="Л28 (16:00 - 17:00)")
    student.sees("Marked.\nBiology")
    assert student.counts("Marked.\nAlgebra") == 1
    assert sorted(portal.marks()) == [(lesson, USERNAME), (later, USERNAME)]
    assert bot.stop() == 0
    assert bot.browsers() == []


@pytest.mark.ordeal
def test_secrets_are_kept(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """The password is stored encrypted in files of mode 0600, and Chrome's environment contains no secret."""
    portal.has_student(USERNAME, PASSWORD)
    student = member(bot, telegram)
    start(student)
    data = bot.folder / "data"
    kept = json.loads((data / "students.json").read_text(encoding="utf-8"))["2001"]
    assert kept["username"] == USERNAME
    assert kept["mode"] == "automatic"
    assert kept["monitoring"] is True
    everything = b"".join(path.read_bytes() for path in data.glob("*") if path.is_file())
    assert PASSWORD.encode() not in everything
    for path in (data / "students.json", data / "invitations.json", data / "ledger.sqlite3"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((bot.folder / "secrets" / "encryption.key").stat().st_mode) == 0o600
    browsers = bot.browsers()
    assert browsers
    for process in browsers:
        assert not {"TELEGRAM_BOT_TOKEN", "ENCRYPTION_KEY_FILE"} & children.environment_of(process).keys()

"""Screens follow their state: menus, the admin's panel, lists and cards, by edits and without a new message."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from lessons.events import Event, MonitorState
from marker.screens import EVERY
from portal.lessons import Lesson
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Telegram, eventually, labels
from tests.marker.running import Run, SteppedClock, all_is_sent, to_the_panel
from tests.marker.test_troubles import watched
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration

FIRST, SECOND = 2001, 2002
ALGEBRA = Lesson("Algebra", "Ivanov I. I.", "Л1 (09:00 - 10:00)", key="0123456789abcdef")


class Scene:
    """The running bot with one student whose monitor runs."""

    def __init__(self, run: Run, telegram: Telegram, clock: SteppedClock) -> None:
        self.run, self.telegram, self.clock = run, telegram, clock
        self.bot = run()
        self.student = watched(self.bot, telegram, FIRST)
        self.student.waits("the menu with Stop", lambda ms: "Stop Monitoring" in labels(ms[-1]))
        self.follows("on since")

    def follows(self, words: str, person: Person | None = None) -> Any:
        """Look at the screens until the newest message of a person's chat has these words; return it."""

        def redrawn() -> Any:
            self.looks()
            newest = (person or self.student).screen()[-1]
            return newest if words in newest["text"] else None

        return eventually(f"the screen with '{words}'", redrawn)

    def looks(self) -> None:
        """Look at the screens a few seconds later."""
        self.clock.forward(timedelta(seconds=EVERY))
        self.bot.redraws()

    def edits(self) -> int:
        """Return how many messages the bot has edited."""
        return sum(call["method"] == "editMessageText" for call in self.telegram.get("/calls"))

    def sent(self) -> int:
        """Return how many messages the bot has sent."""
        return sum(call["method"] == "sendMessage" for call in self.telegram.get("/calls"))


@pytest.fixture
def scene(run: Run, telegram: Telegram, clock: SteppedClock) -> Scene:
    """Return the bot with a student whose monitor runs."""
    return Scene(run, telegram, clock)


def test_a_menu_follows_the_monitor(scene: Scene) -> None:
    """A portal that is down, one that is back, and a mark are on the menu without a tap and without a message."""
    sent = scene.sent()
    monitor = scene.bot.monitors[FIRST]
    monitor.tells(Event.TROUBLE, "HTTP 503")
    text = scene.follows("not possible at the moment")["text"]
    assert "Last trouble: the portal does not answer as it should (HTTP 503)" in text
    monitor.tells(Event.WATCHING)
    scene.follows("on since")
    assert scene.sent() == sent
    monitor.finds(ALGEBRA)
    monitor.marks(ALGEBRA)
    scene.student.sees("Attendance Marked.")
    scene.looks()
    eventually("the mark on the menu", lambda: scene.student.counts("Last mark: Algebra"))


def test_what_did_not_change_is_not_sent(scene: Scene) -> None:
    """Looks without a change edit nothing; times of checks alone are brought up to date every few minutes."""
    scene.looks()
    scene.bot.monitors[FIRST].finds(ALGEBRA)  # the offer is sent after all edits before
    scene.student.sees("Attendance available")
    edits, monitor = scene.edits(), scene.bot.monitors[FIRST]
    for number in range(20):
        monitor.status = replace(monitor.status, last_check=scene.clock.now() + timedelta(seconds=number))
        scene.looks()
    scene.bot.monitors[FIRST].finds(replace(ALGEBRA, key="00000000000000bb", subject="Physics"))
    scene.student.sees("Physics")
    assert scene.edits() == edits
    scene.clock.forward(timedelta(minutes=5))
    scene.looks()
    eventually("the new times", lambda: scene.edits() == edits + 1)
    assert scene.telegram.refused_calls() == []


def test_a_skipped_day(scene: Scene) -> None:
    """Skip Today and Don't Skip Today are on the menu at once, whatever the monitor's thread does meanwhile."""
    scene.student.taps("Skip Today")
    scene.student.reads_toast("Today is skipped.")
    scene.student.sees("today is skipped, nothing is marked")
    monitor = scene.bot.monitors[FIRST]
    tomorrow = scene.clock.now() + timedelta(hours=15)
    monitor.status = replace(monitor.status, state=MonitorState.RESTING, next_check=tomorrow)
    scene.follows("Next check: 02.09.2026")
    scene.student.taps("Don't Skip Today")
    scene.student.reads_toast("Today is not skipped any more.")
    text = scene.student.sees("Monitoring: starting")["text"]
    assert "Next check" not in text
    monitor.tells(Event.WATCHING)
    scene.follows("on since")


def test_taps_say_what_happened(scene: Scene) -> None:
    """Mode, Status, Stop and Start have a toast, also where nothing changes on the screen."""
    scene.student.taps("Switch to Manual")
    scene.student.reads_toast("Manual mode is on.")
    scene.student.taps("Status")
    scene.student.reads_toast("As of 15:")
    scene.student.taps("Stop Monitoring")
    scene.student.reads_toast("Monitoring stops.")
    scene.student.taps("Start Monitoring")
    scene.student.reads_toast("Monitoring starts.")
    questions = {
        "Update Password": "Now send me your portal password for student_2001.",
        "Change Username": "Send me your username on the portal: a login such as a_student, or your e-mail.",
        "Cancel": "Cancelled.",
        "Delete My Data": "Delete everything that is stored about you?",
        "Yes, Delete Everything": "Your data is deleted.",
    }
    for button, toast in questions.items():
        scene.student.taps(button)
        scene.student.reads_toast(toast)


def test_an_admin_s_taps_say_what_happened(scene: Scene) -> None:
    """Taps of an admin are answered with what was done, what is asked, or when the screen was drawn."""
    admin = Person(scene.telegram, ADMIN, "Admin")
    admin.says("/start")
    admin.says("/admin")
    answers = {
        "View All Students": "As of 15:0",
        "student_2001": "As of 15:0",
        "Stop": "Monitoring is off.",
        "Move to Another Account": "Move student_2001 to another Telegram account?",
        "Back": "As of 15:0",
        "Remove": "Remove student_2001?",
        "Remove for good": "student_2001 is removed.",
    }
    for button, toast in answers.items():
        if button == "Back":  # the card, which may still be on the screen, has one, too
            admin.waits("the question", lambda ms: "Make Move Code" in labels(ms[-1]))
        number = len(scene.telegram.get("/taps"))
        admin.taps(button)
        eventually(f"the answer to {button}", lambda at=number: scene.telegram.get("/taps")[at]["answered_at"])  # type: ignore[misc]
        admin.reads_toast(toast)


def test_a_restart_is_on_the_menu(scene: Scene) -> None:
    """A menu of a previous process is followed from the next start on."""
    scene.bot.monitors[FIRST].tells(Event.TROUBLE, "HTTP 503")
    scene.follows("not possible at the moment")
    scene.bot = scene.run()
    scene.follows("on since")


def test_a_question_is_not_replaced(scene: Scene) -> None:
    """While a question is on the screen no change of the state takes its place."""
    scene.student.taps("Delete My Data")
    scene.student.sees("Delete everything that is stored about you?")
    scene.bot.monitors[FIRST].tells(Event.TROUBLE, "HTTP 503")
    edits = scene.edits()
    for _ in range(3):
        scene.looks()
    assert scene.edits() == edits
    scene.student.taps("Back")
    scene.student.sees("not possible at the moment")


def test_a_menu_that_the_person_deleted_is_left_alone(scene: Scene) -> None:
    """A menu that was deleted in the chat is tried once and not sent anew."""
    menu, sent = scene.student.screen()[-1]["message_id"], scene.sent()
    scene.telegram.call("/delete", bot=BOT, person=FIRST, message_id=menu)
    scene.bot.monitors[FIRST].tells(Event.TROUBLE, "HTTP 503")

    def tried() -> list[object]:
        scene.looks()
        return list(scene.telegram.refused_calls())

    eventually("the try", tried)
    for _ in range(5):
        scene.looks()
    assert len(scene.telegram.refused_calls()) == 1
    assert scene.sent() == sent


def test_a_headline_stays(scene: Scene) -> None:
    """The line above a menu that says what happened stays when the state below it changes."""
    scene.student.says("/help")
    scene.student.sees("Automatic mode marks every open lesson")
    scene.bot.monitors[FIRST].tells(Event.TROUBLE, "HTTP 503")
    assert "Automatic mode marks every open lesson" in scene.follows("not possible at the moment")["text"]


def test_the_admin_s_screens_follow(scene: Scene) -> None:
    """The panel below a new code counts the student who registers; list, card and invitations follow as well."""
    admin, bot = Person(scene.telegram, ADMIN, "Admin"), scene.bot
    admin.says("/start")
    admin.says("/admin")
    admin.waits("the panel", lambda ms: "View All Students" in labels(ms[-1]))
    admin.taps("Generate Invitation Code")
    shown = admin.waits("the panel with the note", lambda ms: ms[-1] if "Add Note" in labels(ms[-1]) else None)
    assert "1 student, 1 active monitor" in shown["text"]
    code = next(code for code, each in bot.storage.invitations().items() if each.used_by is None)
    scene.looks()
    assert "Add Note" in labels(admin.screen()[-1])
    bot.storage.redeem(code, SECOND, "another_student", "Correct-Horse-7")
    assert "Add Note" not in labels(scene.follows("2 students, 1 active monitor", admin))
    admin.taps("View All Students")
    admin.sees("another_student, automatic, inactive")
    bot.storage.set_mode(SECOND, "manual")
    scene.follows("another_student, manual, inactive", admin)
    admin.taps("student_2001")
    admin.sees("Monitoring: on since")
    scene.student.taps("Stop Monitoring")
    assert "Stop" not in labels(scene.follows("Monitoring: off", admin))
    to_the_panel(admin)
    admin.taps("Invitations")
    admin.sees("used by another_student")
    new = bot.storage.create_invitation(ADMIN)
    scene.follows(new, admin)


def test_waiting_for_a_place(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """A monitor that waits for a place is on the menu as that, with Stop; Stop ends the wait."""
    bot = run()
    for number in (2001, 2002, 2003):
        bot.storage.redeem(bot.storage.create_invitation(ADMIN), number, f"student_{number}", "Correct-Horse-7")
        bot.storage.set_monitoring(number, True)
    bot.catches_up()
    person = Person(telegram, 2003, "Student")
    person.says("/start")
    assert "Stop Monitoring" in labels(person.sees("Monitoring: waiting for a free place"))
    person.taps("Stop Monitoring")
    person.sees("Monitoring: off")


@pytest.mark.parametrize("comes_back", ["by a message", "by Restart Bot"])
def test_an_unblocked_bot_tells_that_monitoring_was_stopped(scene: Scene, comes_back: str) -> None:
    """Whoever blocked the bot is told once, when back, since when nothing was marked, with the button to start."""
    scene.telegram.call("/block", bot=BOT, person=FIRST, blocked=True)
    eventually("the end", lambda: not scene.bot.storage.student(FIRST).monitoring)  # type: ignore[union-attr]
    for _ in range(10):
        scene.looks()
        scene.bot.settles()
    all_is_sent(scene.bot.database)  # else a call that is refused late drops what is told below
    assert sum("blocked" in (call.get("error") or "") for call in scene.telegram.refused_calls()) <= 1
    scene.clock.forward(timedelta(hours=20))
    if comes_back == "by Restart Bot":
        scene.bot = scene.run()
    scene.telegram.call("/block", bot=BOT, person=FIRST, blocked=False)
    told = scene.student.sees("You had blocked me: monitoring was stopped at 01.09.2026 15:00")
    assert "Start Monitoring" in labels(told)
    scene.student.says("/start")
    scene.student.waits("a new menu", lambda ms: "Start Monitoring" in labels(ms[-1]) and ms[-1] != told)
    assert scene.student.counts("You had blocked me") == 1


def test_a_trouble_that_an_earlier_version_stored(scene: Scene) -> None:
    """English texts of an earlier version are not shown; people read what kind of trouble it was."""
    stored = {"trouble": "trouble", "trouble_text": "the page was not ready within 15 s"}
    scene.bot.services.watches.set(FIRST, trouble_at=scene.clock.now(), **stored)
    scene.bot.services.registry.state.reload()
    text = scene.follows("Last trouble")["text"]
    assert "the portal can't be used at the moment" in text
    assert "15 s" not in text


def test_two_programs_with_one_token(scene: Scene) -> None:
    """The admin is told once a day that another program uses the token; a restart's overlap is not told."""
    admin, words = Person(scene.telegram, ADMIN, "Admin"), "Two programs use this bot's token"
    admin.says("/start")
    for is_shared, seconds in ((True, 30), (False, 120), (True, 50), (False, 120)):
        scene.bot.learns_of_the_token(is_shared)
        scene.clock.forward(timedelta(seconds=seconds))
    scene.bot.learns_of_the_token(True)
    for _ in range(50):  # its next poll waits, or Telegram can't be reached
        scene.clock.forward(timedelta(seconds=5))
        scene.bot.learns_of_the_token(False)
    scene.bot.monitors[FIRST].finds(ALGEBRA)  # sent after what was told before
    scene.student.sees("Attendance available")
    assert admin.counts(words) == 0
    for _ in range(4):
        scene.bot.learns_of_the_token(True)
        scene.clock.forward(timedelta(minutes=1))
    admin.sees(words)
    assert admin.counts(words) == 1


@pytest.mark.ordeal
def test_two_programs_fetch_updates(scene: Scene) -> None:
    """A second program's polls are told although updates come to this one, too, and end the conflict for a moment."""
    admin, bot, words = Person(scene.telegram, ADMIN, "Admin"), scene.bot, "Two programs use this bot's token"
    admin.says("/start")
    polls = httpx.Client(base_url=f"{scene.telegram.url}/bot{TOKEN}", timeout=PATIENCE, trust_env=False)
    with ThreadPoolExecutor() as threads, polls:
        for number in range(4):
            eventually("this one's poll", lambda: not scene.telegram.get("/pending", bot=BOT))
            second = threads.submit(polls.post, "/getUpdates", json={"timeout": 50})
            eventually("the conflict", lambda: bot.poll.conflict)
            bot.learns_of_the_token(bot.poll.conflict)
            assert (admin.counts(words) == 0) or number >= 3
            assert second.result(PATIENCE).status_code == 409  # ended by the bot's next poll
            admin.says("/start")
            eventually("its end", lambda: not bot.poll.conflict)
            bot.learns_of_the_token(bot.poll.conflict)
            scene.clock.forward(timedelta(seconds=25))
    admin.sees(words)
    assert admin.counts(words) == 1


@pytest.mark.parametrize("event", [Event.REFUSED, Event.FAILED])
def test_the_end_of_monitoring_leaves_an_open_question(scene: Scene, event: Event) -> None:
    """A monitor's end is told below the question for a password, which keeps its buttons."""
    scene.student.taps("Update Password")
    question = scene.student.sees("Now send me your portal password")["message_id"]
    scene.bot.monitors[FIRST].tells(event, "Wrong password", ends=True)
    scene.student.sees("Monitoring is off." if event is Event.REFUSED else "a fault on our side")
    scene.looks()
    shown = next(each for each in scene.student.screen() if each["message_id"] == question)
    assert "Now send me your portal password" in shown["text"]
    assert "Cancel" in labels(shown)
    scene.student.says("Another-Horse-8")
    scene.student.sees("The new password is saved.")


def test_a_start_that_fails_goes_on_by_itself(scene: Scene) -> None:
    """Where no thread can start, the student does not read that all places are taken and to try again."""
    scene.student.taps("Stop Monitoring")
    scene.student.sees("Monitoring: off")
    scene.bot.start_fails = RuntimeError("can't start new thread")
    scene.student.taps("Start Monitoring")
    menu = scene.student.waits("the answer", lambda ms: ms[-1] if "Stop Monitoring" in labels(ms[-1]) else None)
    assert "All places" not in menu["text"]
    scene.bot.start_fails = None
    scene.clock.forward(timedelta(minutes=6))
    scene.bot.catches_up()
    scene.follows("on since")
    assert scene.student.counts("All places") == 0

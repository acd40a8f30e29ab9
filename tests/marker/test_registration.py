"""Registration as people do it: codes in any dress, mistyped usernames, late passwords, admins who have left."""

import base64
from datetime import timedelta

import pytest

from marker.monitors.password_check import Outcome, TrialResult
from monitor import profile_name
from telegram_app.files import qr_picture
from tests.e2e.people import ADMIN, BOT, Person, Telegram, eventually, labels
from tests.marker.running import Run, RunningMarker, SteppedClock, to_the_panel

pytestmark = pytest.mark.integration

USERNAME, PASSWORD = "a_student", "Correct-Horse-7"
OTHER_ADMIN = 1002
REFUSED = TrialResult(Outcome.REFUSED, "Неверный логин или пароль")
ASKED = "your username on the portal"


@pytest.fixture
def asked(bot: RunningMarker, student: Person) -> Person:
    """A person at the question for the code."""
    student.says("/start")
    student.taps("Enter Invitation Code")
    student.sees("Send me your invitation code")
    return student


def at_the_password(bot: RunningMarker, person: Person, username: str = USERNAME) -> None:
    person.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    person.sees(ASKED)
    person.says(username)
    person.sees(f"your portal password for {username}.")


def register(bot: RunningMarker, person: Person, username: str = USERNAME) -> None:
    at_the_password(bot, person, username)
    person.says(PASSWORD)
    person.sees("Registration complete!")


def test_what_it_may_be_used_for_is_said_at_once(bot: RunningMarker, student: Person) -> None:
    """The start text and the help say, once each, that it is for lessons that one attends, and whose the rules are."""
    rules = "Use it only for lessons that you attend. Your university's rules are yours to check."
    student.says("/start")
    assert student.sees(rules)["text"].count(rules) == 1
    student.says("/help")
    assert student.sees("Manual mode asks you each time.")["text"].count(rules) == 1
    register(bot, student)
    student.says("/help")
    told(student, "Manual mode asks you each time.", 2)
    assert student.sees("Manual mode asks you each time.")["text"].count(rules) == 1


def told(person: Person, text: str, times: int) -> None:
    """Wait until the bot has said something so many times."""
    eventually(text, lambda: person.counts(text) == times)


def stays(person: Person, message: int) -> bool:
    return message in [each["message_id"] for each in person.screen()]


@pytest.mark.parametrize("pressed", [True, False])
def test_the_forwarded_invitation(bot: RunningMarker, student: Person, pressed: bool) -> None:
    """The bot's own message with the code, its picture included, registers, asked for or not."""
    student.says("/start")
    if pressed:
        student.taps("Enter Invitation Code")
    code = bot.storage.create_invitation(ADMIN)
    text = f"Invitation code: {code}\nIt works once. This link does the same with one tap:\nhttps://t.me/{BOT}?start={code}"
    student.sends(photo=base64.b64encode(qr_picture(text)).decode(), caption=text, forwarded=True)
    student.sees(ASKED)
    student.says(USERNAME)
    student.sees("your portal password")


@pytest.mark.parametrize("dress", ["https://t.me/x_bot?start={}", "«{}»", "мой код {} спасибо", "{}"])
def test_a_code_without_the_button(bot: RunningMarker, student: Person, dress: str) -> None:
    """Whoever writes a right code is taken into registration, also in small letters."""
    student.says("/start")
    student.says(dress.format(bot.storage.create_invitation(ADMIN).lower()))
    student.sees(ASKED)


def test_what_is_no_code_locks_nobody(bot: RunningMarker, asked: Person) -> None:
    """Other texts get the question again, with an example; only what looks like a code is counted."""
    for text in ("hello", "what code?", "a_student", "у меня нет кода", "hey there", "+7 701 123 45 67", "students"):
        before = asked.counts("for example A3KX9M7P")
        asked.says(text)
        told(asked, "for example A3KX9M7P", before + 1)
    asked.says("AAAA2222")
    asked.sees("There is no such invitation code.")
    asked.says(bot.storage.create_invitation(ADMIN))
    asked.sees(ASKED)


def test_wrong_codes_without_the_button_are_counted(bot: RunningMarker, student: Person) -> None:
    """Five wrong codes lock, asked for or not; other texts are answered with the menu, and a lock says so."""
    student.says("/start")
    student.says("hello there, students")
    student.waits("the menu", lambda ms: "Enter Invitation Code" in labels(ms[-1]) and len(ms) > 2)
    for number in range(1, 6):
        student.says(f"code: AAAA222{number + 1}")
        told(student, "There is no such invitation code.", number)
    student.sees("Too many wrong codes. Try again in 15 minutes.")
    student.says(bot.storage.create_invitation(ADMIN))
    told(student, "Too many wrong codes.", 2)


@pytest.mark.ordeal
def test_words_that_may_be_codes_are_limited_too(bot: RunningMarker, student: Person, clock: SteppedClock) -> None:
    """Nobody guesses codes without digits in small letters for ever: 50 such words an hour are tried."""
    student.says("/start")
    student.taps("Enter Invitation Code")
    student.sees("Send me your invitation code")
    for number in range(50):
        student.says("".join("ABCDEFGHJK"[int(digit)] for digit in f"{number:08}").lower())
        if number % 10 == 9:  # more than 20 that wait are dropped
            student.waits("the answers", lambda _messages: student.counts("I see no code") >= number)  # noqa: B023
    student.sees("Too many wrong codes. Try again in 15 minutes.")


def test_a_registered_person_needs_no_code(bot: RunningMarker, student: Person, clock: SteppedClock) -> None:
    """Whoever is registered and sends a code reads that they need none; the code stays unused."""
    register(bot, student)
    clock.forward(timedelta(minutes=11))
    code = bot.storage.create_invitation(ADMIN)
    student.says(f"Invitation code: {code}")
    student.sees("You are registered already. A code is for somebody who is not")
    bot.storage.check_code(code)


def test_the_code_again_is_no_username(bot: RunningMarker, student: Person) -> None:
    """The code, sent once more at the question for the username, is not taken for it."""
    code = bot.storage.create_invitation(ADMIN)
    student.says(f"/start {code}")
    student.sees(ASKED)
    student.says(code)
    student.sees("That is no portal username.")


@pytest.mark.parametrize(
    ("contact", "shown"),
    [("", "the administrator who invited you"), ("A. Mentor <a@b.kz> & co", "A. Mentor <a@b.kz> & co")],
)
def test_who_runs_the_bot_is_said_beforehand(run: Run, telegram: Telegram, contact: str, shown: str) -> None:
    """The question for the username says whose bot this is and what it does."""
    bot = run(operator_contact=contact)
    student = Person(telegram, 2001, "Aruzhan")
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    lines = student.sees(ASKED)["text"].splitlines()[-3:]
    assert f"this bot is run by {shown}, who can technically use your password." in lines[0]
    assert "Automatic mode acts in your name. It is only for lessons that you attend" in lines[1]
    assert "rules are yours to check" in lines[1]
    assert "Delete My Data" in lines[2]


def test_a_mistyped_username_is_corrected(bot: RunningMarker, student: Person) -> None:
    """After a refusal the tried username is shown and can be changed; the code is used up by the right one."""
    at_the_password(bot, student, "a_studnet")
    bot.check.verdict = REFUSED
    student.says(PASSWORD)
    refused = student.waits("the refusal", lambda ms: "«Неверный" in (ms[-1]["text"] or "") and ms[-1])
    assert "for a_studnet." in refused["text"]
    student.taps("Change Username")
    student.waits("the question", lambda ms: "Send me your username" in (ms[-1]["text"] or ""))
    student.says(USERNAME)
    student.sees("for a_student.")
    bot.check.verdict = TrialResult(Outcome.ACCEPTED)
    student.says(PASSWORD)
    student.sees("Registration complete!")
    assert [each.username for each in bot.storage.students()] == [USERNAME]
    assert [each.used_by for each in bot.storage.invitations().values()] == [2001]


def test_a_registered_student_changes_the_account(run: Run, telegram: Telegram) -> None:
    """A student registered with a mistyped username, untried, corrects it; the code stays used."""
    bot = run()
    student, other = (Person(telegram, number, "P") for number in (2001, 2002))
    register(bot, other, "taken")
    bot.check.verdict = TrialResult(Outcome.NOT_TRIED)
    register(bot, student, "a_studnet")
    (old := bot.services.settings.data_dir / "profiles" / profile_name("a_studnet")).mkdir(parents=True)
    student.taps("Update Password")
    student.taps("Change Username")
    student.waits("the question", lambda ms: "Send me your username" in (ms[-1]["text"] or ""))
    student.says("taken")
    student.sees("Another Telegram account has registered this username.")
    student.says(USERNAME)
    student.sees("for a_student.")
    bot.check.verdict = TrialResult(Outcome.ACCEPTED, profile="trial-1")
    student.says("New-Horse-8")
    student.sees("The new password is saved.")
    record = bot.storage.student(2001)
    assert record is not None
    assert (record.username, bot.storage.password(2001)) == (USERNAME, "New-Horse-8")
    assert sorted(filter(None, (each.used_by for each in bot.storage.invitations().values()))) == [2001, 2002]
    assert bot.check.adopted == [("trial-1", USERNAME)]
    assert not old.exists()


def test_commands_stay_after_a_password(bot: RunningMarker, student: Person) -> None:
    """The bot says beforehand that it deletes what may be a password, deletes it, and leaves commands alone."""
    register(bot, student)
    assert "For the next ten minutes" in student.sees("Registration complete!")["text"]
    for command in ("/status", "/start", "/report now", f"/help@{BOT}"):
        message = student.says(command)
        student.waits("an answer", lambda ms: ms[-1]["from"] == "bot" and labels(ms[-1]))
        assert stays(student, message)
    deleted = student.says("Summer26")
    student.sees("I have deleted your last message")
    assert not stays(student, deleted)
    mine = student.says(f" {PASSWORD}")
    student.waits("the deletion", lambda _ms: not stays(student, mine))


def test_a_password_like_a_code_is_deleted(bot: RunningMarker, student: Person) -> None:
    """After a cancelled question a late password that looks like a code is deleted; a right code still works."""
    at_the_password(bot, student)
    student.says("/cancel")
    assert "For the next ten minutes" in student.sees("Cancelled.")["text"]
    late = student.says("Summer26")
    student.sees("I have deleted your last message")
    assert not stays(student, late)
    student.says(bot.storage.create_invitation(ADMIN))
    student.waits("the next question", lambda ms: ASKED in (ms[-1]["text"] or ""))


@pytest.mark.parametrize("at", ["code", "username", "password"])
def test_codes_end_with_their_admin(run: Run, telegram: Telegram, at: str) -> None:
    """A removed admin's unused codes are refused after the restart, at every step; if the admin returns, they work."""
    both = (ADMIN, OTHER_ADMIN)
    bot = run(admins=both)
    student, admin = Person(telegram, 2001, "Aruzhan"), Person(telegram, OTHER_ADMIN, "Other")
    code = bot.storage.create_invitation(ADMIN)
    for person in (admin, student):
        person.says("/start")
    if at != "code":
        student.says(code)
        student.sees(ASKED)
    if at == "password":
        student.says(USERNAME)
        student.sees("your portal password")
    bot = run(admins=(OTHER_ADMIN,))
    student.says({"code": code, "username": USERNAME, "password": PASSWORD}[at])
    student.sees("This invitation code has been revoked. Ask the administrator for a new one.")
    assert bot.storage.students() == []
    to_the_panel(admin)
    admin.taps("Invitations")
    shown = admin.sees(code)
    assert "of a former admin, not valid" in shown["text"]
    assert code not in labels(shown)
    run(admins=both)
    student.says(f"/start {code}")
    student.waits("the question", lambda ms: ASKED in (ms[-1]["text"] or ""))


def test_move_codes_end_with_their_admin(run: Run, telegram: Telegram) -> None:
    """So does a code for moving a student to another account."""
    bot = run()
    student, new = Person(telegram, 2001, "Aruzhan"), Person(telegram, 2002, "Aruzhan's new phone")
    register(bot, student)
    bot.services.move_codes.make("ABCDEFGHJKMN", 2001, ADMIN, bot.services.clock.now() + timedelta(hours=1))
    new.says("/start ABCDEFGHJKMN")
    new.sees("Move the registration of a_student")
    bot = run(admins=(OTHER_ADMIN,))
    new.taps("Move Here")
    new.sees("This move code can't be used any more.")
    assert [each.telegram_id for each in bot.storage.students()] == [2001]


class TestSingleUser:
    """SINGLE_USER: the bot for the admin alone."""

    @pytest.fixture
    def alone(self, run: Run, telegram: Telegram) -> RunningMarker:
        """The marker with one student, made from the settings, and a screen from before."""
        bot = run()
        bot.storage.keep_only(ADMIN, USERNAME, PASSWORD)
        Person(telegram, ADMIN, "Me").says("/start")
        return run(single_user=True, kbtu_username=USERNAME, kbtu_password=PASSWORD)

    def test_the_menu(self, alone: RunningMarker, telegram: Telegram) -> None:
        """Monitoring runs; the menu has no account, no deletion and no panel, and their old buttons do nothing."""
        me = Person(telegram, ADMIN, "Me")
        eventually("the monitor", lambda: alone.monitors.get(ADMIN))
        me.says("/start")
        menu = me.waits("the menu", lambda ms: "Stop Monitoring" in labels(ms[-1]) and ms[-1])
        assert labels(menu) == ["Stop Monitoring", "Skip Today", "Switch to Manual", "Status"]
        taps = ["del:ask", "del:yes", "reg:password", "adm:panel", "adm:code"]
        telegram.taps_at_once(BOT, ADMIN, menu["message_id"], taps, forged=True)
        eventually("answers", lambda: not telegram.unanswered_taps())
        assert [each.username for each in alone.storage.students()] == [USERNAME]
        assert alone.storage.invitations() == {}

    def test_a_stranger(self, alone: RunningMarker, run: Run, telegram: Telegram) -> None:
        """Everybody else gets one line, once, whatever they send, also after a restart."""
        stranger = Person(telegram, 2001, "Stranger")
        stranger.says("/start")
        stranger.sees("This bot works for one person only.")
        run(single_user=True, kbtu_username=USERNAME, kbtu_password=PASSWORD)
        for text in ("hello", "/admin", "/help", "AAAA2222"):
            stranger.says(text)
        me = Person(telegram, ADMIN, "Me")
        me.says("/help")
        me.sees("/start menu")
        assert [each["from"] for each in stranger.screen()].count("bot") == 1

"""Conversations with the marker over a strict Telegram: registration, menus, offers, rights, passwords."""

from datetime import timedelta
from pathlib import Path

import pytest

from lessons.events import Event
from portal.lessons import Lesson
from sandbox.telegram.server import TelegramSimulator
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Telegram, code_in, eventually, labels
from tests.marker.running import Run, RunningMarker, SteppedClock, all_is_sent, marker, starts_monitoring
from tests.servers import in_thread

pytestmark = pytest.mark.integration


USERNAME, PASSWORD = "a_student", "Correct-Horse-7"
ALGEBRA = Lesson("Algebra <b>", "Ivanov I. I.", "Л1 (09:00 - 10:00)", minutes_left=9, key="0123456789abcdef")


@pytest.fixture
def admin(telegram: Telegram, bot: RunningMarker) -> Person:
    """Return the admin."""
    return Person(telegram, ADMIN, "Admin")


def register(bot: RunningMarker, student: Person, username: str = USERNAME, password: str = PASSWORD) -> None:
    """Register a student by the link, in conversation."""
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    student.sees("your username on the portal")
    student.says(username)
    student.sees("I will delete your message at once")
    student.says(password)
    student.sees("Registration complete!")


def test_the_link_registers_with_one_tap(
    bot: RunningMarker, admin: Person, student: Person, telegram: Telegram
) -> None:
    """The link from the admin's panel leads straight to the username, and the whole screen ends without a password."""
    admin.says("/start")
    admin.taps("Admin Panel")
    admin.taps("Generate Invitation Code")
    shown = admin.sees("Invitation code:")
    code = code_in(shown["text"])
    assert f"https://t.me/{BOT}?start={code}" in shown["text"]
    assert not labels(shown)

    student.says(f"/start {code}")
    student.sees("your username on the portal")
    student.says("A_Student@kbtu.kz")
    student.sees("I will delete your message at once")
    typed = student.says(PASSWORD)
    student.sees("Registration complete!")
    assert typed not in [m["message_id"] for m in student.screen()]
    assert bot.storage.password(2001) == PASSWORD
    assert bot.storage.student(2001).invitation_code == code  # type: ignore[union-attr]
    assert telegram.refused_calls() == []
    eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_cancel_works_at_every_step(bot: RunningMarker, student: Person, steps: int) -> None:
    """/cancel ends the conversation wherever it is, nothing is kept, and the code can still be used."""
    code = bot.storage.create_invitation(ADMIN)
    student.says("/start")
    student.taps("Enter Invitation Code")
    for question, answer in [
        ("Send me your invitation code", code),
        ("your username on the portal", USERNAME),
        ("I will delete your message at once", None),
    ][:steps]:
        student.sees(question)
        if answer is not None and steps > 1:
            student.says(answer)
            steps -= 1
    student.says("/cancel")
    student.sees("Cancelled.")
    assert bot.storage.students() == []
    register(bot, student)


def test_wrong_and_used_codes_are_told_apart_and_can_be_corrected(
    bot: RunningMarker, student: Person, telegram: Telegram
) -> None:
    """An unknown and a used code get different answers, and the right one continues the registration."""
    other = Person(telegram, 2002, "Daniyar")
    used = bot.storage.create_invitation(ADMIN)
    other.says(f"/start {used}")
    other.sees("your username on the portal")
    other.says("d_student")
    other.sees("I will delete your message at once")
    other.says("another-password")
    other.sees("Registration complete!")

    student.says("/start")
    student.taps("Enter Invitation Code")
    student.sees("Send me your invitation code")
    student.says("AAAA2222")
    student.sees("There is no such invitation code.")
    student.says(used.lower())
    student.sees("This invitation code has been used already.")
    good = bot.storage.create_invitation(ADMIN)
    student.says(f" {good[:4].lower()}-{good[4:]} ")
    student.sees("your username on the portal")
    student.says("D_Student@kbtu.kz")
    student.sees("Another Telegram account has registered this username.")
    student.says("no username at all")
    student.sees("That is no portal username.")
    student.says(USERNAME)
    student.sees("I will delete your message at once")


def test_a_code_used_meanwhile_is_refused_at_the_last_step(
    bot: RunningMarker, student: Person, telegram: Telegram
) -> None:
    """Of two people with one code the first to give a password is registered; the other is told."""
    code = bot.storage.create_invitation(ADMIN)
    other = Person(telegram, 2002, "Daniyar")
    for person, username in ((student, USERNAME), (other, "d_student")):
        person.says(f"/start {code}")
        person.sees("your username on the portal")
        person.says(username)
        person.sees("I will delete your message at once")
    student.says(PASSWORD)
    student.sees("Registration complete!")
    other.says("another-password")
    other.sees("This invitation code has been used already.")
    assert [s.telegram_id for s in bot.storage.students()] == [2001]


def test_late_and_edited_passwords_are_deleted(bot: RunningMarker, student: Person) -> None:
    """A password typed again after the registration, or by editing an older message, does not stay on the screen."""
    greeting = student.says("/start hello")
    student.sees("There is no such invitation code.")
    student.says("/cancel")
    student.sees("Cancelled.")
    register(bot, student)
    late = student.says(PASSWORD)
    student.sees("I have deleted your last message")
    assert late not in [m["message_id"] for m in student.screen()]
    student.edits(greeting, PASSWORD)
    student.waits("the edited message to go", lambda ms: greeting not in [m["message_id"] for m in ms])


def test_an_edited_message_is_no_answer(bot: RunningMarker, student: Person) -> None:
    """While the password is asked for, an edit of an earlier message is deleted and the question asked again."""
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    student.sees("your username on the portal")
    username = student.says(USERNAME)
    student.sees("I will delete your message at once")
    student.edits(username, PASSWORD)
    student.sees("I have deleted your last message")
    assert bot.storage.students() == []
    student.says(PASSWORD)
    student.sees("Registration complete!")
    assert bot.storage.password(2001) == PASSWORD


def test_where_telegram_does_not_delete_the_password_the_person_is_told(
    bot: RunningMarker, student: Person, telegram: Telegram
) -> None:
    """If Telegram refuses to delete the password's message, the bot says so."""
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.sees("I will delete your message at once")
    telegram.call("/faults", method="deleteMessage", kind="400", times=1)
    student.says(PASSWORD)
    student.sees("I could not delete your message with the password.")
    student.sees("Registration complete!")


def test_a_restart_in_the_middle_goes_on_at_the_same_step(run: Run, telegram: Telegram) -> None:
    """After a restart a typed password is still a password: deleted, and never taken for a username."""
    bot = run()
    student = Person(telegram, 2001, "Aruzhan")
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.sees("I will delete your message at once")
    asked = student.counts("I will delete your message at once")
    bot = run()
    student.waits("the question again", lambda _: student.counts("I will delete your message at once") > asked)
    typed = student.says(PASSWORD)
    student.sees("Registration complete!")
    assert typed not in [m["message_id"] for m in student.screen()]
    assert bot.storage.password(2001) == PASSWORD


def test_an_answer_after_half_an_hour_is_not_taken(bot: RunningMarker, student: Person, clock: SteppedClock) -> None:
    """A text typed long after the question is deleted like a password and not taken for one."""
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.sees("I will delete your message at once")
    clock.forward(timedelta(minutes=31))
    typed = student.says("what was that?")
    student.sees("That question has expired.")
    assert typed not in [m["message_id"] for m in student.screen()]
    assert bot.storage.students() == []


def test_taps_edit_the_menu(bot: RunningMarker, student: Person) -> None:
    """Taps edit the menu in place; after a typed text a new menu comes below and the old one loses its buttons."""
    register(bot, student)
    count = len(student.screen())
    starts_monitoring(bot, student)
    student.taps("Switch to Manual")
    student.waits("manual mode", lambda ms: "Switch to Automatic" in labels(ms[-1]))
    student.taps("Stop Monitoring")
    student.waits("the menu with Start", lambda ms: "Start Monitoring" in labels(ms[-1]))
    assert len(student.screen()) == count
    assert bot.storage.student(2001).mode == "manual"  # type: ignore[union-attr]
    hello = student.says("hello")  # deleted, since it may be the password: then the old menu is the last message again
    menus = "one menu, below what was typed"
    student.waits(menus, lambda ms: [m["message_id"] > hello for m in ms if "Status" in labels(m)] == [True])


def test_a_double_tap_is_harmless(bot: RunningMarker, student: Person, telegram: Telegram) -> None:
    """Two taps on Start at once start one monitor, and both are answered."""
    register(bot, student)
    menu = student.sees("Registration complete!")
    telegram.taps_at_once(BOT, 2001, menu["message_id"], ["mon:start"] * 2)
    student.waits("the menu with Stop", lambda ms: "Stop Monitoring" in labels(ms[-1]))
    eventually("answers to both taps", lambda: not telegram.unanswered_taps())
    assert len(bot.monitors) == 1


def test_an_offer_is_marked_by_its_button_once(bot: RunningMarker, student: Person, telegram: Telegram) -> None:
    """Mark Now reaches the monitor once however often it is tapped; the button goes, and the mark is a new message."""
    register(bot, student)
    starts_monitoring(bot, student)
    monitor = bot.monitors[2001]
    monitor.finds(ALGEBRA)
    offer = student.sees("[a_student] Attendance available! Press the button to mark.\nAlgebra <b>")
    assert "9 minutes left" in offer["text"]
    assert offer["rang"]
    telegram.taps_at_once(BOT, 2001, offer["message_id"], ["Mark Now"] * 2)
    eventually("answers to the taps", lambda: not telegram.unanswered_taps())
    assert monitor.marked_now == [ALGEBRA.key]
    monitor.marks(ALGEBRA)
    told = student.sees("[a_student] Attendance Marked.")
    assert told["text"] == "[a_student] Attendance Marked.\nAlgebra <b>\nIvanov I. I.\nЛ1 (09:00 - 10:00)"
    assert told["rang"]
    assert labels(student.sees("Attendance available!")) == []
    student.waits("the offer's outcome", lambda ms: any((m["text"] or "").endswith("\n\nMarked.") for m in ms))


def test_an_offer_times_out_and_may_come_again(bot: RunningMarker, student: Person, clock: SteppedClock) -> None:
    """After 5 minutes the button goes and the text says so; until then no second one comes, afterwards it may."""
    register(bot, student)
    starts_monitoring(bot, student)
    monitor = bot.monitors[2001]
    monitor.finds(ALGEBRA)
    student.sees("Attendance available!")
    monitor.finds(ALGEBRA)
    bot.settles()
    clock.forward(timedelta(minutes=5) - timedelta(seconds=1))
    bot.lets_time_pass()
    assert student.counts("Attendance available!") == 1
    assert "Mark Now" in labels(student.sees("Attendance available!"))
    clock.forward(timedelta(seconds=1))
    bot.lets_time_pass()
    assert labels(student.sees("The time for this button is over.")) == []
    monitor.finds(ALGEBRA)
    student.waits("a second offer", lambda ms: "Mark Now" in labels(ms[-1]))
    assert student.counts("Attendance available!") == 2


def test_an_offer_lasts_no_longer_than_the_lesson(bot: RunningMarker, student: Person, clock: SteppedClock) -> None:
    """With two minutes left on the page, the button is there for two minutes."""
    register(bot, student)
    starts_monitoring(bot, student)
    bot.monitors[2001].finds(Lesson("Biology", "", "Л2 (10:00 - 11:00)", minutes_left=2, key="b" * 16))
    student.sees("2 minutes left")
    clock.forward(timedelta(minutes=2))
    bot.lets_time_pass()
    student.sees("The time for this button is over.")


def test_an_offer_goes_when_the_lesson_closes(bot: RunningMarker, student: Person) -> None:
    """When the page no longer shows the lesson, its button goes and the text says why."""
    register(bot, student)
    starts_monitoring(bot, student)
    bot.monitors[2001].finds(ALGEBRA)
    student.sees("Attendance available!")
    bot.monitors[2001].tells(Event.LESSON_CLOSED, lesson=ALGEBRA)
    assert labels(student.sees("The lesson has closed.")) == []


def test_a_refusal_is_told_in_the_portal_s_words(bot: RunningMarker, student: Person) -> None:
    """A refused sign-in ends monitoring, shows the portal's message, and offers to update the password."""
    register(bot, student)
    starts_monitoring(bot, student)
    bot.monitors[2001].tells(Event.REFUSED, "Неверный логин или <пароль>.", ends=True)
    told = student.sees("The portal refused the sign-in: «Неверный логин или <пароль>.»")
    assert labels(told) == ["Update Password"]
    eventually("the wish to be forgotten", lambda: not bot.storage.student(2001).monitoring)  # type: ignore[union-attr]
    student.taps("Update Password")
    student.sees("I will delete your message at once")
    student.says("a-new-password")
    student.sees("The new password is saved.")
    assert bot.storage.password(2001) == "a-new-password"


def test_a_new_password_is_wanted(bot: RunningMarker, student: Person, admin: Person) -> None:
    """Where the portal wants a new password, the student reads what to do, with the button; the admin nothing."""
    register(bot, student)
    starts_monitoring(bot, student)
    before = len(admin.screen())
    bot.monitors[2001].tells(Event.PASSWORD_EXPIRED, ends=True)
    told = student.sees(
        "The portal wants a new password.\nMonitoring is off. Set it there, then press Update Password."
    )
    assert labels(told) == ["Update Password"]
    eventually("the wish to be forgotten", lambda: not bot.storage.student(2001).monitoring)  # type: ignore[union-attr]
    assert len(admin.screen()) == before


def test_other_people_s_buttons_do_nothing(
    bot: RunningMarker, student: Person, telegram: Telegram, admin: Person
) -> None:
    """A student who sends an admin's or another student's callback gets an answer and no more."""
    register(bot, student, "somebody")
    starts_monitoring(bot, student)
    bot.monitors[2001].finds(ALGEBRA)
    student.sees("Attendance available!")
    other = Person(telegram, 2002, "Daniyar")
    register(bot, other, "d_student", "another-password")
    menu = other.sees("Registration complete!")["message_id"]
    taps = ["adm:panel", "adm:code", "adm:students:0", "adm:monitors:0", f"mark:{ALGEBRA.key}", "nonsense"]
    telegram.taps_at_once(BOT, 2002, menu, taps, forged=True)
    eventually("answers to all taps", lambda: not telegram.unanswered_taps())
    assert bot.monitors[2001].marked_now == []
    assert other.counts("Invitation code:") == 0
    assert other.counts("somebody") == 0


def test_a_student_who_blocks_the_bot_is_no_longer_watched(
    bot: RunningMarker, student: Person, telegram: Telegram
) -> None:
    """When Telegram says that the bot is blocked, the monitor stops; /start later brings the menu back."""
    register(bot, student)
    starts_monitoring(bot, student)
    telegram.call("/block", bot=BOT, person=2001, blocked=True)
    bot.monitors[2001].finds(ALGEBRA)
    eventually("the monitor to stop", lambda: not bot.monitors[2001].is_running())
    bot.settles()
    all_is_sent(bot.database)  # else an offer that is refused late drops the menu
    telegram.call("/block", bot=BOT, person=2001, blocked=False)
    student.says("/start")
    student.waits("the menu with Start", lambda ms: "Start Monitoring" in labels(ms[-1]))


def test_a_student_reads_their_own_language(bot: RunningMarker, telegram: Telegram) -> None:
    """The app's language decides, /language changes it, and the choice stays."""
    student = Person(telegram, 2001, "Арыстан", language="kk")
    student.says("/start")
    student.taps("Шақыру кодын енгізу")
    student.sees("Шақыру кодын жіберіңіз")
    student.says("/language")
    student.taps("Русский")
    student.waits("the menu in Russian", lambda ms: "Ввести код приглашения" in labels(ms[-1]))


def test_places_are_limited(bot: RunningMarker, telegram: Telegram) -> None:
    """When the machine is full, the next student is told so, and nothing is started."""
    people = []
    for number in (2001, 2002, 2003):
        person = Person(telegram, number, f"Student {number}")
        register(bot, person, f"student_{number}")
        people.append(person)
        person.taps("Start Monitoring")
        eventually("an answer", lambda: not telegram.unanswered_taps())
    people[2].sees("All places for monitoring are taken")
    assert set(bot.monitors) == {2001, 2002}


@pytest.mark.parametrize("command", ["/help", "/language", "/admin", "/cancel"])
def test_our_own_commands_are_no_passwords(bot: RunningMarker, student: Person, command: str) -> None:
    """A command from the bot's menu ends the question for the password; any other text with a slash is one."""
    code = bot.storage.create_invitation(ADMIN)
    for _ in range(2):
        student.says(f"/start {code}")
        student.sees("your username on the portal")
        student.says(USERNAME)
        student.waits("the question", lambda ms: "I will delete your message at once" in (ms[-1]["text"] or ""))
        student.says(command)
        student.waits("its end", lambda ms: "Cancelled." in (ms[-1]["text"] or ""))
    assert bot.storage.students() == []
    student.says(f"/start {code}")
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.waits("the question", lambda ms: "I will delete your message at once" in (ms[-1]["text"] or ""))
    student.says("/pass word")
    student.sees("Registration complete!")
    assert bot.storage.password(2001) == "/pass word"


@pytest.mark.parametrize("password", [PASSWORD, f"/{PASSWORD}"])
def test_a_password_that_comes_late_into_another_question_is_deleted(
    bot: RunningMarker, student: Person, password: str
) -> None:
    """After /cancel at the password, a password typed as the next question's answer does not stay on the screen."""
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.sees("I will delete your message at once")
    student.says("/cancel")
    student.sees("Cancelled.")
    student.taps("Enter Invitation Code")
    student.sees("Send me your invitation code")
    typed = student.says(password)
    student.sees("I have deleted your last message")
    assert typed not in [m["message_id"] for m in student.screen()]
    student.says(bot.storage.create_invitation(ADMIN))
    student.waits("the next question", lambda ms: "your username on the portal" in (ms[-1]["text"] or ""))


def test_a_tap_from_long_ago_still_works(tmp_path: Path, clock: SteppedClock) -> None:
    """A tap that Telegram no longer lets us answer does what its button says all the same."""
    held: list[RunningMarker] = []
    with in_thread(TelegramSimulator(callback_lifetime=0.0).serving()) as url:
        telegram = Telegram(url)
        telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
        telegram.call("/limits", per_second=None, per_chat_per_second=None)
        with in_thread(marker(tmp_path, url, clock, held.append)):
            student = Person(telegram, 2001, "Aruzhan")
            register(held[0], student)
            student.taps("Switch to Manual")
            student.waits("manual mode", lambda ms: "Switch to Automatic" in labels(ms[-1]))
        assert any("query is too old" in (call.get("error") or "") for call in telegram.get("/calls"))
        telegram.http.close()


def test_no_offer_for_a_lesson_that_is_over(bot: RunningMarker, student: Person) -> None:
    """With no minute left nothing is offered; the next lesson is."""
    register(bot, student)
    starts_monitoring(bot, student)
    bot.monitors[2001].finds(Lesson("Biology", "", "Л2 (10:00 - 11:00)", minutes_left=0, key="b" * 16))
    bot.monitors[2001].finds(ALGEBRA)
    student.sees("Algebra")
    assert student.counts("Biology") == 0


def test_who_waits_for_a_place_is_told_and_gets_it(run: Run, telegram: Telegram) -> None:
    """A student without a place after a restart is told so, and monitored as soon as one is free."""
    bot = run()
    people = [Person(telegram, number, f"Student {number}") for number in (2001, 2002, 2003)]
    for person in people:
        register(bot, person, f"student_{person.number}")
        bot.storage.set_monitoring(person.number, True)
    bot = run()
    people[2].sees("Yours starts by itself as soon as one is free.")
    people[0].says("/start")
    people[0].taps("Stop Monitoring")
    eventually("the one who waited", lambda: bot.catches_up() and 2003 in bot.monitors)


@pytest.mark.parametrize("typed", ["a_student\nCorrect-Horse-7", "Correct\ue007Horse"])
def test_what_a_form_can_t_take_is_no_password(bot: RunningMarker, student: Person, typed: str) -> None:
    """A password with a line break or a driver's key code, which would send the portal's form early, is refused."""
    student.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.sees("I will delete your message at once")
    message = student.says(typed)
    student.sees("That is no password of the portal")
    assert message not in [m["message_id"] for m in student.screen()]
    assert bot.storage.students() == []


def test_another_menu_ends_the_question_for_a_password(bot: RunningMarker, student: Person) -> None:
    """After another menu was used the next text is not taken for the password."""
    register(bot, student)
    starts_monitoring(bot, student)
    bot.monitors[2001].tells(Event.REFUSED, "Неверный логин или пароль.", ends=True)
    student.sees("The portal refused the sign-in")
    student.taps("Update Password")
    student.waits("the question", lambda ms: "I will delete your message at once" in (ms[-1]["text"] or ""))
    student.says("/start")
    student.taps("Status")
    student.says("why does it not work?")
    student.sees("I have deleted your last message")
    assert bot.storage.password(2001) == PASSWORD


def test_a_password_typed_long_after_another_menu_is_deleted(
    bot: RunningMarker, student: Person, telegram: Telegram, clock: SteppedClock
) -> None:
    """After another menu ended the question, the next text is deleted however late it comes; later texts stay."""
    register(bot, student)
    student.taps("Update Password")
    student.waits("the question", lambda ms: "I will delete your message at once" in (ms[-1]["text"] or ""))
    menu = student.screen()[-1]["message_id"]
    telegram.call("/tap", bot=BOT, person=2001, message_id=menu, button="mon:status", forged=True)
    student.waits("the menu", lambda ms: "Status" in labels(ms[-1]))
    clock.forward(timedelta(hours=3))
    late = student.says("New-Horse-8")
    student.sees("I have deleted your last message")
    assert late not in [m["message_id"] for m in student.screen()]
    stays = student.says("thank you")
    student.waits("a menu", lambda ms: ms[-1]["message_id"] > stays and "Status" in labels(ms[-1]))
    assert stays in [m["message_id"] for m in student.screen()]
    assert bot.storage.password(2001) == PASSWORD


def test_an_unknown_command_is_answered(bot: RunningMarker, student: Person) -> None:
    """An unknown command shows the menu and says so; a question that waits for an answer still waits."""
    student.says("/start")
    student.says("/report")
    student.waits("the answer", lambda ms: "I don't know that command." in (ms[-1]["text"] or ""))
    student.taps("Enter Invitation Code")
    student.sees("Send me your invitation code")
    student.says("/report")
    student.waits("the answer", lambda ms: "I don't know that command." in (ms[-1]["text"] or ""))
    student.says(bot.storage.create_invitation(ADMIN))
    student.sees("your username on the portal")


def test_a_cancel_button_of_an_earlier_question(bot: RunningMarker, student: Person, telegram: Telegram) -> None:
    """Cancel of a question that is over cancels nothing and brings the menu up to date."""
    student.says("/start")
    student.taps("Enter Invitation Code")
    asked = student.sees("Send me your invitation code")
    student.taps("Cancel")
    student.sees("Cancelled.")
    telegram.call("/tap", bot=BOT, person=2001, message_id=asked["message_id"], button="reg:cancel", forged=True)
    student.waits("the menu", lambda ms: "Cancelled." not in (ms[-1]["text"] or "") and labels(ms[-1]))
    eventually("an answer", lambda: not telegram.unanswered_taps())

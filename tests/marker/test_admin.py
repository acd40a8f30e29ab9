"""The admin's screens over a strict Telegram: codes with link and picture, their list, students' cards, rights."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import segno

from core.json_file import replace_file
from lessons.events import Event
from monitor import profile_name
from portal.lessons import Lesson
from storage import CodeRevoked
from tests.e2e.people import ADMIN, BOT, Person, Telegram, code_in, eventually, labels
from tests.marker.running import Run, RunningMarker, SteppedClock, starts_monitoring

pytestmark = pytest.mark.integration


USERNAME, PASSWORD = "a_student", "Correct-Horse-7"
STUDENT, OTHER_ADMIN = 2001, 1002
ALGEBRA = Lesson("Algebra <b>", "Ivanov I. I.", "Л1 (09:00 - 10:00)", minutes_left=9, key="0123456789abcdef")
PHYSICS = Lesson("Physics", "B. Teacher", "П3 (15:00 - 16:00)", key="00000000000000bb")


@pytest.fixture
def admins() -> tuple[int, ...]:
    """Return two admins' IDs."""
    return (ADMIN, OTHER_ADMIN)


@pytest.fixture
def admin(telegram: Telegram, bot: RunningMarker) -> Person:
    """Return the admin, with the panel on the screen."""
    return at_the_panel(telegram)


def at_the_panel(telegram: Telegram, number: int = ADMIN, language: str = "en") -> Person:
    """Return an admin with the panel on the screen."""
    admin = Person(telegram, number, "Admin", language)
    admin.says("/start")
    admin.waits("the menu", lambda ms: labels(ms[-1]))
    admin.says("/admin")
    admin.waits("the panel", lambda ms: len(labels(ms[-1])) == 5)
    return admin


def register(student: Person, code: str, username: str = USERNAME) -> None:
    """Register a student by the link, in conversation."""
    student.says(f"/start {code}")
    student.sees("your username on the portal")
    student.says(username)
    student.sees("I will delete your message at once")
    student.says(PASSWORD)
    student.sees("Registration complete!")


def opens_card(admin: Person, username: str = USERNAME) -> Any:
    """Have the admin open a student's card from the panel, and return its message."""
    admin.taps("View All Students")
    admin.taps(username)
    return admin.waits("the card", lambda ms: next((m for m in ms if "Telegram ID:" in (m["text"] or "")), None))


def taps_data(telegram: Telegram, person: int, message: Any, data: str, forged: bool = False) -> None:
    """Tap a button by its data; ``forged`` also where it is not on the screen."""
    telegram.call("/tap", bot=BOT, person=person, message_id=message["message_id"], button=data, forged=forged)


def all_answered(telegram: Telegram) -> None:
    """Wait until every tap was answered."""
    eventually("answers to all taps", lambda: not telegram.unanswered_taps())


def test_a_new_code_comes_with_its_link_as_a_picture(bot: RunningMarker, admin: Person, telegram: Telegram) -> None:
    """The code's message is a picture that holds the one-tap link, with code and link as text, ready to forward."""
    admin.taps("Generate Invitation Code")
    shown = admin.sees("Invitation code:")
    code = code_in(shown["text"])
    link = f"https://t.me/{BOT}?start={code}"
    assert link in shown["text"]
    assert labels(shown) == []
    assert shown["rang"]
    picture = telegram.http.get("/file", params={"bot": BOT, "file_id": shown["photo"][-1]["file_id"]}).content
    expected = Path(bot.services.settings.data_dir / "expected.png")
    segno.make(link, micro=False).save(str(expected), scale=10)
    assert picture == expected.read_bytes()
    panel = admin.waits("the panel below", lambda ms: ms[-1] if "Invitations" in labels(ms[-1]) else None)
    assert panel["message_id"] > shown["message_id"]
    assert sum("Invitations" in labels(m) for m in admin.screen()) == 1
    assert telegram.refused_calls() == []


def test_a_picture_that_telegram_refuses_costs_no_code(bot: RunningMarker, admin: Person, telegram: Telegram) -> None:
    """Where Telegram does not take the picture, the code still comes as text."""
    telegram.call("/faults", method="sendPhoto", kind="400", times=1)
    admin.taps("Generate Invitation Code")
    shown = admin.sees("Invitation code:")
    assert "photo" not in shown
    assert code_in(shown["text"]) in bot.storage.invitations()


def test_a_code_waits_for_telegram_through_a_restart(run: Run, telegram: Telegram) -> None:
    """A code made while Telegram fails comes with its picture after a restart, once."""
    run()
    admin = at_the_panel(telegram)
    telegram.call("/faults", method="sendPhoto", kind="500", times=1)
    admin.taps("Generate Invitation Code")
    eventually("the failed call", lambda: any(c["method"] == "sendPhoto" for c in telegram.get("/calls")))
    run()
    assert "photo" in admin.sees("Invitation code:")
    admin.waits("the panel below", lambda ms: "Invitations" in labels(ms[-1]))
    assert admin.counts("Invitation code:") == 1


def test_the_admin_is_told_who_registered_with_which_code(
    bot: RunningMarker, admin: Person, student: Person, telegram: Telegram
) -> None:
    """The notice that a code was redeemed has the code's note, or the code itself; it is a new message."""
    admin.taps("Generate Invitation Code")
    code = code_in(admin.sees("Invitation code:")["text"])
    admin.taps("Add Note")
    admin.sees(f"For whom is the code {code}?")
    admin.says("x" * 61)
    admin.sees("That is too long for a note.")
    admin.says("  Aida <3\nfrom group 2 ")
    card = admin.sees("The note is saved.")
    assert f"{code}, Aida <3 from group 2, made today, 14 days left" in card["text"]
    assert bot.storage.invitations()[code].note == "Aida <3 from group 2"
    register(student, code)
    told = admin.sees("a_student has registered with the code for Aida <3 from group 2.")
    assert told["rang"]
    other = Person(telegram, 2002, "Daniyar")
    plain = bot.storage.create_invitation(ADMIN)
    register(other, plain, "d_student")
    admin.sees(f"d_student has registered with the code {plain}.")
    assert telegram.refused_calls() == []


def test_only_the_admin_who_made_a_code_is_told(run: Run, telegram: Telegram) -> None:
    """Another admin is not told, nor is one who is no admin any more: their codes have ended."""
    bot = run()
    other = at_the_panel(telegram, OTHER_ADMIN)
    register(Person(telegram, STUDENT, "Aruzhan"), bot.storage.create_invitation(ADMIN))
    bot = run(admins=(OTHER_ADMIN,))
    former = Person(telegram, ADMIN, "Admin")
    former.says("/start")
    former.sees("This bot marks your attendance")
    late = Person(telegram, 2002, "Daniyar")
    late.says(f"/start {bot.storage.create_invitation(ADMIN)}")
    late.sees("This invitation code has been revoked.")
    assert former.counts("has registered") == other.counts("has registered") == 0


def test_the_question_for_a_note_can_be_left(
    run: Run, telegram: Telegram, clock: SteppedClock, bot: RunningMarker
) -> None:
    """The question for a note can be cancelled, survives a restart, and is over after half an hour."""
    admin = at_the_panel(telegram)
    for _ in range(3):
        admin.taps("Generate Invitation Code")
        admin.taps("Add Note")
        admin.sees("For whom is the code")
        admin.taps("Cancel")
        admin.sees("Cancelled.")
        admin.says("/admin")
        admin.waits("the panel", lambda ms: "Invitations" in labels(ms[-1]))
    admin.taps("Generate Invitation Code")
    admin.taps("Add Note")
    code = code_in(admin.sees("For whom is the code")["text"])
    bot = run()
    admin.says("Aida")
    admin.sees("The note is saved.")
    assert bot.storage.invitations()[code].note == "Aida"
    admin.taps("Change Note")
    admin.waits("the question", lambda ms: "For whom is the code" in ms[-1]["text"])
    clock.forward(timedelta(minutes=31))
    admin.says("Ben")
    admin.sees("That question has expired.")
    assert bot.storage.invitations()[code].note == "Aida"


def test_an_admin_s_own_password_never_becomes_a_note(bot: RunningMarker, telegram: Telegram) -> None:
    """An admin who is a student, too, and types the password at the question for a note has it deleted, not kept."""
    admin = at_the_panel(telegram)
    register(admin, bot.storage.create_invitation(ADMIN))
    admin.says("/admin")
    admin.taps("Generate Invitation Code")
    admin.taps("Add Note")
    code = code_in(admin.sees("For whom is the code")["text"])
    typed = admin.says(PASSWORD)
    admin.sees("I have deleted your last message")
    assert typed not in [m["message_id"] for m in admin.screen()]
    assert bot.storage.invitations()[code].note == ""
    edited = admin.says("x" * 61)
    admin.sees("That is too long for a note.")
    admin.edits(edited, PASSWORD)
    admin.waits("the edited message to go", lambda ms: edited not in [m["message_id"] for m in ms])
    admin.waits("the answer", lambda ms: "I have deleted your last message" in (ms[-1]["text"] or ""))
    admin.says("Ben")
    admin.sees("The note is saved.")
    assert bot.storage.invitations()[code].note == "Ben"


def test_the_list_says_what_became_of_each_code(
    bot: RunningMarker, admin: Person, student: Person, clock: SteppedClock, telegram: Telegram
) -> None:
    """Unused codes come first with note, age and days left; then used ones with who; then expired and revoked ones."""
    storage = bot.storage
    expired = storage.create_invitation(ADMIN)
    clock.forward(timedelta(days=12))
    used, revoked, removed = (storage.create_invitation(ADMIN) for _ in range(3))
    register(student, used)
    storage.redeem(removed, 2009, "gone_student", PASSWORD)
    storage.remove(2009)
    storage.revoke(revoked)
    old = storage.create_invitation(ADMIN)
    storage.set_note(old, "Ben & Co")
    clock.forward(timedelta(days=2))
    new = storage.create_invitation(ADMIN)
    admin.taps("Invitations")
    shown = admin.sees("made today")
    lines = shown["text"].splitlines()
    assert lines[:3] == [
        "Invitations",
        f"{new}, made today, 14 days left",
        f"{old}, Ben & Co, made 2 days ago, 12 days left",
    ]
    assert set(lines[3:5]) == {f"{used}, used by a_student", f"{removed}, used by 2009"}
    assert lines[5:] == [f"{revoked}, revoked", f"{expired}, expired"]
    assert labels(shown) == [new, old, "Back"]
    admin.taps("Back")
    admin.waits("the panel", lambda ms: any("Generate Invitation Code" in labels(m) for m in ms))


def test_a_code_is_revoked_after_a_second_question(
    bot: RunningMarker, admin: Person, student: Person, telegram: Telegram
) -> None:
    """Revoke asks again, Back changes nothing, "Revoke for good" revokes, and whoever enters the code is told so."""
    code = bot.storage.create_invitation(ADMIN)
    admin.taps("Invitations")
    admin.taps(code)
    assert f"https://t.me/{BOT}?start={code}" in admin.sees("https://t.me/")["text"]
    admin.taps("Revoke")
    admin.sees("Revoke this code?")
    admin.taps("Back")
    admin.taps("Revoke")
    bot.storage.check_code(code)
    question = admin.sees("Revoke this code?")
    for _ in range(2):
        taps_data(telegram, ADMIN, question, f"inv:revoke:{code}:0", forged=True)
    shown = admin.sees(f"The code {code} is revoked.")
    all_answered(telegram)
    assert f"{code}, revoked" in shown["text"]
    with pytest.raises(CodeRevoked):
        bot.storage.check_code(code)
    student.says(f"/start {code}")
    student.sees("This invitation code has been revoked. Ask the administrator for a new one.")
    assert telegram.refused_calls() == []


@pytest.mark.parametrize("at", ["username", "password"])
def test_a_code_revoked_in_the_middle_of_registering(bot: RunningMarker, student: Person, at: str) -> None:
    """A person whose code is revoked between two steps is told at the next one; the password is deleted."""
    code = bot.storage.create_invitation(ADMIN)
    student.says(f"/start {code}")
    student.sees("your username on the portal")
    if at == "password":
        student.says(USERNAME)
        student.sees("I will delete your message at once")
    bot.storage.revoke(code)
    typed = student.says(USERNAME if at == "username" else PASSWORD)
    student.sees("This invitation code has been revoked.")
    assert bot.storage.students() == []
    if at == "password":
        assert typed not in [m["message_id"] for m in student.screen()]
    else:  # the question for a code stands again
        student.says(bot.storage.create_invitation(ADMIN))
        student.waits("the next question", lambda ms: "The code is good." in (ms[-1]["text"] or ""))


def test_a_code_used_before_the_admin_revokes_it_stays_used(bot: RunningMarker, admin: Person, student: Person) -> None:
    """An admin who is too late is told, and the student stays."""
    code = bot.storage.create_invitation(ADMIN)
    admin.taps("Invitations")
    admin.taps(code)
    admin.taps("Revoke")
    admin.sees("Revoke this code?")
    register(student, code)
    admin.taps("Revoke for good")
    shown = admin.sees(f"The code {code} has been used meanwhile.")
    assert f"{code}, used by a_student" in shown["text"]
    assert bot.storage.student(STUDENT) is not None


def test_an_expired_code_says_so(bot: RunningMarker, student: Person, clock: SteppedClock) -> None:
    """After 14 days an unused code is answered as expired, and a new one continues the registration."""
    code = bot.storage.create_invitation(ADMIN)
    clock.forward(timedelta(days=14))
    student.says(f"/start {code}")
    student.sees("This invitation code has expired. Ask the administrator for a new one.")
    student.says(bot.storage.create_invitation(ADMIN))
    student.sees("The code is good.")


def test_a_student_s_card_says_all_that_is_known(
    bot: RunningMarker, admin: Person, student: Person, clock: SteppedClock
) -> None:
    """The card shows ID, mode, state, checks, last mark, last trouble, note and registration, and follows changes."""
    code = bot.storage.create_invitation(ADMIN)
    bot.storage.set_note(code, "Aida <3")
    register(student, code)
    card = opens_card(admin)
    assert card["text"].splitlines() == [
        USERNAME,
        f"Telegram ID: {STUDENT}",
        "Mode: automatic",
        "Monitoring: off",
        "Note: Aida <3",
        "Registered: 15:00:00",
    ]
    assert labels(card) == ["Remove", "Move to Another Account", "Back"]
    clock.forward(timedelta(days=1))
    starts_monitoring(bot, student)
    monitor = bot.monitors[STUDENT]
    monitor.finds(ALGEBRA)
    monitor.marks(ALGEBRA)
    monitor.tells(Event.TROUBLE, words="the portal <does not> answer")
    eventually("the trouble", lambda: bot.services.registry.state.of(STUDENT).trouble_at)
    monitor.tells(Event.WATCHING)
    admin.taps("Back")
    admin.taps(USERNAME)
    card = admin.sees("Last trouble:")
    assert "Monitoring: on since" in card["text"]
    assert "Last mark: Algebra <b>, " in card["text"]
    assert (
        "Last trouble: the portal does not answer as it should: «the portal <does not> answer», 15:00:00"
        in card["text"]
    )
    assert "Registered: 01.09.2026 15:00" in card["text"]
    assert labels(card) == ["Stop", "Remove", "Move to Another Account", "Back"]


def test_the_admin_stops_a_student_s_monitor(
    bot: RunningMarker, admin: Person, student: Person, telegram: Telegram
) -> None:
    """Stop ends the monitor and its offers, the student is told once however often it is tapped, and can go on."""
    register(student, bot.storage.create_invitation(ADMIN))
    starts_monitoring(bot, student)
    bot.monitors[STUDENT].finds(ALGEBRA)
    student.sees("Attendance available!")
    card = opens_card(admin)
    for _ in range(2):
        taps_data(telegram, ADMIN, card, f"stu:stop:{STUDENT}:0", forged=True)
    admin.sees("Monitoring: off")
    all_answered(telegram)
    assert student.sees("The administrator has stopped your monitoring.")["rang"]
    assert labels(student.sees("Attendance available!")) == []
    assert not bot.services.registry.running(STUDENT)
    assert bot.storage.student(STUDENT).monitoring is False  # type: ignore[union-attr]
    admin.taps("Back")
    admin.sees(f"{USERNAME}, automatic, inactive")
    assert student.counts("The administrator has stopped your monitoring.") == 1
    starts_monitoring(bot, student)
    assert telegram.refused_calls() == []


def test_a_student_is_removed_while_monitored(
    bot: RunningMarker, admin: Person, student: Person, telegram: Telegram
) -> None:
    """After a second question a student's data is deleted except marks; the student is told and may register again."""
    code = bot.storage.create_invitation(ADMIN)
    register(student, code)
    starts_monitoring(bot, student)
    monitor = bot.monitors[STUDENT]
    profile = bot.services.settings.data_dir / "profiles" / profile_name(USERNAME)
    profile.mkdir(parents=True)
    replace_file(profile / "Cookies", "a session")
    monitor.finds(PHYSICS)
    student.sees("Physics")
    monitor.finds(ALGEBRA)
    monitor.marks(ALGEBRA)
    student.sees("Attendance Marked.")

    opens_card(admin)
    admin.taps("Remove")
    admin.sees(f"Remove {USERNAME}?")
    admin.taps("Back")
    admin.taps("Remove")
    assert bot.services.registry.running(STUDENT)
    question = admin.sees(f"Remove {USERNAME}?")
    assert labels(question) == ["Remove for good", "Back"]
    for _ in range(2):
        taps_data(telegram, ADMIN, question, f"stu:remove:{STUDENT}:0", forged=True)
    admin.sees("No students yet.")
    all_answered(telegram)
    told = student.sees("The administrator has removed you.")
    assert labels(told) == ["Enter Invitation Code"]
    assert not monitor.is_running()
    assert bot.storage.students() == []
    assert not profile.exists()
    lessons = bot.services.lessons
    assert lessons.get(PHYSICS.key) is None
    kept = lessons.get(ALGEBRA.key)
    assert kept is not None
    assert kept.told_at is not None

    student.says(f"/start {code}")
    student.sees("This invitation code has been used already.")
    register(student, bot.storage.create_invitation(ADMIN))
    starts_monitoring(bot, student)
    bot.monitors[STUDENT].marks(ALGEBRA)
    bot.monitors[STUDENT].finds(PHYSICS)
    student.waits("a new offer", lambda ms: "Mark Now" in labels(ms[-1]))
    assert student.counts("Attendance Marked.") == 1
    assert student.counts("The administrator has removed you.") == 1
    assert telegram.refused_calls() == []


def test_a_student_whose_monitor_hangs_is_not_removed(
    bot: RunningMarker, admin: Person, student: Person, telegram: Telegram
) -> None:
    """Where the monitor does not end the admin is told so, nothing is removed, and the next try removes the student."""
    register(student, bot.storage.create_invitation(ADMIN))
    student.taps("Start Monitoring")
    student.sees("on since")
    monitor = bot.monitors[STUDENT]
    monitor.hangs = True
    opens_card(admin)
    admin.taps("Remove")
    admin.taps("Remove for good")
    admin.sees("The student's Chrome does not end, so nothing was removed.")
    assert bot.storage.student(STUDENT) is not None
    assert student.counts("The administrator has removed you.") == 0
    monitor.hangs = False
    admin.taps("Remove")
    admin.taps("Remove for good")
    student.sees("The administrator has removed you.")
    assert bot.storage.students() == []
    all_answered(telegram)


def test_a_removed_student_s_buttons_and_password_do_no_harm(
    bot: RunningMarker, admin: Person, student: Person, telegram: Telegram
) -> None:
    """Old buttons lead a removed student to the start text, and a password for the old question is deleted."""
    register(student, bot.storage.create_invitation(ADMIN))
    menu = student.sees("Registration complete!")
    taps_data(telegram, STUDENT, menu, "reg:password", forged=True)
    student.waits("the question", lambda ms: "I will delete your message at once" in (ms[-1]["text"] or ""))
    opens_card(admin)
    admin.taps("Remove")
    admin.taps("Remove for good")
    student.sees("The administrator has removed you.")
    typed = student.says(PASSWORD)
    student.waits("the way in", lambda ms: typed not in [m["message_id"] for m in ms])
    for data in ("mon:start", "mon:stop", "mode:manual", "mon:status"):
        taps_data(telegram, STUDENT, menu, data, forged=True)
    all_answered(telegram)
    student.waits("the way in", lambda ms: "Enter Invitation Code" in [x for m in ms for x in labels(m)])
    assert bot.storage.students() == []
    assert not bot.services.registry.running(STUDENT)


@pytest.mark.ordeal
def test_200_students_are_paged(bot: RunningMarker, admin: Person, telegram: Telegram) -> None:
    """200 students with names as long as allowed come in ten pages, each with its students' lines and buttons."""
    for number in range(200):
        name = f"student_{number:03}_{'<' * 180}" if number % 2 else f"student_{number:03}"
        record = bot.storage.create_invitation(ADMIN)
        bot.storage.redeem(record, 3000 + number, name, PASSWORD)
    admin.taps("View All Students")
    seen: list[str] = []
    for page in range(1, 11):
        shown = admin.sees(f"({page}/10)")
        found = re.findall(r"student_\d{3}", shown["text"])
        assert found == [re.sub(r"_[<…].*", "", label) for label in labels(shown) if label.startswith("student_")]
        assert all(len(row) <= 2 for row in shown["buttons"])
        assert all(len((b["data"] or "").encode()) <= 64 for row in shown["buttons"] for b in row)
        seen += found
        if page < 10:
            assert "Next" in labels(shown)
            admin.taps("Next")
    assert seen == [f"student_{number:03}" for number in range(200)]
    assert "Next" not in labels(admin.sees("(10/10)"))
    assert "student_198, automatic, inactive" in admin.sees("(10/10)")["text"].splitlines()
    admin.taps("student_198")
    admin.sees(f"Telegram ID: {3198}")
    admin.taps("Back")
    admin.sees("(10/10)")
    admin.taps("Previous")
    admin.sees("(9/10)")
    admin.taps("Back")
    admin.sees("200 students")
    assert telegram.refused_calls() == []


def test_forged_taps_of_a_student_change_nothing(bot: RunningMarker, student: Person, telegram: Telegram) -> None:
    """A student who sends an admin's callbacks gets an answer, and neither sees nor changes anything."""
    code = bot.storage.create_invitation(ADMIN)
    register(student, bot.storage.create_invitation(ADMIN))
    bot.storage.redeem(bot.storage.create_invitation(ADMIN), 2002, "somebody", PASSWORD)
    before = (bot.storage.students(), bot.storage.invitations())
    menu = student.sees("Registration complete!")
    screen = student.screen()
    for data in callbacks(code, 2002):
        taps_data(telegram, STUDENT, menu, data, forged=True)
    all_answered(telegram)
    student.says("for somebody")
    student.waits("the menu below", lambda ms: len(ms) > len(screen) and ms[-1]["from"] == "bot")
    assert (bot.storage.students(), bot.storage.invitations()) == before
    assert student.counts("somebody") == student.counts(code) == 0


def test_a_removed_admin_s_buttons_do_nothing(run: Run, telegram: Telegram) -> None:
    """For a former admin no old button works, nor the question for a note."""
    bot = run()
    former = at_the_panel(telegram)
    former.taps("Generate Invitation Code")
    code = code_in(former.sees("Invitation code:")["text"])
    bot.storage.redeem(bot.storage.create_invitation(ADMIN), 2002, "somebody", PASSWORD)
    former.taps("Add Note")
    question = former.sees("For whom is the code")
    bot = run(admins=(OTHER_ADMIN,))
    before = (bot.storage.students(), bot.storage.invitations())
    for data in callbacks(code, 2002):
        taps_data(telegram, ADMIN, question, data, forged=True)
    all_answered(telegram)
    former.says("Aida")
    former.waits("the menu", lambda ms: "This bot marks your attendance" in (ms[-1]["text"] or ""))
    assert (bot.storage.students(), bot.storage.invitations()) == before
    assert former.counts("somebody") == 0


def callbacks(code: str, student: int) -> list[str]:
    """Return the data of every admin's button."""
    about_codes = [f"inv:{what}:{code}:0" for what in ("card", "ask", "revoke", "note")]
    about_students = [f"stu:{what}:{student}:0" for what in ("card", "stop", "ask", "remove")]
    screens = ["adm:panel", "adm:code", "adm:students:0", "adm:monitors:0", "adm:codes:0"]
    return [*screens, *about_codes, *about_students]


def test_taps_about_nobody_show_the_list(bot: RunningMarker, admin: Person, telegram: Telegram) -> None:
    """A button about a code or a student that is gone leads back to the list, whatever number is in it."""
    panel = admin.waits("the panel", lambda ms: ms[-1])
    for what in ("card", "stop", "ask", "remove"):
        taps_data(telegram, ADMIN, panel, f"stu:{what}:{'9' * 19}:999999", forged=True)
    admin.sees("This student is not registered any more.")
    for what in ("card", "ask", "revoke", "note"):
        taps_data(telegram, ADMIN, panel, f"inv:{what}:ZZZZ9999:999999", forged=True)
    admin.sees("No invitation codes yet.")
    all_answered(telegram)


def test_two_admins_share_the_work(bot: RunningMarker, admin: Person, telegram: Telegram, student: Person) -> None:
    """What one admin removes the other can't remove again: they are told that the student is gone."""
    other = at_the_panel(telegram, OTHER_ADMIN)
    register(student, bot.storage.create_invitation(ADMIN))
    for each in (admin, other):
        opens_card(each)
        each.taps("Remove")
        each.sees(f"Remove {USERNAME}?")
    admin.taps("Remove for good")
    admin.sees(f"{USERNAME} is removed.")
    other.taps("Remove for good")
    other.sees("This student is not registered any more.")
    student.sees("The administrator has removed you.")
    assert student.counts("The administrator has removed you.") == 1


@pytest.mark.parametrize(("language", "panel"), [("ru", "Приглашения"), ("kk", "Шақырулар")])
def test_the_admin_s_screens_in_other_languages(run: Run, telegram: Telegram, language: str, panel: str) -> None:
    """An admin reads the codes' and the students' screens in their own language."""
    bot = run()
    bot.storage.redeem(bot.storage.create_invitation(ADMIN), 2002, "somebody", PASSWORD)
    bot.storage.create_invitation(ADMIN)
    admin = at_the_panel(telegram, language=language)
    admin.taps(panel)
    listed = admin.sees("somebody")["text"]
    admin.says("/admin")
    admin.waits("the panel", lambda ms: len(labels(ms[-1])) == 5)
    admin.taps({"ru": "Все студенты", "kk": "Барлық студенттер"}[language])
    admin.taps("somebody")
    card = admin.sees("2002")["text"]
    assert not re.search(r"[A-Za-z]{4,}", re.sub(r"somebody|Telegram|[A-Z2-9]{8}", "", listed + card))

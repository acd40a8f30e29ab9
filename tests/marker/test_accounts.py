"""A student's account over a strict Telegram: the password's trial, lock-outs, moving, deleting everything."""

import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from lessons.events import Event
from marker.monitors.password_check import Outcome, TrialResult
from monitor import profile_name
from portal.lessons import Lesson
from tests.e2e.people import ADMIN, BOT, Person, Telegram, eventually, labels
from tests.marker.running import Run, RunningMarker, SteppedClock, starts_monitoring, to_the_panel
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


USERNAME, PASSWORD = "a_student", "Correct-Horse-7"
ALGEBRA = Lesson("Algebra", "Ivanov I. I.", "Л1 (09:00 - 10:00)", minutes_left=9, key="0123456789abcdef")
PHYSICS = Lesson("Physics", "B. Teacher", "П3 (15:00 - 16:00)", key="00000000000000bb")
REFUSED = TrialResult(Outcome.REFUSED, "Неверный <логин> или пароль")


def at_the_password(bot: RunningMarker, person: Person, username: str = USERNAME, code: str | None = None) -> None:
    """Bring a person to the question for the password."""
    person.says(f"/start {code or bot.storage.create_invitation(ADMIN)}")
    person.sees("your username on the portal")
    person.says(username)
    person.waits("the password's question", lambda ms: "delete your message at once" in (ms[-1]["text"] or ""))


def register(bot: RunningMarker, person: Person, username: str = USERNAME) -> None:
    """Register a person whose password the portal accepts."""
    at_the_password(bot, person, username)
    person.says(PASSWORD)
    person.sees("Registration complete!")


def last(text: str) -> Callable[[list[dict[str, object]]], bool]:
    """Return a condition: the newest message has this text."""
    return lambda ms: bool(ms) and text in str(ms[-1]["text"])


class TestTrial:
    """The password is tried on the portal before it is stored."""

    def test_an_accepted_password_keeps_its_session(self, bot: RunningMarker, student: Person) -> None:
        """An accepted password is reported and stored, and the trial's profile becomes the student's own."""
        bot.check.verdict = TrialResult(Outcome.ACCEPTED, profile="trial-1")
        register(bot, student)
        student.sees("The portal accepted your password.")
        assert bot.check.tried == [(USERNAME, PASSWORD)]
        assert bot.check.adopted == [("trial-1", USERNAME)]
        assert bot.check.forgotten == []

    def test_a_refused_password_is_asked_for_again(self, bot: RunningMarker, student: Person) -> None:
        """A refused password is not stored and does not use up the code; the right one registers."""
        code = bot.storage.create_invitation(ADMIN)
        bot.check.verdict = REFUSED
        at_the_password(bot, student, code=code)
        typed = student.says("wrong")
        student.sees("«Неверный <логин> или пароль»")
        assert bot.storage.students() == []
        bot.check.verdict = TrialResult(Outcome.ACCEPTED)
        student.says(PASSWORD)
        student.sees("Registration complete!")
        assert bot.storage.password(2001) == PASSWORD
        assert typed not in [m["message_id"] for m in student.screen()]

    def test_a_blocked_account_is_not_registered(self, bot: RunningMarker, student: Person) -> None:
        """A blocked account is not registered, and its code can still be used."""
        code = bot.storage.create_invitation(ADMIN)
        bot.check.verdict = TrialResult(Outcome.BLOCKED, "Долг")
        at_the_password(bot, student, code=code)
        student.says(PASSWORD)
        student.sees("has blocked this account: «Долг»")
        assert bot.storage.students() == []
        bot.storage.check_code(code)

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("AccountLocked", "has locked this account for a while: «Долг»"),
            ("AccountExpired", "has expired on the portal: «Долг»"),
        ],
    )
    def test_a_locked_and_an_expired_account(self, bot: RunningMarker, student: Person, code: str, told: str) -> None:
        """A locked and an expired account are told apart from a blocked one; nothing is stored."""
        bot.check.verdict = TrialResult(Outcome.BLOCKED, "Долг", code=code)
        at_the_password(bot, student)
        student.says(PASSWORD)
        student.sees(told)
        assert bot.storage.students() == []

    def test_an_expired_password_is_not_stored(self, bot: RunningMarker, student: Person) -> None:
        """Where the portal wants a new password, neither a registration nor a change keeps the old one."""
        expired = TrialResult(Outcome.PASSWORD_EXPIRED, "Срок действия пароля истёк", code="PasswordExpired")
        code = bot.storage.create_invitation(ADMIN)
        bot.check.verdict = expired
        at_the_password(bot, student, code=code)
        student.says("old-password")
        text = student.sees("The portal wants a new password: «Срок действия пароля истёк»")["text"]
        assert "Set it there, then send it here." in text
        assert bot.storage.students() == []
        bot.storage.check_code(code)
        bot.check.verdict = TrialResult(Outcome.ACCEPTED)
        student.says(PASSWORD)
        student.sees("Registration complete!")
        bot.check.verdict = expired
        student.taps("Update Password")
        student.waits("the question", last("delete your message at once"))
        student.says("old-password")
        eventually("the answer", lambda: student.counts("The portal wants a new password") == 2)
        assert bot.storage.password(2001) == PASSWORD

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("PortalSlow", "The portal is very slow"),
            ("PortalUnavailable", "The portal is down"),
            ("NotThePortal", "Something else than the portal"),
        ],
    )
    def test_why_a_password_was_not_tried(self, bot: RunningMarker, student: Person, code: str, told: str) -> None:
        """A slow portal, one that is down and something else at its address are told apart."""
        bot.check.verdict = TrialResult(Outcome.NOT_TRIED, code=code)
        register(bot, student)
        student.sees(told)

    def test_a_portal_that_is_down_stops_no_registration(self, bot: RunningMarker, student: Person) -> None:
        """Where the portal gives no answer, the student is registered and told that the password was not tried."""
        bot.check.verdict = TrialResult(Outcome.NOT_TRIED)
        register(bot, student)
        student.sees("could not be tried on the portal")

    def test_skip_keeps_the_password_untried(self, bot: RunningMarker, student: Person) -> None:
        """Skip, tapped twice while the portal is slow, registers once and ends the trial."""
        bot.check.answers.clear()
        at_the_password(bot, student)
        student.says(PASSWORD)
        student.sees("Trying the password on the portal...")
        student.taps("Skip")
        student.sees("The password was not tried on the portal.")
        eventually("the trial's end", lambda: bot.check.ended == 1)
        assert student.counts("Registration complete!") == 1
        assert bot.storage.password(2001) == PASSWORD

    def test_cancel_during_the_trial_keeps_nothing(self, bot: RunningMarker, student: Person) -> None:
        """Cancel while the password is tried ends the trial, and nobody is registered."""
        bot.check.answers.clear()
        at_the_password(bot, student)
        student.says(PASSWORD)
        student.sees("Trying the password on the portal...")
        student.taps("Cancel")
        student.sees("Cancelled.")
        eventually("the trial's end", lambda: bot.check.ended == 1)
        assert bot.storage.students() == []

    def test_another_menu_during_the_trial(self, bot: RunningMarker, student: Person, telegram: Telegram) -> None:
        """A tap on a button of an older menu while a password is tried changes nothing about the outcome."""
        bot.check.answers.clear()
        at_the_password(bot, student)
        student.says(PASSWORD)
        trying = student.sees("Trying the password on the portal...")
        eventually("the trial", lambda: bot.check.tried)
        telegram.call("/tap", bot=BOT, person=2001, message_id=trying["message_id"], button="mon:status", forged=True)
        student.waits("the menu", last("To begin you need an invitation code"))
        bot.check.answers.set()
        student.sees("Registration complete!")
        assert bot.storage.password(2001) == PASSWORD

    def test_another_password_takes_the_place_of_the_first(self, bot: RunningMarker, student: Person) -> None:
        """A second password typed during the trial is deleted, too, and it is the one that is kept."""
        bot.check.answers.clear()
        at_the_password(bot, student)
        student.says("first-try")
        student.sees("Trying the password on the portal...")
        second = student.says(PASSWORD)
        eventually("the second trial", lambda: len(bot.check.tried) == 2)
        bot.check.answers.set()
        student.sees("Registration complete!")
        assert bot.storage.password(2001) == PASSWORD
        assert second not in [m["message_id"] for m in student.screen()]

    def test_a_restart_during_the_trial_asks_again(
        self, run: Run, bot: RunningMarker, student: Person, tmp_path: Path
    ) -> None:
        """The password under trial is in no file; after a restart it is asked for again, and Skip from before too."""
        bot.check.answers.clear()
        at_the_password(bot, student)
        student.says(PASSWORD)
        student.sees("Trying the password on the portal...")
        eventually("the trial", lambda: bot.check.tried)
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert not any(PASSWORD.encode() in path.read_bytes() for path in files)
        again = run()
        student.waits("the question", last("delete your message at once"))
        assert again.storage.students() == []
        student.says(PASSWORD)
        student.sees("Registration complete!")

    def test_two_people_with_one_username(self, bot: RunningMarker, student: Person, telegram: Telegram) -> None:
        """Two people who try one account at once are tried one after the other, and one of them is registered."""
        other = Person(telegram, 2002, "Daniyar")
        bot.check.answers.clear()
        for person in (student, other):
            at_the_password(bot, person)
            person.says(PASSWORD)
            person.sees("Trying the password on the portal...")
        eventually("the first trial", lambda: bot.check.tried)
        assert len(bot.check.tried) == 1
        bot.check.answers.set()
        eventually("both", lambda: len(bot.check.tried) == 2)
        eventually(
            "one of each",
            lambda: (
                student.counts("Registration complete!") + other.counts("Registration complete!") == 1
                and student.counts("Another Telegram account") + other.counts("Another Telegram account") == 1
            ),
        )

    def test_update_password_tries_it_and_restarts_the_monitor(self, bot: RunningMarker, student: Person) -> None:
        """A refused new password leaves the old one; an accepted one is kept, and the running monitor gets it."""
        register(bot, student)
        starts_monitoring(bot, student)
        first = bot.monitors[2001]
        student.taps("Update Password")
        student.waits("the question", last("delete your message at once"))
        bot.check.verdict = REFUSED
        student.says("wrong")
        student.sees("The portal refused the sign-in")
        assert bot.storage.password(2001) == PASSWORD
        assert first.is_running()
        bot.check.verdict = TrialResult(Outcome.ACCEPTED, profile="trial-2")
        student.says("New-Horse-8")
        student.sees("The new password is saved.")
        assert ("trial-2", USERNAME) in bot.check.adopted
        assert bot.monitors[2001] is not first
        assert bot.monitors[2001].password == "New-Horse-8"


class TestLimits:
    """Nobody guesses passwords or codes through the bot."""

    def test_three_refusals_lock_an_account_for_everybody(
        self, run: Run, bot: RunningMarker, student: Person, telegram: Telegram, clock: SteppedClock
    ) -> None:
        """The third refusal locks a username for an hour, for other people and spellings, and after a restart."""
        bot.check.verdict = REFUSED
        at_the_password(bot, student)
        for number, typed in enumerate(("one1", "two2"), 1):
            student.says(typed)
            told = partial(lambda n: student.counts("The portal refused the sign-in") == n, number)
            eventually("the refusal", told)
            assert bot.check.tried[-1] == (USERNAME, typed)
        student.says("three")
        student.sees("Try again in 60 minutes.")
        again = run()
        other = Person(telegram, 2002, "Daniyar")
        other.says(f"/start {again.storage.create_invitation(ADMIN)}")
        other.sees("your username on the portal")
        other.says("A_Student@kbtu.kz")
        other.sees("The portal has refused too many passwords. Try again in 60 minutes.")
        assert again.check.tried == []
        clock.forward(timedelta(hours=1, seconds=1))
        register(again, other)

    def test_start_is_no_way_around_the_limit(self, bot: RunningMarker, student: Person) -> None:
        """Passwords refused to monitors count: after three of them Start and Update Password say when to try again."""
        register(bot, student)
        for times in range(3):
            student.taps("Start Monitoring")
            eventually("the monitor", lambda: bot.monitors.get(2001))
            student.waits("its menu", lambda ms: any("Stop Monitoring" in labels(m) for m in ms))
            bot.monitors.pop(2001).tells(Event.REFUSED, "no", ends=True)
            eventually(
                "the notice", partial(lambda n: student.counts("The portal refused the sign-in") == n + 1, times)
            )
        student.taps("Start Monitoring")
        student.sees("The portal has refused too many passwords.")
        assert bot.monitors == {}

    def test_five_wrong_codes_lock_for_a_quarter_of_an_hour(
        self, run: Run, bot: RunningMarker, student: Person, clock: SteppedClock
    ) -> None:
        """Typed codes and links count together; a right code is not looked at meanwhile, nor after a restart."""
        for number, code in enumerate(("AAAA2222", "AAAA3333", "AAAA4444")):
            student.says(f"/start {code}")
            eventually("the answer", partial(lambda n: student.counts("There is no such") == n + 1, number))
        student.says("AAAA5555")
        eventually("the answer", lambda: student.counts("There is no such") == 4)
        student.says("AAAA6666")
        student.sees("Too many wrong codes. Try again in 15 minutes.")
        again = run()
        clock.forward(timedelta(minutes=10))
        good = again.storage.create_invitation(ADMIN)
        student.says(f"/start {good}")
        student.sees("Too many wrong codes. Try again in 5 minutes.")
        clock.forward(timedelta(minutes=5))
        at_the_password(again, student, code=good)


class TestDeletion:
    """Delete My Data leaves nothing."""

    def test_everything_goes(self, bot: RunningMarker, student: Person, telegram: Telegram, tmp_path: Path) -> None:
        """After Yes, tapped twice, no file names the student, the monitor has ended, and one line tells the admin."""
        admin = Person(telegram, ADMIN, "Admin")
        admin.says("/start")
        register(bot, student)
        code = bot.storage.student(2001).invitation_code  # type: ignore[union-attr]
        starts_monitoring(bot, student)
        monitor = bot.monitors[2001]
        now = bot.services.clock.now()
        bot.services.lessons.seen(ALGEBRA.key, 2001, "2026-09-01", "Algebra", "Ivanov I. I.", ALGEBRA.time, now)
        monitor.marks(ALGEBRA)
        student.sees("Attendance Marked.")
        profile = tmp_path / "data" / "profiles" / profile_name(USERNAME)
        profile.mkdir(parents=True)
        student.taps("Delete My Data")
        student.sees("Delete everything that is stored about you?")
        student.taps("Back")
        student.waits("the menu", lambda ms: any("Delete My Data" in labels(m) for m in ms))
        assert monitor.is_running()
        student.taps("Delete My Data")
        student.sees("Delete everything that is stored about you?")
        question = next(m for m in student.screen() if "Yes, Delete Everything" in labels(m))
        telegram.taps_at_once(BOT, 2001, question["message_id"], ["Yes, Delete Everything"] * 2)
        student.sees("Your data is deleted.")
        admin.sees(f"{USERNAME} has deleted their data.")
        assert not monitor.is_running()
        assert bot.storage.students() == []
        assert bot.storage.invitation(code).used_by == 0  # type: ignore[union-attr]
        assert not profile.exists()
        with closing(sqlite3.connect(tmp_path / "data" / "ledger.sqlite3")) as ledger:
            for table, column in (("lessons", "student"), ("steps", "telegram_id")):
                count = ledger.execute(f"SELECT count(*) FROM {table} WHERE {column} = 2001").fetchone()
                assert count == (0,), table
        names = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("*.json*"))
        assert b"2001" not in names
        assert USERNAME.encode() not in names

    def test_a_second_tap_drops_no_answer(self, bot: RunningMarker, student: Person, telegram: Telegram) -> None:
        """A second tap that comes before the answer to the first was sent is answered alike: the data is deleted."""
        register(bot, student)
        student.taps("Delete My Data")
        question = student.waits("the question", lambda ms: "Yes, Delete Everything" in labels(ms[-1]) and ms[-1])
        telegram.call("/faults", method="sendMessage", kind="500", times=1000)
        tap = {"bot": BOT, "person": 2001, "message_id": question["message_id"], "button": "Yes, Delete Everything"}
        for _ in range(2):
            telegram.call("/tap", **tap)
            eventually("its answer", lambda: not telegram.unanswered_taps())
            eventually("a failed message", lambda: [c for c in telegram.get("/calls") if c["status"] == 500])
        telegram.http.delete("/faults").raise_for_status()
        student.sees("Your data is deleted.")

    def test_no_byte_is_left(self, bot: RunningMarker, telegram: Telegram, tmp_path: Path) -> None:
        """Once the messages are sent no byte of the data folder has the account or the username, though it is open."""
        account = 777_000_777_123
        student, admin = Person(telegram, account, "Aida"), Person(telegram, ADMIN, "Admin")
        admin.says("/start")
        register(bot, student)
        damaged = tmp_path / "data" / "students.json.damaged-0a"
        damaged.write_text(f'{{"{account}": ')
        pages = tmp_path / "data" / "unknown-pages"
        pages.mkdir()
        (pages / "page.html").write_text(USERNAME)
        bot.services.claims.claim(f"refused:{account}", bot.services.clock.now())
        student.taps("Delete My Data")
        question = student.waits("the question", lambda ms: "Yes, Delete Everything" in labels(ms[-1]) and ms[-1])
        telegram.taps_at_once(BOT, account, question["message_id"], ["Yes, Delete Everything"] * 2)
        student.sees("Your data is deleted.")
        admin.sees(f"{USERNAME} has deleted their data.")
        eventually("both taps are answered", lambda: not telegram.unanswered_taps())
        spellings = str(account).encode(), account.to_bytes(6, "big"), USERNAME.encode()

        def is_gone() -> bool:
            bot.services.student_rows.erase_traces()
            files = [each for each in (tmp_path / "data").rglob("*") if each.is_file()]
            return not any(each in file.read_bytes() for file in files for each in spellings)

        eventually("nothing is left", is_gone)

    def test_removed_by_an_admin(self, bot: RunningMarker, student: Person, telegram: Telegram, tmp_path: Path) -> None:
        """After an admin's Remove no byte has the username, nor the code the account; the chat goes on."""
        admin = Person(telegram, ADMIN, "Admin")
        admin.says("/start")
        register(bot, student)
        code = bot.storage.student(2001).invitation_code  # type: ignore[union-attr]
        to_the_panel(admin)
        admin.taps("View All Students")
        admin.taps(USERNAME)
        admin.taps("Remove")
        admin.taps("Remove for good")
        student.sees("The administrator has removed you.")
        assert bot.storage.invitation(code).used_by == 0  # type: ignore[union-attr]
        admin.taps("Back")  # the panel's message no longer says who was removed

        def is_gone() -> bool:
            bot.services.student_rows.erase_traces()
            files = [each for each in (tmp_path / "data").rglob("*") if each.is_file()]
            return not any(USERNAME.encode() in file.read_bytes() for file in files)

        eventually("nothing is left", is_gone)

    def test_during_a_password_s_trial(
        self, bot: RunningMarker, student: Person, telegram: Telegram, clock: SteppedClock
    ) -> None:
        """Yes while a password is tried ends the trial; nothing is stored, and a password typed later is deleted."""
        register(bot, student)
        bot.check.answers.clear()
        bot.check.verdict = TrialResult(Outcome.ACCEPTED, profile="trial-2")
        student.taps("Update Password")
        student.waits("the question", last("delete your message at once"))
        student.says("New-Horse-8")
        trying = student.sees("Trying the password on the portal...")
        eventually("the trial", lambda: (USERNAME, "New-Horse-8") in bot.check.tried)
        telegram.call("/tap", bot=BOT, person=2001, message_id=trying["message_id"], button="del:yes", forged=True)
        student.sees("Your data is deleted.")
        eventually("the trial's end", lambda: bot.check.ended == 1)
        bot.check.answers.set()
        assert bot.storage.students() == []
        clock.forward(timedelta(hours=3))
        late = student.says("New-Horse-8")
        student.waits("the late password's deletion", lambda ms: late not in [m["message_id"] for m in ms])
        student.waits("the start text", last("To begin you need an invitation code"))
        assert bot.check.adopted == []
        assert student.counts("The new password is saved.") == 0

    def test_in_the_moment_of_the_outcome(self, bot: RunningMarker, student: Person, telegram: Telegram) -> None:
        """A password that is accepted while the admin removes the student leaves no browser profile."""
        admin = Person(telegram, ADMIN, "Admin")
        admin.says("/start")
        register(bot, student)
        bot.check.verdict = TrialResult(Outcome.ACCEPTED, profile="trial-2")
        bot.check.answers.clear()
        student.taps("Update Password")
        student.waits("the question", last("delete your message at once"))
        student.says("New-Horse-8")
        student.sees("Trying the password on the portal...")
        begun, goes_on = threading.Event(), threading.Event()

        def half_way(_username: str) -> None:
            begun.set()
            assert goes_on.wait(PATIENCE)

        bot.services.forget_profile = half_way
        to_the_panel(admin)
        admin.taps("View All Students")
        admin.taps(USERNAME)
        admin.taps("Remove")
        admin.taps("Remove for good")
        assert begun.wait(PATIENCE)
        bot.check.answers.set()
        eventually("the password's storing", lambda: bot.storage.password(2001) == "New-Horse-8")
        goes_on.set()
        admin.sees("a_student is removed.")
        eventually("the session's end", lambda: bot.check.forgotten == ["trial-2"])
        assert bot.check.adopted == []
        assert bot.storage.students() == []
        assert student.counts("The new password is saved.") == 0

    def test_an_old_yes_of_another_person_deletes_nothing(self, bot: RunningMarker, student: Person) -> None:
        """Yes from somebody who is no longer registered shows the start text and deletes nobody."""
        register(bot, student)
        student.taps("Delete My Data")
        student.sees("Delete everything that is stored about you?")
        bot.storage.remove(2001)
        student.taps("Yes, Delete Everything")
        student.sees("To begin you need an invitation code")


def move_code(admin: Person, telegram: Telegram) -> str:
    """Have the admin make a move code for the only student, and return it."""
    before = admin.counts("Move code for a_student")
    to_the_panel(admin)
    admin.taps("View All Students")
    admin.taps(USERNAME)
    admin.taps("Move to Another Account")
    admin.sees("Move a_student to another Telegram account?")
    admin.taps("Make Move Code")
    eventually("the code", lambda: admin.counts("Move code for a_student") > before)
    text = admin.sees("Move code for a_student")["text"]
    found = re.search(r"\b[A-HJ-NP-Z2-9]{12}\b", text)
    assert found
    return found.group()


class TestMove:
    """A student comes with a new Telegram account."""

    @pytest.fixture
    def admin(self, bot: RunningMarker, telegram: Telegram) -> Person:
        """Return the admin, who has pressed Start."""
        admin = Person(telegram, ADMIN, "Admin")
        admin.says("/start")
        return admin

    @pytest.fixture
    def new(self, bot: RunningMarker, telegram: Telegram) -> Person:
        """Return the new account."""
        return Person(telegram, 2002, "Aruzhan")

    def test_everything_moves(
        self, bot: RunningMarker, student: Person, new: Person, admin: Person, telegram: Telegram
    ) -> None:
        """Record, password, history and the running monitor move to the new account; the old one has no rights left."""
        register(bot, student)
        starts_monitoring(bot, student)
        before = bot.storage.student(2001)
        assert before is not None
        now = bot.services.clock.now()
        bot.services.lessons.seen(ALGEBRA.key, 2001, "2026-09-01", "Algebra", "Ivanov I. I.", ALGEBRA.time, now)
        bot.monitors[2001].marks(ALGEBRA)
        student.sees("Attendance Marked.")
        new.says(f"/start {move_code(admin, telegram)}")
        new.taps("Move Here")
        new.sees("The registration is now this Telegram account's.")
        student.sees("Your registration was moved to another Telegram account.")
        admin.sees("a_student has moved to the Telegram account 2002.")
        after = bot.storage.student(2002)
        assert after == replace(before, telegram_id=2002)
        assert bot.storage.student(2001) is None
        assert bot.storage.password(2002) == PASSWORD
        assert bot.storage.invitation(after.invitation_code).used_by == 2002  # type: ignore[union-attr]
        assert not bot.monitors[2001].is_running()
        eventually("the monitor", lambda: bot.services.registry.running(2002))
        last_mark = bot.services.lessons.last_mark(2002)
        assert last_mark is not None
        assert last_mark.told_at is not None
        assert bot.catches_up()
        assert new.counts("Attendance Marked.") == 0

    def test_during_the_question_for_a_password(
        self, bot: RunningMarker, student: Person, new: Person, admin: Person, telegram: Telegram
    ) -> None:
        """A password that was asked for in the old account before the move is deleted when it is typed after it."""
        register(bot, student)
        student.taps("Update Password")
        student.waits("the question", last("delete your message at once"))
        new.says(f"/start {move_code(admin, telegram)}")
        new.taps("Move Here")
        student.sees("Your registration was moved to another Telegram account.")
        late = student.says("New-Horse-8")
        student.waits("the late password's deletion", lambda ms: late not in [m["message_id"] for m in ms])
        student.sees("I have deleted your last message")
        assert bot.storage.password(2002) == PASSWORD

    def test_two_accounts_with_one_code(
        self, bot: RunningMarker, student: Person, new: Person, admin: Person, telegram: Telegram
    ) -> None:
        """Of two accounts that open one code at once, one gets the registration; the other is told."""
        third = Person(telegram, 2003, "Daniyar")
        register(bot, student)
        code = move_code(admin, telegram)
        for person in (new, third):
            person.says(f"/start {code}")
            person.sees("Move the registration of a_student")
        for person in (new, third):
            person.taps("Move Here")
        eventually(
            "the outcomes",
            lambda: (
                new.counts("is now this Telegram account's") + third.counts("is now this Telegram account's") == 1
                and new.counts("can't be used any more") + third.counts("can't be used any more") == 1
            ),
        )
        assert len(bot.storage.students()) == 1

    def test_invalid_move_codes(
        self, bot: RunningMarker, student: Person, new: Person, admin: Person, telegram: Telegram, clock: SteppedClock
    ) -> None:
        """A revoked, replaced or expired move code moves nobody, nor does one opened by a registered student."""
        register(bot, student)
        replaced = move_code(admin, telegram)
        expired = move_code(admin, telegram)
        new.says(f"/start {replaced}")
        new.sees("There is no such invitation code.")
        new.says(f"/start {expired}")
        new.sees("Move the registration of a_student")
        clock.forward(timedelta(hours=24, seconds=1))
        new.taps("Move Here")
        new.sees("This move code can't be used any more.")
        student.says(f"/start {move_code(admin, telegram)}")
        student.sees("You are registered already.")
        assert [each.telegram_id for each in bot.storage.students()] == [2001]

    def test_a_revoked_code(
        self, bot: RunningMarker, student: Person, new: Person, admin: Person, telegram: Telegram
    ) -> None:
        """A revoked move code moves nobody, also where it was opened before; revoking twice is harmless."""
        register(bot, student)
        code = move_code(admin, telegram)
        new.says(f"/start {code}")
        new.sees("Move the registration of a_student")
        to_the_panel(admin)
        admin.taps("View All Students")
        admin.taps(USERNAME)
        admin.taps("Move to Another Account")
        screen = admin.sees("A move code is waiting to be used")
        assert "Revoke Move Code" in labels(screen)
        telegram.taps_at_once(BOT, ADMIN, screen["message_id"], ["mov:revoke:2001:0"] * 2, forged=True)
        eventually("the taps' answers", lambda: not telegram.unanswered_taps())
        without = admin.waits(
            "the screen without a code",
            lambda ms: [
                m for m in ms if m["message_id"] == screen["message_id"] and "Revoke Move Code" not in labels(m)
            ],
        )
        assert "A move code is waiting" not in without[0]["text"]
        new.taps("Move Here")
        new.sees("This move code can't be used any more.")
        new.says(f"/start {code}")
        new.sees("There is no such invitation code.")
        assert [each.telegram_id for each in bot.storage.students()] == [2001]
        assert bot.storage.invitation(bot.storage.students()[0].invitation_code).used_by == 2001  # type: ignore[union-attr]

    @pytest.mark.parametrize("record_moved", [False, True])
    def test_a_crash_half_way(
        self,
        run: Run,
        bot: RunningMarker,
        student: Person,
        new: Person,
        admin: Person,
        telegram: Telegram,
        record_moved: bool,
    ) -> None:
        """After a crash before the record moved the code works again; after it, the next start finishes the move."""
        register(bot, student)
        now = bot.services.clock.now()
        bot.services.lessons.seen(PHYSICS.key, 2001, "2026-09-01", "Physics", "B. Teacher", PHYSICS.time, now)
        code = move_code(admin, telegram)
        assert bot.services.move_codes.begin(code, 2002, now) is not None
        if record_moved:
            bot.storage.move(2001, 2002)
        again = run()
        if not record_moved:
            new.says(f"/start {code}")
            new.taps("Move Here")
            new.sees("The registration is now this Telegram account's.")
        student.sees("Your registration was moved")
        assert [each.telegram_id for each in again.storage.students()] == [2002]
        lesson = again.services.lessons.get(PHYSICS.key)
        assert lesson is not None
        assert lesson.student == 2002
        assert again.services.move_codes.begun() == []

"""Messages about lasting errors, over a strict Telegram: to whom and how often."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lessons.events import CloseReason, Event, StatusEvent
from portal.lessons import Lesson
from telegram_app.files import qr_picture
from tests.e2e.people import ADMIN, Person, Telegram, eventually
from tests.marker.running import Run, RunningMarker, SteppedClock, starts_monitoring

pytestmark = pytest.mark.integration


ALGEBRA = Lesson("Algebra", "Ivanov I. I.", "Л1 (09:00 - 10:00)", key="0123456789abcdef")
FIRST, SECOND, THIRD = 2001, 2002, 2003
DOWN = "HTTP 503"


@pytest.fixture
def capacity() -> int:
    """Return a capacity for everybody."""
    return 5


@pytest.fixture
def admin(telegram: Telegram) -> Person:
    """Return the admin, who has pressed Start."""
    person = Person(telegram, ADMIN, "Admin")
    person.says("/start")
    return person


def watched(bot: RunningMarker, telegram: Telegram, number: int) -> Person:
    """Return a student whose monitor runs."""
    bot.storage.redeem(bot.storage.create_invitation(ADMIN), number, f"student_{number}", "Correct-Horse-7")
    person = Person(telegram, number, "Student")
    person.says("/start")
    starts_monitoring(bot, person)
    return person


def passes(bot: RunningMarker, clock: SteppedClock, **time: float) -> None:
    bot.settles()  # what was told before belongs to the time before
    clock.forward(timedelta(**time))
    bot.looks_at_troubles()


def test_one_message_after_five_minutes_and_one_when_over(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """A student gets one message when an error has lasted five minutes, and one when it is over."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    monitor = bot.monitors[FIRST]
    monitor.tells(Event.TROUBLE, DOWN)
    eventually("the trouble", lambda: bot.services.registry.state.of(FIRST).trouble_at)
    passes(bot, clock, minutes=4)
    assert student.counts("can't be checked") == 0
    monitor.tells(Event.TROUBLE, DOWN)
    passes(bot, clock, minutes=2)
    student.sees(DOWN)
    for _ in range(3):
        monitor.tells(Event.TROUBLE, DOWN)
        passes(bot, clock, minutes=5)
    monitor.tells(Event.WATCHING)
    student.sees("The portal works again")
    monitor.tells(Event.WATCHING)
    student.taps("Status")
    student.sees("Last trouble")
    assert student.counts("can't be checked since") == 1
    assert student.counts("The portal works again") == 1


def test_short_trouble_is_not_told(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """An error that is over within five minutes is on the Status screen and in no message."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    for _ in range(4):
        bot.monitors[FIRST].tells(Event.TROUBLE, DOWN)
        passes(bot, clock, minutes=3)
        bot.monitors[FIRST].tells(Event.WATCHING)
        bot.settles()
    passes(bot, clock, minutes=3)
    student.taps("Status")
    student.sees(f"Last trouble: the portal does not answer as it should ({DOWN})")
    assert student.counts("can't be checked since") == 0
    assert student.counts("The portal works again") == 0


def test_over_a_restart(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """The end of an error that one process reported is reported by the next one."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    bot.monitors[FIRST].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, minutes=6)
    student.sees("can't be checked since")
    bot = run()
    eventually("the monitor", lambda: FIRST in bot.monitors)
    bot.monitors[FIRST].tells(Event.WATCHING)
    student.sees("The portal works again")


def test_an_outage_is_one_message(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """When many monitors have an error the admin gets one message with their number, and one when it is over."""
    bot = run()
    for number in (FIRST, SECOND, THIRD):
        watched(bot, telegram, number)
        bot.monitors[number].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, minutes=6)
    assert "student_2001, student_2002, student_2003" in admin.sees("3 monitors can't check the portal")["text"]
    passes(bot, clock, minutes=6)
    for number in (FIRST, SECOND, THIRD):
        bot.monitors[number].tells(Event.WATCHING)
    bot.settles()
    passes(bot, clock, seconds=1)
    admin.sees("All monitors work again.")
    assert admin.counts("can't check the portal") == 1


def test_many_failures_are_one_message(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """Monitors that fail within half a minute are one message to the admin."""
    bot = run()
    for number in (FIRST, SECOND, THIRD):
        watched(bot, telegram, number)
        bot.monitors[number].tells(Event.NO_BROWSER, "no Chrome here", ends=True)
    bot.settles()
    passes(bot, clock, seconds=31)
    text = admin.sees("3 monitors have stopped")["text"]
    assert "3 x there is no Chrome with its driver on the bot's machine" in text
    assert admin.counts("stopped") == 1


def test_unknown_page_goes_to_the_admin_once(
    run: Run, telegram: Telegram, clock: SteppedClock, admin: Person, tmp_path: Path
) -> None:
    """An unknown page is sent to the admin once for its kind, with a picture; its files have mode 0600."""
    bot = run()
    for number in (FIRST, SECOND):
        watched(bot, telegram, number)
        bot.monitors[number].meets_unknown_page("00aa11bb22cc")
    message = admin.sees("a page that I don't know")
    bot.settles()
    assert message["photo"]
    assert admin.counts("a page that I don't know") == 1
    kept = sorted((tmp_path / "data" / "unknown-pages").iterdir())
    assert [file.name for file in kept] == ["00aa11bb22cc.html", "00aa11bb22cc.png"]
    assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (CloseReason.NOT_PRESSED, "You didn't press Mark Now in time"),
        (CloseReason.NOT_CONFIRMED, "the portal did not confirm it"),
        (CloseReason.TOO_LATE, "You pressed Mark Now, but the lesson closed before"),
        (CloseReason.TAKEN_AWAY, "without showing it as marked. Check on the portal"),
        (CloseReason.NOT_PRESSABLE, "covered or gone"),
        (CloseReason.INTERRUPTED, "I was interrupted while marking it"),
        (CloseReason.TROUBLE, "could not be read"),
        (CloseReason.AWAY, "Monitoring was off"),
        (CloseReason.TOO_SHORT, "too short a time"),
    ],
)
def test_closed_unmarked(run: Run, telegram: Telegram, why: CloseReason, words: str) -> None:
    """A lesson that closed unmarked is one message with the reason, also where it is reported twice."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    bot.monitors[FIRST].finds(ALGEBRA)
    student.sees("Attendance available")
    for _ in range(2):
        bot.monitors[FIRST].tells(Event.LESSON_CLOSED, why.value, ALGEBRA)
    student.sees(words)
    bot.settles()
    assert student.counts("marked: the lesson has closed.") == 1


def test_skip_today(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """Skip Today lasts until midnight in the university's zone, also over a restart, and can be taken back."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    registry = bot.services.registry
    student.taps("Skip Today")
    eventually("the skip", lambda: registry.state.skips_today(FIRST))
    assert registry.state.rests_until(FIRST, clock.now()) is not None
    bot = run()
    registry = bot.services.registry
    assert registry.state.skips_today(FIRST)
    student.says("/start")
    student.taps("Don't Skip Today")
    eventually("no skip", lambda: not registry.state.skips_today(FIRST))
    student.taps("Skip Today")
    eventually("the skip", lambda: registry.state.skips_today(FIRST))
    clock.forward(timedelta(hours=14))
    assert not registry.state.skips_today(FIRST)
    assert registry.state.rests_until(FIRST, clock.now()) is None


def test_stop_signs_out_and_a_restart_does_not(run: Run, telegram: Telegram) -> None:
    """Stop Monitoring signs out of the portal; a restart of ours keeps the session."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    before = bot.monitors[FIRST]
    bot = run()
    assert before.left_portal is False
    eventually("the monitor", lambda: FIRST in bot.monitors)
    student.says("/start")
    student.taps("Stop Monitoring")
    eventually("the end", lambda: not bot.monitors[FIRST].is_running())
    assert bot.monitors[FIRST].left_portal


def test_resting_is_no_end_of_trouble(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """The end of the active hours is not reported as an outage's end; the next morning's first check is."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    bot.monitors[FIRST].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, minutes=6)
    student.sees("can't be checked since")
    bot.monitors[FIRST].tells(Event.RESTING)
    passes(bot, clock, hours=10)
    assert student.counts("The portal works again") == 0
    bot.monitors[FIRST].tells(Event.WATCHING)
    student.sees("The portal works again")
    assert student.counts("can't be checked since") == 1


def test_short_trouble_before_rest_is_not_told(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """An error just before the end of the active hours does not count on while the monitor rests."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    bot.monitors[FIRST].tells(Event.TROUBLE, DOWN)
    bot.monitors[FIRST].tells(Event.RESTING)
    bot.settles()
    passes(bot, clock, hours=10)
    assert student.counts("can't be checked since") == 0


def test_outage_over_a_restart(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """An outage that lasts over a restart of ours is one message to the admin, and its end another one."""
    bot = run()
    for number in (FIRST, SECOND, THIRD):
        watched(bot, telegram, number)
        bot.monitors[number].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, minutes=6)
    admin.sees("3 monitors can't check the portal")
    bot = run()
    eventually("the monitors", lambda: len(bot.monitors) == 3)
    passes(bot, clock, minutes=6)
    assert admin.counts("All monitors work again.") == 0
    for number in (FIRST, SECOND, THIRD):
        bot.monitors[number].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, minutes=6)
    for number in (FIRST, SECOND, THIRD):
        bot.monitors[number].tells(Event.WATCHING)
    passes(bot, clock, seconds=1)
    admin.sees("All monitors work again.")
    assert admin.counts("can't check the portal since") == 1


def test_one_student_of_their_own_does_not_hide_the_next_outage(
    run: Run, telegram: Telegram, clock: SteppedClock, admin: Person
) -> None:
    """An outage is over though one student's error lasts, who is named; the next outage is reported again."""
    bot = run()
    for number in (FIRST, SECOND, THIRD):
        watched(bot, telegram, number)
    for counted in (1, 2):
        for number in (FIRST, SECOND, THIRD):
            bot.monitors[number].tells(Event.TROUBLE, DOWN)
        bot.settles()
        passes(bot, clock, minutes=6)
        for number in (SECOND, THIRD):
            bot.monitors[number].tells(Event.WATCHING)
        bot.settles()
        passes(bot, clock, seconds=1)
        all_ = "3 monitors can't check the portal since"
        admin.waits("the outage's end", lambda _screen: admin.counts("Still in trouble: student_2001") == counted)  # noqa: B023
        assert admin.counts(all_) == counted


def test_unforeseen_errors(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """The admin is told of monitors that were restarted: once a day for each error, all students in one message."""
    bot = run()
    students = [watched(bot, telegram, number) for number in (FIRST, SECOND)]
    for _ in range(2):
        for number in (FIRST, SECOND):
            bot.monitors[number].tells(Event.RESTARTED, "KeyError (pages.py:12)")
        bot.settles()
        passes(bot, clock, seconds=31)
    told = "An unforeseen error, KeyError (pages.py:12), with: student_2001, student_2002."
    admin.sees(told)
    assert admin.counts(told) == 1
    for student in students:
        student.taps("Status")
        student.sees("Last trouble: a fault on our side")
        assert student.counts("KeyError") == 0
    clock.forward(timedelta(days=1))
    bot.monitors[FIRST].tells(Event.RESTARTED, "KeyError (pages.py:12)")
    bot.settles()
    passes(bot, clock, seconds=31)
    admin.sees("An unforeseen error, KeyError (pages.py:12), with: student_2001.")


def test_given_up(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """A student whose monitor was given up reads what to do; the admin reads the kind and the place of the error."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    bot.monitors[FIRST].tells(Event.FAILED, "KeyError (pages.py:12)", ends=True)
    bot.settles()
    passes(bot, clock, seconds=31)
    student.sees("Try Start Monitoring later. Until then mark lessons on the portal yourself.")
    assert student.counts("KeyError") == 0
    admin.sees("The monitor of student_2001 has stopped: KeyError (pages.py:12)")


def test_damaged_record(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """A damaged record of one student's offer ends neither the process nor the other students' offers."""
    bot = run()
    students = [watched(bot, telegram, number) for number in (FIRST, SECOND)]
    for number in (FIRST, SECOND):
        bot.monitors[number].finds(replace(ALGEBRA, key=f"{number:016}"))
    for student in students:
        student.sees("Attendance available!")
    bot.database.write("UPDATE lessons SET offered_until = 'damaged' WHERE student = ?", FIRST)
    clock.forward(timedelta(minutes=6))
    with bot.at_work():
        students[1].sees("The time for this button is over.")
        clock.forward(timedelta(minutes=1))
        admin.sees("An unforeseen error, ValueError (notices.py:")
    assert students[0].counts("The time for this button is over.") == 0


def test_failures_are_told_at_the_end(run: Run, telegram: Telegram, admin: Person) -> None:
    """A monitor's failure just before a restart of ours is reported."""
    bot = run()
    watched(bot, telegram, FIRST)
    bot.monitors[FIRST].tells(Event.FAILED, ends=True)
    bot.settles()
    run()
    admin.sees("The monitor of student_2001 has stopped")


def test_an_outage_of_one(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """With a single student the admin hears of an outage within five minutes, once, and of its end, over a restart."""
    bot = run()
    watched(bot, telegram, FIRST)
    bot.monitors[FIRST].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, minutes=3)
    assert admin.counts("can't check the portal") == 0
    passes(bot, clock, minutes=1, seconds=1)
    text = admin.sees("1 monitor can't check the portal since 15:00:00: student_2001")["text"]
    assert "the portal does not answer as it should (HTTP 503)" in text
    bot = run()
    eventually("the monitor", lambda: FIRST in bot.monitors)
    bot.monitors[FIRST].tells(Event.TROUBLE, DOWN)
    passes(bot, clock, minutes=6)
    assert admin.counts("All monitors work again.") == 0
    bot.monitors[FIRST].tells(Event.WATCHING)
    passes(bot, clock, seconds=1)
    admin.sees("All monitors work again.")
    assert admin.counts("can't check the portal") == 1


def test_one_of_two_is_no_outage(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """Of two students one has a problem of their own, and is told; when both have it, the admin is."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    watched(bot, telegram, SECOND)
    bot.monitors[FIRST].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, minutes=6)
    student.sees("can't be checked since")
    assert admin.counts("can't check the portal") == 0
    bot.monitors[SECOND].tells(Event.TROUBLE, DOWN)
    bot.settles()
    passes(bot, clock, seconds=1)
    admin.sees("can't check the portal")
    bot.monitors[SECOND].tells(Event.WATCHING)
    bot.settles()
    passes(bot, clock, seconds=1)
    admin.sees("Still in trouble: student_2001")


@pytest.mark.parametrize(
    ("code", "words", "what", "todo"),
    [
        (
            "DriverMismatch",
            "chromedriver 114, Chrome 131",
            "(chromedriver 114, Chrome 131)",
            "name a pair in CHROME_BIN",
        ),
        ("CertificateRefused", "Sectigo DV R36", "certificate is not accepted: «Sectigo DV R36»", "certutil -A -n"),
        ("CertificateRefused", "net::ERR_CERT_DATE_INVALID", "(net::ERR_CERT_DATE_INVALID)", "Check the clock"),
        ("BrowserFailed", "", "a fault on our side", ""),
        ("GridFailed", "", "a fault on our side", ""),
        ("GridFull", "", "all places for a browser are taken", "Add a node to the Selenium Grid"),
    ],
)
def test_a_fault_of_the_installation(
    run: Run, telegram: Telegram, clock: SteppedClock, admin: Person, code: str, words: str, what: str, todo: str
) -> None:
    """A fault of this installation is told to the admin with its remedy, also where it meets one student of two."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    watched(bot, telegram, SECOND)
    bot.monitors[FIRST].tells(Event.TROUBLE, "English text for the log", code=code, words=words)
    bot.settles()
    for _ in range(3):
        passes(bot, clock, minutes=2)
    text = admin.sees("1 monitor can't check the portal")["text"]
    assert what in text
    assert todo in text
    assert "English text" not in text + student.sees("can't be checked since")["text"]
    assert admin.counts("can't check the portal") == 1
    bot.monitors[FIRST].tells(Event.WATCHING)
    bot.settles()
    passes(bot, clock, seconds=1)
    admin.sees("All monitors work again.")


@pytest.mark.parametrize(
    ("button", "slow", "over"),
    [
        ("Русский", "портал работает очень медленно", "Портал снова работает"),
        ("Қазақша", "портал өте баяу жұмыс істеп тұр", "Портал қайта жұмыс істеп тұр"),
    ],
    ids=["ru", "kk"],
)
def test_a_slow_portal_in_the_student_s_language(
    run: Run, telegram: Telegram, clock: SteppedClock, button: str, slow: str, over: str
) -> None:
    """A slow portal is named in the student's language, in the message and on the menu, without English in it."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    student.says("/language")
    student.taps(button)
    student.sees("Режим")  # the menu, in either language
    text = "the portal is slow: the page was not ready within 15 s"
    bot.monitors[FIRST].tells(Event.TROUBLE, text, code="PortalSlow")
    bot.settles()
    passes(bot, clock, minutes=6)

    def shown(*words: str) -> str:
        """Wait for the newest message to have these words, and return it without the username."""
        message = student.waits(str(words), lambda ms: all(each in (ms[-1]["text"] or "") for each in words) and ms[-1])
        return str(message["text"].replace("student_2001", ""))

    assert re.findall("[A-Za-z]+", shown("[student_2001]", slow)) == []
    bot.monitors[FIRST].tells(Event.WATCHING)
    shown(over)
    student.says("/start")
    assert re.findall("[A-Za-z]+", shown("student_2001\n", slow)) == []


def test_an_unknown_cause_is_told_all_the_same(run: Run, telegram: Telegram, clock: SteppedClock) -> None:
    """A trouble whose code has no text yet is told in general words, with the portal's own words quoted."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    bot.monitors[FIRST].tells(Event.TROUBLE, "English text", code="SomethingNew", words="Только из сети <университета>")
    bot.settles()
    passes(bot, clock, minutes=6)
    text = student.sees("the portal can't be used at the moment: «Только из сети <университета>»")["text"]
    assert "English" not in text


def test_what_answers_instead_of_the_portal(run: Run, telegram: Telegram, admin: Person) -> None:
    """The admin gets the picture of a page that is not the portal's at once, and reads what it is."""
    bot = run()
    watched(bot, telegram, FIRST)
    event = StatusEvent(Event.UNKNOWN_VIEW, "not the portal: <Wi-Fi>", code="NotThePortal", words="<Wi-Fi>")
    bot.monitors[FIRST].meets(event)
    message = admin.sees("Something else than the portal answers at its address, to student_2001: «<Wi-Fi>».")
    assert message["photo"]


def test_lesson_whose_button_is_unknown(run: Run, telegram: Telegram, admin: Person) -> None:
    """The admin gets the picture of an unknown card, the student reads, once, to mark the lesson on the portal."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    for _ in range(2):  # as after a restart
        bot.monitors[FIRST].meets(StatusEvent(Event.UNKNOWN_CARD, "Зачесть", ALGEBRA))
    assert admin.sees("a lesson whose button I don't know: «Зачесть»")["photo"]
    told = student.sees("I don't know this lesson's button (Зачесть), so I don't press it.")["text"]
    assert "Algebra" in told
    assert "Mark it on the portal yourself." in told
    bot.monitors[FIRST].meets(StatusEvent(Event.UNKNOWN_CARD, "Зачесть", replace(ALGEBRA, key="another")))
    student.waits("both", lambda _: student.counts("(Зачесть)") == 2)


WORDS = "Только из сети <университета>"


def test_refused_mark(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """The student gets one message about a refused mark, on the offer too; the admin one picture; then how it ended."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    monitor = bot.monitors[FIRST]
    monitor.finds(ALGEBRA)
    student.sees("Attendance available")
    student.taps("Mark Now")
    student.sees("Marking...")
    picture = qr_picture("x")
    for _ in range(2):
        page: dict[str, Any] = {"kind": "00aa11bb22cc", "picture": picture, "source": "<html>"}
        monitor.tells(Event.MARK_REFUSED, WORDS, ALGEBRA, **page)
    assert WORDS in student.sees("The portal does not accept the mark.")["text"]
    student.sees("Mark it yourself on the portal.")
    bot.settles()
    assert student.counts("The portal does not accept the mark.") == 1
    assert student.counts("Marking...") == 0
    assert admin.sees("The portal does not let student_2001 go on")["photo"]
    assert admin.counts("does not let") == 1
    monitor.tells(Event.WATCHING)
    student.taps("Status")
    student.sees("Last trouble: the portal refuses the mark: «Только из сети")
    monitor.tells(Event.LESSON_CLOSED, CloseReason.NOT_CONFIRMED.value, ALGEBRA, words=WORDS)
    assert WORDS in student.sees("Not marked: the lesson has closed.")["text"]


def test_refused_mark_that_succeeds(run: Run, telegram: Telegram) -> None:
    """A refusal without words is told, too, and the later mark as usual."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    bot.monitors[FIRST].finds(ALGEBRA)
    bot.monitors[FIRST].tells(Event.MARK_REFUSED, "", ALGEBRA)
    student.sees("It shows no answer to the button.")
    bot.monitors[FIRST].marks(ALGEBRA)
    student.sees("Attendance Marked.")


def test_sign_ins_that_do_not_help(run: Run, telegram: Telegram, clock: SteppedClock, admin: Person) -> None:
    """Sign-ins that lead nowhere are told at once; a page that is read between them does not end that."""
    bot = run()
    student = watched(bot, telegram, FIRST)
    monitor = bot.monitors[FIRST]
    failed: dict[str, Any] = {"code": "SignInFailed", "lasting": True, "kind": "00aa", "picture": qr_picture("x")}
    monitor.tells(Event.TROUBLE, "the login form did nothing", **failed)
    student.sees("the portal's sign-in form does nothing, or comes back")
    for _ in range(3):
        monitor.tells(Event.WATCHING, lasting=True)
        monitor.tells(Event.TROUBLE, "the login form did nothing", **failed)
        passes(bot, clock, minutes=6)
    assert student.counts("the portal's sign-in form does nothing, or comes back") == 1
    assert student.counts("The portal works again") == 0
    admin.sees("The portal does not let student_2001 go on")
    assert admin.counts("does not let") == 1
    monitor.tells(Event.WATCHING)
    student.sees("The portal works again")
    bot.settles()
    assert student.counts("The portal works again") == 1

"""A teacher's sign-in through the LMS: failures, and what a signed-in teacher need not repeat."""

import pytest

from tests.classroom.running import EMAIL, PASSWORD, TEACHERS, Lms, Run, RunningClock, Teacher
from tests.e2e.people import Telegram, eventually

pytestmark = pytest.mark.integration


BOTH = pytest.mark.parametrize("lms", ["older", "newer"], indirect=True)


def calls(lms: Lms, name: str) -> int:
    """Return how often this call was made to the LMS."""
    found: int = lms.http.get("/stats").raise_for_status().json()["by_call"].get(name, 0)
    return found


class TestAnswers:
    """The answers to a wrong password, an LMS that is down, and a teacher without batches."""

    def test_down(self, at_the_password: Teacher, lms: Lms) -> None:
        """After an outage only the address has to be sent again: the password is kept in memory."""
        lms.tells("behaviour", down=True)
        at_the_password.says(PASSWORD)
        at_the_password.sees("e-mail address")
        at_the_password.says(EMAIL)
        at_the_password.sees("The LMS does not answer now. Send the address again in a minute.")
        lms.tells("behaviour", down=False)
        at_the_password.says(EMAIL)
        at_the_password.sees("You are signed in.")

    def test_wrong(self, at_the_password: Teacher) -> None:
        """A wrong password is asked for again, without saying which of the two was wrong."""
        at_the_password.says("wrong horse")
        at_the_password.sees("e-mail address")
        at_the_password.says(EMAIL)
        at_the_password.sees("The LMS does not take this password with this address.")
        assert at_the_password.counts("Take attendance:") == 0

    def test_nothing_pending(self, lms_teacher: Teacher, lms: Lms) -> None:
        """A teacher without batches is told so; a batch added later is shown after Reload."""
        lms.tells("courses", email=EMAIL, batch="CS-1", subject="Algebra", pending=False)
        lms_teacher.taps("Take Attendance")
        lms_teacher.sees("You have no batch to take attendance of.")
        lms.tells("courses", email=EMAIL, batch="CS-1", subject="Algebra", pending=True)
        lms_teacher.taps("Reload")
        lms_teacher.sees("Where is the class?")


def test_mistake_in_the_list(run: Run, telegram: Telegram) -> None:
    """A mistake in another line of the list of teachers stops nobody; whoever is not found is told of the mistake."""
    with (run.folder / "rosters" / "teachers.csv").open("a") as file:
        file.write("\nno phone,C. Teacher,c@example.org,Main,")
    run.starts()
    Teacher(telegram, 7001, "+77010000001").signs_in()
    unknown = Teacher(telegram, 7003, "+77010000003")
    unknown.says("/start")
    unknown.sends(contact={"phone_number": unknown.phone})
    unknown.sees("The list of teachers has a mistake. Speak to whoever runs the classroom. (reference ")


def test_signed_in_elsewhere(at_the_password: Teacher, lms: Lms) -> None:
    """Another session in the LMS is ended once, and the teacher is told."""
    lms.tells("elsewhere", email=EMAIL)
    at_the_password.says(PASSWORD)
    at_the_password.sees("e-mail address")
    at_the_password.says(EMAIL)
    at_the_password.sees("Your other sessions in the LMS were ended for this.")
    at_the_password.sees("Take attendance:")
    assert calls(lms, "logout") == 1


@pytest.mark.parametrize("lms", ["older"], indirect=True)
def test_session_that_stays(at_the_password: Teacher, lms: Lms) -> None:
    """The older LMS can't end another session: the teacher is told to sign out there."""
    lms.tells("elsewhere", email=EMAIL)
    at_the_password.says(PASSWORD)
    at_the_password.sees("e-mail address")
    at_the_password.says(EMAIL)
    at_the_password.sees("Sign out there, and send the address again.")
    assert calls(lms, "logout") == 1
    assert calls(lms, "login") == 2


@BOTH
def test_returning(lms_teacher: Teacher, run_with_lms: Run, lms: Lms, clock: RunningClock) -> None:
    """After a restart and after the access token expires, a teacher need not sign in again."""
    run_with_lms.starts()
    lms.tells("clock", advance=3700)
    clock.forward(3700)
    lms_teacher.says("/start")
    eventually("the menu", lambda: lms_teacher.counts("Take attendance:") == 2)
    lms_teacher.taps("Take Attendance")
    lms_teacher.sees("Where is the class?")
    assert calls(lms, "refresh") == 1
    assert calls(lms, "login") == 1


def test_password_changed_there(lms_teacher: Teacher, lms: Lms, clock: RunningClock) -> None:
    """When neither the tokens nor the password work, the teacher is asked to sign in again."""
    lms.tells("teachers", id="m1", name="A. Teacher", email=EMAIL, location="Main", password="another horse")
    week = 8 * 24 * 3600
    lms.tells("clock", advance=week)
    clock.forward(week)
    lms_teacher.taps("Take Attendance")
    lms_teacher.sees("The LMS wants you to sign in again.")
    lms_teacher.sends(contact={"phone_number": lms_teacher.phone})
    eventually("the question", lambda: lms_teacher.counts("Now send your LMS password") == 2)


class TestPassword:
    """The message with the password."""

    def test_cannot_be_deleted(self, at_the_password: Teacher, telegram: Telegram) -> None:
        """If Telegram refuses to delete the message, the teacher is asked to."""
        telegram.call("/faults", method="deleteMessage", kind="400", bot=TEACHERS)
        at_the_password.says(PASSWORD)
        at_the_password.sees("I could not delete your message with the password. Please delete it yourself.")

    def test_like_a_command(self, at_the_password: Teacher) -> None:
        """A password that begins with a slash is accepted and deleted."""
        at_the_password.says("/correct")
        at_the_password.sees("e-mail address")
        eventually("it is deleted", lambda: "/correct" not in [each["text"] for each in at_the_password.screen()])

    def test_cancelled(self, at_the_password: Teacher, lms: Lms) -> None:
        """After /cancel a text is not a password, and the sign-in starts again."""
        at_the_password.says("/cancel")
        at_the_password.sees("Cancelled.")
        at_the_password.says("hello")
        eventually("the question", lambda: at_the_password.counts("Share your phone number") == 2)
        assert calls(lms, "login") == 0


class TestNumber:
    """The phone number."""

    def test_forwarded(self, run_with_lms: Run, telegram: Telegram) -> None:
        """A forwarded contact is refused, even with the teacher's own number."""
        run_with_lms.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.says("/start")
        teacher.sends(contact={"phone_number": teacher.phone}, forwarded=True)
        teacher.sees("That is not your own number.")

    def test_again(self, lms_teacher: Teacher, lms: Lms) -> None:
        """A number shared again by a signed-in teacher leads to the menu."""
        lms_teacher.sends(contact={"phone_number": lms_teacher.phone})
        eventually("the menu", lambda: lms_teacher.counts("Take attendance:") == 2)
        assert calls(lms, "login") == 1

    def test_begins_with_eight(self, run: Run, telegram: Telegram) -> None:
        """An eleven-digit number that begins with 8 is not treated as a local one."""
        run.starts()
        teacher = Teacher(telegram, 7001, "87010000001")
        teacher.says("/start")
        teacher.sends(contact={"phone_number": teacher.phone})
        teacher.sees("Nobody is listed as a teacher with this phone number.")


def test_sign_out(lms_teacher: Teacher, lms: Lms) -> None:
    """Signing out also ends the LMS session; an older button then asks to sign in."""
    lms_teacher.taps("Sign Out")
    lms_teacher.sees("You are signed out.")
    assert calls(lms, "logout") == 1
    lms_teacher.forges("take")
    eventually("the question", lambda: lms_teacher.counts("Share your phone number") == 2)


def guesses(person: Teacher, password: str = "wrong horse") -> None:
    """Try a password for the teacher's account, from the question for the password."""
    before = person.counts("e-mail address")
    person.says(password)
    eventually("the question for the address", lambda: person.counts("e-mail address") > before)
    person.says(EMAIL)


class TestGuesses:
    """Passwords can't be guessed through the bot."""

    def test_the_third_refusal(
        self, at_the_password: Teacher, run_with_lms: Run, lms: Lms, clock: RunningClock
    ) -> None:
        """A person's third refusal locks them for an hour, also over a restart: not even a right password is tried."""
        for number in range(2):
            guesses(at_the_password)
            what = "The LMS does not take this password with this address."
            eventually("the refusal", lambda: at_the_password.counts(what) == number + 1)  # noqa: B023
        guesses(at_the_password)
        at_the_password.sees("The LMS has refused too many sign-ins. Try again in 60 minutes.")
        assert calls(lms, "login") == 3
        run_with_lms.starts()
        at_the_password.says("/start")
        at_the_password.sends(contact={"phone_number": at_the_password.phone})
        eventually("the lock", lambda: at_the_password.counts("The LMS has refused too many sign-ins.") == 2)
        assert calls(lms, "login") == 3
        clock.forward(3600)
        at_the_password.sends(contact={"phone_number": at_the_password.phone})
        eventually("the question", lambda: at_the_password.counts("Now send your LMS password") == 2)
        at_the_password.gives_password()

    def test_guesses_of_many(self, lms_teacher: Teacher, lms: Lms, telegram: Telegram, clock: RunningClock) -> None:
        """Of many people's guesses at one account five are tried; its owner is not locked out by them."""
        before = calls(lms, "login")
        strangers = [Teacher(telegram, 8000 + number, f"+770100001{number:02}") for number in range(8)]
        for stranger in strangers:
            stranger.starts_sign_in()
            guesses(stranger)
        for stranger in strangers:
            stranger.waits(
                "an answer",
                lambda messages: any(
                    "does not take this" in m["text"] or "too many sign-ins" in m["text"] for m in messages
                ),
            )
        assert calls(lms, "login") == before + 5
        lms_teacher.taps("Sign Out")
        lms_teacher.sees("You are signed out.")
        lms_teacher.starts_sign_in()
        lms_teacher.says(PASSWORD)
        eventually("the question", lambda: lms_teacher.counts("e-mail address") == 2)
        lms_teacher.says(EMAIL)
        eventually("the sign-in", lambda: lms_teacher.counts("You are signed in.") == 2)

    def test_another_number(self, at_the_password: Teacher, lms: Lms, telegram: Telegram) -> None:
        """An LMS that knows phone numbers admits no other one, and the answer is that to a wrong password."""
        account = {"id": "m1", "name": "A. Teacher", "email": EMAIL, "location": "Main", "password": PASSWORD}
        lms.tells("teachers", **account, phone="8 701 000-00-01")
        stranger = Teacher(telegram, 8000, "+77010000019")
        stranger.starts_sign_in()
        guesses(stranger, PASSWORD)
        stranger.sees("The LMS does not take this password with this address.")
        assert stranger.counts("You are signed in.") == 0
        at_the_password.gives_password()


def test_asked_again_after_a_restart(at_the_password: Teacher, run_with_lms: Run) -> None:
    """A password that was typed before a restart is asked for again, without another message of the teacher."""
    at_the_password.says(PASSWORD)
    at_the_password.sees("e-mail address")
    run_with_lms.starts()
    at_the_password.sees("I was restarted meanwhile. Please send your LMS password again.")
    at_the_password.says(PASSWORD)
    eventually("the question", lambda: at_the_password.counts("e-mail address") == 2)
    at_the_password.says(EMAIL)
    at_the_password.sees("You are signed in.")

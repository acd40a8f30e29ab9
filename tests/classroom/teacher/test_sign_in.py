"""A teacher's way in through the LMS: what may go wrong, and what a returning teacher is spared."""

import pytest

from tests.classroom.running import EMAIL, PASSWORD, TEACHERS, Lms, Run, RunningClock, Teacher
from tests.e2e.people import Telegram, eventually

pytestmark = pytest.mark.integration


BOTH = pytest.mark.parametrize("lms", ["older", "newer"], indirect=True)


def calls(lms: Lms, name: str) -> int:
    """Return how often the LMS was called so."""
    found: int = lms.http.get("/stats").raise_for_status().json()["by_call"].get(name, 0)
    return found


class TestAnswers:
    """A wrong password, an LMS that is down, nothing pending: three answers."""

    def test_down(self, at_the_password: Teacher, lms: Lms) -> None:
        """While the LMS is down the password is kept in memory: the address alone is sent again."""
        lms.tells("behaviour", down=True)
        at_the_password.says(PASSWORD)
        at_the_password.sees("e-mail address")
        at_the_password.says(EMAIL)
        at_the_password.sees("The LMS does not answer now. Send the address again in a minute.")
        lms.tells("behaviour", down=False)
        at_the_password.says(EMAIL)
        at_the_password.sees("You are signed in.")

    def test_wrong(self, at_the_password: Teacher) -> None:
        """A wrong password is asked for again, with nothing said about which of the two was wrong."""
        at_the_password.says("wrong horse")
        at_the_password.sees("e-mail address")
        at_the_password.says(EMAIL)
        at_the_password.sees("The LMS does not take this password with this address.")
        assert at_the_password.counts("Take attendance:") == 0

    def test_nothing_pending(self, lms_teacher: Teacher, lms: Lms) -> None:
        """A teacher without a batch is told so; a batch that comes later is there after a reload."""
        lms.tells("courses", email=EMAIL, batch="CS-1", subject="Algebra", pending=False)
        lms_teacher.taps("Take Attendance")
        lms_teacher.sees("You have no batch to take attendance of.")
        lms.tells("courses", email=EMAIL, batch="CS-1", subject="Algebra", pending=True)
        lms_teacher.taps("Reload")
        lms_teacher.sees("Which batches?")


def test_signed_in_elsewhere(at_the_password: Teacher, lms: Lms) -> None:
    """Where the LMS has another session, it is ended once, and the teacher hears that."""
    lms.tells("elsewhere", email=EMAIL)
    at_the_password.says(PASSWORD)
    at_the_password.sees("e-mail address")
    at_the_password.says(EMAIL)
    at_the_password.sees("Your other sessions in the LMS were ended for this.")
    at_the_password.sees("Take attendance:")
    assert calls(lms, "logout") == 1


@pytest.mark.parametrize("lms", ["older"], indirect=True)
def test_session_that_stays(at_the_password: Teacher, lms: Lms) -> None:
    """The older LMS ends no session without its token: the teacher is told to end it there."""
    lms.tells("elsewhere", email=EMAIL)
    at_the_password.says(PASSWORD)
    at_the_password.sees("e-mail address")
    at_the_password.says(EMAIL)
    at_the_password.sees("Sign out there, and send the address again.")
    assert calls(lms, "logout") == 1
    assert calls(lms, "login") == 2


@BOTH
def test_returning(lms_teacher: Teacher, run_with_lms: Run, lms: Lms, clock: RunningClock) -> None:
    """After a restart, and after the access token's end, a teacher goes straight on."""
    run_with_lms.starts()
    lms.tells("clock", advance=3700)
    clock.forward(3700)
    lms_teacher.says("/start")
    eventually("the menu", lambda: lms_teacher.counts("Take attendance:") == 2)
    lms_teacher.taps("Take Attendance")
    lms_teacher.sees("Which batches?")
    assert calls(lms, "refresh") == 1
    assert calls(lms, "login") == 1


def test_password_changed_there(lms_teacher: Teacher, lms: Lms, clock: RunningClock) -> None:
    """Where neither tokens nor the password help any more the teacher is asked to sign in again."""
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
        """Where Telegram refuses to delete the message the teacher is asked to."""
        telegram.call("/faults", method="deleteMessage", kind="400", bot=TEACHERS)
        at_the_password.says(PASSWORD)
        at_the_password.sees("I could not delete your message with the password. Please delete it yourself.")

    def test_like_a_command(self, at_the_password: Teacher) -> None:
        """A password that begins with a slash is one, and is deleted."""
        at_the_password.says("/correct")
        at_the_password.sees("e-mail address")
        assert "/correct" not in [message["text"] for message in at_the_password.screen()]

    def test_cancelled(self, at_the_password: Teacher, lms: Lms) -> None:
        """After /cancel a text is no password any more, and the way in begins anew."""
        at_the_password.says("/cancel")
        at_the_password.sees("Cancelled.")
        at_the_password.says("hello")
        eventually("the question", lambda: at_the_password.counts("Share your phone number") == 2)
        assert calls(lms, "login") == 0


class TestNumber:
    """The phone number."""

    def test_forwarded(self, run_with_lms: Run, telegram: Telegram) -> None:
        """A forwarded card is refused, even of the own number."""
        run_with_lms.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.says("/start")
        teacher.sends(contact={"phone_number": teacher.phone}, forwarded=True)
        teacher.sees("That is not your own number.")

    def test_again(self, lms_teacher: Teacher, lms: Lms) -> None:
        """Shared once more by somebody who is signed in, it leads to the menu."""
        lms_teacher.sends(contact={"phone_number": lms_teacher.phone})
        eventually("the menu", lambda: lms_teacher.counts("Take attendance:") == 2)
        assert calls(lms, "login") == 1

    def test_begins_with_eight(self, run: Run, telegram: Telegram) -> None:
        """A foreign number of eleven digits that begins with 8 is not taken for a local one."""
        run.starts()
        teacher = Teacher(telegram, 7001, "87010000001")
        teacher.says("/start")
        teacher.sends(contact={"phone_number": teacher.phone})
        teacher.sees("Nobody is listed as a teacher with this phone number.")


def test_sign_out(lms_teacher: Teacher, lms: Lms) -> None:
    """Signing out ends it in the LMS, too; a button of before then asks for the way in."""
    lms_teacher.taps("Sign Out")
    lms_teacher.sees("You are signed out.")
    assert calls(lms, "logout") == 1
    lms_teacher.forges("take")
    eventually("the question", lambda: lms_teacher.counts("Share your phone number") == 2)

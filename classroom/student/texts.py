"""Texts of the student bot about a check-in."""

from datetime import UTC, datetime, timedelta

from classroom.check_in.answers import Answer, AnswerKind
from classroom.check_in.claims import account_number
from classroom.domain import code_attempts as codes
from classroom.domain import location_policy as policy
from classroom.domain.sessions import UNDECIDED, Mark, Session, Status
from classroom.overview import subject_of
from core.settings import Settings
from telegram_app.i18n import Texts


def status_word(_: Texts, status: Status, *, waits: bool = False) -> str:
    """Return the word for a status; ``waits``: not absent, but waiting for the teacher's decision."""
    if waits and status is Status.ABSENT:
        return _("waiting for the teacher")
    words = {
        Status.PRESENT: _("present"),
        Status.LATE: _("late"),
        Status.EXCUSED: _("excused"),
        Status.ABSENT: _("absent"),
    }
    return words[status]


def precise_location(_: Texts) -> str:
    """Return how to switch on precise location."""
    return _(
        "Switch on precise location. iPhone: Settings, Privacy, Location Services, Telegram, Precise Location. Android:"
        " Settings, Location, Location Accuracy. Then wait a moment, at a window if there is one."
    )


def share_text(_: Texts, location_policy: str) -> str:
    """Return how a location is shared: by the button of a location request, which has none for live ones."""
    if location_policy == "strict":
        return _(
            "Attach, Location, Share My Live Location: on your phone, in class. You may stop it once you are marked."
        )
    return _("Press the button below on your phone, in class.")


def refusal_text(_: Texts, refusal: policy.LocationRefusal, location_policy: str, accuracy: float | None = None) -> str:
    """Return why a location (of this accuracy in metres) does not count, and what to do instead."""
    why = {
        policy.LocationRefusal.TYPED: _("A typed location does not count."),
        policy.LocationRefusal.VENUE: _("A place from the map's list does not count."),
        policy.LocationRefusal.FORWARDED: _("A forwarded location does not count."),
        policy.LocationRefusal.VIA_BOT: _("A location sent through another bot does not count."),
        policy.LocationRefusal.OFFLINE: _("A scheduled message does not count."),
        policy.LocationRefusal.STALE: _("That location is out of date."),
        policy.LocationRefusal.NOT_LIVE: _("A live location is needed here."),
        policy.LocationRefusal.NOT_FOUND: _("Your phone has not found its place yet."),
        policy.LocationRefusal.COARSE: _("Your phone knows its place only to {metres} m; {most} m are needed."),
    }[refusal].format(metres=f"{accuracy or 0:.0f}", most=f"{policy.COARSE_ABOVE:.0f}")
    if refusal in policy.NO_GOOD_FIX:
        why += " " + precise_location(_)
    return f"{why} {share_text(_, location_policy)}"


def _status_line(_: Texts, mark: Mark | None) -> str:
    if mark is None or mark.status is Status.PRESENT:
        return ""
    return "\n" + _("Status: {status}").format(status=status_word(_, mark.status))


def over_text(_: Texts, session: Session | None) -> str:
    """Return how a check-in ended that was not finished; without a session: the code was sent, but no student ID."""
    if session is not None and session.cancelled:
        text = _("Your teacher has cancelled the check-in for {subject}.")
        return text.format(subject=subject_of(session))
    text = _("The session is over and your check-in was not finished: you are absent.")
    if session is None:
        text = _("Your check-in was not finished: no student ID came.")
    text += " " + _("Ask your teacher to mark you by hand.")
    return f"<b>{subject_of(session)}</b>\n{text}" if session is not None else text


def claimed_text(_: Texts) -> str:
    """Return what an account is told whose check-in ended without a decision on whose the student ID is."""
    return _(
        "Another Telegram account has sent this student ID: this check-in has ended. Is it yours? Ask your teacher."
    )


def undecided_text(_: Texts) -> str:
    """Return what a student is told whose check-in the teacher never decided on."""
    return _("Your check-in for {subject} was not confirmed in time and does not count. Ask your teacher to mark you.")


def answer_text(_: Texts, told: Answer, settings: Settings) -> str:
    subject = f"<b>{subject_of(told.session)}</b>" if told.session is not None else ""
    is_strict = settings.location_policy == "strict"
    live = " " + refusal_text(_, policy.LocationRefusal.NOT_LIVE, "strict") if is_strict else ""
    match told.kind:
        case AnswerKind.WRONG:
            return _(
                "Student ID and code don't match. Check both, and send them again. If both are right, speak to your"
                " teacher."
            )
        case AnswerKind.LOCKED:
            minute = (told.until or datetime.now(UTC)).astimezone(settings.zone) + timedelta(seconds=59)
            text = _(
                "Too many wrong codes. You can try again at {time} at the latest; your teacher can mark you by hand."
            )
            return text.format(time=f"{minute:%H:%M}")
        case AnswerKind.EXPIRED if told.session is not None and told.session.cancelled:
            return over_text(_, told.session)
        case AnswerKind.EXPIRED if told.is_new:
            return f"{subject}\n" + _("This code is over. Send the one that your teacher shows now.")
        case AnswerKind.EXPIRED:
            return f"{subject}\n" + _("This code is over. Ask your teacher: they can still mark you by hand.")
        case AnswerKind.UNTOLD:
            return _(
                "Many wrong codes came for this lesson, so I don't say whether yours is right. If ID and code are"
                " right, your teacher sees your name and decides; I'll message you here. If no message comes, speak to"
                " your teacher."
            )
        case AnswerKind.PLACE:
            return f"{subject}\n" + _("The code is right. Now share your location, from your phone.") + live
        case AnswerKind.CONSENT | AnswerKind.CHALLENGE:
            return f"{subject}\n" + _("You are in the right place. Now the round video.")
        case AnswerKind.CHECKING:
            return f"{subject}\n" + _("Your video is being checked; I'll message you here.")
        case AnswerKind.WAITING:
            return f"{subject}\n" + _("You are in the right place. Your teacher has to confirm; I'll message you here.")
        case AnswerKind.REVIEW:
            text = _("Your teacher has to look at your check-in; I'll message you here.")
            if told.check_in is not None and (told.check_in.rivals or told.check_in.note == codes.CLAIMED_TWICE):
                number = account_number(told.check_in.telegram_id)
                text += " " + _("If your teacher asks for a number, yours is {number}.").format(number=number)
            return f"{subject}\n{text}"
        case AnswerKind.CLAIMED:
            return f"{subject}\n{claimed_text(_)}"
        case AnswerKind.MARKED:
            return f"{subject}\n" + _("You are marked already.") + _status_line(_, told.mark)
        case AnswerKind.REJECTED if told.check_in is not None and told.check_in.note == UNDECIDED:
            return undecided_text(_).format(subject=subject)
        case AnswerKind.REJECTED:
            return f"{subject}\n" + _("Your teacher did not accept the check-in. Speak to your teacher.")
        case AnswerKind.OUTSIDE:
            distance = round(told.check_in.distance or 0) if told.check_in is not None else 0
            text = _(
                "You are {distance} m from the class. Share your location again in class, or speak to your teacher."
            )
            return f"{subject}\n" + text.format(distance=distance)
        case AnswerKind.REFUSED:
            accuracy = told.check_in.accuracy if told.check_in is not None else None
            text = ""
            if told.refusal is not None:
                text = refusal_text(_, told.refusal, settings.location_policy, accuracy)
            if told.refusal in policy.NO_GOOD_FIX:
                text += " " + _("If that does not help, speak to your teacher.")
            return text
        case AnswerKind.OVER:
            return over_text(_, told.session)
        case AnswerKind.NOTHING | AnswerKind.NO_ID:
            return _("No check-in waits for your location. Send the code first.")


def help_text(_: Texts, location_policy: str, *, checks_faces: bool) -> str:
    """Return what each step of a check-in needs, and what to do when it fails."""
    face = _("Your teacher confirms.")
    if checks_faces:
        face = _("Record the round video that I ask for, or go on without a face check: then your teacher confirms.")
    share = _("Share your location with the button, from your phone, in class. A computer can't.")
    if location_policy == "strict":
        share = share_text(_, location_policy)
    return _(
        "<b>Check in</b>\n"
        "1. In class your teacher shows a 6-digit code. Open its link or send it here, first with your student ID.\n"
        "2. {share}\n"
        "3. {face}\n"
        "4. I'll message you here: Attendance marked.\n\n"
        "<b>The location is imprecise or wrong</b>\n"
        "{precise} <i>Practice</i> tries it at any time.\n\n"
        "<b>The code has expired</b>\n"
        "A code lasts some minutes: send the one that is shown now. If none is shown, ask your teacher.\n\n"
        "<b>Whom to ask</b>\n"
        "Your teacher: can mark you by hand, without a phone too, and unlink your ID from another Telegram account.\n"
        "/me shows your attendance and asks for a correction, /my_data sends all that is kept of you, /delete_me"
        " deletes it, except your marks; /language changes the language."
    ).format(face=face, share=share, precise=precise_location(_))

"""Texts of the student bot about a check-in."""

from classroom.check_in.answers import Answer, AnswerKind
from classroom.domain import location_policy as policy
from classroom.domain.sessions import Mark, Session, Status
from telegram_app.i18n import Texts
from telegram_app.lines import short


def status_word(_: Texts, status: Status) -> str:
    words = {
        Status.PRESENT: _("present"),
        Status.LATE: _("late"),
        Status.EXCUSED: _("excused"),
        Status.ABSENT: _("absent"),
    }
    return words[status]


def refusal_text(_: Texts, refusal: policy.LocationRefusal) -> str:
    """Return why a location does not count, and what to do instead."""
    share = _("Press the button below on your phone, in class.")
    why = {
        policy.LocationRefusal.TYPED: _("A typed location does not count."),
        policy.LocationRefusal.VENUE: _("A place from the map's list does not count."),
        policy.LocationRefusal.FORWARDED: _("A forwarded location does not count."),
        policy.LocationRefusal.VIA_BOT: _("A location sent through another bot does not count."),
        policy.LocationRefusal.OFFLINE: _("A scheduled message does not count."),
        policy.LocationRefusal.STALE: _("That location is out of date."),
        policy.LocationRefusal.NOT_LIVE: _("A live location is needed here."),
    }[refusal]
    if refusal is policy.LocationRefusal.NOT_LIVE:
        share = _(
            "Attach, Location, Share My Live Location: on your phone, in class. You may stop it once you are marked."
        )
    return f"{why} {share}"


def _status_line(_: Texts, mark: Mark | None) -> str:
    if mark is None or mark.status is Status.PRESENT:
        return ""
    return "\n" + _("Status: {status}").format(status=status_word(_, mark.status))


def over_text(_: Texts, session: Session | None) -> str:
    """Return how a check-in ended that was not finished; without a session: the code was sent, but no student ID."""
    if session is not None and session.cancelled:
        text = _("Your teacher has cancelled the check-in for {subject}.")
        return text.format(subject=short(session.subject, 300))
    text = _("The session is over and your check-in was not finished: you are absent.")
    if session is None:
        text = _("Your check-in was not finished: no student ID came.")
    text += " " + _("Ask your teacher to mark you by hand.")
    return f"<b>{short(session.subject, 300)}</b>\n{text}" if session is not None else text


def answer_text(_: Texts, told: Answer, location_policy: policy.LocationPolicy) -> str:
    subject = f"<b>{short(told.session.subject, 300)}</b>" if told.session is not None else ""
    live = " " + refusal_text(_, policy.LocationRefusal.NOT_LIVE) if location_policy == "strict" else ""
    match told.kind:
        case AnswerKind.WRONG:
            return _(
                "Student ID and code don't match. Check both, and send them again. If both are right, speak to your"
                " teacher."
            )
        case AnswerKind.LOCKED:
            return _("Too many wrong codes. Wait 15 minutes, then try again; your teacher can mark you by hand.")
        case AnswerKind.PLACE:
            return f"{subject}\n" + _("The code is right. Now share your location, from your phone.") + live
        case AnswerKind.CONSENT | AnswerKind.CHALLENGE:
            return f"{subject}\n" + _("You are in the right place. Now the round video.")
        case AnswerKind.CHECKING:
            return f"{subject}\n" + _("Your video is being checked; I'll message you here.")
        case AnswerKind.WAITING:
            return f"{subject}\n" + _("You are in the right place. Your teacher has to confirm; I'll message you here.")
        case AnswerKind.REVIEW:
            return f"{subject}\n" + _("Your teacher has to look at your check-in; I'll message you here.")
        case AnswerKind.MARKED:
            return f"{subject}\n" + _("You are marked already.") + _status_line(_, told.mark)
        case AnswerKind.REJECTED:
            return f"{subject}\n" + _("Your teacher did not accept the check-in. Speak to your teacher.")
        case AnswerKind.OUTSIDE:
            distance = round(told.check_in.distance or 0) if told.check_in is not None else 0
            text = _(
                "You are {distance} m from the class. Share your location again in class, or speak to your teacher."
            )
            return f"{subject}\n" + text.format(distance=distance)
        case AnswerKind.REFUSED:
            return refusal_text(_, told.refusal) if told.refusal is not None else ""
        case AnswerKind.OVER:
            return over_text(_, told.session)
        case AnswerKind.NOTHING:
            return _("No check-in waits for your location. Send the code first.")

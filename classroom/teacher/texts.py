"""Longer texts of the teacher bot."""

import logging

from classroom.domain.by_hand import DAYS_BACK
from classroom.domain.sessions import Teacher
from classroom.error_codes import code_of, noted
from classroom.lms import LmsUnavailable
from classroom.services import Classroom
from classroom.student.texts import precise_location
from telegram_app.i18n import Texts

log = logging.getLogger(__name__)


def help_text(_: Texts, student_bot: str) -> str:
    """Return the answer to /help; ``student_bot`` is the username of the students' bot."""
    by_hand = _(
        "<b>By hand</b>\n"
        "<i>Whole Class</i>, on the board: <i>All Present</i>, then tap the absent ones. A lesson without phones, of"
        " today or one of the last {days} days: <i>Without Phones</i>, instead of a place. A lesson of these days is"
        " corrected from <i>History</i>, with <i>Open a Lesson</i>."
    ).format(days=DAYS_BACK)
    text = _(
        "<b>A lesson</b>\n"
        "1. <i>Take Attendance</i>: the batches, several for a lesson together, then the subject that they share.\n"
        "2. The place: share your location from your phone, in class; a computer can't. Or tap a saved place:"
        " <i>Save This Place</i>, below the code, keeps one.\n"
        "3. Students follow the code's link or send the code to @{bot}, and share their location.\n"
        "4. Who waits for you is on the board, in groups with a button each; <i>Check One by One</i> lists everybody"
        " who waits. Without a phone: <i>Mark by Hand</i>.\n"
        "5. The report comes 15 seconds after the end, the final one as soon as everything is settled.\n\n"
        "<b>The location is imprecise or wrong</b>\n"
        "{precise} <i>Change Place</i>, on the board, corrects the place of a running session.\n\n"
        "<b>The code has expired</b>\n"
        "<i>Extend</i> gives more time, <i>Reopen</i> makes a new code after the end.\n\n"
        "<b>Whom to ask</b>\n"
        "Batches and students: whoever keeps the rosters. Refusals of the LMS: whoever runs it.\n"
        "/history shows percentages, /move moves you to another Telegram account, /language changes the language,"
        " /cancel ends a question."
    ).format(bot=student_bot, precise=precise_location(_))
    return f"{text}\n\n{by_hand}"


def unavailable_text(classroom: Classroom, teacher: Teacher, error: LmsUnavailable) -> str:
    """Log that the LMS does not answer; return the text for the teacher, with the reference."""
    what = f"teacher {teacher.telegram_id}: {type(error).__name__}: {error}"
    reference = noted(log, code_of(error), what, logging.WARNING)
    _ = classroom.teacher.texts(teacher.telegram_id)
    text = _("The rosters can't be read now. Try again in a minute. (reference {reference})")
    if classroom.has_lms:
        text = _("The LMS does not answer now. Try again in a minute. (reference {reference})")
    return text.format(reference=reference)

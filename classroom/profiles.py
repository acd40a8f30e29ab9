"""What the profiles of the classroom's two bots say."""

from telegram_app.i18n import Texts
from telegram_app.profile import Profile


def _of_teachers(_: Texts) -> str:
    return _(
        "For teachers. You open a lesson, students send its code from the classroom, and you confirm them. You get the "
        "report here; where an LMS is connected, the marks are written there, too. You sign in with the phone number "
        "that your university has of you."
    )


def _short_of_teachers(_: Texts) -> str:
    return _("For teachers: attendance in class by a code and the students' location, with a report after each lesson.")


def _of_students(_: Texts) -> str:
    return _(
        "For students. You check in to a lesson with your student ID, the code that your teacher shows, and your "
        "location. Where faces are checked, you are asked first; if you do not agree, your teacher confirms you "
        "instead. The menu of commands shows what is kept of you, and deletes it."
    )


def _short_of_students(_: Texts) -> str:
    return _("For students: check in to a lesson with the code that your teacher shows.")


def _student_commands(_: Texts) -> dict[str, str]:
    return {"me": _("My Attendance"), "my_data": _("What Is Kept"), "delete_me": _("Delete My Data")}


def _teacher_commands(_: Texts) -> dict[str, str]:
    return {"history": _("History"), "move": _("Move to Another Account")}


TEACHER = Profile(_of_teachers, _short_of_teachers, _teacher_commands)
STUDENT = Profile(_of_students, _short_of_students, _student_commands)

"""What the profiles of the classroom's two bots say."""

from telegram_app.profile import Profile

TEACHER = Profile(
    lambda _: _(
        "For teachers. You open a lesson, students send its code from the classroom, and you confirm them. You get the "
        "report here; where an LMS is connected, the marks are written there, too. You sign in with the phone number "
        "that your university has of you."
    ),
    lambda _: _(
        "For teachers: attendance in class by a code and the students' location, with a report after each lesson."
    ),
    lambda _: {"history": _("History"), "register": _("Register"), "move": _("Move to Another Account")},
)
STUDENT = Profile(
    lambda _: _(
        "For students. You check in to a lesson with your student ID, the code that your teacher shows, and your "
        "location. Where faces are checked, you are asked first; if you do not agree, your teacher confirms you "
        "instead. The menu of commands shows what is kept of you, and deletes it."
    ),
    lambda _: _("For students: check in to a lesson with the code that your teacher shows."),
    lambda _: {"me": _("My Attendance"), "my_data": _("What Is Kept"), "delete_me": _("Delete My Data")},
)

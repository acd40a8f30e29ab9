"""The sheet of a session: a table with a row for each student."""

from collections.abc import Callable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from classroom.domain.sessions import CheckIn, Session, attendance_percentage, end_of, folded
from classroom.overview import SessionOverview
from classroom.reports.tables import Cell, Column, Table
from classroom.student.texts import status_word
from telegram_app.i18n import Texts


def sheet_table(
    _: Texts,
    overview: SessionOverview,
    zone: ZoneInfo,
    teacher: str,
    now: datetime,
    why: Callable[[CheckIn], str] | None = None,
) -> Table:
    """Return a row for each student of each batch; ``why`` returns the reason why a check-in led to no mark.

    "Came at" is when the student came, "Decided at" when the status was decided, by the teacher or a checked face.
    """
    session = overview.session
    titles = (_("No."), _("Batch"), _("Student ID"), _("Name"), _("Attendance"), _("Came at"), _("Marked by"))
    columns = [Column(each) for each in (*titles, _("Remark"), _("Distance, m"), _("Decided at"))]
    signature = _("Signature of the teacher: {line}").format(line="_" * 30)
    return Table(
        title=_("Attendance Sheet"),
        facts=[
            (_("Subject"), session.subject),
            (_("Batch"), ", ".join(sheet.batch for sheet in overview.sheets)),
            *([(_("Lesson"), session.lesson)] if session.lesson else []),
            (_("Teacher"), teacher),
            (_("Campus"), session.campus),
            (_("Date"), date.fromisoformat(session.date)),
            (_("Time"), times_of(session, zone)),
            (_("Students"), overview.students),
            (_("Attended"), _share(overview)),
            (_("As of"), local(now, zone)),
        ],
        columns=columns,
        rows=_rows(_, overview, zone, teacher, why),
        fixed=4,
        below=[signature],
        page=_("Page {page} of {pages}"),
    )


def local(at: datetime, zone: ZoneInfo) -> datetime:
    """Return a moment as the clocks of the school show it, to the second; without a zone, as spreadsheets keep it."""
    return at.astimezone(zone).replace(microsecond=0, tzinfo=None)


def begins(session: Session, zone: ZoneInfo) -> time | None:
    """Return when a lesson began; None: it is not known, since it was entered without phones, perhaps hours later."""
    return None if session.without_phones else local(session.opened_at, zone).time()


def times_of(session: Session, zone: ZoneInfo) -> str:
    if (begin := begins(session, zone)) is None:
        return ""
    return f"{begin:%H:%M}\u2013{local(end_of(session), zone):%H:%M}"


def _share(overview: SessionOverview) -> float | None:
    people = [student.student_id for student in overview.people.values()]
    return attendance_percentage(overview.status(each) for each in people if not overview.waits(each))


def _rows(
    _: Texts, overview: SessionOverview, zone: ZoneInfo, teacher: str, why: Callable[[CheckIn], str] | None
) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    check_ins = {folded(each.student_id): each for each in overview.check_ins}
    for sheet in overview.sheets:
        for student in sheet.roster:
            mark, check_in = sheet.marks.get(student.student_id), check_ins.get(folded(student.student_id))
            reason = mark.reason if mark is not None else ""
            if mark is None and check_in is not None and why is not None:
                reason = why(check_in)
            came, distance = overview.came_at(student.student_id), check_in.distance if check_in is not None else None
            rows.append(
                [
                    len(rows) + 1,
                    sheet.batch,
                    student.student_id,
                    student.name,
                    status_word(_, sheet.status_of(student.student_id), waits=overview.waits(student.student_id)),
                    _clock(came, overview.session, zone),
                    (teacher if mark.by else _("check-in")) if mark is not None else "",
                    reason,
                    round(distance) if distance is not None else None,
                    local(mark.at, zone) if mark is not None else None,
                ]
            )
    return rows


def _clock(at: datetime | None, session: Session, zone: ZoneInfo) -> Cell:
    """Return the time of a moment, with its date if that is not the session's."""
    if at is None:
        return None
    found = local(at, zone)
    return found.time() if found.date().isoformat() == session.date else found

"""The messages of a report and of the history: HTML, split between lines."""

from collections import Counter
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from classroom.domain.face_policy import CLEAR, is_of_check
from classroom.domain.sessions import CheckIn, CheckInStep, LmsRecord, Session, Status, attendance_percentage
from classroom.domain.sorting import name_key
from classroom.lms import NOT_CONFIRMED
from classroom.overview import SessionOverview, day_of, note_text, subject_of
from classroom.student.texts import status_word
from telegram_app.i18n import Texts
from telegram_app.lines import bold, short, split

LOW_ATTENDANCE = 75.0  # percent
LONGEST_LIST = 40  # sessions in the history's message
WORST_SHOWN = 20  # students with low attendance in it; if there are more, a file has all
DIFFERING_SHOWN = 20  # students
ALIKE_SHOWN = 10  # students with one mark by hand; if there are more, the report has their number


# percentage, name, student ID, subject, batch
Low = tuple[float, str, str, str, str]


def caption(session: Session) -> str:
    return f"{subject_of(session)}, {day_of(session)}"


def report_texts(_: Texts, overview: SessionOverview, *, final: bool, zone: ZoneInfo, since: str = "") -> list[str]:
    """Return a report's messages; ``since``: the time of the report after which nothing has changed."""
    title, kind, batches = _("Report"), _("final") if final else _("provisional"), ", ".join(overview.session.batches)
    first = f"<b>{title}: {subject_of(overview.session)}</b>, {day_of(overview.session)} ({kind})"
    if since:
        unchanged = _("No change since the report at {time}.").format(time=since)
        return split([first, unchanged, *_lms_lines(_, overview)])
    how = [_("Without phones: taken by hand.")] if overview.session.without_phones else []
    return split([first, short(batches, 1500), *how, *_lms_lines(_, overview), *report_lines(_, overview, zone)])


def report_lines(_: Texts, overview: SessionOverview, zone: ZoneInfo) -> list[str]:
    """Return who is what, which a final report repeats only if it has changed."""
    return [
        *(
            f"{status_word(_, status).capitalize()}: {len(overview.marked.get(status, []))}"
            for status in (Status.PRESENT, Status.LATE, Status.EXCUSED)
        ),
        _("Absent: {number} of {all}").format(number=len(overview.missing), all=overview.students),
        *_awaited(_, overview),
        *_names(_("Present"), _with_times(overview, Status.PRESENT, zone)),
        *_names(_("Late"), _with_times(overview, Status.LATE, zone)),
        *_names(_("Excused"), overview.marked.get(Status.EXCUSED, [])),
        *_names(_("Absent"), overview.missing),
        *_names(status_word(_, Status.ABSENT, waits=True).capitalize(), overview.awaited),
        *_failures(_, overview),
        *_by_hand(_, overview, zone),
    ]


def _awaited(_: Texts, overview: SessionOverview) -> list[str]:
    word, number = status_word(_, Status.ABSENT, waits=True), len(overview.awaited)
    return [f"{word.capitalize()}: {number}"] if number else []


def _names(title: str, names: list[str]) -> list[str]:
    return [bold(title), *(f"- {short(name, 208)}" for name in sorted(names, key=name_key))] if names else []


def _with_times(overview: SessionOverview, status: Status, zone: ZoneInfo) -> list[str]:
    """Return the names of the students with a status, with the time when they came."""
    lines = []
    for student in overview.people.values():
        if overview.status(student.student_id) is status:
            came = overview.came_at(student.student_id)
            time = f", {came.astimezone(zone):%H:%M}" if came is not None else ""
            lines.append(overview.name(student.student_id)[:200] + time)
    return lines


def refused_lines(_: Texts, overview: SessionOverview) -> list[str]:
    """Return what the LMS refuses, its reasons, where its record differs from ours, and what to do; HTML."""
    refused = [sheet for sheet in overview.sheets if sheet.refused]
    lines = []
    for each in refused:
        text = _("The LMS does not take {batch}; it says: \u201c{why}\u201d")
        if each.refused == NOT_CONFIRMED:
            text = _(
                "The LMS has not confirmed {batch}. Look there, and enter what is missing by hand: the report's files"
                " have all marks."
            )
        lines.append(text.format(batch=short(each.batch, 200), why=short(each.refused, 200)))
    if lines:
        text = _("The marks are kept here. Speak to whoever runs the LMS, then press {button}.")
        lines.append(text.format(button=_("Try Again")))
    differing: dict[tuple[str, str, str, str], list[str]] = {}  # the batches by what is said
    for sheet in overview.sheets:
        for student_id, its in sheet.differing.items():
            text = _("The LMS does not have {name}. Enter it there by hand: {status}.")
            if its:
                text = _("The LMS still has {name} as {other}. Change it there by hand: {status}.")
            elif sheet.compared is not None and not sheet.compared.possible:
                text = _("Change it in the LMS by hand: {name}, {status}.")
            named = f"{short(overview.name(student_id), 80)} {short(student_id, 64)}"
            ours, other = status_word(_, sheet.status_of(student_id)), status_word(_, Status(its)) if its else ""
            differing.setdefault((text, named, other, ours), []).append(sheet.batch)
    for (text, named, other, ours), batches in [*differing.items()][:DIFFERING_SHOWN]:
        where = f" ({short(', '.join(batches), 100)})" if len(overview.sheets) > 1 else ""
        lines.append(text.format(name=named + where, other=other, status=ours))
    if len(differing) > DIFFERING_SHOWN:
        lines.append(_("and {number} more").format(number=len(differing) - DIFFERING_SHOWN))
    return lines


def record_lines(_: Texts, overview: SessionOverview) -> list[str]:
    """Return what the teacher chose for the LMS, where the day has several lessons; HTML."""
    texts = {
        LmsRecord.NONE: _("Not sent to the LMS, as you chose: {batches}"),
        LmsRecord.SHARED: _("One record in the LMS for the day's lessons, present in any of them: {batches}"),
    }
    found = {each: [sheet.batch for sheet in overview.sheets if sheet.lms_record is each] for each in texts}
    return [texts[each].format(batches=short(", ".join(batches), 400)) for each, batches in found.items() if batches]


def _lms_lines(_: Texts, overview: SessionOverview) -> list[str]:
    lines = refused_lines(_, overview)
    texts: dict[str, list[str]] = {}
    sent = [sheet for sheet in overview.sheets if sheet.is_for_lms]
    for sheet in sent:
        if not sheet.refused and sheet.acked_version < sheet.version:
            text = _("Still on the way to the LMS: {batches}") if overview.has_lms else _("Not recorded yet: {batches}")
            texts.setdefault(text, []).append(sheet.batch)
        elif overview.has_lms and not sheet.refused and (sheet.compared is None or not sheet.compared.possible):
            texts.setdefault(_("Sent to the LMS, not read back: {batches}"), []).append(sheet.batch)
    lines += [text.format(batches=short(", ".join(batches), 1500)) for text, batches in texts.items()]
    if sent and not lines:
        lines = [_("The LMS has everything.") if overview.has_lms else _("Recorded.")]
    return [*lines, *record_lines(_, overview)]


def _failures(_: Texts, overview: SessionOverview) -> list[str]:
    failed = overview.waiting(*(step for step in CheckInStep if step is not CheckInStep.DONE))
    if not failed:
        return []
    return [
        bold(_("Not completed")),
        *(f"- {short(overview.name(each.student_id), 200)}: {_reason(_, each)}" for each in failed),
    ]


def _reason(_: Texts, check_in: CheckIn) -> str:
    if check_in.step is CheckInStep.CONFIRM and (check_in.note == CLEAR or not is_of_check(check_in.note)):
        return _("not confirmed")
    return note_text(_, check_in)


def _by_hand(_: Texts, overview: SessionOverview, zone: ZoneInfo) -> list[str]:
    marks = [mark for mark in overview.marks.values() if mark.is_by_hand]
    if not marks:
        return []
    lines, alike = [bold(_("Marked by hand"))], Counter((mark.status, mark.reason) for mark in marks)
    for mark in marks:
        at = (overview.came_at(mark.student_id) or mark.at).astimezone(zone)
        time = f"{at:%H:%M}" if at.date().isoformat() == overview.session.date else f"{at:%d.%m. %H:%M}"
        reason = f", {short(mark.reason, 300)}" if mark.reason else ""
        number, who = alike[mark.status, mark.reason], short(overview.name(mark.student_id), 200)
        if number <= ALIKE_SHOWN:
            lines.append(f"- {who}: {status_word(_, mark.status)}, {time}{reason}")
        elif (line := f"- {status_word(_, mark.status)}{reason}: {number}") not in lines:  # a whole class at once
            lines.append(line)
    return lines


def history_texts(_: Texts, history: Sequence[SessionOverview], low: Sequence[Low]) -> list[str]:
    """Return a teacher's sessions with percentages, and the worst of the students below ``LOW_ATTENDANCE``."""
    if not history:
        return [_("No sessions yet.")]
    heading, nobody = _("Below {percentage} %"), _("Nobody is below {percentage} %.")
    worst = [
        f"- {short(name, 80)} {short(student_id, 40)}, {short(subject, 80)}, {short(batch, 80)}: {percentage:.0f} %"
        for percentage, name, student_id, subject, batch in low[:WORST_SHOWN]
    ]
    last = [bold(heading.format(percentage=round(LOW_ATTENDANCE))), *worst, *_more(_, low, WORST_SHOWN)]
    for most in range(LONGEST_LIST, -1, -5):  # as many sessions as fit into one message
        lines = [*(_line(_, each) for each in history[:most]), *_more(_, history, most)]
        texts = split(
            [bold(_("Sessions")), *lines, *(last if low else [nobody.format(percentage=round(LOW_ATTENDANCE))])]
        )
        if len(texts) == 1:
            break
    return texts


def _more(_: Texts, listed: Sequence[object], shown: int) -> list[str]:
    number = len(listed) - shown
    return [_("and {number} more").format(number=number)] if number > 0 else []


def _line(_: Texts, overview: SessionOverview) -> str:
    session = overview.session
    attended = sum(len(overview.marked.get(status, [])) for status in Status if status.counts)
    total = attended + len(overview.missing)
    percent = f"{100 * attended / total:.0f} %" if total else "-"
    batches = short(", ".join(session.batches), 200)
    line = f"{day_of(session)} {subject_of(session, 100)}, {batches}: {percent} ({attended}/{total})"
    return ", ".join([line, *_awaited(_, overview)])


def low_attendance(history: Sequence[SessionOverview]) -> list[Low]:
    """Return each student with low attendance in a subject and batch, the lowest first."""
    statuses: dict[tuple[str, str, str], list[Status]] = {}
    names: dict[str, str] = {}
    for overview in history:
        for sheet in overview.sheets:
            for student in sheet.roster:
                names.setdefault(student.student_id, student.name or student.student_id)
                if not overview.waits(student.student_id):
                    key = overview.session.subject, sheet.batch, student.student_id
                    statuses.setdefault(key, []).append(sheet.status_of(student.student_id))
    low = []
    for (subject, batch, student_id), each in statuses.items():
        percentage = attendance_percentage(each)
        if percentage is not None and percentage < LOW_ATTENDANCE:
            low.append((percentage, names[student_id], student_id, subject, batch))
    return sorted(low, key=lambda each: (each[0], *map(name_key, each[1:])))

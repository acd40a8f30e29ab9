"""What a teacher gets after a session: counts and lists in messages, CSV and XLSX with every student, and history."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import xlsxwriter  # type: ignore[import-untyped]  # no types there

from classroom.board import Counted, note_text
from classroom.lines import bold, short, split
from classroom.sessions import CheckIn, Session, Sheet, Status, Step, attendance_percentage
from classroom.student_texts import status_word
from telegram_app.i18n import Texts

LOW_ATTENDANCE = 75.0  # percent
HEADER = ("batch", "student_id", "name", "status", "time", "by", "reason", "distance_m")
# What a spreadsheet would take for a formula at the beginning of a cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Row:
    """One student's line in a report's file."""

    batch: str
    student_id: str
    name: str
    status: Status
    at: datetime | None
    by_teacher: bool
    reason: str
    distance: float | None

    def cells(self, zone: ZoneInfo) -> list[str]:
        """Return the line as texts."""
        return [
            self.batch,
            self.student_id,
            self.name,
            self.status.value,
            f"{self.at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if self.at is not None else "",
            "teacher" if self.by_teacher else "",
            self.reason,
            f"{self.distance:.0f}" if self.distance is not None else "",
        ]


def rows(found: Counted) -> list[Row]:
    """Return a line for each student on the rosters."""
    check_ins = {each.student_id: each for each in found.check_ins}
    lines = []
    for sheet in found.sheets:
        for student in sheet.roster:
            mark, check_in = sheet.marks.get(student.student_id), check_ins.get(student.student_id)
            lines.append(
                Row(
                    sheet.batch,
                    student.student_id,
                    student.name,
                    sheet.status_of(student.student_id),
                    mark.at if mark is not None else None,
                    mark is not None and mark.by != 0,
                    mark.reason if mark is not None else "",
                    check_in.distance if check_in is not None else None,
                )
            )
    return lines


def csv_text(lines: Iterable[Row], zone: ZoneInfo) -> str:
    """Return the lines as CSV, with a mark by which Excel knows UTF-8; no cell is taken for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for line in lines:
        writer.writerow(["'" + cell if cell.lstrip(" ").startswith(_FORMULA) else cell for cell in line.cells(zone)])
    return "\ufeff" + text.getvalue()


def xlsx_file(lines: Iterable[Row], zone: ZoneInfo) -> bytes:
    """Return the lines as a workbook, in which every cell is a text."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet("attendance")
        bold = book.add_format({"bold": True})
        for column, title in enumerate(HEADER):
            sheet.write_string(0, column, title, bold)
        for number, line in enumerate(lines, start=1):
            for column, cell in enumerate(line.cells(zone)):
                sheet.write_string(number, column, cell)
        sheet.autofit()
        sheet.freeze_panes(1, 0)
    return content.getvalue()


def report_texts(_: Texts, found: Counted, *, final: bool, zone: ZoneInfo) -> list[str]:
    """Return the report as messages, split between lines; HTML."""
    session = found.session
    day = datetime.fromisoformat(session.date).strftime("%d.%m.%Y")
    title, kind = _("Report"), _("final") if final else _("provisional")
    lines = [
        f"<b>{title}: {short(session.subject, 300)}</b>, {day} ({kind})",
        short(", ".join(session.batches), 1500),
        *(
            f"{status_word(_, status).capitalize()}: {len(found.marked.get(status, []))}"
            for status in (Status.PRESENT, Status.LATE, Status.EXCUSED)
        ),
        _("Absent: {number} of {all}").format(number=len(found.missing), all=found.students),
        *_lms_lines(_, found.sheets),
        *_names(_("Late"), found.marked.get(Status.LATE, [])),
        *_names(_("Excused"), found.marked.get(Status.EXCUSED, [])),
        *_names(_("Absent"), found.missing),
        *_failures(_, found),
        *_by_hand(_, found, zone),
    ]
    return split(lines)


def _names(title: str, names: list[str]) -> list[str]:
    return [bold(title), *(f"- {short(name, 200)}" for name in sorted(names))] if names else []


def _lms_lines(_: Texts, sheets: list[Sheet]) -> list[str]:
    refused = [sheet for sheet in sheets if sheet.refused]
    waiting = [sheet.batch for sheet in sheets if not sheet.refused and sheet.acked_version < sheet.version]
    lines = [
        _("The LMS refuses {batch}: {why}").format(batch=short(sheet.batch, 300), why=short(sheet.refused, 300))
        for sheet in refused
    ]
    if waiting:
        lines.append(_("Still on the way to the LMS: {batches}").format(batches=short(", ".join(waiting), 1500)))
    return lines or [_("The LMS has everything.")]


def _failures(_: Texts, found: Counted) -> list[str]:
    failed = found.waiting(Step.PLACE, Step.CONFIRM, Step.REVIEW, Step.REJECTED)
    if not failed:
        return []
    return [
        bold(_("Not through")),
        *(f"- {short(found.name(each.student_id), 200)}: {_reason(_, each)}" for each in failed),
    ]


def _reason(_: Texts, check_in: CheckIn) -> str:
    return _("not confirmed") if check_in.step is Step.CONFIRM else note_text(_, check_in)


def _by_hand(_: Texts, found: Counted, zone: ZoneInfo) -> list[str]:
    marks = [mark for sheet in found.sheets for mark in sheet.marks.values() if mark.by]
    if not marks:
        return []
    return [
        bold(_("Marked by hand")),
        *(
            f"- {short(found.name(mark.student_id), 200)}: {status_word(_, mark.status)}, "
            f"{mark.at.astimezone(zone):%H:%M}{', ' + short(mark.reason, 300) if mark.reason else ''}"
            for mark in marks
        ),
    ]


def history_texts(_: Texts, history: list[tuple[Session, list[Sheet]]]) -> list[str]:
    """Return a teacher's sessions with percentages, and the students below ``LOW_ATTENDANCE``; HTML messages."""
    if not history:
        return [_("No sessions yet.")]
    lines, of_student = [bold(_("Sessions"))], dict[tuple[str, str, str], list[Status]]()
    names: dict[str, str] = {}
    for session, sheets in history:
        counts: Counter[bool] = Counter()
        for sheet in sheets:
            for student in sheet.roster:
                status = sheet.status_of(student.student_id)
                counts[status.counts] += status is not Status.EXCUSED
                of_student.setdefault((session.subject, sheet.batch, student.student_id), []).append(status)
                names[student.student_id] = student.name or student.student_id
        total = counts[True] + counts[False]
        percent = f"{100 * counts[True] / total:.0f} %" if total else "-"
        day = datetime.fromisoformat(session.date).strftime("%d.%m.%Y")
        batches = short(", ".join(session.batches), 200)
        lines.append(f"{day} {short(session.subject, 100)}, {batches}: {percent} ({counts[True]}/{total})")
    low = []
    for (subject, batch, student_id), statuses in of_student.items():
        percentage = attendance_percentage(statuses)
        if percentage is not None and percentage < LOW_ATTENDANCE:
            low.append((percentage, names[student_id], student_id, subject, batch))
    if low:
        lines.append(bold(_("Below {percentage} %").format(percentage=round(LOW_ATTENDANCE))))
        lines += [
            f"- {short(name, 80)} {short(student_id, 40)}, {short(subject, 80)}, {short(batch, 80)}: {percent:.0f} %"
            for percent, name, student_id, subject, batch in sorted(low)
        ]
    return split(lines)

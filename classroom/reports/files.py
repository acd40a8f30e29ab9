"""A report's files: CSV and workbook, with one row for each student."""

import io
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import xlsxwriter  # type: ignore[import-untyped]  # has no types

from classroom.cells import csv_text, is_formula
from classroom.domain.sessions import CheckIn, folded
from classroom.overview import AWAITED, SessionOverview

# "time" is when the student came, "decided" when the status was; "by" is "student" where a checked face decided.
HEADER = ("batch", "student_id", "name", "status", "time", "by", "reason", "distance_m", "decided")
LOW_HEADER = ("batch", "student_id", "name", "subject", "percentage")  # of the students with low attendance


def rows(
    overview: SessionOverview, zone: ZoneInfo, teacher: str = "teacher", why: Callable[[CheckIn], str] | None = None
) -> list[list[str]]:
    """Return a row for each student of each batch; ``why`` returns the reason why a check-in led to no mark."""
    check_ins = {folded(each.student_id): each for each in overview.check_ins}
    lines = []
    for sheet in overview.sheets:
        for student in sheet.roster:
            mark, check_in = sheet.marks.get(student.student_id), check_ins.get(folded(student.student_id))
            reason = mark.reason if mark is not None else ""
            if mark is None and check_in is not None and why is not None:
                reason = why(check_in)
            distance = check_in.distance if check_in is not None else None
            lines.append(
                [
                    sheet.batch,
                    student.student_id,
                    student.name,
                    AWAITED if overview.waits(student.student_id) else sheet.status_of(student.student_id).value,
                    _local(overview.came_at(student.student_id), zone),
                    (teacher if mark.by else "student") if mark is not None else "",
                    reason,
                    f"{distance:.0f}" if distance is not None else "",
                    _local(mark.at if mark is not None else None, zone),
                ]
            )
    return lines


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if at is not None else ""


def csv_file(lines: Iterable[list[str]], header: Sequence[str] = HEADER) -> bytes:
    return csv_text(header, lines).encode()


def xlsx_file(lines: Iterable[list[str]]) -> bytes:
    """Return the rows as a workbook in which every cell stays a text, also after it is edited."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet("attendance")
        bold, quoted = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
        for column, title in enumerate(HEADER):
            sheet.write_string(0, column, title, bold)
        number = 0
        for number, line in enumerate(lines, start=1):
            for column, cell in enumerate(line):
                sheet.write_string(number, column, cell, quoted if is_formula(cell) else None)
        sheet.autofit()
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(number, 1), len(HEADER) - 1)
    return content.getvalue()

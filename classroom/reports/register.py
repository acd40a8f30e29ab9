"""The register: students and lessons of a subject, each student's statuses, totals and percentages."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from classroom.domain.sessions import Session, Status, attendance_percentage, folded
from classroom.domain.sorting import name_key
from classroom.overview import AWAITED, SessionOverview
from classroom.reports.sheet import begins, local
from classroom.reports.tables import Cell, Column, Table
from classroom.student.texts import status_word
from telegram_app.i18n import Texts

NOT_LISTED = ""  # instead of a status: the student was on no roster of that lesson
MOST_CELLS = 400_000  # students x lessons


class TooLarge(Exception):
    """The register has more than ``MOST_CELLS``."""


@dataclass
class Line:
    """A student, with one cell for each lesson: a ``Status``, ``AWAITED`` or ``NOT_LISTED``."""

    student_id: str
    name: str = ""
    batches: list[str] = field(default_factory=list)  # in the order in which the student was on their rosters
    cells: list[str] = field(default_factory=list)

    @property
    def statuses(self) -> list[Status]:
        return [each for each in self.cells if isinstance(each, Status)]


@dataclass
class Register:
    """The lessons of one subject, and of one batch or all (""), in the order in which they are added.

    A student is one line, whatever the batches; a lesson is one column, whatever the batches.
    """

    batch: str = ""
    lessons: list[Session] = field(default_factory=list)
    _lines: dict[str, Line] = field(default_factory=dict)  # by folded student ID

    def add(self, overview: SessionOverview) -> None:
        """Add a lesson, of which only the register's batch counts. Raises TooLarge."""
        sheets = [sheet for sheet in overview.sheets if self.batch in ("", sheet.batch)]
        if not sheets:
            return
        at = len(self.lessons)
        self.lessons.append(overview.session)
        for sheet in sheets:
            for student in sheet.roster:
                line = self._lines.setdefault(folded(student.student_id), Line(student.student_id))
                line.name = student.name or line.name
                if sheet.batch in line.batches[:-1] or sheet.batch not in line.batches:
                    line.batches = [*(each for each in line.batches if each != sheet.batch), sheet.batch]
                if len(line.cells) <= at:
                    line.cells += [NOT_LISTED] * (at - len(line.cells))
                    waits = overview.waits(student.student_id)
                    line.cells.append(AWAITED if waits else overview.status(student.student_id))
        if len(self._lines) * len(self.lessons) > MOST_CELLS:
            raise TooLarge

    def lines(self) -> list[Line]:
        """Return the students by their last batch and name, with a cell for every lesson."""
        for line in self._lines.values():
            line.cells += [NOT_LISTED] * (len(self.lessons) - len(line.cells))
        return sorted(
            self._lines.values(), key=lambda line: tuple(map(name_key, (line.batches[-1], line.name, line.student_id)))
        )


def letters(_: Texts) -> dict[str, str]:
    """Return the letter of each status in a register's cell."""
    # four letters: present, late, excused, absent
    found: dict[str, str] = dict(zip(Status, _("P L E A").split(), strict=True))
    return found | {AWAITED: "?", NOT_LISTED: ""}


def register_table(
    _: Texts, register: Register, subject: str, teachers: str, days: tuple[date, date], now: datetime, zone: ZoneInfo
) -> Table:
    lines, letter, at = register.lines(), letters(_), len(register.lessons)
    words = [status_word(_, status) for status in Status]
    titles = (_("No."), _("Student ID"), _("Name"), _("Batch"))
    totals = (*(each.capitalize() for each in words), _("Attended, %"))
    legend = [f"{letter[status]}: {word}" for status, word in zip(Status, words, strict=True)]
    not_final = _("not final yet")
    legend += [f"?: {status_word(_, Status.ABSENT, waits=True)}", f"*: {not_final}"]
    rows: list[list[Cell]] = []
    for line in lines:
        counts = Counter(line.statuses)
        start: list[Cell] = [len(rows) + 1, line.student_id, line.name, ", ".join(line.batches)]
        end: list[Cell] = [*(counts[status] for status in Status), attendance_percentage(line.statuses)]
        rows.append([*start, *(letter[each] for each in line.cells), *end])
    shares = [_share([line.cells[lesson] for line in lines]) for lesson in range(at)]
    every = Counter(status for line in lines for status in line.statuses)
    whole = attendance_percentage(every.elements())
    batches = sorted({batch for line in lines for batch in line.batches}, key=name_key)
    campuses = sorted({lesson.campus for lesson in register.lessons}, key=name_key)
    return Table(
        title=_("Attendance Register"),
        facts=[
            (_("Subject"), subject),
            (_("Batch"), register.batch or ", ".join(batches)),
            (_("Teacher"), teachers),
            (_("Campus"), ", ".join(campuses)),
            (_("Days"), f"{days[0]:%d.%m.%Y}\u2013{days[1]:%d.%m.%Y}"),
            (_("Lessons"), at),
            (_("Students"), len(lines)),
            (_("As of"), local(now, zone)),
        ],
        columns=[
            *map(Column, titles),
            *(Column(_head(lesson, zone), narrow=True) for lesson in register.lessons),
            *map(Column, totals),
        ],
        rows=rows,
        fixed=len(titles),
        last=["", "", _("Attended, %"), "", *shares, *(every[status] for status in Status), whole],
        below=["; ".join(legend)],
        page=_("Page {page} of {pages}"),
    )


def _share(cells: list[str]) -> float | None:
    return attendance_percentage(each for each in cells if isinstance(each, Status))


def _head(lesson: Session, zone: ZoneInfo) -> str:
    """Return a lesson's date, time and name, in two lines; a star where its report is not final."""
    begin = begins(lesson, zone)
    first = f"{date.fromisoformat(lesson.date):%d.%m.%Y}" + (f" {begin:%H:%M}" if begin is not None else "")
    return f"{first}{'' if lesson.final_at is not None else ' *'}\n{lesson.lesson}".strip()

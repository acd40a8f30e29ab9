"""The register: a pure function of sessions and sheets, its table, its workbook and its printed pages."""

import io
from datetime import date, timedelta
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pytest

from classroom.domain.location_policy import JUST_OUTSIDE
from classroom.domain.sessions import CheckIn, CheckInStep, Enrolled, Mark, Session, Sheet, Status
from classroom.overview import AWAITED, SessionOverview
from classroom.reports import register as register_module
from classroom.reports.pdf import pdf_file
from classroom.reports.register import NOT_LISTED, Register, TooLarge, letters, register_table
from classroom.reports.tables import Table, csv_file
from classroom.reports.workbook import xlsx_file
from telegram_app.i18n import LANGUAGES, texts
from tests.classroom.reports.test_sheet import printed
from tests.classroom.reports.test_texts import BEGIN, ZONE, a_session

pytestmark = pytest.mark.unit

_ = texts("en")
P, L, E, A = Status.PRESENT, Status.LATE, Status.EXCUSED, Status.ABSENT
DAYS = date(2026, 11, 1), date(2026, 11, 30)


def lesson(day: int, rosters: dict[str, dict[str, Status | None]], name: str = "", **changes: Any) -> SessionOverview:
    """Return a lesson of November: by batch the statuses of the students, whose names are their IDs'."""
    at = BEGIN + timedelta(days=day - 21)
    about = {"opened_at": at, "closes_at": at, "ended_at": at, "final_at": at, "batches": tuple(rosters)}
    session: Session = a_session(id=f"{day:012}", date=f"2026-11-{day:02}", lesson=name, **about | changes)
    sheets = [
        Sheet(
            session.id,
            "Main",
            batch,
            "Algebra",
            session.date,
            session.teacher,
            tuple(Enrolled(each, f"Name {each}", batch) for each in students),
            {each: Mark(each, status, at) for each, status in students.items() if status is not None},
        )
        for batch, students in rosters.items()
    ]
    return SessionOverview(session, sheets, [])


def register_of(lessons: list[SessionOverview], batch: str = "") -> Register:
    register = Register(batch)
    for each in lessons:
        register.add(each)
    return register


def cells(lessons: list[SessionOverview], batch: str = "") -> dict[str, list[str]]:
    """Return each student's cells, in the register's order."""
    return {line.student_id: line.cells for line in register_of(lessons, batch).lines()}


def a_table(lessons: list[SessionOverview], language: str = "en", batch: str = "") -> Table:
    register = register_of(lessons, batch)
    return register_table(texts(language), register, "Algebra", "A. Teacher", DAYS, BEGIN, ZONE)


class TestCells:
    """What is in each cell."""

    def test_statuses(self) -> None:
        """Each student has the status of each lesson; without a mark absent."""
        found = cells([lesson(2, {"CS-1": {"S1": P, "S2": L}}), lesson(3, {"CS-1": {"S1": E, "S2": None}})])
        assert found == {"S1": [P, E], "S2": [L, A]}

    def test_joined_late_and_left(self) -> None:
        """Before a student was on the roster, and after, the cell is empty and counts for nothing."""
        lessons = [
            lesson(2, {"CS-1": {"S1": P, "S2": P}}),
            lesson(3, {"CS-1": {"S1": P, "S3": A}}),
            lesson(4, {"CS-1": {"S1": P, "S3": P}}),
        ]
        assert cells(lessons) == {"S1": [P, P, P], "S2": [P, NOT_LISTED, NOT_LISTED], "S3": [NOT_LISTED, A, P]}
        rows = {row[1]: row for row in a_table(lessons).rows}
        assert rows["S2"][4:] == ["P", "", "", 1, 0, 0, 0, 100.0]
        assert rows["S3"][4:] == ["", "A", "P", 1, 0, 0, 1, 50.0]

    def test_changed_batch(self) -> None:
        """A student who changed batch is one line with both; of one batch only its lessons count."""
        lessons = [
            lesson(2, {"CS-1": {"S1": P, "S2": P}}),
            lesson(2, {"CS-2": {"S9": P}}, "Lab"),
            lesson(9, {"CS-2": {"s1": L, "S9": A}}),  # the other roster spells the ID otherwise
        ]
        assert cells(lessons) == {"S2": [P, "", ""], "S1": [P, "", L], "S9": ["", P, A]}
        rows = {row[1]: row for row in a_table(lessons).rows}
        assert (rows["S1"][3], rows["S1"][7:]) == ("CS-1, CS-2", [1, 1, 0, 0, 100.0])
        assert cells(lessons, "CS-2") == {"S1": ["", L], "S9": [P, A]} or cells(lessons, "CS-2") == {
            "s1": ["", L],
            "S9": [P, A],
        }
        assert cells(lessons, "CS-1") == {"S1": [P], "S2": [P]}

    def test_two_batches_at_once(self) -> None:
        """A lesson of two batches is one column, and a student on both counts once."""
        lessons = [lesson(2, {"CS-1": {"S1": P, "S2": None}, "CS-2": {"S1": P, "S3": L}})]
        assert cells(lessons) == {"S2": [A], "S1": [P], "S3": [L]}
        table = a_table(lessons)
        assert [row[3] for row in table.rows] == ["CS-1", "CS-1, CS-2", "CS-2"]
        assert table.last[4:] == [pytest.approx(200 / 3), 1, 1, 0, 1, pytest.approx(200 / 3)]
        assert cells(lessons, "CS-2") == {"S1": [P], "S3": [L]}

    def test_who_waits(self) -> None:
        """Who waits for the teacher is neither present nor absent; the lesson is marked as not final."""
        waiting = lesson(2, {"CS-1": {"S1": None, "S2": None}}, final_at=None)
        check_in = CheckIn("", "S1", 1, CheckInStep.REVIEW, BEGIN, JUST_OUTSIDE, 71)
        overview = SessionOverview(waiting.session, waiting.sheets, [check_in])
        assert cells([overview]) == {"S1": [AWAITED], "S2": [A]}
        table = a_table([overview])
        assert table.rows[0][4:] == ["?", 0, 0, 0, 0, None]
        assert table.columns[4].title == "02.11.2026 09:00 *"

    def test_excused(self) -> None:
        """Excused lessons do not count for the percentage; with only those there is none."""
        lessons = [
            lesson(2, {"CS-1": {"S1": E, "S2": E}}),
            lesson(3, {"CS-1": {"S1": E, "S2": P}}),
            lesson(4, {"CS-1": {"S1": E, "S2": A}}),
        ]
        assert [row[-1] for row in a_table(lessons).rows] == [None, 50.0]

    def test_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A register has a largest size."""
        monkeypatch.setattr(register_module, "MOST_CELLS", 3)
        register_of([lesson(2, {"CS-1": {"S1": P, "S2": P}})])
        with pytest.raises(TooLarge):
            register_of([lesson(2, {"CS-1": {"S1": P, "S2": P}}), lesson(3, {"CS-1": {"S1": P}})])


class TestTable:
    """Headers, totals and files."""

    LESSONS = (
        lesson(2, {"CS-1": {"S1": P, "S2": L, "S3": E, "S4": None}}),
        lesson(2, {"CS-1": {"S1": P, "S2": P, "S3": P, "S4": None}}, "Lab"),
        lesson(20, {"CS-1": {"S1": P, "S2": A, "S3": P, "S4": P}}, opened_at=BEGIN, without_phones=True),
    )

    def test_heads(self) -> None:
        """A lesson's head has date, time and name; one that was entered on another day has no time."""
        heads = [each.title for each in a_table(list(self.LESSONS)).columns if each.narrow]
        assert heads == ["02.11.2026 09:00", "02.11.2026 09:00\nLab", "20.11.2026"]

    def test_totals(self) -> None:
        """Students have totals by status and a percentage, lessons a percentage, and all together, too."""
        table = a_table(list(self.LESSONS))
        assert [row[7:] for row in table.rows] == [
            [3, 0, 0, 0, 100.0],
            [1, 1, 0, 1, pytest.approx(200 / 3)],
            [2, 0, 1, 0, 100.0],
            [1, 0, 0, 2, pytest.approx(100 / 3)],
        ]
        assert table.last[4:] == [pytest.approx(200 / 3), 75.0, 75.0, 7, 1, 1, 3, pytest.approx(800 / 11)]

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_letters(self, language: str) -> None:
        """Each status has a letter of its own in every language, which the lines below explain."""
        table, found = a_table(list(self.LESSONS), language), letters(texts(language))
        assert len({found[status] for status in Status}) == len(Status)
        assert all(len(found[status]) == 1 and f"{found[status]}: " in table.below[0] for status in Status)
        assert table.rows[1][4] == found[L]

    def test_printed_workbook(self) -> None:
        """The facts above have room for a date, and the lessons of half a term fit on two pages."""
        table = a_table([lesson(day, {"CS-1": {"S1": P}}) for day in range(1, 26)])
        sheet = openpyxl.load_workbook(io.BytesIO(xlsx_file(table))).worksheets[0]
        made = next(
            cell
            for row in sheet.iter_rows()
            for cell in row
            if cell.value == BEGIN.astimezone(ZONE).replace(tzinfo=None)
        )
        (merged,) = (each for each in sheet.merged_cells.ranges if made.coordinate in each)
        assert merged.size["columns"] == 6
        assert sheet.page_setup.fitToWidth == 2

    def test_workbook(self) -> None:
        """Every cell of the workbook is the table's: letters, figures and percentages as numbers."""
        table = a_table(list(self.LESSONS))
        sheet = openpyxl.load_workbook(io.BytesIO(xlsx_file(table))).worksheets[0]
        top = next(row[0].row for row in sheet.iter_rows() if row[0].value == "No.")
        width = len(table.columns)  # what stands above may be wider
        assert [cell.value for cell in sheet[top][:width]] == [each.title for each in table.columns]
        for number, row in enumerate([*table.rows, table.last], start=top + 1):
            written = [cell.value for cell in sheet[number][:width]]
            assert written == [
                pytest.approx(each / 100) if isinstance(each, float) else each or None for each in row
            ] or [each or 0 for each in written] == [
                pytest.approx(each / 100) if isinstance(each, float) else each or 0 for each in row
            ]
        assert sheet.cell(top + 1, 12).number_format == "0%"
        assert (sheet.freeze_panes, sheet.print_title_cols, sheet.print_title_rows) == (
            *(f"E{top + 1}", "$A:$D", f"${top}:${top}"),
        )

    def test_printed(self) -> None:
        """Sixty lessons need pages beside each other: each has the students, and its number of all pages."""
        students: dict[str, Status | None] = {f"S{number:03}": P for number in range(60)}
        table = a_table([lesson(1 + number % 28, {"CS-1": students}) for number in range(60)])
        pages = printed(pdf_file(table))
        assert len(pages) >= 4
        assert all(f"Page {number} of {len(pages)}" in page for number, page in enumerate(pages, start=1))
        assert sum("S000" in page for page in pages) >= 3
        assert sum("S059" in page for page in pages) >= 3
        assert sum("waiting for the teacher" in page for page in pages) == 1

    def test_csv(self) -> None:
        """The CSV has the same rows; a lesson's head is one line."""
        content = csv_file(a_table(list(self.LESSONS)), "en").decode("utf-8-sig").splitlines()
        assert any("02.11.2026 09:00 Lab" in line for line in content)
        assert "1,S1,Name S1,CS-1,P,P,P,3,0,0,0,100" in content

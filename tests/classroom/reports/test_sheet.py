"""The sheet of a session: CSV, workbook and printed pages, their cells and their names."""

import csv
import io
import unicodedata
from datetime import datetime, time, timedelta
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pypdfium2  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.cells import harmless
from classroom.domain.location_policy import JUST_OUTSIDE
from classroom.domain.sessions import CheckIn, CheckInStep, Mark, Status
from classroom.overview import SessionOverview
from classroom.reports.names import lesson_stem, register_stem
from classroom.reports.pdf import pdf_file
from classroom.reports.picture import picture
from classroom.reports.sheet import sheet_table
from classroom.reports.tables import Column, Table, csv_file
from classroom.reports.workbook import xlsx_file
from telegram_app.i18n import LANGUAGES, texts
from tests.classroom.reports.test_texts import BEGIN, TEACHER, ZONE, a_session, a_sheet

pytestmark = pytest.mark.unit

_ = texts("en")
NAMES = ("=HYPERLINK(1)", " +7", "-1", "@SUM(A1)", "\tx", "＝1", 'Quote " and, comma; <&\U0001f600', "Ә")
NOW = BEGIN + timedelta(minutes=20)


def found() -> SessionOverview:
    """Return a session of students with dangerous names, the last one marked manually."""
    sheet = a_sheet(list(NAMES), {0: Status.PRESENT})
    sheet.marks["S007"] = Mark("S007", Status.LATE, BEGIN, by=TEACHER, reason="=cmd|' /C calc'!A0")
    session = a_session(lesson="Lab")
    return SessionOverview(session, [sheet], [CheckIn("", "S000", 1, CheckInStep.DONE, BEGIN, "", 12.4)])


def a_table(language: str = "en", overview: SessionOverview | None = None) -> Table:
    return sheet_table(texts(language), overview or found(), ZONE, "A. Teacher", NOW)


def workbook(table: Table) -> Any:
    """Return the only sheet of the table's workbook."""
    book = openpyxl.load_workbook(io.BytesIO(xlsx_file(table)))
    assert len(book.worksheets) == 1
    return book.worksheets[0]


def printed(content: bytes) -> list[str]:
    """Return the texts of the pages of a PDF."""
    document = pypdfium2.PdfDocument(content)
    return [page.get_textpage().get_text_bounded() for page in document]


class TestSheet:
    """The rows and the facts above them."""

    def test_rows(self) -> None:
        """Each student has a row: times as times, the distance as a number, IDs as texts, who marked and why."""
        table = a_table()
        assert [each.title for each in table.columns] == [
            *("No.", "Batch", "Student ID", "Name", "Attendance", "Came at", "Marked by", "Remark", "Distance, m"),
            "Decided at",
        ]
        decided = datetime(2026, 11, 21, 9, 0, 3)  # noqa: DTZ001  # as spreadsheets keep it
        first = [1, "CS-1", "S000", NAMES[0], "present", time(9, 0, 3), "check-in", "", 12, decided]
        assert table.rows[0] == first
        assert table.rows[1] == [2, "CS-1", "S001", NAMES[1], "absent", None, "", "", None, None]
        assert table.rows[7][4:] == ["late", None, "A. Teacher", "=cmd|' /C calc'!A0", None, decided]

    def test_facts(self) -> None:
        """Above the rows stand subject, batch, lesson, teacher, campus, date, times, and how many attended."""
        facts = dict(a_table().facts)
        wanted = {"Subject": "Algebra", "Batch": "CS-1", "Lesson": "Lab", "Teacher": "A. Teacher", "Campus": "Main"}
        assert facts.items() >= wanted.items()
        assert (str(facts["Date"]), facts["Time"], facts["Students"], facts["Attended"]) == (
            *("2026-11-21", "09:00\u201309:02", 8),
            25.0,
        )
        assert "Lesson" not in dict(a_table(overview=SessionOverview(a_session(), found().sheets, [])).facts)

    def test_entered_later(self) -> None:
        """A lesson that was entered on a later day without phones has no times of its own."""
        overview = SessionOverview(a_session(date="2026-11-20", without_phones=True), found().sheets, [])
        assert dict(a_table(overview=overview).facts)["Time"] == ""

    def test_when_they_came(self) -> None:
        """The sheet has the time of the code, and that of a decision an hour later beside it."""
        came, decided = BEGIN + timedelta(minutes=3), BEGIN + timedelta(minutes=60)
        sheet = a_sheet(["A", "B", "C", "D"], {})
        sheet.marks["S000"] = Mark("S000", Status.PRESENT, decided, TEACHER, "confirmed: just outside (61 m)", came)
        sheet.marks["S001"] = Mark("S001", Status.LATE, decided, TEACHER, "the bus")  # by hand, after a check-in
        sheet.marks["S002"] = Mark("S002", Status.PRESENT, decided, TEACHER)  # by hand, without one
        walks = [
            CheckIn("", each, at, CheckInStep.DONE if at < 3 else CheckInStep.REJECTED, came, JUST_OUTSIDE)
            for at, each in ((1, "S000"), (2, "S001"), (3, "S003"))
        ]
        overview = SessionOverview(a_session(), [sheet], walks)
        rows = sheet_table(_, overview, ZONE, "A. Teacher", NOW, lambda each: each.note).rows
        assert [row[5] for row in rows] == [time(9, 3, 3), time(9, 3, 3), None, time(9, 3, 3)]
        assert [row[9] and f"{row[9]:%H:%M}" for row in rows] == ["10:00"] * 3 + [None]
        assert [row[6] for row in rows] == ["A. Teacher"] * 3 + [""]
        assert [row[7] for row in rows] == ["confirmed: just outside (61 m)", "the bus", "", JUST_OUTSIDE]


class TestCsv:
    """Tables as CSV."""

    def test_sheet(self) -> None:
        """Title and facts, an empty line, then a row for each student that reads back as written."""
        content = csv_file(a_table(), "en")
        assert content.startswith(b"\xef\xbb\xbf")
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert lines[:2] == [["Attendance Sheet"], ["Subject", "Algebra"]]
        top = lines.index([]) + 1
        assert lines[top][:3] == ["No.", "Batch", "Student ID"]
        rows = lines[top + 1 : top + 9]
        assert [row[3].removeprefix("'") for row in rows] == list(NAMES)
        assert rows[0][4:] == ["present", "09:00:03", "check-in", "", "12", "2026-11-21 09:00:03"]
        assert rows[7][6:8] == ["A. Teacher", "'=cmd|' /C calc'!A0"]

    @pytest.mark.parametrize(("language", "sign"), [("en", ","), ("ru", ";"), ("kk", ";")])
    def test_separator(self, language: str, sign: str) -> None:
        """Excel in Russian or Kazakh expects semicolons; the headers are in the reader's language."""
        lines = csv_file(a_table(language), language).decode("utf-8-sig").splitlines()
        assert lines[1].endswith(f"{sign}Algebra")
        heads = [each.title for each in a_table(language).columns]
        assert heads in csv.reader(lines, delimiter=sign)
        assert (heads[3] == "Name") == (language == "en")

    @given(
        st.lists(st.lists(st.text("=+-@\t\r\n＝＋－＠ '\"aЯ,;|", max_size=8), min_size=1, max_size=3), max_size=3),
        st.sampled_from(["en", "ru"]),
    )
    def test_no_formula_at_any_separator(self, rows: list[list[str]], language: str) -> None:
        """Whatever separator a spreadsheet is set to, no field begins like a formula, with a tab or a line's end."""
        content = csv_file(Table("", (), [Column("a")], rows), language).decode("utf-8-sig")
        for separator in ",;\t|":
            for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
                assert not [cell for cell in row if cell.lstrip(" ").startswith(tuple("=+-@\t\r＝＋－＠"))], row
        own = csv.reader(io.StringIO(content, newline=""), delimiter="," if language == "en" else ";")
        assert [[cell.replace("'", "") for cell in row] for row in own][1:] == [
            [cell.replace("'", "") for cell in row] for row in rows
        ]

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("25B030001", "25B030001"),
            ("000123", "000123"),
            ("-5", "'-5"),
            ("Seydahmet-Ulı; A.", "Seydahmet-Ulı; A."),
            ("A;=cmd|' /C calc'!A0", "A;'=cmd|' /C calc'!A0"),
            ("A;\t=1", "A;'\t'=1"),
            ('A;"=1"', 'A;"\'=1"'),
            ("A\n=1", "A\n'=1"),
            ("A;B, C|D", "A;B, C|D"),
            ("A, B;", "A, B;'"),
        ],
    )
    def test_readable(self, text: str, shown: str) -> None:
        """IDs, figures with a minus and ordinary texts stay readable."""
        assert harmless(text) == shown


class TestWorkbook:
    """Tables as workbooks."""

    def test_cells(self) -> None:
        """IDs and names are texts, never formulas; times, dates and percentages are numbers with their formats."""
        sheet = workbook(a_table())
        top = next(row[0].row for row in sheet.iter_rows() if row[0].value == "No.")
        values = [[cell.value for cell in row[:10]] for row in sheet.iter_rows(top + 1, top + 8)]
        assert [row[3] for row in values] == list(NAMES)
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}
        came, name, student_id = sheet.cell(top + 1, 6), sheet.cell(top + 1, 4), sheet.cell(top + 1, 3)
        assert (came.value, came.number_format) == (time(9, 0, 3), "hh:mm:ss")
        assert (student_id.value, student_id.data_type, student_id.number_format) == ("S000", "s", "@")
        assert (name.quotePrefix, student_id.quotePrefix) == (True, False)
        facts = {row[1].value: row[2] for row in sheet.iter_rows(2, top - 1)}
        facts |= {row[4].value: row[5] for row in sheet.iter_rows(2, top - 1)}
        assert facts["Subject"].value == "Algebra"
        assert (facts["Attended"].value, facts["Attended"].number_format) == (0.25, "0%")
        assert facts["Date"].is_date

    def test_printing(self) -> None:
        """Header and first columns stay in sight; it prints across A4 with the header and "Page 1 of 2"."""
        sheet = workbook(a_table())
        top = next(row[0].row for row in sheet.iter_rows() if row[0].value == "No.")
        assert sheet.freeze_panes == f"E{top + 1}"
        assert sheet.print_title_rows == f"${top}:${top}"
        assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
        assert sheet.oddFooter.center.text == "Page &P of &N"
        assert sheet.auto_filter.ref.startswith(f"A{top}:")


class TestPdf:
    """Tables as PDFs; the font has the letters of Russian and Kazakh."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_sheet(self, language: str) -> None:
        """The page has title, facts, header, everybody's line and its number, in each language."""
        names = ["Әсел Ғалымқызы Қуаныш-Іңкәр Өтегенова", "Щербаков Ёж", "Ұлан Үміт Һ"]
        overview = SessionOverview(a_session(subject="Қазақ тілі"), [a_sheet(names, {1: Status.LATE})], [])
        table = a_table(language, overview)
        (text,) = printed(pdf_file(table, picture(texts(language), overview, ZONE)))
        joined = " ".join(text.split())
        for wanted in (table.title, "Қазақ тілі", *names, "S002", table.page.format(page=1, pages=1)):
            assert wanted in joined
        for column in table.columns:
            assert all(word in joined for word in column.title.split())

    def test_many_students(self) -> None:
        """Of 200 students each stands once, under the header and "Page x of y" on every page."""
        names = [f"Student {number:03}" for number in range(200)]
        pages = printed(pdf_file(a_table(overview=SessionOverview(a_session(), [a_sheet(names, {})], []))))
        assert len(pages) > 3
        for number, text in enumerate(pages, start=1):
            assert f"Page {number} of {len(pages)}" in text
            assert "Decided" in text
        joined = "\n".join(pages)
        assert [joined.count(name) for name in names] == [1] * 200

    @given(st.text(max_size=300))
    def test_any_text(self, text: str) -> None:
        """No name of a student breaks the page, however long and from whatever script."""
        overview = SessionOverview(a_session(subject=text), [a_sheet([text, "B"], {})], [])
        assert "Page 1 of" in printed(pdf_file(a_table(overview=overview)))[0]


PART = st.text(st.sampled_from("AbЯқ1 -_/:*?<>|\\.,+#\u0301\u200b\n\U0001f600"), max_size=6) | st.text(max_size=100)


class TestNames:
    """Names of files."""

    @pytest.mark.parametrize(
        ("parts", "stem"),
        [
            (("Algorithms", ["CS-101"], "2026-11-28"), "Algorithms_CS-101_2026-11-28"),
            (("Algorithms", ["CS-101", "CS-102"], "2026-11-28", "Lab"), "Algorithms_CS-101+CS-102_2026-11-28_Lab"),
            (("Linear Algebra", ["CS-101"], "2026-11-28", "14:00"), "Linear_Algebra_CS-101_2026-11-28_14-00"),
            (("Қазақ тілі", ["ИС-21"], "2026-11-28", "Дәріс"), "Қазақ_тілі_ИС-21_2026-11-28_Дәріс"),
            (("C++", ["CS-101"], "2026-11-28"), "C_CS-101_2026-11-28_a7fb9f"),
        ],
    )
    def test_of_lessons(self, parts: tuple[Any, ...], stem: str) -> None:
        """A name says subject, batches, date and lesson; where a part was changed it has a mark of its own."""
        assert lesson_stem(*parts) == stem

    def test_of_registers(self) -> None:
        """A register's name says subject, batch and days."""
        stem = register_stem("Register", "Linear Algebra", "CS 101/2", "2026-11-01", "2026-11-28")
        assert stem == "Register_Linear_Algebra_CS_101_2_2026-11-01_2026-11-28"

    LESSON = st.tuples(PART, st.lists(PART, min_size=1, max_size=4), st.just("2026-11-28"), PART)

    @given(one=LESSON, other=LESSON)
    def test_taken_everywhere(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
        """Names are short, of letters that every system takes, and different for different lessons."""
        name = lesson_stem(*one)
        assert len(name.encode()) < 230
        assert all(each.isalnum() or each in "-_+" for each in name), name
        assert name == unicodedata.normalize("NFC", name).strip("_- ")
        assert one == other or name != lesson_stem(*other)

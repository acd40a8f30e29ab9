"""A report's table as a workbook (XLSX), ready to be printed."""

import io
import re
from datetime import date, datetime, time
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]  # has no types

from classroom.cells import is_formula
from classroom.reports.tables import Cell, Table, shown

A4 = 9  # Excel's number of the paper
NARROW, LEAST, WIDEST = 4.7, 9, 45  # characters of a column
POINTS, LINE = 5.6, 15  # height of a character that is written upwards, and of a line
ON_A_PAGE = 24  # narrow columns
_FORMATS = {time: "hh:mm:ss", datetime: "dd.mm.yyyy hh:mm", date: "dd.mm.yyyy", float: "0%", int: "0", str: "@"}


def xlsx_file(table: Table) -> bytes:
    """Return a table as a workbook: texts stay texts, also after they are edited; times and percentages are numbers."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"title": table.title})
        sheet = book.add_worksheet(re.sub(r"[\[\]:*?/\\']", " ", table.title)[:31])
        writer = _Writer(book, sheet)
        top = writer.write_above(table)
        writer.write_header(table, top)
        for number, row in enumerate(table.rows, start=top + 1):
            for column, cell in enumerate(row):
                writer.write(number, column, cell, narrow=table.columns[column].narrow, border=1)
        end = top + len(table.rows)
        for column, cell in enumerate(table.last):
            writer.write(end + 1, column, cell, narrow=table.columns[column].narrow, border=1, bold=True)
        for number, line in enumerate(table.below, start=end + 2 + bool(table.last)):
            writer.write(number, 0, line, num_format="General")
        _set_up(sheet, table, top, end)
    return content.getvalue()


class _Writer:
    """Writes cells; Excel needs one format object for each look."""

    def __init__(self, book: Any, sheet: Any) -> None:
        self._book, self._sheet, self._formats = book, sheet, dict[tuple[object, ...], Any]()

    def _format(self, **look: object) -> Any:
        key = tuple(look.items())
        if key not in self._formats:
            self._formats[key] = self._book.add_format({name: value for name, value in look.items() if value})
        return self._formats[key]

    def write(self, row: int, column: int, cell: Cell, *, narrow: bool = False, **look: Any) -> None:
        look = {"num_format": _FORMATS.get(type(cell)), **look}
        if narrow:
            look |= {"align": "center"} | ({"font_size": 8} if isinstance(cell, float) else {})
        if isinstance(cell, str) and cell:
            look |= {"quote_prefix": True} if is_formula(cell) else {}
            self._sheet.write_string(row, column, cell, self._format(**look))
        elif isinstance(cell, date | time):
            self._sheet.write_datetime(row, column, cell, self._format(**{"align": "left", **look}))
        elif isinstance(cell, int | float):
            self._sheet.write_number(row, column, cell / 100 if isinstance(cell, float) else cell, self._format(**look))
        else:
            self._sheet.write_blank(row, column, None, self._format(**look))

    def write_above(self, table: Table) -> int:
        """Write the title and, in two columns, the facts; return the row of the header."""
        self.write(0, 0, table.title, bold=True, font_size=14)
        half = -(-len(table.facts) // 2)
        is_narrow = len(table.columns) > table.fixed and table.columns[table.fixed].narrow
        for number, (name, cell) in enumerate(table.facts):
            row, column = 1 + number % half, 1 if number < half else table.fixed
            self.write(row, column, name, bold=True, num_format="General")
            left, wide = (column + 5, 6) if is_narrow and column > 1 else (column + 1, 2)
            self._sheet.merge_range(row, left, row, left + wide - 1, None)  # a number that has no room is shown as ###
            self.write(row, left, cell, align="left")
        return 2 + half

    def write_header(self, table: Table, top: int) -> None:
        for at, column in enumerate(table.columns):
            turned = {"rotation": 90, "align": "center"} if column.narrow else {"valign": "vcenter"}
            look = self._format(bold=True, text_wrap=True, border=1, bg_color="#E8EBEF", **turned)
            self._sheet.write_string(top, at, column.title, look)


def _set_up(sheet: Any, table: Table, top: int, end: int) -> None:
    """Set the widths, what stays in sight, and how the sheet is printed."""
    half = -(-len(table.facts) // 2)
    for at, column in enumerate(table.columns):
        words = max(map(len, column.title.split()), default=0)
        cells = 0 if column.narrow else max((len(shown(row[at], clock="%H:%M:%S")) for row in table.rows), default=0)
        facts = {1: table.facts[:half], table.fixed: table.facts[half:]}.get(at, ())
        named = 0 if column.narrow else max((len(name) + 1 for name, _cell in facts), default=0)
        width = NARROW if column.narrow else min(max(LEAST if at else 5, words, cells, named) + 1.5, WIDEST)
        sheet.set_column(at, at, width)
    upwards = [line for column in table.columns if column.narrow for line in column.title.split("\n")]
    sheet.set_row(top, min(POINTS * max(map(len, upwards)) + 8, 200) if upwards else 2 * LINE)
    width = len(table.columns) - 1
    sheet.autofilter(top, 0, max(end, top + 1), width)
    sheet.freeze_panes(top + 1, table.fixed)
    sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{end + 3}"})
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.7)
    sheet.repeat_rows(top)
    if upwards:
        sheet.repeat_columns(0, table.fixed - 1)
        sheet.print_across()
        sheet.fit_to_pages(-(-sum(column.narrow for column in table.columns) // ON_A_PAGE), 0)
    else:
        sheet.fit_to_pages(1, 0)
    sheet.set_footer("&C" + table.page.format(page="&P", pages="&N"))

"""The table of a report, of which its CSV, its workbook and its printed pages are made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

from classroom.cells import csv_text

# A text, a number, a percentage (float), a local time, or nothing.
Cell = str | int | float | time | date | None


@dataclass(frozen=True)
class Column:
    """A column; the title of a narrow one is written upwards."""

    title: str
    narrow: bool = False


@dataclass(frozen=True)
class Table:
    """A title, named facts about the whole, and rows under a header.

    The first ``fixed`` columns stay in sight, on a screen and on each page. ``last`` is a row about the rows above it,
    ``below`` has lines that explain the table, ``page`` is the number of a page with {page} and {pages}.
    """

    title: str
    facts: Sequence[tuple[str, Cell]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    fixed: int = 0
    last: Sequence[Cell] = ()
    below: Sequence[str] = field(default=())
    page: str = "{page} / {pages}"


def delimiter(language: str) -> str:
    """Return what separates the cells of a CSV for Excel in this language: a comma is the decimal sign in others."""
    return "," if language == "en" else ";"


def csv_file(table: Table, language: str) -> bytes:
    """Return a table as CSV; nothing stands above or below a header and rows without a title."""
    above = [[table.title], *([name, _text(cell)] for name, cell in table.facts), []] if table.title else []
    rows = [*table.rows, table.last] if table.last else table.rows
    lines = [
        *above,
        [each.title.replace("\n", " ") for each in table.columns],
        *([_text(cell) for cell in row] for row in rows),
    ]
    lines += [[], *([line] for line in table.below)] if table.below else []
    return csv_text(lines, delimiter(language)).encode(errors="replace")


def _text(cell: Cell) -> str:
    return f"{cell:.0f}" if isinstance(cell, float) else shown(cell, "%Y-%m-%d", "%H:%M:%S")


def shown(cell: Cell, day: str = "%d.%m.%Y", clock: str = "%H:%M") -> str:
    """Return a cell as a text for people."""
    match cell:
        case None:
            return ""
        case float():
            return f"{cell:.0f} %"
        case datetime():
            return f"{cell:{day} {clock}}"
        case date():
            return f"{cell:{day}}"
        case time():
            return f"{cell:{clock}}"
    return str(cell)

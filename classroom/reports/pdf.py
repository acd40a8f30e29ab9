"""A report's table as a PDF for printing: A4 across, with as many pages beside each other as the columns need."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reportlab.lib.pagesizes import A4, landscape  # type: ignore[import-untyped]  # has no types
from reportlab.lib.units import mm  # type: ignore[import-untyped]
from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.ttfonts import TTFont  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]
from reportlab.pdfgen.textobject import PDFTextObject  # type: ignore[import-untyped]

from classroom.reports.tables import Column, Table, shown

WIDTH, HEIGHT = landscape(A4)
MARGIN, PAD, NARROW = 11 * mm, 1.2 * mm, 7.4 * mm
BETWEEN = 0.8 * mm  # above and below the lines of a cell
LEAST, WIDEST = 13 * mm, 62 * mm  # of a column
FIXED_MOST = 120 * mm  # of the columns that are repeated on each page
SIZE, LEADING = 7.5, 9.2  # points
MOST_LINES = 6  # of a cell
CARRIED = 3  # rows
LONGEST_UPWARDS = 42 * mm
PICTURE = 125 * mm, 64.6 * mm
_FONT = Path(__file__).with_name("DejaVuSans.ttf")


@cache
def _font() -> str:
    """Return the name of the font, which has Latin and Cyrillic letters; loaded once."""
    pdfmetrics.registerFont(TTFont("DejaVuSans", str(_FONT)))
    return "DejaVuSans"


@cache
def _advance(letter: str) -> float:
    return float(pdfmetrics.stringWidth(letter, _font(), SIZE))


def _width(text: str) -> float:
    return sum(map(_advance, text))


def _wrapped(text: str, width: float) -> list[str]:
    """Return a text in lines of at most this width; what does not fit into them ends with "…"."""
    lines = [""]
    for word in text.split():
        rest = word
        if lines[-1] and _width(f"{lines[-1]} {rest}") <= width:
            lines[-1] += f" {rest}"
            continue
        if lines[-1]:
            lines.append("")
        while _width(rest) > width and len(rest) > 1 and len(lines) <= MOST_LINES:
            fits = next((at for at in range(len(rest) - 1, 1, -1) if _width(rest[:at]) <= width), 1)
            lines[-1:] = [rest[:fits], ""]
            rest = rest[fits:]
        lines[-1] = rest
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1][:-1] + "\u2026"]
    return lines


@dataclass(frozen=True)
class _Page:
    """Some rows and columns of a table; ``ends``: what stands below the table is on it, too."""

    rows: range
    columns: tuple[int, ...]
    is_first: bool
    ends: bool


def pdf_file(table: Table, picture: bytes = b"") -> bytes:
    """Return a table as a PDF, with a picture (PNG) below it."""
    content = io.BytesIO()
    canvas = Canvas(content, pagesize=(WIDTH, HEIGHT), pageCompression=1)
    canvas.setTitle(table.title)
    print_ = _Print(canvas, table, picture)
    pages = list(print_.pages())
    for number, page in enumerate(pages, start=1):
        print_.draw(page, table.page.format(page=number, pages=len(pages)))
        canvas.showPage()
    canvas.save()
    return content.getvalue()


class _Print:
    """The layout of one table, and the drawing of its pages."""

    def __init__(self, canvas: Canvas, table: Table, picture: bytes) -> None:
        self._canvas, self._table, self._picture = canvas, table, picture
        self._rows = [*table.rows, table.last] if table.last else list(table.rows)
        self._wide = [at for at, column in enumerate(table.columns) if not column.narrow]
        self._widths = self._fitted()
        self._texts = [self._in_lines(row) for row in self._rows]  # only of the columns that are not narrow
        lines = [max(map(len, row.values()), default=1) for row in self._texts]
        self._heights = [LEADING * max(number, 1) + 2 * BETWEEN for number in lines]
        self._titles = [self._title(at) for at in range(len(table.columns))]
        self._header = max(
            max(map(_width, lines)) + 2 * PAD if column.narrow else LEADING * len(lines) + 2 * PAD
            for column, lines in zip(table.columns, self._titles, strict=True)
        )
        self._bottom = MARGIN + LEADING + PAD

    def _fitted(self) -> list[float]:
        """Return the columns' widths: as their texts need, less where the page is too narrow for that."""
        table, found = self._table, []
        for at, column in enumerate(table.columns):
            words = max(map(_width, column.title.split()), default=0.0)
            cells = 0.0 if column.narrow else max((_width(shown(row[at])) for row in self._rows), default=0.0)
            widest = min(max(words, cells) + 2 * PAD + 1, WIDEST)
            found.append(NARROW if column.narrow else widest if at == 0 else max(widest, LEAST))
        is_whole = len(self._wide) == len(table.columns)
        most = WIDTH - 2 * MARGIN if is_whole else FIXED_MOST
        shrinking = [at for at in (self._wide if is_whole else range(table.fixed)) if at]
        excess = sum(found[at] for at in [0, *shrinking] if found) - most
        room = sum(found[at] - LEAST for at in shrinking)
        if excess > 0 and room > 0:
            for at in shrinking:
                found[at] -= (found[at] - LEAST) * min(1.0, excess / room)
        return found

    def _in_lines(self, row: Sequence[object]) -> dict[int, list[str]]:
        cells = {at: shown(row[at]) for at in self._wide}  # type: ignore[arg-type]
        return {at: _wrapped(text, self._widths[at] - 2 * PAD + 0.1) for at, text in cells.items() if text}

    def _title(self, at: int) -> list[str]:
        column: Column = self._table.columns[at]
        if not column.narrow:
            return _wrapped(column.title, self._widths[at] - 2 * PAD + 0.1)
        return [_wrapped(line, LONGEST_UPWARDS)[0] for line in column.title.split("\n")[:2]]

    def _strips(self) -> list[tuple[int, ...]]:
        """Return the columns of the pages that lie beside each other."""
        fixed = tuple(range(self._table.fixed))
        room = WIDTH - 2 * MARGIN - sum(self._widths[at] for at in fixed)
        strips, used = [list[int]()], 0.0
        for at in range(len(fixed), len(self._widths)):
            if strips[-1] and used + self._widths[at] > room + 0.1:
                strips.append([])
                used = 0.0
            strips[-1].append(at)
            used += self._widths[at]
        return [(*fixed, *strip) for strip in strips]

    def _top(self, *, is_first: bool) -> float:
        """Return the upper edge of the table on a page."""
        facts = -(-len(self._table.facts) // 2) * (LEADING + 2) if is_first else 0
        return float(HEIGHT - MARGIN - (22 if is_first else LEADING + 2) - facts - PAD)

    def _below(self) -> float:
        lines = sum(len(self._legend(line)) for line in self._table.below)
        return LEADING * (lines + 1) * bool(lines) + (PICTURE[1] + LEADING if self._picture else 0)

    def _legend(self, line: str) -> list[str]:
        return _wrapped(line, WIDTH - 2 * MARGIN)

    def pages(self) -> Iterator[_Page]:
        """Yield the pages: those beside each other first, then those below."""
        strips, begin, is_first = self._strips(), 0, True
        while True:
            left = self._top(is_first=is_first) - self._header - self._bottom
            end = begin
            while end < len(self._rows) and self._heights[end] <= left:
                left -= self._heights[end]
                end += 1
            ends = end == len(self._rows) and self._below() <= left
            if end == len(self._rows) and not ends and end - begin > CARRIED:
                end -= CARRIED  # so that what stands below the table is not alone on a page
            is_last = end == len(self._rows)
            for number, strip in enumerate(strips):
                yield _Page(range(begin, end), strip, is_first, ends and number == 0)
            if is_last and not ends:
                yield _Page(range(end, end), (), is_first=False, ends=True)
            if is_last:
                return
            begin, is_first = end, False

    def draw(self, page: _Page, number: str) -> None:
        canvas, table = self._canvas, self._table
        canvas.setFont(_font(), SIZE)
        canvas.drawRightString(WIDTH - MARGIN, MARGIN, number)
        self._draw_above(page)
        top = self._top(is_first=page.is_first)
        if page.columns:
            top = self._draw_table(page, top)
        if page.ends:
            top -= LEADING
            for line in (part for each in table.below for part in self._legend(each)):
                canvas.drawString(MARGIN, top - SIZE, line)
                top -= LEADING
            if self._picture:
                canvas.drawImage(ImageReader(io.BytesIO(self._picture)), MARGIN, top - LEADING - PICTURE[1], *PICTURE)

    def _draw_above(self, page: _Page) -> None:
        canvas, table, top = self._canvas, self._table, HEIGHT - MARGIN
        if not page.is_first:
            line = f"{table.title}: {', '.join(shown(cell) for _name, cell in table.facts[:3])}"
            canvas.drawString(MARGIN, top - SIZE, _wrapped(line, WIDTH - 2 * MARGIN)[0])
            return
        canvas.setFont(_font(), 14)
        canvas.drawString(MARGIN, top - 13, table.title)
        canvas.setFont(_font(), SIZE)
        half, middle = -(-len(table.facts) // 2), (WIDTH - 2 * MARGIN) / 2
        for column in (0, 1):
            facts = table.facts[column * half : (column + 1) * half]
            left = MARGIN + column * middle
            indent = max((_width(name) for name, _cell in facts), default=0) + 4 * mm
            for row, (name, cell) in enumerate(facts):
                y = top - 22 - SIZE - row * (LEADING + 2)
                canvas.drawString(left, y, name)
                canvas.drawString(left + indent, y, _wrapped(shown(cell), middle - indent - PAD)[0])

    def _draw_table(self, page: _Page, top: float) -> float:
        """Draw a part of the table; return its lower edge."""
        canvas, table = self._canvas, self._table
        lefts = [MARGIN]
        for at in page.columns:
            lefts.append(lefts[-1] + self._widths[at])
        tops = [top, top - self._header]
        for row in page.rows:
            tops.append(tops[-1] - self._heights[row])
        canvas.setFillGray(0.92)
        canvas.rect(lefts[0], tops[1], lefts[-1] - lefts[0], self._header, stroke=0, fill=1)
        if table.last and page.rows and page.rows[-1] == len(table.rows):
            canvas.rect(lefts[0], tops[-1], lefts[-1] - lefts[0], tops[-2] - tops[-1], stroke=0, fill=1)
        canvas.setFillGray(0)
        canvas.setStrokeGray(0.6)
        canvas.setLineWidth(0.4)
        canvas.grid(lefts, tops)
        for left, at in zip(lefts, page.columns, strict=False):
            self._draw_title(at, left, top)
        text = canvas.beginText()
        text.setFont(_font(), SIZE)
        for upper, row in zip(tops[1:], page.rows, strict=False):
            for left, at in zip(lefts, page.columns, strict=False):
                if table.columns[at].narrow:
                    self._put_narrow(text, self._rows[row][at], left, upper)
                    continue
                for number, line in enumerate(self._texts[row].get(at, ())):
                    text.setTextOrigin(left + PAD, upper - BETWEEN - SIZE - number * LEADING)
                    text.textOut(line)
        canvas.drawText(text)
        return float(tops[-1])

    def _put_narrow(self, text: PDFTextObject, cell: object, left: float, upper: float) -> None:
        shown_ = f"{cell:.0f}" if isinstance(cell, float) else str(cell or "")
        if shown_:
            text.setTextOrigin(left + (NARROW - _width(shown_)) / 2, upper - BETWEEN - SIZE)
            text.textOut(shown_)

    def _draw_title(self, at: int, left: float, top: float) -> None:
        canvas, lines = self._canvas, self._titles[at]
        if not self._table.columns[at].narrow:
            for number, line in enumerate(lines):
                canvas.drawString(left + PAD, top - PAD - SIZE - number * LEADING, line)
            return
        canvas.saveState()
        canvas.translate(left + NARROW / 2 + SIZE / 2 - 1 - (len(lines) - 1) * LEADING / 2, top - self._header + PAD)
        canvas.rotate(90)
        for number, line in enumerate(lines):
            canvas.drawString(0, -number * LEADING, line)
        canvas.restoreState()

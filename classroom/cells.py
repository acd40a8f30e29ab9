"""Files that people open in a spreadsheet, and their cells."""

import csv
import io
import re
from collections.abc import Iterable

# A cell that begins with one of these is a formula to a spreadsheet; Excel accepts the full-width forms, too.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# The same after a character at which a spreadsheet with other settings begins a cell: Excel in Russian at a semicolon.
_INNER = re.compile(r"""([,;|\t\r\n][\s"']*)(?=[=+\-@＝＋－＠])""")
# Likewise before a tab or a line's end, which some skip before they look for a formula; and at the end of a cell, where
# the quote that closes it would open a field with the line's end.
_BLANK = re.compile(r"""([,;|\t\r\n])(?=[\s"]*([\t\r]|\Z))""")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would evaluate a text as a formula."""
    return cell.lstrip(" ").startswith(FORMULAS)


def harmless(cell: str) -> str:
    """Escape a text so that no spreadsheet evaluates it, or a part of it, as a formula; remove null characters."""
    cell = _BLANK.sub(r"\1'", _INNER.sub(r"\1'", cell.replace("\0", "")))
    return "'" + cell if is_formula(cell) else cell


def csv_text(lines: Iterable[Iterable[str]], delimiter: str = ",") -> str:
    """Return lines as CSV with a byte order mark, by which Excel recognises UTF-8; no cell is a formula."""
    text = io.StringIO(newline="")
    text.write("\ufeff")
    csv.writer(text, delimiter=delimiter).writerows(map(harmless, line) for line in lines)
    return text.getvalue()

"""Tables in CSV and XLSX files as people and spreadsheets write them: encoding, delimiter, header, cells."""

import csv
import io
import re
import time
import tomllib
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from classroom.domain.sessions import folded
from classroom.lms import LmsRefused
from core.lookalikes import visible

LARGEST_FILE = 50 * 1024 * 1024  # bytes
MOST_UNPACKED = 100 * 1024 * 1024  # bytes in an XLSX file, which is a ZIP archive
MOST_COLUMNS, MOST_LINES = 64, 200_000  # of a worksheet; what is beyond is cut off
HEADER_WITHIN = 20  # lines that are not empty: titles may stand above the header
EXACT_IN_EXCEL = 10**15  # from here on a spreadsheet rounds numbers

_HEADERS = tomllib.loads(Path(__file__).with_name("headers.toml").read_text(encoding="utf-8"))
_VAGUE = _HEADERS.pop("vague").split()
_COLUMNS = {spelling: column for column, spellings in _HEADERS.items() for spelling in spellings.split()}
_UNREADABLE: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError)
_UNREADABLE += (ValueError, TypeError, AttributeError, LookupError, RuntimeError)  # the library's on damaged files

Lines = Iterable[tuple[int, list[str], str]]  # number, cells, why they can't be trusted


def deferred(text: str) -> str:
    """Mark a text for the catalogues; it is translated where it is shown."""
    return text


_ = deferred


@dataclass(frozen=True)
class Problem:
    """A mistake in a file, or a warning. ``what`` is an English text with placeholders for ``values``."""

    file: str
    line: int  # 0: the whole file
    what: str
    values: Mapping[str, str] = field(default_factory=dict)
    more: int = 0  # lines of the file with the same problem

    def text(self, _: Callable[[str], str] = str) -> str:
        """Return the problem as one line, translated by ``_``."""
        what = _(self.what).format(**{name: value[:80] for name, value in self.values.items()})
        place = _("{file}, line {line}: {what}") if self.line else "{file}: {what}"
        text = place.format(file=self.file[:80], line=self.line, what=what)
        return text + (" " + _("(and {number} more)").format(number=self.more) if self.more else "")


class FileWrong(LmsRefused):
    """A file, or a batch in it, can't be used (permanent: whoever keeps the rosters has to correct it)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text())
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Row:
    """One line below the header; ``mistake``: why its cells can't be trusted."""

    file: str
    line: int
    cells: Mapping[str, str]
    mistake: str = ""

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def several(self, column: str) -> list[str]:
        return [part for each in self[column].split("|") if (part := " ".join(each.split()))]

    def problem(self, what: str, **values: str) -> Problem:
        return Problem(self.file, self.line, what, values)


def read_table(file: str, content: bytes, wanted: frozenset[str]) -> tuple[Iterable[Row], list[Problem]]:
    """Return the lines of a file whose header has the wanted columns, and warnings. Raises FileWrong."""
    if len(content) > LARGEST_FILE:
        raise FileWrong(Problem(file, 0, _("the file is too large")))
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileWrong(Problem(file, 0, _("an old or encrypted Excel file: save it as XLSX or CSV UTF-8")))
    if content.startswith(b"PK\x03\x04"):
        return _read_workbook(file, content, wanted), []
    text, warnings = _decoded(content, file)
    return _rows(file, _csv_lines(text, wanted), wanted), warnings


def _rows(file: str, lines: Lines, wanted: frozenset[str]) -> Iterator[Row]:
    """Find the header and return the lines below it. Raises FileWrong."""
    columns: list[str] = []
    nearest: tuple[int, frozenset[str]] | None = None  # the line that has most of the wanted columns
    looked = 0
    for line, cells, mistake in lines:
        if line % 200 == 0:
            time.sleep(0.001)  # lets the event loop run
        if columns:
            pairs = zip(columns, cells, strict=False)
            if row := {column: _cell(column, value) for column, value in pairs if column and value.strip()}:
                yield Row(file, line, row, mistake)
        elif looked < HEADER_WITHIN and any(cells) and not _is_hint(cells[0]):
            known, looked = _known(cells), looked + 1
            if nearest is None or len(wanted & set(known)) > len(nearest[1]):
                nearest = line, wanted & set(known)
            if wanted <= set(known):
                if twice := sorted({each for each in known if each and known.count(each) > 1}):
                    what = _("the header has two columns {columns}")
                    raise FileWrong(Problem(file, line, what, {"columns": ", ".join(twice)}))
                columns = known
    if nearest is None:
        raise FileWrong(Problem(file, 0, _("the file is empty")))
    if not columns:
        missing = ", ".join(sorted(wanted - nearest[1]))
        raise FileWrong(Problem(file, nearest[0], _("the header has no column {columns}"), {"columns": missing}))


def _known(cells: list[str]) -> list[str]:
    """Return each cell's column; "" where it is none that we know."""
    plain = [re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", cell)).casefold() for cell in cells]
    is_sure = any(_COLUMNS.get(each) == "student_id" and each not in _VAGUE for each in plain)
    return ["" if is_sure and each in _VAGUE else _COLUMNS.get(each, "") for each in plain]


def _cell(column: str, value: str) -> str:
    """Return a cell's text; ``="0012345"``, by which a spreadsheet keeps zeros, is left as it is in IDs."""
    value = value.strip().strip("\ufeff")
    if column != "student_id" and value.startswith('="') and value.endswith('"') and len(value) > 2:
        value = value[2:-1].strip()
    return value if value.isascii() else unicodedata.normalize("NFC", value)


def _is_hint(text: str) -> bool:
    """Whether this is the line in which Excel names its delimiter."""
    return text.strip("\ufeff ").casefold().startswith("sep=")


def _csv_lines(text: str, wanted: frozenset[str]) -> Lines:
    first = [line for line in text[:20_000].splitlines() if line.strip() and not _is_hint(line)][:HEADER_WITHIN]

    def fit(delimiter: str) -> tuple[int, int]:
        columns = (len(wanted & set(_known(line.split(delimiter)))) for line in first)
        return max(columns, default=0), sum(line.count(delimiter) for line in first)

    delimiter = max(",;\t", key=fit)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, cells, "") for cells in reader]
    except csv.Error:
        return _line_by_line(text, delimiter)


def _line_by_line(text: str, delimiter: str) -> Lines:
    """Read a file in which a quote is not closed: only the lines concerned have a mistake."""
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        try:
            yield number, next(csv.reader([line], delimiter=delimiter, strict=True), []), ""
        except csv.Error:
            cells = [cell.strip(' "\n') for cell in line.split(delimiter)]
            yield number, cells, _("not CSV: a quote is not closed, or stands inside a cell")


def _decoded(content: bytes, file: str) -> tuple[str, list[Problem]]:
    """Decode UTF-8, Excel's "Unicode Text", or the 8-bit text of Windows, Cyrillic or Western by the words in it."""
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1251"):
        with suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            break
    else:
        raise FileWrong(Problem(file, 0, _("unknown encoding: save the file as CSV UTF-8")))
    if encoding != "cp1251":
        return text, []
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    mixed = {word for word in words if re.search("[A-Za-z]", word)}  # é between Latin letters looks like й
    is_western = 2 * sum(word in mixed for word in words) > len(words)
    doubtful = [word for word in words if (word in mixed) is not is_western]
    if is_western:
        text = content.decode("cp1252", errors="replace")
    else:  # letters of no language that we know: the encoding of DOS, perhaps
        doubtful += re.findall(r"\S{0,20}[^\x00-\x7fА-яЁёІі№«»“”„…–—\s]\S{0,20}", text)
    what = _("the encoding is not certain (see “{word}”): save the file as CSV UTF-8 or XLSX")
    return text, [Problem(file, 0, what, {"word": doubtful[0]})] if doubtful else []


def _read_workbook(file: str, content: bytes, wanted: frozenset[str]) -> list[Row]:
    """Return the lines of every worksheet that has the header. Raises FileWrong."""
    import openpyxl  # type: ignore[import-untyped]  # no types; imported here: most installations have CSV only

    tables: list[list[Row]] = []
    wrong: FileWrong | None = None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(each.file_size for each in archive.infolist()) > MOST_UNPACKED:
                raise FileWrong(Problem(file, 0, _("the file is too large")))
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            label = file if len(book.worksheets) == 1 else f"{file} [{sheet.title}]"
            sheet.reset_dimensions()  # some programs write wrong ones
            cells = sheet.iter_rows(max_row=MOST_LINES, max_col=MOST_COLUMNS, values_only=True)
            lines = ((number, [*map(_text, line)], "") for number, line in enumerate(cells, 1))
            try:
                tables.append(list(_rows(label, lines, wanted)))
            except FileWrong as error:
                wrong = wrong or error
    except _UNREADABLE:
        what = _("not an XLSX file that can be read: save it again as XLSX or CSV UTF-8")
        raise FileWrong(Problem(file, 0, what)) from None
    if not tables:
        raise wrong or FileWrong(Problem(file, 0, _("the file is empty")))
    return [row for table in tables for row in table]


def _text(value: Any) -> str:
    if isinstance(value, int | float) and abs(value) >= EXACT_IN_EXCEL:
        return f"{value:.6E}"  # its last digits are lost
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else value.isoformat() if isinstance(value, date) else str(value)


def phone_digits(text: str) -> str:
    """Return a phone number's digits in international form; a local prefix 8 or 00 is understood."""
    digits = re.sub("[^0-9]", "", text)
    if text.strip(" '").startswith("+"):
        return digits
    if digits.startswith("00"):
        return digits[2:]
    return "7" + digits[1:] if len(digits) == 11 and digits.startswith("8") else digits


def understood_id(raw: str) -> str:
    """Return the ID inside ="0012345", '0012345 or 25030001.0."""
    if match := re.fullmatch(r'="([^"]*)"', raw):
        raw = match[1].strip()
    raw = re.sub(r"^['’‘`]", "", raw)
    return re.sub(r"(\d)[.,]0+$", r"\1", raw) if re.fullmatch(r"\d+[.,]0+", raw) else raw


def oddity(student_id: str) -> str:
    """Return the names of an ID's characters that are invisible or look like others; an empty text: it has none."""
    if student_id.isascii():
        return ""
    odd = [each for each in student_id if visible(each) != each and each != " "]
    for script in ("CYRILLIC", "GREEK"):
        letters = [each for each in student_id if script in unicodedata.name(each, "")]
        if all(folded(each).isascii() for each in letters):  # with other letters of the script the ID is written in it
            odd += letters
    return names_of(odd)


def names_of(characters: Iterable[str]) -> str:
    return ", ".join(unicodedata.name(each, f"U+{ord(each):04X}").lower() for each in dict.fromkeys(characters))

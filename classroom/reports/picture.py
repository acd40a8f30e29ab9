"""A report as a picture: the number of students by status, and the check-ins over time."""

import io
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from PIL import Image, ImageDraw, ImageFont

from classroom.domain.sessions import Status, end_of
from classroom.overview import SessionOverview
from classroom.student.texts import status_word
from telegram_app.i18n import Texts

WIDTH, HEIGHT = 1200, 620  # pixels
# Shipped, so that every machine draws the same; it has Cyrillic. Its licence is beside it.
_FONT = Path(__file__).with_name("DejaVuSans.ttf")
_INK, _PALE, _LINE, _PAPER = "#1f2933", "#5f6b7a", "#d5dbe3", "#ffffff"
_COLOURS = {
    Status.PRESENT: "#2f855a",
    Status.LATE: "#d69e2e",
    Status.EXCUSED: "#3b6fb6",
    Status.ABSENT: "#b4433c",
}
_MOST_BARS = 24
_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)  # possible spans of a bar, in seconds


@dataclass(frozen=True)
class Arrivals:
    """The number of check-ins in each span of time."""

    begin: datetime
    step: timedelta
    counts: tuple[int, ...]


def arrivals(times: list[datetime], begin: datetime, end: datetime) -> Arrivals:
    """Count check-ins in equal spans that begin at a round time, as short as the picture has room for."""
    last = max([end, *times])
    seconds = max((last - begin).total_seconds(), 1.0)
    step = next((each for each in _STEPS if seconds / each < _MOST_BARS), int(seconds / _MOST_BARS) + 1)
    first = begin.timestamp() // step * step
    counts = [0] * max(1, math.ceil((last.timestamp() - first) / step))
    for at in times:
        counts[min(max(0, int((at.timestamp() - first) // step)), len(counts) - 1)] += 1
    return Arrivals(datetime.fromtimestamp(first, UTC), timedelta(seconds=step), tuple(counts))


def picture(_: Texts, overview: SessionOverview, zone: ZoneInfo) -> bytes:
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    pen = ImageDraw.Draw(image)
    counts = {status: len(overview.marked.get(status, [])) for status in Status}
    counts[Status.ABSENT] = len(overview.missing)
    _draw_statuses(pen, _, counts, overview.students)
    came = [overview.came_at(student.student_id) for student in overview.people.values()]
    times = [at for at in came if at is not None]
    _draw_arrivals(pen, _, arrivals(times, overview.session.opened_at, end_of(overview.session)), zone)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _draw_statuses(pen: ImageDraw.ImageDraw, _: Texts, counts: dict[Status, int], students: int) -> None:
    """Draw a bar for each status, as long as its share of all students."""
    pen.text((40, 40), _("Students: {number}").format(number=students), _INK, _font(26))
    words = {status: status_word(_, status).capitalize() for status in counts}
    left, right = 60 + max(_font(22).getlength(word) for word in words.values()), WIDTH - 170
    for at, (status, number) in enumerate(counts.items()):
        top = 92 + at * 48
        pen.text((40, top + 16), words[status], _INK, _font(22), "lm")
        pen.rectangle((left, top, right, top + 32), "#f0f2f5")
        if number:
            pen.rectangle((left, top, left + max(3, (right - left) * number / students), top + 32), _COLOURS[status])
        share = f" ({100 * number / students:.0f} %)" if students else ""
        pen.text((right + 14, top + 16), f"{number}{share}", _INK, _font(22), "lm")


def _draw_arrivals(pen: ImageDraw.ImageDraw, _: Texts, came: Arrivals, zone: ZoneInfo) -> None:
    """Draw a bar for each span, with the times below and the scale on the left."""
    pen.text((40, 316), _("Check-ins over time"), _INK, _font(26))
    left, right, top, floor = 90, WIDTH - 40, 366, HEIGHT - 66
    highest = max(*came.counts, 1)
    for number in sorted({0, highest // 2, highest}):
        level = floor - (floor - top) * number / highest
        pen.line((left, level, right, level), _LINE)
        pen.text((left - 12, level), str(number), _PALE, _font(20), "rm")
    width = (right - left) / len(came.counts)
    for at, number in enumerate(came.counts):
        if number:
            begin = left + at * width
            high = floor - (floor - top) * number / highest
            pen.rectangle((begin + width * 0.1, high, begin + width * 0.9, floor), _COLOURS[Status.PRESENT])
    pen.line((left, floor, right, floor), _PALE)
    every = -(-len(came.counts) // 8)  # a time at every so many bars, so that they don't overlap
    for at in range(0, len(came.counts), every):
        moment = came.begin + at * came.step
        text = moment.astimezone(zone).strftime("%H:%M:%S" if came.step < timedelta(minutes=1) else "%H:%M")
        pen.line((left + at * width, floor, left + at * width, floor + 8), _PALE)
        pen.text((left + at * width, floor + 28), text, _PALE, _font(20), "mm")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size)

"""Active hours of the monitors, such as `Mon-Sat 08:00-21:00`; several are separated by commas or semicolons."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(_DAYS)
_WINDOW = re.compile(
    rf"(?:(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?\s+)?(?P<start>\d\d?:\d\d)\s*-\s*(?P<end>\d\d?:\d\d)", re.IGNORECASE
)


@dataclass(frozen=True)
class Window:
    """Hours on some days of the week (Monday is 0). If the end is not after the start, it is on the next day."""

    days: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True)
class ActiveHours:
    """The windows in which monitors work; without windows they always work."""

    windows: tuple[Window, ...] = ()

    def closed_until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the next window opens; None if one is open now or there are no windows."""
        if not self.windows:
            return None
        today = now.astimezone(zone).date()
        spans = [span for ahead in range(-1, 8) for span in self._on(today + timedelta(days=ahead), zone)]
        if any(start <= now < end for start, end in spans):
            return None
        return min(start for start, _end in spans if start > now)

    def _on(self, day: date, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
        spans = []
        for window in self.windows:
            if day.weekday() in window.days:
                next_day = day + timedelta(days=1) if window.end <= window.start else day
                spans.append((datetime.combine(day, window.start, zone), datetime.combine(next_day, window.end, zone)))
        return spans


def parse_hours(text: str) -> ActiveHours:
    """Parse windows such as `Mon-Sat 08:00-21:00, Sun 10:00-12:00`; empty means always. Raises ValueError."""
    windows = []
    for part in re.split(r"[,;]", text):
        if not part.strip():
            continue
        found = _WINDOW.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"not a window: {part.strip()}")
        first = _DAYS.index((found["first"] or "mon").lower())
        last = _DAYS.index((found["last"] or found["first"] or "sun").lower())
        days = frozenset((first + ahead) % 7 for ahead in range((last - first) % 7 + 1))
        windows.append(Window(days, _clock(found["start"]), _clock(found["end"])))
    return ActiveHours(tuple(windows))


def _clock(text: str) -> time:
    hours, minutes = map(int, text.split(":"))
    return time(0, 0) if (hours, minutes) == (24, 0) else time(hours, minutes)

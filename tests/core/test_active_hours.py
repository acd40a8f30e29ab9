"""Active hours: parsing, and when the next window opens."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.active_hours import ActiveHours, parse_hours

pytestmark = pytest.mark.unit


ALMATY = ZoneInfo("Asia/Almaty")


def almaty(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ALMATY)


class TestParsing:
    @pytest.mark.parametrize("text", ["", "  ", ","])
    def test_nothing(self, text: str) -> None:
        """Without windows the monitors always work."""
        assert parse_hours(text).closed_until(almaty("2026-09-06T03:00"), ALMATY) is None

    @pytest.mark.parametrize(
        "text", ["always", "Mon-Sat", "Mon-Sat 8-21", "Mon 25:00-26:00", "Mo 08:00-21:00", "Mon,Wed 08:00-21:00"]
    )
    def test_mistakes(self, text: str) -> None:
        """A text of another form raises ValueError."""
        with pytest.raises(ValueError, match=r"hour|minute|not a window"):
            parse_hours(text)

    def test_case_and_spaces(self) -> None:
        """Upper and lower case and spaces do not matter."""
        assert parse_hours("MON-sat  8:00 - 21:00") == parse_hours("Mon-Sat 08:00-21:00")


class TestWindows:
    @pytest.mark.parametrize(
        ("at", "opens"),
        [
            ("2026-09-07T08:00", None),  # a Monday
            ("2026-09-07T20:59", None),
            ("2026-09-07T21:00", "2026-09-08T08:00"),
            ("2026-09-07T07:59", "2026-09-07T08:00"),
            ("2026-09-12T22:00", "2026-09-14T08:00"),  # Saturday evening: Monday
            ("2026-09-13T12:00", "2026-09-14T08:00"),
        ],
    )
    def test_week(self, at: str, opens: str | None) -> None:
        """Mon-Sat 08:00-21:00 is closed at night and on Sunday, with the time of the next opening."""
        hours = parse_hours("Mon-Sat 08:00-21:00")
        assert hours.closed_until(almaty(at), ALMATY) == (almaty(opens) if opens else None)

    def test_time_in_another_zone(self) -> None:
        """A time in another zone is compared with windows in the university's zone."""
        hours = parse_hours("08:00-09:00")
        assert hours.closed_until(datetime(2026, 9, 7, 3, 30, tzinfo=UTC), ALMATY) is None
        assert hours.closed_until(datetime(2026, 9, 7, 8, 30, tzinfo=UTC), ALMATY) == almaty("2026-09-08T08:00")

    def test_over_midnight(self) -> None:
        """A window whose end is before its start ends on the next day."""
        hours = parse_hours("Fri 22:00-02:00")
        assert hours.closed_until(almaty("2026-09-12T01:59"), ALMATY) is None
        assert hours.closed_until(almaty("2026-09-12T02:00"), ALMATY) == almaty("2026-09-18T22:00")

    def test_over_the_week_and_several(self) -> None:
        """A range of days may continue past Sunday, and there may be several windows."""
        hours = parse_hours("Sat-Mon 10:00-12:00; Wed 18:00-19:00")
        assert hours.closed_until(almaty("2026-09-07T11:00"), ALMATY) is None
        assert hours.closed_until(almaty("2026-09-07T12:00"), ALMATY) == almaty("2026-09-09T18:00")

    @given(st.integers(0, 60 * 24 * 14))
    def test_opening_is_open(self, minutes: int) -> None:
        """The returned time is the first minute at which a window is open."""
        hours: ActiveHours = parse_hours("Mon-Fri 08:30-12:00, Mon-Fri 13:00-18:00, Sat 22:00-03:00")
        now = almaty("2026-09-07T00:00") + timedelta(minutes=minutes)
        opens = hours.closed_until(now, ALMATY)
        if opens is not None:
            assert opens > now
            assert hours.closed_until(opens, ALMATY) is None
            assert hours.closed_until(opens - timedelta(minutes=1), ALMATY) == opens

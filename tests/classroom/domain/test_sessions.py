"""A class session's rules: codes, windows, statuses, percentages, at every edge."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain import sessions
from classroom.domain.sessions import Place, Session, SessionState, Status

pytestmark = pytest.mark.unit


OPENED = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
GRACE = timedelta(seconds=90)
SESSION = Session(
    id="0123456789ab",
    teacher=1,
    campus="Almaty",
    subject="Algebra",
    batches=("CS-1",),
    date="2026-09-01",
    place=Place(43.25, 76.95),
    opened_at=OPENED,
    closes_at=OPENED + timedelta(seconds=120),
    rotate_seconds=0,
)


def after(seconds: float) -> datetime:
    """Return a moment so long after the opening."""
    return OPENED + timedelta(seconds=seconds)


class TestState:
    @pytest.mark.parametrize(
        ("seconds", "state"),
        [
            (0, SessionState.OPEN),
            (120, SessionState.OPEN),
            (120.001, SessionState.GRACE),
            (210, SessionState.GRACE),
            (210.001, SessionState.CLOSED),
        ],
    )
    def test_by_the_clock(self, seconds: float, state: SessionState) -> None:
        """Open to the last moment of the code, then in grace, then closed."""
        assert sessions.state_of(SESSION, after(seconds), GRACE) is state

    def test_closed_by_hand(self) -> None:
        """Closed by hand the grace begins then; an end that is noted late changes nothing of the window."""
        closed = replace(SESSION, ended_at=after(40))
        assert sessions.state_of(closed, after(41), GRACE) is SessionState.GRACE
        assert sessions.state_of(closed, after(131), GRACE) is SessionState.CLOSED
        assert sessions.end_of(replace(SESSION, ended_at=after(125))) == after(120)

    def test_cancelled(self) -> None:
        """A cancelled session is nothing else any more."""
        assert sessions.state_of(replace(SESSION, cancelled=True), after(1), GRACE) is SessionState.CANCELLED

    def test_report(self) -> None:
        """The first report is due 15 seconds after the end."""
        assert sessions.report_due(SESSION) == after(135)
        assert sessions.report_due(replace(SESSION, ended_at=after(40))) == after(55)


class TestCheckIn:
    @pytest.mark.parametrize(("code_at", "until"), [(0, 120), (10, 120), (30, 120), (31, 121), (119, 209)])
    def test_grace(self, code_at: float, until: float) -> None:
        """A code entered in time earns the grace, and never less than the session's own time."""
        assert sessions.finish_by(SESSION, after(code_at), GRACE) == after(until)

    @pytest.mark.parametrize(("proven", "status"), [(120, Status.PRESENT), (120.001, Status.LATE), (200, Status.LATE)])
    def test_late(self, proven: float, status: Status) -> None:
        """What is proven after the session's end counts as late."""
        assert sessions.status_at(SESSION, after(proven)) is status


class TestCode:
    def test_six_digits(self) -> None:
        """A code has six digits, also where the number is small, and every number is asked for once."""
        asked = []

        def below(limit: int) -> int:
            asked.append(limit)
            return 42

        assert sessions.new_code(below) == "000042"
        assert asked == [1_000_000]

    def test_fixed(self) -> None:
        """A fixed code is good to the session's end."""
        assert sessions.code_ends(SESSION, OPENED) == SESSION.closes_at

    def test_rotating(self) -> None:
        """A rotating code outlives its turn by a moment, but not the session."""
        rotating = replace(SESSION, rotate_seconds=20)
        assert sessions.code_ends(rotating, OPENED) == after(30)
        assert sessions.code_ends(rotating, after(100)) == after(120)


class TestPercentage:
    def test_excused_do_not_count(self) -> None:
        """Excused lessons count neither for nor against; late ones count as being there."""
        given_ = [Status.PRESENT, Status.LATE, Status.EXCUSED, Status.ABSENT]
        assert sessions.attendance_percentage(given_) == pytest.approx(200 / 3)

    @pytest.mark.parametrize("none", [[], [Status.EXCUSED]])
    def test_nothing_to_count(self, none: list[Status]) -> None:
        """Without a lesson that counts there is no percentage."""
        assert sessions.attendance_percentage(none) is None

    @given(st.lists(st.sampled_from(Status), min_size=1))
    def test_bounds(self, statuses: list[Status]) -> None:
        """A percentage lies between 0 and 100, and another lesson attended never lowers it."""
        before = sessions.attendance_percentage(statuses)
        later = sessions.attendance_percentage([*statuses, Status.PRESENT])
        assert later is not None
        assert 0 <= later <= 100
        assert before is None or later >= before

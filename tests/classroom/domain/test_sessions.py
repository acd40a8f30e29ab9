"""Rules of sessions: codes, time windows, statuses, percentages, at every limit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain import sessions
from classroom.domain.sessions import CheckIn, CheckInStep, FaceCheck, Place, Session, SessionState, Status
from core.lookalikes import visible

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
    """Return the time so many seconds after the opening."""
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
        """A session is open until the code expires, then in grace, then closed."""
        assert sessions.state_of(SESSION, after(seconds), GRACE) is state

    def test_closed_by_hand(self) -> None:
        """If closed by hand, the grace begins then; an end that is stored late does not extend the time."""
        closed = replace(SESSION, ended_at=after(40))
        assert sessions.state_of(closed, after(41), GRACE) is SessionState.GRACE
        assert sessions.state_of(closed, after(131), GRACE) is SessionState.CLOSED
        assert sessions.end_of(replace(SESSION, ended_at=after(125))) == after(120)

    def test_cancelled(self) -> None:
        """A cancelled session stays cancelled."""
        assert sessions.state_of(replace(SESSION, cancelled=True), after(1), GRACE) is SessionState.CANCELLED

    def test_report(self) -> None:
        """The first report is due 15 seconds after the end."""
        assert sessions.report_due(SESSION) == after(135)
        assert sessions.report_due(replace(SESSION, ended_at=after(40))) == after(55)


class TestCheckIn:
    @pytest.mark.parametrize(("asked", "until"), [(0, 120), (10, 120), (30, 120), (31, 121), (119, 209), (400, 490)])
    def test_grace(self, asked: float, until: float) -> None:
        """A question delivered gives the grace from then on, and at least the session's own time."""
        assert sessions.finish_by(SESSION, entered(0, asked_at=after(asked)), GRACE) == after(until)

    def test_not_delivered(self) -> None:
        """A question of whose delivery nothing is known counts as delivered after five minutes."""
        assert sessions.finish_by(SESSION, entered(10), GRACE) == after(10 + 300 + 90)
        moved = entered(10, updated_at=after(40), face=FaceCheck(given_at=after(60)))
        assert sessions.finish_by(SESSION, moved, GRACE) == after(60 + 300 + 90)

    @pytest.mark.parametrize(("proven", "status"), [(120, Status.PRESENT), (120.001, Status.LATE), (200, Status.LATE)])
    def test_late(self, proven: float, status: Status) -> None:
        """Evidence after the session's end counts as late."""
        assert sessions.status_at(SESSION, entered(0), after(proven), GRACE) is status

    @pytest.mark.parametrize(
        ("code_at", "waited", "proven", "status"),
        [
            (60, 70, 190, Status.PRESENT),  # in time without our delay
            (119, 40, 165, Status.PRESENT),  # the code came in time, and the student took 6 s
            (119, 40, 249, Status.PRESENT),
            (119, 40, 250, Status.LATE),  # 91 s of their own
            (119, 2.9, 125, Status.LATE),  # we were not what delayed it
        ],
    )
    def test_delayed_by_us(self, code_at: float, waited: float, proven: float, status: Status) -> None:
        """Where our questions waited for Telegram, the student is late only by their own time."""
        assert sessions.status_at(SESSION, entered(code_at, waited=waited), after(proven), GRACE) is status


def entered(code_at: float, **more: Any) -> CheckIn:
    """Return a check-in whose code was entered then."""
    return CheckIn(SESSION.id, "S001", 2001, CheckInStep.PLACE, after(code_at), **more)


class TestCode:
    def test_six_digits(self) -> None:
        """A code has six digits, also for a small number, from one random number."""
        asked = []

        def below(limit: int) -> int:
            asked.append(limit)
            return 42

        assert sessions.new_code(below) == "000042"
        assert asked == [1_000_000]

    def test_fixed(self) -> None:
        """A fixed code is valid until the session's end."""
        assert sessions.code_ends(SESSION, OPENED) == SESSION.closes_at

    def test_rotating(self) -> None:
        """A rotating code is valid a little longer than its period, but not longer than the session."""
        rotating = replace(SESSION, rotate_seconds=20)
        assert sessions.code_ends(rotating, OPENED) == after(30)
        assert sessions.code_ends(rotating, after(100)) == after(120)


class TestPercentage:
    def test_excused_do_not_count(self) -> None:
        """Excused lessons are ignored; late ones count as attended."""
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


class TestFolded:
    @pytest.mark.parametrize(
        "spelling",
        [
            "25B030001",
            "25b030001",
            " 25В030001 ",  # a Cyrillic В
            "25Β030001",  # a Greek Β
            "25B\u200b030001",
            "25\u00adB030001",
            "25B\u00a0030 001",
            "\ufeff25B030001\u2060",
            "２５Ｂ０３０００１",
            "٢٥B٠٣٠٠٠١",
            "25B\n030001",
            "25\ufe0fB030001",
        ],
    )
    def test_alike(self, spelling: str) -> None:
        """Spellings of one ID that look alike are folded to one form."""
        assert sessions.folded(spelling) == "25b030001"

    @pytest.mark.parametrize(
        ("one", "other", "equal"),
        [
            ("АВСЕНКМОРТХУІЅЈ", "ABCEHKMOPTXYISJ", True),  # Cyrillic, Latin
            ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", True),  # Greek, Latin
            ("25Σ01", "25E01", False),
            ("25–B—01", "25-B-01", True),
            ("25Б01", "25B01", False),
            ("25З01", "25301", False),
            ("25O01", "2501", False),
            ("S-01", "S01", False),
            ("Ё1", "E1", False),
        ],
    )
    def test_letters(self, one: str, other: str, equal: bool) -> None:
        """Only letters that look the same in both scripts are equal; digits and dashes are never dropped."""
        assert (sessions.folded(one) == sessions.folded(other)) is equal

    @given(st.text())
    def test_stable(self, text: str) -> None:
        """A folded ID folds to itself, and spaces around it never matter."""
        folded = sessions.folded(text)
        assert sessions.folded(folded) == folded
        assert sessions.folded(f"\u200b {text}\n") == folded

    def test_visible(self) -> None:
        """A visible text keeps its letters and case, in one line."""
        assert visible(" id:\u00a025В０\u200b1\n– x ") == "id: 25В01 - x"

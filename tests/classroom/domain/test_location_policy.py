"""What counts as evidence at a check-in: every edge of places, freshness and tries."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain import location_policy as policy
from classroom.domain.location_policy import Evidence, Point, Refusal, Zone
from classroom.domain.sessions import OVERLAP
from core.settings import SHORTEST_CODE

pytestmark = pytest.mark.unit


NOW = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
ROOM = Point(43.25, 76.95)
LIMIT = 50.0
METRES_A_DEGREE = 111_110.0  # of latitude, at 43 degrees north, to 0.1 %


def north_of(metres: float, accuracy: float | None = None) -> Point:
    """Return a point so far north of the room."""
    return Point(ROOM.latitude + metres / METRES_A_DEGREE, ROOM.longitude, accuracy)


class TestPlace:
    @pytest.mark.parametrize(
        ("metres", "zone"),
        [
            (0, Zone.INSIDE),
            (49.8, Zone.INSIDE),
            (50.3, Zone.NEAR),
            (99.7, Zone.NEAR),
            (100.4, Zone.OUTSIDE),
            (5_000, Zone.OUTSIDE),
        ],
    )
    def test_edges(self, metres: float, zone: Zone) -> None:
        """Within the limit is inside, up to twice as far the teacher decides, beyond is outside."""
        judged = policy.judge(north_of(metres), ROOM, LIMIT)
        assert judged.zone is zone
        assert judged.distance == pytest.approx(metres, abs=max(0.2, metres / 500))

    @pytest.mark.parametrize(
        ("metres", "own", "teachers", "zone"),
        [
            (79.5, 30, None, Zone.INSIDE),
            (79.5, 15, 15, Zone.INSIDE),
            (81, 30, None, Zone.NEAR),
            (81, 1500, 1500, Zone.NEAR),  # a phone that knows nothing lets nobody in
            (129, 1500, None, Zone.NEAR),
            (131, 1500, None, Zone.OUTSIDE),
            (55, -20, None, Zone.NEAR),
        ],
    )
    def test_accuracy(self, metres: float, own: float, teachers: float | None, zone: Zone) -> None:
        """The error of measuring is taken off, of both phones together, up to 30 metres."""
        assert policy.judge(north_of(metres, own), replace(ROOM, accuracy=teachers), LIMIT).zone is zone

    def test_the_date_line(self) -> None:
        """Two points on both sides of the date line are as near as they are."""
        assert policy.judge(Point(0, 179.9999), Point(0, -179.9999), LIMIT).distance == pytest.approx(22.3, abs=0.1)

    @given(
        st.floats(-89, 89),
        st.floats(-180, 180),
        st.floats(-0.002, 0.002),
        st.floats(-0.002, 0.002),
        st.one_of(st.none(), st.floats(0, 2000)),
    )
    def test_more_accuracy_never_hurts(
        self, latitude: float, longitude: float, north: float, east: float, accuracy: float | None
    ) -> None:
        """Whoever is inside is so with any accuracy, the cap bounds what it gives, and both directions are alike."""
        here, there = Point(latitude + north, longitude + east, accuracy), Point(latitude, longitude)
        order = [Zone.INSIDE, Zone.NEAR, Zone.OUTSIDE]
        judged = policy.judge(here, there, LIMIT)
        exact = policy.judge(replace(here, accuracy=None), there, LIMIT)
        assert order.index(judged.zone) <= order.index(exact.zone)
        if judged.zone is Zone.INSIDE:
            assert judged.distance <= LIMIT + policy.ACCURACY_CAP
        assert policy.judge(there, here, LIMIT).distance == pytest.approx(judged.distance, abs=1e-6)


GOOD = Evidence(43.25, 76.95, 10.0, NOW)


class TestEvidence:
    def test_a_fresh_pin(self) -> None:
        """By the basic policy a fresh pin of the student's own counts, and a live location does."""
        assert policy.refusal(GOOD, NOW, "basic") is None
        assert policy.refusal(replace(GOOD, live=True), NOW, "basic") is None

    def test_strict(self) -> None:
        """By the strict policy only a live location counts."""
        assert policy.refusal(GOOD, NOW, "strict") is Refusal.NOT_LIVE
        assert policy.refusal(replace(GOOD, live=True), NOW, "strict") is None

    @pytest.mark.parametrize(
        ("flaw", "refusal"),
        [
            ("venue", Refusal.VENUE),
            ("forwarded", Refusal.FORWARDED),
            ("via_bot", Refusal.VIA_BOT),
            ("offline", Refusal.OFFLINE),
        ],
    )
    @pytest.mark.parametrize("live", [False, True])
    def test_flaws(self, flaw: str, refusal: Refusal, live: bool) -> None:
        """A venue, a forward, another bot's and a scheduled message are no evidence, each for its own reason."""
        flawed = {"venue": False, "forwarded": False, "via_bot": False, "offline": False, flaw: True}
        evidence = Evidence(43.25, 76.95, 10.0, NOW, live, **flawed)
        assert policy.refusal(evidence, NOW, "basic") is refusal

    @pytest.mark.parametrize(
        ("age", "refused"), [(-61, True), (-60, False), (0, False), (60, False), (61, True), (86_400, True)]
    )
    def test_age(self, age: int, refused: bool) -> None:
        """A location of another minute is of another moment; clocks that differ by a minute are forgiven."""
        found = policy.refusal(replace(GOOD, at=NOW - timedelta(seconds=age)), NOW, "basic")
        assert found is (Refusal.STALE if refused else None)


class TestTries:
    def test_lock(self) -> None:
        """The fifth wrong try locks an account."""
        assert [policy.locked(tries) for tries in (0, 4, 5, 6)] == [False, False, True, True]

    @pytest.mark.parametrize(
        ("on_id", "in_session", "bound", "note"),
        [
            (0, 0, False, ""),
            (19, 39, False, ""),
            (20, 39, False, policy.MANY_TRIES),
            (20, 39, True, ""),
            (0, 40, False, policy.MANY_IN_SESSION),
            (20, 40, True, policy.MANY_IN_SESSION),
        ],
    )
    def test_suspicion(self, on_id: int, in_session: int, bound: bool, note: str) -> None:
        """Many tries on an ID are looked at unless the account has it already; many in a session, with everybody."""
        assert policy.suspicion(on_id, in_session, bound=bound) == note

    def test_chance_of_guessing(self) -> None:
        """One account, and all together in one session, guess a code at less than 1 in 10,000: at most two are good."""
        codes, good_at_a_time = 10**6, 1 + math.ceil(OVERLAP / timedelta(seconds=SHORTEST_CODE))
        assert policy.TRIES * good_at_a_time / codes < 1 / 10_000
        assert policy.TRIES_IN_SESSION * good_at_a_time / codes < 1 / 10_000

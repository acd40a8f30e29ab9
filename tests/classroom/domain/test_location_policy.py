"""Rules for locations: every boundary of distance and age."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain import location_policy as policy
from classroom.domain.location_policy import Evidence, LocationRefusal, Zone
from classroom.domain.sessions import Place

pytestmark = pytest.mark.unit


NOW = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
ROOM = Place(43.25, 76.95)
LIMIT = 50.0
METRES_A_DEGREE = 111_110.0  # of latitude, at 43 degrees north, to 0.1 %


def north_of(metres: float, accuracy: float | None = None) -> Place:
    """Return a place so many metres north of the room."""
    return Place(ROOM.latitude + metres / METRES_A_DEGREE, ROOM.longitude, accuracy)


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
        """Up to the limit is inside, up to twice as far the teacher decides, beyond is outside."""
        found = policy.measure(north_of(metres), ROOM, LIMIT)
        assert found.zone is zone
        assert found.distance == pytest.approx(metres, abs=max(0.2, metres / 500))

    @pytest.mark.parametrize(
        ("metres", "own", "teachers", "zone"),
        [
            (79.5, 30, None, Zone.INSIDE),
            (79.5, 15, 15, Zone.INSIDE),
            (81, 30, None, Zone.NEAR),
            (81, 1500, 100, Zone.NEAR),  # a very inaccurate phone is not accepted
            (129, 1500, None, Zone.NEAR),
            (131, 1500, None, Zone.OUTSIDE),
            (55, -20, None, Zone.NEAR),
        ],
    )
    def test_accuracy(self, metres: float, own: float, teachers: float | None, zone: Zone) -> None:
        """The measuring errors of both phones together are subtracted, up to 30 metres."""
        assert policy.measure(north_of(metres, own), replace(ROOM, accuracy=teachers), LIMIT).zone is zone

    @pytest.mark.parametrize(
        ("accuracy", "metres", "zone"),
        [
            (100, 131, Zone.OUTSIDE),
            (100.1, 49.8, Zone.INSIDE),
            (100.1, 50.3, Zone.UNCERTAIN),
            (1500, 900_000, Zone.UNCERTAIN),
        ],
    )
    def test_an_uncertain_place(self, accuracy: float, metres: float, zone: Zone) -> None:
        """From a place known to worse than 100 metres nobody is refused for the distance, nor let in by its error."""
        found = policy.measure(north_of(metres, 30), replace(ROOM, accuracy=accuracy), LIMIT)
        assert found.zone is zone

    def test_no_place(self) -> None:
        """Without a place nobody is inside or outside: the teacher decides."""
        for place in (None, policy.NOWHERE):
            assert policy.measure(north_of(0), place, LIMIT) == policy.Proximity(None, Zone.UNCERTAIN)

    @pytest.mark.parametrize("wrong", [{"latitude": float("nan")}, {"latitude": 91.0}, {"longitude": float("inf")}])
    def test_impossible_numbers(self, wrong: dict[str, float]) -> None:
        """Where a stored place is none nobody is inside or outside: the teacher decides."""
        for student, teacher in ((replace(ROOM, **wrong), ROOM), (ROOM, replace(ROOM, **wrong))):
            assert policy.measure(student, teacher, LIMIT) == policy.Proximity(None, Zone.UNCERTAIN)

    def test_the_date_line(self) -> None:
        """The distance across the date line is right."""
        assert policy.measure(Place(0, 179.9999), Place(0, -179.9999), LIMIT).distance == pytest.approx(22.3, abs=0.1)

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
        """A worse accuracy never hurts, the cap limits its effect, and both directions give one distance."""
        here, there = Place(latitude + north, longitude + east, accuracy), Place(latitude, longitude)
        order = [Zone.INSIDE, Zone.NEAR, Zone.OUTSIDE]
        found = policy.measure(here, there, LIMIT)
        exact = policy.measure(replace(here, accuracy=None), there, LIMIT)
        assert order.index(found.zone) <= order.index(exact.zone)
        assert found.distance is not None
        if found.zone is Zone.INSIDE:
            assert found.distance <= LIMIT + policy.ACCURACY_CAP
        assert policy.measure(there, here, LIMIT).distance == pytest.approx(found.distance, abs=1e-6)


GOOD = Evidence(43.25, 76.95, 10.0, NOW)


class TestEvidence:
    def test_a_fresh_pin(self) -> None:
        """With the basic policy a fresh pin and a live location count."""
        assert policy.refusal(GOOD, NOW, "basic") is None
        assert policy.refusal(replace(GOOD, live=True), NOW, "basic") is None

    def test_strict(self) -> None:
        """With the strict policy only a live location counts."""
        assert policy.refusal(GOOD, NOW, "strict") is LocationRefusal.NOT_LIVE
        assert policy.refusal(replace(GOOD, live=True), NOW, "strict") is None

    @pytest.mark.parametrize(
        ("flaw", "refusal"),
        [
            ("venue", LocationRefusal.VENUE),
            ("forwarded", LocationRefusal.FORWARDED),
            ("via_bot", LocationRefusal.VIA_BOT),
            ("offline", LocationRefusal.OFFLINE),
        ],
    )
    @pytest.mark.parametrize("live", [False, True])
    def test_flaws(self, flaw: str, refusal: LocationRefusal, live: bool) -> None:
        """A venue, a forwarded, another bot's and a scheduled message are refused, each for its own reason."""
        flawed = {"venue": False, "forwarded": False, "via_bot": False, "offline": False, flaw: True}
        evidence = Evidence(43.25, 76.95, 10.0, NOW, live, **flawed)
        assert policy.refusal(evidence, NOW, "basic") is refusal

    @pytest.mark.parametrize(
        ("age", "refused"), [(-61, True), (-60, False), (0, False), (60, False), (61, True), (86_400, True)]
    )
    def test_age(self, age: int, refused: bool) -> None:
        """A location older than a minute is refused; clocks may differ by a minute."""
        found = policy.refusal(replace(GOOD, at=NOW - timedelta(seconds=age)), NOW, "basic")
        assert found is (LocationRefusal.STALE if refused else None)

    @pytest.mark.parametrize(
        ("change", "refused"),
        [
            ({"accuracy": None}, None),
            ({"accuracy": 0.0}, None),
            ({"accuracy": 100.0}, None),
            ({"accuracy": 100.1}, LocationRefusal.COARSE),
            ({"accuracy": 1500.0}, LocationRefusal.COARSE),
            ({"accuracy": float("nan")}, LocationRefusal.NOT_FOUND),
            ({"accuracy": float("inf")}, LocationRefusal.NOT_FOUND),
            ({"accuracy": -0.1}, LocationRefusal.NOT_FOUND),
            ({"accuracy": 1500.1}, LocationRefusal.NOT_FOUND),
            ({"latitude": 0.0, "longitude": 0.0}, LocationRefusal.NOT_FOUND),
            ({"latitude": 0.001, "longitude": -0.001, "accuracy": None}, LocationRefusal.NOT_FOUND),
            ({"latitude": 0.0}, None),  # on the equator
            ({"longitude": 0.0}, None),  # at Greenwich
            ({"latitude": float("nan")}, LocationRefusal.NOT_FOUND),
            ({"longitude": float("inf")}, LocationRefusal.NOT_FOUND),
            ({"latitude": 90.1}, LocationRefusal.NOT_FOUND),
            ({"longitude": -180.1}, LocationRefusal.NOT_FOUND),
        ],
    )
    @pytest.mark.parametrize("live", [False, True])
    def test_fix(self, change: dict[str, float | None], refused: LocationRefusal | None, live: bool) -> None:
        """A fix of worse than 100 metres, at 0, 0 or with impossible numbers does not count; no accuracy is good."""
        fields: dict[str, Any] = {"latitude": 43.25, "longitude": 76.95, "accuracy": 10.0, **change}
        evidence = Evidence(**fields, at=NOW, live=live)
        assert policy.refusal(evidence, NOW, "basic") is refused
        place = policy.poor_place(evidence)  # used anyway, it is a place that can be stored and measured
        assert policy.is_uncertain(place)
        assert policy.measure(place, place, LIMIT).zone is (Zone.UNCERTAIN if place == policy.NOWHERE else Zone.INSIDE)
        if refused is LocationRefusal.COARSE:
            assert place == Place(43.25, 76.95, change["accuracy"])

    @pytest.mark.parametrize(
        ("accuracy", "uncertain"), [(None, False), (0.0, False), (100.0, False), (100.1, True), (1500.0, True)]
    )
    def test_uncertain(self, accuracy: float | None, uncertain: bool) -> None:
        """A place's own accuracy says whether it is uncertain; an unknown one is not."""
        assert policy.is_uncertain(Place(43.25, 76.95, accuracy)) is uncertain

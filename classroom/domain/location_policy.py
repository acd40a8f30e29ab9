"""Rules for locations: which messages count as evidence, and how far from the teacher a student may be. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from geopy.distance import geodesic  # type: ignore[import-untyped]  # no types there

from classroom.domain.sessions import Place

ACCURACY_CAP = 30.0  # metres: a phone may report up to 1500, which would let anybody in
NEAR = 2.0  # times the limit: up to this distance the teacher decides
FRESH = timedelta(seconds=60)  # an older location does not count
AHEAD = timedelta(seconds=60)  # Telegram's clock and ours may differ

# Why a check-in is with the teacher, or was refused (stored in the check-in's note).
JUST_OUTSIDE, TOO_FAR, NO_PLACE = "just outside", "too far", "no place"

LocationPolicy = Literal["basic", "strict"]


class LocationRefusal(StrEnum):
    """Why a location does not count."""

    TYPED = "typed"
    VENUE = "venue"
    FORWARDED = "forwarded"
    VIA_BOT = "via bot"
    OFFLINE = "offline"
    STALE = "stale"
    NOT_LIVE = "not live"


class Zone(StrEnum):
    """Where a student is in relation to the teacher's place."""

    INSIDE = "inside"
    NEAR = "near"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Evidence:
    """A location from Telegram. ``at``: when it was sent, or last moved if live; ``accuracy`` in metres."""

    latitude: float
    longitude: float
    accuracy: float | None
    at: datetime
    live: bool = False
    forwarded: bool = False
    via_bot: bool = False
    venue: bool = False
    offline: bool = False


@dataclass(frozen=True)
class Proximity:
    """A student's measured distance from the teacher's place in metres, and the zone."""

    distance: float
    zone: Zone


def refusal(evidence: Evidence, now: datetime, policy: LocationPolicy) -> LocationRefusal | None:
    """Return why a location does not count; None if it does. A live location's age is that of its last movement.

    Data from Telegram's servers can be trusted (forwarded, via a bot, a venue, the date). The coordinates come from
    the client, and an unofficial client may send any: this limits cheating and does not prevent it.
    """
    if evidence.venue:
        return LocationRefusal.VENUE
    if evidence.forwarded:
        return LocationRefusal.FORWARDED
    if evidence.via_bot:
        return LocationRefusal.VIA_BOT
    if evidence.offline:
        return LocationRefusal.OFFLINE
    if policy == "strict" and not evidence.live:
        return LocationRefusal.NOT_LIVE
    if not -AHEAD <= now - evidence.at <= FRESH:
        return LocationRefusal.STALE
    return None


def measure(student: Place, teacher: Place, limit: float) -> Proximity:
    """Measure a student's distance from the teacher's place: the geodesic on the WGS 84 ellipsoid.

    The zone allows for both measuring errors: they are subtracted from the distance, up to ``ACCURACY_CAP``. Inside
    is up to ``limit`` metres, near up to ``NEAR`` times as far.
    """
    ends = [(place.latitude, place.longitude) for place in (student, teacher)]
    distance: float = geodesic(*ends).meters
    error = min(sum(max(place.accuracy or 0.0, 0.0) for place in (student, teacher)), ACCURACY_CAP)
    at_least = max(0.0, distance - error)
    if at_least <= limit:
        return Proximity(distance, Zone.INSIDE)
    return Proximity(distance, Zone.NEAR if at_least <= NEAR * limit else Zone.OUTSIDE)

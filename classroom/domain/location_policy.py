"""Rules for locations: which messages count as evidence, and how far from the teacher a student may be. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import Literal

from geopy.distance import geodesic  # type: ignore[import-untyped]  # no types there

from classroom.domain.sessions import Place

ACCURACY_CAP = 30.0  # metres: a phone may report up to 1500, which would let anybody in
NEAR = 2.0  # times the limit: up to this distance the teacher decides
COARSE_ABOVE = 100.0  # metres: a fix of worse accuracy says too little about a class of 50 m
WORST = 1500.0  # metres: the worst accuracy that Telegram reports
NOWHERE = Place(0.0, 0.0, WORST)  # the place of a phone that has found none
NULL_ISLAND = 0.01  # degrees around 0, 0, which phones send where they have no fix; only sea is there
FRESH = timedelta(seconds=60)  # an older location does not count
AHEAD = timedelta(seconds=60)  # Telegram's clock and ours may differ

# Why a check-in is with the teacher, or was refused (stored in the check-in's note).
JUST_OUTSIDE, TOO_FAR, IMPRECISE = "just outside", "too far", "imprecise"
UNCERTAIN, NO_PLACE = "place uncertain", "no place"  # of the teacher
UNSURE = (JUST_OUTSIDE, UNCERTAIN, NO_PLACE)  # with the teacher: a better location may still settle it

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
    NOT_FOUND = "not found"  # no fix: 0, 0, or numbers that are no place
    COARSE = "coarse"


# After some of these a teacher may use such a place anyway, see ``poor_place``.
NO_GOOD_FIX = (LocationRefusal.NOT_FOUND, LocationRefusal.COARSE)  # precise location has to be switched on
POOR = (LocationRefusal.STALE, *NO_GOOD_FIX)


class Zone(StrEnum):
    """Where a student is in relation to the teacher's place."""

    INSIDE = "inside"
    NEAR = "near"
    OUTSIDE = "outside"
    UNCERTAIN = "uncertain"  # not inside, as far as is known: the teacher's place is uncertain


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
    """A student's measured distance from the teacher's place in metres (None: there is no place), and the zone."""

    distance: float | None
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
    if not _is_found(evidence):
        return LocationRefusal.NOT_FOUND
    return LocationRefusal.COARSE if (evidence.accuracy or 0.0) > COARSE_ABOVE else None


def is_on_earth(place: Place | Evidence) -> bool:
    """Say whether these are numbers that Telegram can send; an absent accuracy is one of them."""
    is_number = all(map(isfinite, (place.latitude, place.longitude, place.accuracy or 0.0)))
    in_range = abs(place.latitude) <= 90 and abs(place.longitude) <= 180
    return is_number and in_range and 0.0 <= (place.accuracy or 0.0) <= WORST


def _is_point(place: Place) -> bool:
    """Say whether a distance from here can be measured: a record that was changed by hand may hold anything."""
    return isfinite(place.longitude) and abs(place.latitude) <= 90


def _is_found(evidence: Evidence) -> bool:
    return is_on_earth(evidence) and max(abs(evidence.latitude), abs(evidence.longitude)) >= NULL_ISLAND


def poor_place(evidence: Evidence) -> Place:
    """Return the place of a poor location; its accuracy makes it an uncertain one."""
    if not _is_found(evidence):
        return NOWHERE
    is_coarse = (evidence.accuracy or 0.0) > COARSE_ABOVE
    return Place(evidence.latitude, evidence.longitude, evidence.accuracy if is_coarse else WORST)


def is_uncertain(teacher: Place | None) -> bool:
    """Say whether nobody may be refused for the distance from this place. An unknown accuracy counts as good."""
    return teacher is None or (teacher.accuracy or 0.0) > COARSE_ABOVE


def measure(student: Place, teacher: Place | None, limit: float) -> Proximity:
    """Measure a student's distance from the teacher's place: the geodesic on the WGS 84 ellipsoid.

    The zone allows for both measuring errors: they are subtracted from the distance, up to ``ACCURACY_CAP``. Inside
    is up to ``limit`` metres, near up to ``NEAR`` times as far. An uncertain place earns no allowance, and whoever is
    not inside is left to the teacher.
    """
    if teacher is None or teacher == NOWHERE or not all(map(_is_point, (student, teacher))):
        return Proximity(None, Zone.UNCERTAIN)
    ends = [(place.latitude, place.longitude) for place in (student, teacher)]
    distance: float = geodesic(*ends).meters
    if is_uncertain(teacher):
        return Proximity(distance, Zone.INSIDE if distance <= limit else Zone.UNCERTAIN)
    error = min(sum(max(place.accuracy or 0.0, 0.0) for place in (student, teacher)), ACCURACY_CAP)
    at_least = max(0.0, distance - error)
    if at_least <= limit:
        return Proximity(distance, Zone.INSIDE)
    return Proximity(distance, Zone.NEAR if at_least <= NEAR * limit else Zone.OUTSIDE)

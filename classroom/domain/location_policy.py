"""What counts as evidence at a check-in: tries of codes, and places. Pure: no I/O, nothing of ours imported.

Guessing: five wrong tries lock a Telegram account for 15 minutes; after twenty on one student ID a right code from
an account that is not bound to it goes to the teacher; and after forty in one session, on whatever IDs of its rosters,
every code that comes later does. Without the last, many accounts could each try a few IDs until one says "right", and
hand the code to all. Tries of accounts that are in the session by now do not count there: they knew the code. Of a
million codes at most two are good at a time, so one account guesses one at most 10 times in a million, and all together
at most 80 times before a person looks: under 1 in 10,000. Nobody is locked out by another's tries.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from geopy.distance import geodesic  # type: ignore[import-untyped]  # no types there

TRIES = 5  # wrong ones of an account
TRIES_WINDOW = timedelta(minutes=15)
TRIES_ON_ID = 20  # wrong ones on a student ID, by whomever, after which a new account is the teacher's to accept
TRIES_IN_SESSION = 40  # wrong ones on all its IDs, after which everybody who comes is the teacher's to accept

ACCURACY_CAP = 30.0  # metres: a phone may say up to 1500, which would let anybody in
NEAR = 2.0  # times the limit: up to there the teacher decides
FRESH = timedelta(seconds=60)  # a location older than this is of another moment
AHEAD = timedelta(seconds=60)  # Telegram's clock and ours may differ

# Why a check-in is with the teacher, or was not let in (kept in the check-in's note).
MANY_TRIES, MANY_IN_SESSION, JUST_OUTSIDE, TOO_FAR = "many tries", "many in session", "just outside", "too far"
CLAIMED_TWICE = "claimed twice"  # another account came with the same ID and the right code
DOUBTS = (MANY_TRIES, MANY_IN_SESSION, CLAIMED_TWICE)  # for which a person looks wherever the student is

LocationPolicy = Literal["basic", "strict"]


class Refusal(StrEnum):
    """Why a location is no evidence."""

    TYPED = "typed"
    VENUE = "venue"
    FORWARDED = "forwarded"
    VIA_BOT = "via bot"
    OFFLINE = "offline"
    STALE = "stale"
    NOT_LIVE = "not live"


class Zone(StrEnum):
    """Where a student is, in relation to the teacher's place."""

    INSIDE = "inside"
    NEAR = "near"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Evidence:
    """A location as Telegram gives it. ``at`` is when it was sent, or for a live one last moved; accuracy in metres."""

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
class Point:
    """A place: degrees (WGS 84), accuracy in metres (None: not said)."""

    latitude: float
    longitude: float
    accuracy: float | None = None


@dataclass(frozen=True)
class Judged:
    """How far a student is (metres, as measured), and what that counts as."""

    distance: float
    zone: Zone


def locked(wrong_tries: int) -> bool:
    """Say whether an account has tried too many wrong codes within ``TRIES_WINDOW``."""
    return wrong_tries >= TRIES


def suspicion(wrong_tries_on_id: int, wrong_tries_in_session: int, *, bound: bool) -> str:
    """Return why a person has to look at a right code after so many wrong ones (a note); empty: nobody has to.

    ``bound``: the account is bound to the ID already, so that others' tries on that ID are none of its business.
    """
    if wrong_tries_in_session >= TRIES_IN_SESSION:
        return MANY_IN_SESSION
    return MANY_TRIES if wrong_tries_on_id >= TRIES_ON_ID and not bound else ""


def refusal(evidence: Evidence, now: datetime, policy: LocationPolicy) -> Refusal | None:
    """Say why a location is no evidence; None where it is. A live location's age is that of its last movement.

    What Telegram's servers say can be trusted (forwarded, via a bot, a venue, the date); the coordinates are the
    client's word, and an unofficial one may send any: so this bounds cheating, and does not end it.
    """
    if evidence.venue:
        return Refusal.VENUE
    if evidence.forwarded:
        return Refusal.FORWARDED
    if evidence.via_bot:
        return Refusal.VIA_BOT
    if evidence.offline:
        return Refusal.OFFLINE
    if policy == "strict" and not evidence.live:
        return Refusal.NOT_LIVE
    if not -AHEAD <= now - evidence.at <= FRESH:
        return Refusal.STALE
    return None


def judge(here: Point, there: Point, limit: float) -> Judged:
    """Judge a student's place (``here``) by the teacher's (``there``): the geodesic distance on the WGS 84 ellipsoid.

    Both accuracies together are taken off the distance, up to ``ACCURACY_CAP``: within the error of measuring nobody
    can be said to be elsewhere. Inside is up to ``limit`` metres, near up to ``NEAR`` times as far.
    """
    distance: float = geodesic((here.latitude, here.longitude), (there.latitude, there.longitude)).meters
    slack = min(sum(max(point.accuracy or 0.0, 0.0) for point in (here, there)), ACCURACY_CAP)
    surely = max(0.0, distance - slack)
    if surely <= limit:
        return Judged(distance, Zone.INSIDE)
    return Judged(distance, Zone.NEAR if surely <= NEAR * limit else Zone.OUTSIDE)


__all__ = [
    "ACCURACY_CAP",
    "AHEAD",
    "CLAIMED_TWICE",
    "DOUBTS",
    "FRESH",
    "JUST_OUTSIDE",
    "MANY_IN_SESSION",
    "MANY_TRIES",
    "NEAR",
    "TOO_FAR",
    "TRIES",
    "TRIES_IN_SESSION",
    "TRIES_ON_ID",
    "TRIES_WINDOW",
    "Evidence",
    "Judged",
    "LocationPolicy",
    "Point",
    "Refusal",
    "Zone",
    "judge",
    "locked",
    "refusal",
    "suspicion",
]

"""Rules for face checks: the challenge, the video note that answers it, and the comparison. No I/O.

Two scales are used: the *distance* of the local engine's descriptors (0: the same picture), and the *percentage* that
AWS Rekognition returns and FACE_MATCH_THRESHOLD is given in. ``percent`` converts a distance; what its values mean was
measured and is in docs/faces.md.

Nobody is refused by the check: whoever does not match after the retries is decided by the teacher, with both pictures.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise, product

from classroom.domain.sessions import FaceCheck

MOTIONS_ASKED = (2, 3)
CHALLENGE_LASTS = timedelta(seconds=60)  # from the delivery of the challenge to the arrival of the note
AHEAD = timedelta(seconds=5)  # how far Telegram's clock may be behind ours
SHORTEST_NOTE = 2  # seconds: two motions take longer
LONGEST_NOTE = 60  # seconds: Telegram's own limit
LARGEST_NOTE = 20 * 1024 * 1024  # bytes: what a bot may download
CHALLENGES = 3  # for one try; after all have expired the teacher decides
SCALE = 2  # of the local engine's distances, and of templates; 1 was dlib's
SAME_PERSON = 0.48  # a distance: of the people of one sex and region measured at most 1 in 1,000 pairs is as near
AT_SAME_PERSON = 70.0  # percent, by definition
MARGIN = 0.05  # of distance, by which the claimed student must be nearer than any classmate

# Why a check-in with a face check is with the teacher (stored in the check-in's note).
FACE = "face"  # not clearly this student; with ": " and a Problem after it: the video did not pass the check
CLEAR = "clear"  # clearly this student, where the comparison does not mark by itself
NO_FACE, NO_PHOTO, TECHNICAL = "no face", "no photo", "technical"  # without a checked face
# Versions of the consent text, by engine; the third one also asks about comparing with the class. Consent to another
# version is asked again.
_WORDINGS = {"local": 3, "rekognition": 4, "class": 5}


class Motion(StrEnum):
    """A head motion. Left and right are the person's own."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


ASKED = (Motion.LEFT, Motion.RIGHT, Motion.UP)  # looking far down hides the face: it was recognised 3 times in 9


class NoteRefusal(StrEnum):
    """Why a message does not answer a challenge; none of these counts as a try."""

    VIDEO = "video"  # an ordinary video, from the gallery
    PHOTO = "photo"
    FORWARDED = "forwarded"
    VIA_BOT = "via bot"
    REPEATED = "repeated"  # the same recording was sent before, by anybody
    EARLY = "early"  # sent before the challenge
    LATE = "late"  # sent after the challenge expired
    SHORT = "short"
    LONG = "long"  # longer than Telegram's apps can record
    LARGE = "large"


class Problem(StrEnum):
    """What is wrong with a note; each counts as a failed try."""

    BROKEN = "broken"  # the video can't be read
    NO_FACE = "no face"
    TWO_FACES = "two faces"
    CUT = "cut"  # the face leaves the picture, or is replaced by another one
    DARK = "dark"
    NOT_SEEN = "not seen"  # other motions than asked for, or in another order
    FLAT = "flat"  # may be a photograph or a screen; only the teacher reads this
    CRASHED = "crashed"  # two workers in a row ended while they read the video


class FaceVerdict(StrEnum):
    """The result of a face check."""

    MATCH = "match"
    GREY = "grey"  # not clearly this student: the teacher compares both pictures
    RETRY = "retry"
    FAILED = "failed"  # the last try did not pass the challenge: the teacher decides


@dataclass(frozen=True)
class Note:
    """A message that may answer a challenge. ``unique`` is Telegram's file_unique_id."""

    kind: str  # "video note", "video", "photo"
    at: datetime
    file: str = ""
    unique: str = ""
    seconds: int = 0
    size: int = 0  # bytes; 0: unknown
    forwarded: bool = False
    via_bot: bool = False


@dataclass(frozen=True)
class Examined:
    """The findings of a note's examination. ``distance`` is None if nothing was compared.

    ``frame`` is a JPEG of the best frontal frame, shown only to a teacher who reviews it. ``seconds`` has the duration
    of each step; ``details`` are figures for the log.
    """

    problem: Problem | None = None
    distance: float | None = None  # of the local engine
    percent: float | None = None  # of either engine
    frame: bytes = b""
    seconds: dict[str, float] | None = None
    details: str = ""
    seen: tuple[Motion, ...] = ()  # the motions recognised, in order
    nearest: bool | None = None  # False: a classmate is as near, or nearer; None: not compared with the class


def new_challenge(below: Callable[[int], int]) -> tuple[Motion, ...]:
    """Return two or three motions in random order, at least one of them a turn; neighbours differ.

    ``below`` returns a random number below its argument. All challenges of one length are equally likely.
    """
    possible = challenges(MOTIONS_ASKED[below(len(MOTIONS_ASKED))])
    return possible[below(len(possible))]


def challenges(length: int) -> list[tuple[Motion, ...]]:
    """Return all challenges with this number of motions."""
    return [
        motions
        for motions in product(ASKED, repeat=length)
        if {Motion.LEFT, Motion.RIGHT} & set(motions) and all(one is not other for one, other in pairwise(motions))
    ]


def with_challenge(face: FaceCheck, below: Callable[[int], int], now: datetime) -> FaceCheck:
    """Return a face check with a new challenge from now on; the last note's message still has to be deleted."""
    motions = new_challenge(below)
    return replace(face, motions=motions, given_at=now, challenges=face.challenges + 1, file="", sent_at=None)


def note_refusal(note: Note, given_at: datetime, asked_at: datetime | None = None) -> NoteRefusal | None:
    """Return why a message does not answer a challenge given at ``given_at``; None if it does.

    ``asked_at``: when it was delivered, where that was later: its time runs from then on.

    Telegram's data can be trusted (kind, date, forwarded), but an unofficial client may send any file as a video note.
    """
    reasons = (
        (note.kind == "photo", NoteRefusal.PHOTO),
        (note.forwarded, NoteRefusal.FORWARDED),
        (note.via_bot, NoteRefusal.VIA_BOT),
        (note.kind != "video note", NoteRefusal.VIDEO),
        (note.at < given_at - AHEAD, NoteRefusal.EARLY),
        (note.at > (asked_at or given_at) + CHALLENGE_LASTS, NoteRefusal.LATE),
        (note.seconds < SHORTEST_NOTE, NoteRefusal.SHORT),
        (note.seconds > LONGEST_NOTE, NoteRefusal.LONG),
        (note.size > LARGEST_NOTE, NoteRefusal.LARGE),
    )
    return next((refusal for applies, refusal in reasons if applies), None)


def wording(engine: str, *, compares_class: bool = False) -> int:
    """Return the version of the consent text for an engine."""
    return _WORDINGS["class" if compares_class else engine]


def is_reviewed(note: str) -> bool:
    """Whether a check-in with this note is decided with the pictures of its face."""
    return note.startswith(FACE)


def problem_in(note: str) -> Problem | None:
    """Return why the video did not pass the check, from a note that says so."""
    _face, _colon, problem = note.partition(": ")
    return Problem(problem) if is_reviewed(note) and problem in set(Problem) else None


def is_of_check(note: str) -> bool:
    """Whether a note says what became of a face check."""
    return is_reviewed(note) or note in (CLEAR, NO_FACE, NO_PHOTO, TECHNICAL)


def decides(engine: str, compares_class: bool) -> bool:
    """Whether a match marks by itself; otherwise it only sorts the teacher's list.

    By no engine so far: see the figures in docs/faces.md. AWS's was never measured by us.
    """
    return False


def percent(distance: float) -> float:
    """Convert a distance of face descriptors to a percentage: 100 at 0, 70 at 0.48, 0 from 1.0 on."""
    if distance <= SAME_PERSON:
        return 100 - (100 - AT_SAME_PERSON) * max(distance, 0) / SAME_PERSON
    return max(0.0, AT_SAME_PERSON * (1 - (distance - SAME_PERSON) / (1 - SAME_PERSON)))


def distance_of(points: float) -> float:
    """Return the distance that has a percentage above 0."""
    if points >= AT_SAME_PERSON:
        return SAME_PERSON * (100 - points) / (100 - AT_SAME_PERSON)
    return 1 - (1 - SAME_PERSON) * points / AT_SAME_PERSON


def is_nearest(distance: float, others: Iterable[float]) -> bool:
    """Whether a face is nearer to the claimed student than to any classmate, by ``MARGIN``."""
    return all(distance + MARGIN <= other for other in others)


def verdict(examined: Examined, failed_before: int, threshold: float, retries: int) -> FaceVerdict:
    """Return the result of a check after ``failed_before`` failed tries. Technical errors are handled elsewhere."""
    if examined.problem is not None:
        return FaceVerdict.RETRY if failed_before < retries else FaceVerdict.FAILED
    if examined.nearest is False:  # another video would not make it clearer
        return FaceVerdict.GREY
    if examined.percent is not None and examined.percent >= threshold:
        return FaceVerdict.MATCH
    return FaceVerdict.RETRY if failed_before < retries else FaceVerdict.GREY


def next_term_end(today: date, ends: Iterable[str]) -> date:
    """Return the last day of the current term; ``ends`` are days MM-DD, as in TERM_ENDS."""
    days = (date.fromisoformat(f"{year}-{end}") for end in ends for year in (today.year, today.year + 1))
    return min(day for day in days if day >= today)


def last_term_end(today: date, ends: Iterable[str]) -> date:
    days = (date.fromisoformat(f"{year}-{end}") for end in ends for year in (today.year - 1, today.year))
    return max(day for day in days if day < today)

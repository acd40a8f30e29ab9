"""What counts as a face's evidence: the challenge, the video note it is answered with, and the match. Pure: no I/O.

Two numbers without a common scale meet here: a *distance* of dlib's face descriptors (0: the same picture) and a
*percentage* as AWS Rekognition gives and as FACE_MATCH_THRESHOLD names. ``percent`` converts a distance: 0 is 100, 0.5
is 70, 1.0 and more is 0, linear between. The model's authors (dlib.net) call two faces below 0.6 the same person; on
that limit look-alikes passed, so with the default threshold 0.5 is accepted and the teacher decides up to 0.628.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

MOTIONS_ASKED = 2
CHALLENGE_LASTS = timedelta(seconds=60)  # from when it is given to when the note is there
AHEAD = timedelta(seconds=5)  # by which Telegram's clock may be behind ours
SHORTEST_NOTE = 2  # seconds: two motions take longer
LONGEST_NOTE = 60  # seconds: Telegram's own limit
LARGEST_NOTE = 20 * 1024 * 1024  # bytes: what a bot may download
# Percentage points below the threshold in which the teacher compares both pictures, by engine. The local engine's 18
# reach from the default threshold (distance 0.5) to 52 % (distance 0.628).
REVIEW_ZONE = {"local": 18.0, "rekognition": 5.0}
CHALLENGES = 3  # given for one try; whoever lets them all run out is the teacher's
SAME_PERSON = 0.5  # a distance
AT_SAME_PERSON = 70.0  # percent, by definition

# Why a check-in with a face's part is with the teacher, or was not let in (kept in the check-in's note).
FACE, NO_FACE, NO_PHOTO, TECHNICAL = "face", "no face", "no photo", "technical"
NOTES = (FACE, NO_FACE, NO_PHOTO, TECHNICAL)
_WORDINGS = {"local": 1, "rekognition": 2}  # of what is agreed to: whoever agreed to another one is asked anew


class Motion(StrEnum):
    """What is asked of the head. Left and right are the person's own, as they would turn it."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"


class NoteRefusal(StrEnum):
    """Why a message is no answer to a challenge; none of these is counted as a try."""

    VIDEO = "video"  # an ordinary video, from the gallery
    PHOTO = "photo"
    FORWARDED = "forwarded"
    VIA_BOT = "via bot"
    REPEATED = "repeated"  # this very recording was sent before, by whomever
    EARLY = "early"  # from before the challenge was given
    LATE = "late"  # after the challenge's time
    SHORT = "short"
    LONG = "long"  # longer than Telegram's apps record
    LARGE = "large"


class Problem(StrEnum):
    """What an examination of a note found; the challenge's and the match's own are counted as tries."""

    BROKEN = "broken"  # no video can be read from it
    NO_FACE = "no face"
    TWO_FACES = "two faces"
    CUT = "cut"  # the face is not in view all the time, or is not the same one throughout
    NOT_FOLLOWED = "not followed"  # the motions that were asked for were not made, in their order
    FLAT = "flat"  # they were, but by something without a face's relief: a photograph, a screen


class Verdict(StrEnum):
    """What becomes of a check."""

    MATCH = "match"
    GREY = "grey"  # a person looks at both pictures
    RETRY = "retry"
    FAILED = "failed"


@dataclass(frozen=True)
class Note:
    """A message as Telegram gives it, which may answer a challenge. ``unique`` is Telegram's file_unique_id."""

    kind: str  # "video note", "video", "photo"
    at: datetime
    file: str = ""
    unique: str = ""
    seconds: int = 0
    size: int = 0  # bytes; 0: not said
    forwarded: bool = False
    via_bot: bool = False


@dataclass(frozen=True)
class Examined:
    """What an examination found. ``distance`` is None where nothing could be compared.

    ``frame`` is a JPEG of the best frontal frame, for a teacher's review alone. ``seconds`` says how long each step
    took; ``details`` goes to the log: figures only.
    """

    problem: Problem | None = None
    distance: float | None = None  # of the local engine
    percent: float | None = None  # of either engine
    frame: bytes = b""
    seconds: dict[str, float] | None = None
    details: str = ""


def new_challenge(below: Callable[[int], int]) -> tuple[Motion, ...]:
    """Return two different motions in a random order. ``below`` gives a random number below its argument."""
    left = list(Motion)
    return tuple(left.pop(below(len(left))) for _ in range(MOTIONS_ASKED))


def note_refusal(note: Note, given_at: datetime) -> NoteRefusal | None:
    """Say why a message is no answer to a challenge given then; None where it is one.

    What Telegram's servers say can be trusted (kind, date, forwarded); an unofficial client may send any file as one.
    """
    if note.kind == "photo":
        return NoteRefusal.PHOTO
    if note.forwarded:
        return NoteRefusal.FORWARDED
    if note.via_bot:
        return NoteRefusal.VIA_BOT
    if note.kind != "video note":
        return NoteRefusal.VIDEO
    if note.at < given_at - AHEAD:
        return NoteRefusal.EARLY
    if note.at > given_at + CHALLENGE_LASTS:
        return NoteRefusal.LATE
    if note.seconds < SHORTEST_NOTE:
        return NoteRefusal.SHORT
    if note.seconds > LONGEST_NOTE:
        return NoteRefusal.LONG
    if note.size > LARGEST_NOTE:
        return NoteRefusal.LARGE
    return None


def wording(engine: str) -> int:
    """Return the number of what a person agrees to where this engine compares."""
    return _WORDINGS[engine]


def percent(distance: float) -> float:
    """Return a distance of face descriptors as a percentage: 100 at 0, 70 at 0.5, 0 at 1.0 and beyond."""
    if distance <= SAME_PERSON:
        return 100 - (100 - AT_SAME_PERSON) * max(distance, 0) / SAME_PERSON
    return max(0.0, AT_SAME_PERSON * (1 - (distance - SAME_PERSON) / (1 - SAME_PERSON)))


def verdict(examined: Examined, failed_before: int, threshold: float, retries: int, engine: str) -> Verdict:
    """Return what becomes of a check that has failed so many times before. Technical errors never come here."""
    if examined.problem is None and examined.percent is not None:
        if examined.percent >= threshold:
            return Verdict.MATCH
        if examined.percent >= threshold - REVIEW_ZONE[engine]:
            return Verdict.GREY
    return Verdict.RETRY if failed_before < retries else Verdict.FAILED


def next_term_end(today: date, ends: Iterable[str]) -> date:
    """Return the day on which the term ends that runs today; ``ends`` are days MM-DD, as TERM_ENDS names them."""
    days = (date.fromisoformat(f"{year}-{end}") for end in ends for year in (today.year, today.year + 1))
    return min(day for day in days if day >= today)


def last_term_end(today: date, ends: Iterable[str]) -> date:
    """Return the day on which the term before the one that runs today has ended."""
    days = (date.fromisoformat(f"{year}-{end}") for end in ends for year in (today.year - 1, today.year))
    return max(day for day in days if day < today)

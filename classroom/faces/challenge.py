"""Whether the motions that were asked for were made, in their order, by something with a face's relief. Pure.

Video notes of a phone's front camera come mirrored, those of its other camera do not, and nothing in the file says
which. So left and right are taken either way, as long as they are each other's opposite: of the six challenges three
can be told apart by somebody who has recordings ready. That is one of the reasons why this is called a challenge and
not a proof of life.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from classroom.domain.face_policy import Motion, Problem
from classroom.faces.following import Followed, Moment
from classroom.faces.relief import Shift

TURNED = 0.065  # a shift that is a motion: about 12 degrees
RETURNED = 0.045  # below, the motion is over
_BRIEF = 2  # pictures that a motion takes at least
_SIDEWAYS = 1.0  # of the shift upwards: what is more to the side than up is a turn
_MOVED = 0.10  # how much a face's picture is squeezed or bent by holding it another way
_FOLLOWED = 0.5  # of the pictures
_WITH_TWO = 0.3  # of the detections
_SWAPPED = {Motion.LEFT: Motion.RIGHT, Motion.RIGHT: Motion.LEFT, Motion.UP: Motion.UP}


def problem(seen: Followed, asked: Sequence[Motion]) -> Problem | None:
    """Say what is wrong with a note as the answer to a challenge; None: nothing."""
    if not seen.views:
        return Problem.NO_FACE
    if seen.two_faces >= max(2, _WITH_TWO * seen.looked):
        return Problem.TWO_FACES
    followed = [moment for moment in seen.moments if moment.shift is not None]
    if len(followed) < _FOLLOWED * len(seen.moments):
        return Problem.CUT
    made = motions(seen.moments)
    if made and _fits(made, asked):
        return None
    if not made and any(moment.shift is not None and moment.shift.smooth >= _MOVED for moment in seen.moments):
        return Problem.FLAT
    return Problem.NOT_FOLLOWED


def motions(moments: Sequence[Moment]) -> list[Motion]:
    """Return the motions that were made, in their order; left and right as in a picture that is not mirrored.

    A motion begins where the shift passes ``TURNED`` and lasts until it is below ``RETURNED``; looking down is none of
    those that are asked for, and the head comes down after looking up.
    """
    found = (_motion(max((moment.shift for moment in each if moment.shift), key=_size)) for each in _away(moments))
    return [motion for motion, _same in groupby(motion for motion in found if motion is not None)]


def stretches(moments: Sequence[Moment]) -> set[int]:
    """Return in which stretches motions were made: pictures of each have to be compared."""
    return {moment.stretch for each in _away(moments) for moment in each}


def _away(moments: Sequence[Moment]) -> Iterator[list[Moment]]:
    """Yield the pictures of each time that the head was turned."""
    current: list[Moment] = []
    for moment in [*moments, Moment(0.0, None)]:
        if moment.shift is not None and moment.shift.size >= (RETURNED if current else TURNED):
            current.append(moment)
            continue
        if len(current) >= _BRIEF:
            yield current
        current = []


def _size(shift: Shift) -> float:
    return shift.size


def _motion(shift: Shift) -> Motion | None:
    if abs(shift.right) >= _SIDEWAYS * abs(shift.down):
        return Motion.LEFT if shift.right > 0 else Motion.RIGHT
    return Motion.UP if shift.down < 0 else None


def _fits(made: Sequence[Motion], asked: Sequence[Motion]) -> bool:
    return list(made) in (list(asked), [_SWAPPED[motion] for motion in asked])

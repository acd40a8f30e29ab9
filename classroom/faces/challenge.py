"""Checks that the motions of a challenge were made in order, by something with the relief of a face. No I/O.

Video notes from a front camera are mirrored, those from a back camera are not, and the file does not say which. So
left and right are accepted either way, if they are opposite to each other: the six challenges are only three different
ones for somebody with prepared recordings. One of the reasons why this is a challenge and not a liveness proof.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from classroom.domain.face_policy import Motion, Problem
from classroom.faces.following import Followed, Moment
from classroom.faces.relief import Shift

TURNED = 0.065  # a shift from which a motion begins: about 12 degrees
RETURNED = 0.045  # a shift below which the motion ends
_BRIEF = 2  # pictures: the shortest motion
_SIDEWAYS = 1.0  # ratio of sideways to vertical shift from which a motion is a turn
_MOVED = 0.10  # squeezing or bending from which a flat picture was moved
_FOLLOWED = 0.5  # share of pictures in which the face has to be tracked
_WITH_TWO = 0.3  # share of detections with two faces that is too much
_SWAPPED = {Motion.LEFT: Motion.RIGHT, Motion.RIGHT: Motion.LEFT, Motion.UP: Motion.UP}


def problem(seen: Followed, asked: Sequence[Motion]) -> Problem | None:
    """Return what is wrong with a note as the answer to a challenge; None if nothing."""
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
    return Problem.NOT_SEEN


def motions(moments: Sequence[Moment]) -> list[Motion]:
    """Return the motions in their order; left and right as in a picture that is not mirrored.

    A motion begins when the shift reaches ``TURNED`` and ends below ``RETURNED``. Looking down is ignored: no challenge
    has it, and the head comes down after looking up.
    """
    found = (
        _motion(max((moment.shift for moment in each if moment.shift), key=lambda shift: shift.size))
        for each in _turns(moments)
    )
    return [motion for motion, _same in groupby(motion for motion in found if motion is not None)]


def stretches(moments: Sequence[Moment]) -> set[int]:
    """Return the stretches with motions: a picture of each has to be compared."""
    return {moment.stretch for each in _turns(moments) for moment in each}


def _turns(moments: Sequence[Moment]) -> Iterator[list[Moment]]:
    """Yield the pictures of each turn of the head."""
    current: list[Moment] = []
    for moment in [*moments, Moment(0.0, None)]:
        if moment.shift is not None and moment.shift.size >= (RETURNED if current else TURNED):
            current.append(moment)
            continue
        if len(current) >= _BRIEF:
            yield current
        current = []


def _motion(shift: Shift) -> Motion | None:
    if abs(shift.right) >= _SIDEWAYS * abs(shift.down):
        return Motion.LEFT if shift.right > 0 else Motion.RIGHT
    return Motion.UP if shift.down < 0 else None


def _fits(made: Sequence[Motion], asked: Sequence[Motion]) -> bool:
    return list(made) in (list(asked), [_SWAPPED[motion] for motion in asked])

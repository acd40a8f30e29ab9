"""Recognises the motions of a head in a note, and checks that they answer a challenge.

A motion leaves the head's rest position, reaches an angle, and comes back (or the note ends). It counts if something
with the depth of a face was turned: the parallax (see ``depth``) has to fit the angle.

Video notes from a front camera are mirrored, those from a back camera are not, and the file does not say which. So left
and right are accepted either way, if they are opposite to each other. ``fits`` has the rule about further motions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from classroom.domain.face_policy import Motion, Problem
from classroom.faces.depth import Parallax, Reference
from classroom.faces.tracking import Seen, Tracked

Numbers = npt.NDArray[np.float64]

TURNED = 14.0  # degrees from the rest position: a turn
NODDED = 13.0  # looking up or down
_LEFT_REST = 0.45  # of those angles: the head has left the rest position
_BRIEF_NOD = 0.3  # seconds: shorter nods belong to speech
_FRONTAL = 15.0  # degrees from the camera, within which the rest position is looked for
_STILL = 12.0  # degrees a second, above which a picture says little about the rest position
_ALIKE = 0.8  # correlation from which a measured parallax is trusted
_DEPTH = 0.4  # of the angle's sine: the least parallax of a head; paper has nearly none
_MESH_DEPTH = 0.5  # the same by the mesh alone
_TRIES = 3  # pictures of a motion that are compared with the rest position, at most
_WEAK = 0.65  # of the smallest motion asked for: smaller further motions are ignored
_SEEN = 0.5  # share of pictures in which the face has to be seen
_WITH_TWO = 0.3  # share of detections with two faces that is too much
_DARK = 40.0  # mean brightness of the face, of 255
_SWAPPED = {Motion.LEFT: Motion.RIGHT, Motion.RIGHT: Motion.LEFT}


@dataclass(frozen=True)
class Move:
    """A movement of the head to one side and back. Left and right are as in a picture that is not mirrored."""

    motion: Motion
    start: float  # seconds
    end: float
    angle: float  # degrees from the rest position, at most
    mesh_parallax: float
    parallax: float  # by the pictures, at the best picture
    alike: float
    has_depth: bool  # whether it counts
    size: float  # the angle by the one needed


def moves(seen: Sequence[Seen]) -> list[Move]:
    """Return the movements that reach the angle of a motion, in order."""
    if not seen:
        return []
    angles, rest = np.array([[each.pose.yaw, each.pose.pitch] for each in seen]), _rest(seen)
    away = (angles - rest) / np.array([TURNED, NODDED])
    found = [
        (start, end, axis, sign)
        for axis in (0, 1)
        for start, end, sign in _excursions(away[:, axis])
        if axis == 0 or seen[end].at - seen[start].at >= _BRIEF_NOD
    ]
    sized = {each: float(np.abs(away[each[0] : each[1] + 1, each[2]]).max()) for each in found}
    kept = [each for each in sorted(found) if not any(_hides(other, each, sized) for other in found)]
    return [_measured(seen, away, angles - rest, *each) for each in kept]


def _rest(seen: Sequence[Seen]) -> Numbers:
    """Return yaw and pitch of the rest position: the median of the pictures where the head is still and frontal."""
    at, yaw = np.array([each.at for each in seen]), np.array([each.pose.yaw for each in seen])
    pitch = np.array([each.pose.pitch for each in seen])
    if len(seen) == 1:
        return np.array([yaw[0], pitch[0]])
    speed = np.hypot(np.gradient(yaw, at), np.gradient(pitch, at))
    weight = 1 / (1 + (speed / _STILL) ** 2)
    frontal = np.abs(yaw) <= _FRONTAL
    if frontal.mean() < 0.25:
        frontal[:] = True
    yaw_at_rest = _median(yaw[frontal], weight[frontal])
    straight = np.abs(yaw - yaw_at_rest) <= TURNED / 2
    if not straight.any():
        straight[:] = True
    return np.array([yaw_at_rest, _median(pitch[straight], weight[straight])])


def _median(values: Numbers, weights: Numbers) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _excursions(away: Numbers) -> Iterator[tuple[int, int, int]]:
    """Yield first and last picture, and the sign, of each part that leaves rest and reaches 1 or -1."""
    side = np.where(np.abs(away) >= _LEFT_REST, np.sign(away), 0).astype(int)
    for sign, group in groupby(range(len(away)), key=lambda at: side[at]):
        part = list(group)
        if sign and np.abs(away[part]).max() >= 1:
            yield part[0], part[-1], int(sign)


def _hides(
    other: tuple[int, int, int, int], each: tuple[int, int, int, int], sized: dict[tuple[int, ...], float]
) -> bool:
    """Whether a movement on the other axis at the same time is larger: a turn lifts or lowers the chin a little."""
    return other[2] != each[2] and other[0] <= each[1] and each[0] <= other[1] and sized[other] > sized[each]


def _measured(
    seen: Sequence[Seen], away: Numbers, degrees: Numbers, start: int, end: int, axis: int, sign: int
) -> Move:
    part = np.arange(start, end + 1)
    reached = np.abs(away[part, axis])
    top = int(part[np.argmax(reached)])
    before = _at_rest(away, start, end)
    reference = Reference(seen[before].picture, seen[before].mesh.points)
    tries: list[tuple[Parallax, float]] = []
    by_mesh = sign * reference.by_points(seen[top].mesh.points)[axis]
    needed = math.sin(math.radians(abs(float(degrees[top, axis]))))
    if by_mesh >= _MESH_DEPTH * needed:
        for at in _to_compare(part, reached):
            by = math.sin(math.radians(abs(float(degrees[at, axis] - degrees[before, axis]))))
            measured = reference.compare(seen[at].picture, seen[at].mesh.points)
            tries.append((measured, sign * (measured.right, measured.up)[axis] / by))
            if measured.alike >= _ALIKE:
                break
    best = max(tries, key=lambda each: each[0].alike, default=(Parallax(0.0, 0.0, 0.0), 0.0))
    motion = ((Motion.LEFT, Motion.RIGHT), (Motion.UP, Motion.DOWN))[axis][sign < 0]
    return Move(
        motion=motion,
        start=seen[start].at,
        end=seen[end].at,
        angle=abs(float(degrees[top, axis])),
        mesh_parallax=by_mesh,
        parallax=sign * (best[0].right, best[0].up)[axis],
        alike=best[0].alike,
        has_depth=best[1] >= _DEPTH,
        size=float(reached.max()),
    )


def _at_rest(away: Numbers, start: int, end: int) -> int:
    """Return the picture nearest to a movement in which the head is at rest: before it, or else after it."""
    size = np.abs(away).max(axis=1)
    near = np.concatenate([np.arange(max(0, start - 6), start), np.arange(end + 1, min(len(away), end + 7))])
    if not near.size:
        return int(np.argmin(size))
    gap = np.where(near < start, start - near, near - end)
    return int(near[np.argmin(size[near] + 0.04 * gap)])


def _to_compare(part: npt.NDArray[np.int_], reached: Numbers) -> list[int]:
    """Return pictures of a movement, the one at its height first, then some on its way."""
    order = [int(np.argmax(reached))]
    for level in (0.75, 0.6):
        near = np.argsort(np.abs(reached - level * min(reached.max(), 2.0)))
        order.append(int(next((at for at in near if at not in order), order[0])))
    return [int(part[at]) for at in dict.fromkeys(order)][:_TRIES]


def problem(tracked: Tracked, made: Sequence[Move], asked: Sequence[Motion]) -> Problem | None:
    """Return what is wrong with a note as the answer to a challenge; None if nothing."""
    seen = tracked.seen
    if not seen:
        return Problem.DARK if tracked.light < _DARK else Problem.NO_FACE
    if tracked.two_faces >= max(2, _WITH_TWO * tracked.looked):
        return Problem.TWO_FACES
    if fits([move for move in made if move.has_depth], asked) and len(seen) >= _SEEN * tracked.pictures:
        return None
    if float(np.median([each.light for each in seen[::4]])) < _DARK:
        return Problem.DARK
    if len(seen) < _SEEN * tracked.pictures:
        return Problem.CUT
    flat = [move for move in made if not move.has_depth and move.alike >= _ALIKE]
    return Problem.FLAT if flat and not any(move.has_depth for move in made) else Problem.NOT_SEEN


def motions(made: Sequence[Move]) -> list[Motion]:
    """Return the motions that count, in order; the same one twice in a row is one."""
    return [motion for motion, _same in groupby(move.motion for move in made if move.has_depth)]


def fits(made: Sequence[Move], asked: Sequence[Motion]) -> bool:
    """Whether the motions asked for were made one after the other, with at most one further clear motion in the note.

    Further motions that are clearly smaller than the smallest one asked for are ignored.
    """
    return any(_fits(made, [_SWAPPED.get(each, each) for each in asked] if swapped else asked) for swapped in (0, 1))


def _fits(made: Sequence[Move], asked: Sequence[Motion]) -> bool:
    largest = {kind: max((move.size for move in made if move.motion is kind), default=0.0) for kind in set(asked)}
    clear = [move.motion for move in made if move.size >= _WEAK * min(largest.values(), default=0.0)]
    joined = [motion for motion, _same in groupby(clear)]
    if len(joined) > len(asked) + 1:
        return False
    return any(joined[at : at + len(asked)] == list(asked) for at in range(len(joined) - len(asked) + 1))

"""Recognises the motions of a head in a note, and checks that they answer a challenge.

A motion leaves the head's rest position, reaches an angle, and comes back (or the note ends). It counts if something
with the depth of a face was turned: the parallax (see ``depth``) has to fit the angle.

Video notes from a front camera are mirrored, those from a back camera are not, and the file does not say which. So left
and right are accepted either way, if they are opposite to each other. ``fits`` has the rule about further motions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from classroom.domain.face_policy import ASKED, Motion, Problem
from classroom.faces.depth import Reference
from classroom.faces.tracking import Seen, Tracked

Numbers = npt.NDArray[np.float64]

TURNED = 12.5  # degrees from the rest position: a turn
NODDED = 12.0  # looking up or down
_LEFT_REST = 0.45  # of those angles: the head has left the rest position
_BRIEF_NOD = 0.3  # seconds: shorter nods belong to speech
_FRONTAL = 12.0  # degrees from the camera: the rest position is rarely further away
_STILL = 12.0  # degrees a second, above which a picture says little about the rest position
_BEGINNING, _ENDS = 0.6, 2.0  # seconds at the beginning and the end, and how much more they say about it
_SIDEWAYS = 0.7  # of a turn's size by that of a nod at the same time: with less it is no turn
_LARGE, _SMALL_SIDEWAYS = 1.25, 1.6  # a smaller turn has to be clearer
_SLANT = 0.6  # of a nod's size: with a larger turn at the same time it is no clear nod
_ALIKE, _SURELY_ALIKE = 0.7, 0.9  # correlation from which a parallax is trusted, and its absence
_WORSE = 0.15  # of that correlation, by which a picture may be worse than the best one
_DEPTH, _FLAT = 0.4, 0.25  # of the angle's sine: the least parallax of a head, the most of a sheet
_SURELY_FLAT = 0.12  # the most of a sheet where the pictures agree less
_SURELY_DEPTH = 0.5
_SHEETS_TURN = 45.0  # degrees, to which the mesh turns no sheet, however it is bent
_LOOSE_DEPTH, _LOOSE_CLEAR = 0.2, 0.93  # of the loose fit: the least of a head, and a sheet's correlation
_SHEET, _CLEAR = 0.1, 0.97  # parallax and correlation of a motion that only a sheet makes: none of the note counts
_MESH_DEPTH = 0.5  # the same by the mesh alone
_LEAST = 10.0  # degrees: with less the parallax is too small to measure
_COMPARED = (17.0, 13.0, 22.0)  # degrees, of the pictures of a motion that are compared with the rest position
_WEAK = 0.65  # of the smallest motion asked for: smaller further motions are ignored
_SEEN = 0.5  # share of pictures in which the face has to be seen
_WITH_TWO = 0.3  # share of detections with two faces that is too much
_DARK = 40.0  # mean brightness of the face, of 255
_SWAPPED = {Motion.LEFT: Motion.RIGHT, Motion.RIGHT: Motion.LEFT}


@dataclass(frozen=True)
class Fit:
    """The parallax by the pictures of a movement, as a share of the angle's sine, and how well the pictures agree."""

    share: float = 0.0
    alike: float = 0.0


@dataclass(frozen=True)
class Move:
    """A movement of the head to one side and back. Left and right are as in a picture that is not mirrored."""

    motion: Motion
    start: float  # seconds
    end: float
    angle: float  # degrees from the rest position, at most
    parallax: float  # at the largest angle, by the mesh
    fit: Fit  # by the pictures
    loose: Fit
    has_depth: bool | None  # None: the pictures say neither
    size: float  # the angle by the one needed

    def __str__(self) -> str:
        counts = "" if self.has_depth else " not counted"
        return (
            f"{self.motion}{counts} {self.start:.1f}-{self.end:.1f} s, {self.angle:.0f} degrees,"
            f" parallax {self.parallax:.2f}, by the pictures {self.fit.share:.2f} of the sine,"
            f" alike {self.fit.alike:.2f}, loosely {self.loose.share:.2f}, alike {self.loose.alike:.2f}"
        )


def moves(seen: Sequence[Seen]) -> list[Move]:
    """Return the movements that reach the angle of a motion, in order."""
    if not seen:
        return []
    angles = np.array([[each.pose.yaw, each.pose.pitch] for each in seen]) - rest(seen)
    away = angles / np.array([TURNED, NODDED])
    found = [(start, end, axis, sign) for axis in (0, 1) for start, end, sign in _excursions(away[:, axis])]
    kept = [each for each in sorted(found) if _is_clear(away, seen[each[1]].at - seen[each[0]].at, each)]
    return _decided([_measured(seen, away, angles, *each) for each in kept])


def _decided(found: list[Move]) -> list[Move]:
    """Let movements that the pictures do not confirm count if those of another one of the note surely show a head."""
    proven = any(move.has_depth for move in found)
    surely = any(
        move.has_depth and move.fit.share >= _SURELY_DEPTH and move.fit.alike >= _SURELY_ALIKE for move in found
    )
    if any(move.motion in ASKED and move.fit.alike >= _CLEAR and move.fit.share < _SHEET for move in found):
        return [replace(move, has_depth=False) for move in found]
    decided = {True: True, None: proven, False: surely}
    return [
        replace(
            move,
            has_depth=move.fit.alike > 0 and decided[move.has_depth] and not _is_flat(move.fit, move.loose, move.angle),
        )
        for move in found
    ]


def _is_flat(fit: Fit, loose: Fit, angle: float) -> bool:
    """Whether the pictures clearly show a sheet; also a bent one, in which the mesh sees some depth."""
    is_bent = angle < _SHEETS_TURN and loose.alike >= _LOOSE_CLEAR and loose.share < _SURELY_FLAT
    return is_bent or (fit.alike >= _CLEAR and fit.share < _FLAT)


def _is_clear(away: Numbers, seconds: float, found: tuple[int, int, int, int]) -> bool:
    """Whether a movement is a turn, or a nod that is neither slanting nor as brief as those of speech."""
    start, end, axis, _sign = found
    turn, nod = np.abs(away[start : end + 1]).max(axis=0)
    if axis == 0:
        least = _SIDEWAYS if turn >= _LARGE else _SMALL_SIDEWAYS
        return bool(turn >= least * nod) and end > start  # a turn is longer than one picture
    return bool(turn < _SLANT * nod) and seconds >= _BRIEF_NOD


def rest(seen: Sequence[Seen]) -> Numbers:
    """Return yaw and pitch of the rest position: a median; still, frontal, first and last pictures count more."""
    at, yaw = np.array([each.at for each in seen]), np.array([each.pose.yaw for each in seen])
    pitch = np.array([each.pose.pitch for each in seen])
    if len(seen) == 1:
        return np.array([yaw[0], pitch[0]])
    speed = np.hypot(np.gradient(yaw, at), np.gradient(pitch, at))
    weight = np.gradient(at) / (1 + (speed / _STILL) ** 2)
    weight *= 1 + _ENDS * ((at - at[0] <= _BEGINNING) + 0.5 * (at[-1] - at <= _BEGINNING))
    yaw_at_rest = _median(yaw, weight * (np.exp(-((yaw / _FRONTAL) ** 2) / 2) + 0.05))
    straight = np.exp(-(((yaw - yaw_at_rest) / TURNED * 2) ** 2) / 2) + 1e-6
    return np.array([yaw_at_rest, _median(pitch, weight * straight)])


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


def _measured(
    seen: Sequence[Seen], away: Numbers, degrees: Numbers, start: int, end: int, axis: int, sign: int
) -> Move:
    part = np.arange(start, end + 1)
    turned = np.abs(degrees[part, axis])
    top = int(part[np.argmax(turned)])
    largest = float(turned.max())
    by_mesh, fit, loose = 0.0, Fit(), Fit()
    for before in _at_rest(away, start, end):
        reference = Reference(seen[before].picture, seen[before].mesh.points)
        by_mesh = by_mesh or sign * reference.by_points(seen[top].mesh.points)[axis]
        if by_mesh < _MESH_DEPTH * math.sin(math.radians(largest)):
            break
        fits: list[tuple[Fit, Fit]] = []
        for at in _to_compare(part[turned >= _LEAST], turned[turned >= _LEAST]):
            sine = math.sin(math.radians(abs(float(degrees[at, axis] - degrees[before, axis]))))
            sines = np.sin(np.radians(degrees[at] - degrees[before]))
            held, loosely = reference.compare(seen[at].picture, seen[at].mesh.points, sines)
            fits.append(
                (
                    Fit(sign * (held.right, held.up)[axis] / sine, held.alike),
                    Fit(sign * (loosely.right, loosely.up)[axis] / sine, loosely.alike),
                )
            )
            if len(fits) == 2 and all(each.share >= _DEPTH and each.alike >= _ALIKE for each, _loose in fits):
                break
        found = _typical([each for each, _loose in fits])
        if found.alike > fit.alike:
            fit, loose = found, _typical([each for _fit, each in fits])
        if _has_depth(fit, loose, largest) is not None:
            break
    motion = ((Motion.LEFT, Motion.RIGHT), (Motion.UP, Motion.DOWN))[axis][sign < 0]
    return Move(
        motion=motion,
        start=seen[start].at,
        end=seen[end].at,
        angle=largest,
        parallax=by_mesh,
        fit=fit,
        loose=loose,
        has_depth=_has_depth(fit, loose, largest),
        size=float(np.abs(away[top, axis])),
    )


def _typical(fits: Sequence[Fit]) -> Fit:
    """Return the median share of the pictures that agree nearly as well as the best one."""
    best = max(each.alike for each in fits)
    return Fit(float(np.median([each.share for each in fits if each.alike >= best - _WORSE])), best)


def _has_depth(fit: Fit, loose: Fit, angle: float) -> bool | None:
    if fit.alike == 0 or _is_flat(fit, loose, angle):
        return False
    if fit.alike >= _ALIKE and fit.share >= _DEPTH:
        return True if loose.share >= _LOOSE_DEPTH else None
    return False if fit.alike >= _SURELY_ALIKE and fit.share < _SURELY_FLAT else None


def _at_rest(away: Numbers, start: int, end: int) -> list[int]:
    """Return pictures near a movement in which the head is at rest: before it and after it, the better one first."""
    size = np.abs(away).max(axis=1)
    sides = (range(start - 1, max(0, start - 6) - 1, -1), range(end + 1, min(len(away), end + 7)))
    best = sorted(min((size[at] + 0.04 * gap, at) for gap, at in enumerate(side)) for side in sides if len(side))
    return [at for _size, at in best] or [int(np.argmin(size))]


def _to_compare(part: npt.NDArray[np.int_], degrees: Numbers) -> list[int]:
    """Return pictures of a movement: turned enough for a clear parallax, not so far that half the face is hidden."""
    chosen: list[int] = []
    for wanted in _COMPARED:
        order = np.argsort(np.abs(degrees - wanted))
        chosen.append(next((int(part[at]) for at in order if int(part[at]) not in chosen), int(part[order[0]])))
    return list(dict.fromkeys(chosen))


def problem(tracked: Tracked, made: Sequence[Move], asked: Sequence[Motion]) -> Problem | None:
    """Return what is wrong with a note as the answer to a challenge; None if nothing."""
    seen = tracked.seen
    if not seen:
        return Problem.DARK if tracked.light < _DARK else Problem.NO_FACE
    if tracked.two_faces >= max(2, _WITH_TWO * tracked.looked):
        return Problem.TWO_FACES
    if fits([move for move in made if move.has_depth], asked) and tracked.lost <= (1 - _SEEN) * tracked.tracked:
        return None
    if float(np.median([each.light for each in seen[::4]])) < _DARK:
        return Problem.DARK
    if tracked.lost > (1 - _SEEN) * tracked.tracked:
        return Problem.CUT
    flat = [move for move in made if move.fit.alike >= _SURELY_ALIKE and move.fit.share < _FLAT]
    return Problem.FLAT if flat and not any(move.has_depth for move in made) else Problem.NOT_SEEN


def motions(made: Sequence[Move]) -> list[Motion]:
    """Return the motions that count, in order; the same one twice in a row is one."""
    return [motion for motion, _same in groupby(move.motion for move in made if move.has_depth)]


def fits(made: Sequence[Move], asked: Sequence[Motion]) -> bool:
    """Whether the motions asked for were made one after the other, with at most one further clear motion in the note.

    Further motions that are clearly smaller than the smallest one asked for are ignored, and so is looking down, which
    no challenge asks for.
    """
    return any(_fits(made, [_SWAPPED.get(each, each) for each in asked] if swapped else asked) for swapped in (0, 1))


def _fits(made: Sequence[Move], asked: Sequence[Motion]) -> bool:
    largest = {kind: max((move.size for move in made if move.motion is kind), default=0.0) for kind in set(asked)}
    least = _WEAK * min(largest.values(), default=0.0)
    clear = [move.motion for move in made if move.size >= least and (move.motion in asked or move.motion in ASKED)]
    joined = [motion for motion, _same in groupby(clear)]
    if len(joined) > len(asked) + 1:
        return False
    return any(joined[at : at + len(asked)] == list(asked) for at in range(len(joined) - len(asked) + 1))

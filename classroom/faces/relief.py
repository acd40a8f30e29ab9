"""Whether what turns has a face's relief. Pure: numbers in, numbers out.

Points of a face are followed from a frontal picture to a later one. A sheet's points move in a way that a polynomial
of the second degree describes well, however the sheet is held and bent (a homography's and a cylinder's second order
are in it), and a folded one's with the four folds besides. A head's nose stands out of its cheeks by a third of the
distance between the eyes: when the head turns, the nose moves against the rest, and only then. How far it does, in
distances between the eyes, is the *relief's shift*: 0.34 times the sine of the angle or so, to the side for a turn of
the head, upwards where it looks up. A photograph has none, whatever is done with it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float32]

NOSE_TIP, NOSE_BASE = 0.63, 0.95  # below the eyes, in distances between them
_NOSE_TOP = 0.0
_NOSE_WIDTH = 0.2
_ROUNDS = 5
_LEAST_ERROR = 0.004
_TUKEY = 4.0
LEAST_POINTS = 45  # three for each of the columns below


@dataclass(frozen=True)
class Frame:
    """A face's own coordinates in a picture: origin between the eyes, unit the distance between them (pixels)."""

    origin: Numbers
    axes: Numbers  # the unit vectors to the right and down, as columns
    eyes: float

    def own(self, points: Numbers) -> Numbers:
        """Return points of the picture in the face's coordinates."""
        return np.asarray((points - self.origin) @ self.axes / self.eyes, dtype=np.float32)

    def in_picture(self, own: Numbers) -> Numbers:
        """Return points in the face's coordinates as points of the picture."""
        return np.asarray(own * self.eyes @ self.axes.T + self.origin, dtype=np.float32)


@dataclass(frozen=True)
class Shift:
    """How the nose has moved against the rest of the face: to the right of the picture and down; and how sure it is."""

    right: float
    down: float
    error: float  # what the fit leaves over, a robust standard deviation
    smooth: float  # how much the rest was squeezed and bent: what tells a moved sheet from one held still

    @property
    def size(self) -> float:
        """How far."""
        return float(np.hypot(self.right, self.down))


def frame_of(five: Numbers) -> Frame:
    """Return a face's coordinates from its five landmarks (see ``models.landmarks``)."""
    right, left = (five[2] + five[3]) / 2, (five[0] + five[1]) / 2
    across = left - right
    eyes = float(np.hypot(*across))
    if eyes < 1:
        raise ValueError("two eyes in one point")
    to_right = across / eyes
    return Frame((right + left) / 2, np.array([[to_right[0], -to_right[1]], [to_right[1], to_right[0]]]), eyes)


def asymmetry(frame: Frame, five: Numbers) -> float:
    """Return how far the nose's base is from the middle of the eyes: 0 from the front, by the landmarks alone."""
    return float(frame.own(five[4:5])[0, 0])


def shift(own: Numbers, moved: Numbers) -> Shift:
    """Return how a face's nose has moved against the rest. Both in the first picture's own coordinates.

    A least-squares fit, made robust by Tukey's weights: points that were lost, on hair or in the background, count
    for nothing.

    Raises:
        ValueError: fewer points than ``LEAST_POINTS``.
    """
    if len(own) < LEAST_POINTS:
        raise ValueError("too few points")
    columns, by = _columns(own), moved - own
    weights: npt.NDArray[np.floating[Any]] = np.ones(len(own), dtype=np.float64)
    error, found = 0.0, np.zeros((columns.shape[1], 2))
    for _round in range(_ROUNDS):
        weighted = columns * weights[:, None]
        normal = weighted.T @ columns + 1e-6 * np.eye(columns.shape[1])
        found = np.linalg.solve(normal, weighted.T @ by)
        left = np.hypot(*(by - columns @ found).T)
        error = max(1.48 * float(np.median(left)), _LEAST_ERROR)
        weights = np.clip(1 - (left / (_TUKEY * error)) ** 2, 0, 1) ** 2
    squeezed = np.abs(found[1:6]).max()
    return Shift(float(found[-1, 0]), float(found[-1, 1]), error, float(squeezed))


def nose(own: Numbers) -> Numbers:
    """Return how much of the nose is at points: 1 at its tip, 0 away from it."""
    ridge = np.interp(own[:, 1], [_NOSE_TOP, NOSE_TIP, NOSE_BASE], [0.0, 1.0, 0.0])
    return np.asarray(ridge * np.exp(-((own[:, 0] / _NOSE_WIDTH) ** 2) / 2), dtype=np.float32)


def _columns(own: Numbers) -> npt.NDArray[np.float64]:
    """Return what a sheet may do (up to the second degree, and folds in four directions), and the nose last."""
    u, v = own[:, 0].astype(np.float64), own[:, 1].astype(np.float64)
    below = v - 0.5
    folds = [np.sqrt(each**2 + 0.003) for each in (u, below, (u + below) / np.sqrt(2), (u - below) / np.sqrt(2))]
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, *folds, nose(own)], axis=1)

"""Measures whether a turning object has the relief of a face. No I/O.

Points of a face are tracked from a frontal picture to a later one. On a sheet of paper, however it is held and bent,
their movement is well described by a polynomial of the second degree (it includes the second order of a homography and
of a cylinder), and on a folded sheet by four more terms for folds. A nose stands out from the cheeks by a third of the
distance between the eyes: when a head turns, the nose moves against the rest of the face. This movement, in distances
between the eyes, is the *shift*: about 0.34 times the sine of the angle, sideways when the head turns, upwards when it
looks up. A photograph has no shift, however it is moved.
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
class FaceCoordinates:
    """A face's own coordinates in a picture: origin between the eyes, unit the distance between them in pixels."""

    origin: Numbers
    axes: Numbers  # the unit vectors to the right and down, as columns
    eyes: float

    def own(self, points: Numbers) -> Numbers:
        return np.asarray((points - self.origin) @ self.axes / self.eyes, dtype=np.float32)


@dataclass(frozen=True)
class Shift:
    """The movement of the nose against the rest of the face, to the right and down in the picture, with its error."""

    right: float
    down: float
    error: float  # robust standard deviation of the fit
    smooth: float  # squeezing and bending of the rest: larger for a moved sheet than for one at rest

    @property
    def size(self) -> float:
        return float(np.hypot(self.right, self.down))


def coordinates_of(five: Numbers) -> FaceCoordinates:
    """Return a face's coordinates from its five landmarks (see ``models.landmarks``)."""
    right, left = (five[2] + five[3]) / 2, (five[0] + five[1]) / 2
    across = left - right
    eyes = float(np.hypot(*across))
    if eyes < 1:
        raise ValueError("two eyes in one point")
    to_right = across / eyes
    return FaceCoordinates(
        (right + left) / 2, np.array([[to_right[0], -to_right[1]], [to_right[1], to_right[0]]]), eyes
    )


def asymmetry(face: FaceCoordinates, five: Numbers) -> float:
    """Return the sideways distance of the nose's base from the middle of the eyes, by the landmarks: 0 if frontal."""
    return float(face.own(five[4:5])[0, 0])


def shift(own: Numbers, moved: Numbers) -> Shift:
    """Measure the movement of the nose against the rest. Points are in the first picture's face coordinates.

    A least-squares fit with Tukey's weights, which ignores lost points, on hair or in the background. Raises
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
    """Return the height of the nose at each point: 1 at its tip, 0 away from it."""
    ridge = np.interp(own[:, 1], [_NOSE_TOP, NOSE_TIP, NOSE_BASE], [0.0, 1.0, 0.0])
    return np.asarray(ridge * np.exp(-((own[:, 0] / _NOSE_WIDTH) ** 2) / 2), dtype=np.float32)


def _columns(own: Numbers) -> npt.NDArray[np.float64]:
    """Return the terms for a sheet (second degree, and folds in four directions), and the nose as the last column."""
    u, v = own[:, 0].astype(np.float64), own[:, 1].astype(np.float64)
    below = v - 0.5
    folds = [np.sqrt(each**2 + 0.003) for each in (u, below, (u + below) / np.sqrt(2), (u - below) / np.sqrt(2))]
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, *folds, nose(own)], axis=1)

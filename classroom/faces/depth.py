"""Measures in two pictures of a face how far its points moved by their depth: a head has depth, a sheet of paper none.

When a head turns, its nose moves against the cheeks. The points of a sheet, however it is held and bent, move by a
polynomial of the second degree, and where it is folded by a function of the distance from the fold. The movement is
described by these and a part in proportion to the depth of the model face, the *parallax*: the sine of the angle by
which something with the depth of a face was turned.

Both are first fitted to the points of the mesh. But the mesh was trained on heads, and often sees a turned head in a
tilted photograph. So they are then fitted to the pictures themselves: those of a head confirm the parallax, those of a
photograph bring it back to nearly nothing.

A fit is held near the mesh's points, since the pictures of a smooth face say little. On a sheet that is bent sharply
these points are far off, and the error looks like depth. So a second fit is held loosely: that of a sheet then agrees
better and loses its parallax, that of a head keeps some.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from classroom.faces.mesh import Picture, Points
from classroom.faces.pose import FIRM, MODEL, eyes

Numbers = npt.NDArray[np.float64]
Gray = npt.NDArray[np.float32]

_EYES = 40.0  # pixels between the eyes in the pictures that are compared
_SIZE = (144, 144)
_MIDDLE = np.array([72.0, 52.0])  # of the eyes in those pictures
_RIGHT = np.linspace(-1.0, 1.0, 36)  # the points that are compared, in distances between the eyes
_DOWN = np.linspace(-0.15, 0.82, 24)  # from below the brows to above the mouth: both move with expression
_BLURS = (7.0, 3.2, 1.2)  # pixels: the fit begins with the most blurred picture
_ROUNDS = 10
_TUKEY = 3.0
_SPARSE = slice(None, None, 3)  # of the mesh's points, for the depth in between
_HELD, _LOOSELY = 100.0, 10.0  # weight of the mesh's points against the pictures'
_ASSUMED, _SURE = 0.3, 250.0  # parallax where the pictures say nothing: neither a head's nor a sheet's; and its weight
_ROUND, _BELOW = 0.02, 0.4  # of a fold's ridge: how round it is; where the horizontal one lies


@dataclass(frozen=True)
class Parallax:
    """Sines of the angles, to the right and upwards in the picture, and how well the pictures agree."""

    right: float
    up: float
    alike: float  # correlation of the pictures after the fit, at best 1: a low one means that the fit failed


class Reference:
    """A face in the picture that others are compared with."""

    def __init__(self, picture: Picture, points: Points) -> None:
        self._own = _own(points)
        own, depth = self._own[FIRM], MODEL[FIRM, 2]
        self._terms = np.column_stack([_terms(own), depth])
        self._solve = np.linalg.pinv(self._terms)
        self._grid = np.stack(np.meshgrid(_RIGHT, _DOWN), axis=-1).reshape(-1, 2)
        u, v = (self._grid[:, None, axis] - self._own[None, _SPARSE, axis] for axis in (0, 1))
        apart = u * u + v * v
        near = np.exp(-apart.astype(np.float32) / (2 * 0.07**2)) + np.float32(1e-12)
        self._grid_terms = np.column_stack([_terms(self._grid), near @ MODEL[_SPARSE, 2] / near.sum(axis=1)])
        self._levels = [_sampled(each, self._grid) for each in _prepared(picture, points)]

    def by_points(self, points: Points) -> tuple[float, float]:
        """Return the parallax by the mesh alone, to the right and upwards: cheap, but a photograph can have some."""
        right, down = (self._solve @ (_own(points)[FIRM]))[-1]
        return float(right), float(-down)

    def compare(self, picture: Picture, points: Points, sines: Numbers) -> tuple[Parallax, Parallax]:
        """Return the parallax by the pictures, given the sines of yaw and pitch: held near the mesh, and loosely."""
        moved, images = _own(points)[FIRM], [_with_slopes(each) for each in _prepared(picture, points)]
        expected = sines * np.array([1.0, -1.0])
        return self._fit(images, moved, expected, _HELD), self._fit(images, moved, expected, _LOOSELY)

    def _fit(self, images: list[Gray], moved: Numbers, expected: Numbers, hold: float) -> Parallax:
        """Improve the mesh's fit by Gauss-Newton steps, from the blurred picture to the sharp one."""
        terms, held = self._grid_terms, self._terms
        used, found = terms.shape[1], self._solve @ moved
        columns = np.empty((len(terms), 2 * used))
        by_mesh, small = held.T @ held * hold, 1e-6 * np.eye(used)
        for image, wanted in zip(images, self._levels, strict=True):
            for _round in range(_ROUNDS):
                values, along_x, along_y = _sampled(image, terms @ found)
                left = wanted - values
                spread = 1.48 * _median(np.abs(left)) + 1e-3
                weights = np.clip(1 - (left / (_TUKEY * spread)) ** 2, 0, 1) ** 2
                np.multiply(terms, (along_x * _EYES)[:, None], out=columns[:, :used])
                np.multiply(terms, (along_y * _EYES)[:, None], out=columns[:, used:])
                normal = columns.T @ (columns * weights[:, None])
                pull = columns.T @ (left * weights)
                # The mesh's points hold the sheet's part where the pictures say nothing; never the part by depth.
                loose = by_mesh * spread**2
                toward = held.T @ (moved - held @ found) * hold * spread**2
                loose[-1], loose[:, -1] = 0, 0
                loose[-1, -1] = _SURE * spread**2
                toward[-1] = _SURE * spread**2 * (_ASSUMED * expected - found[-1])
                loose += small
                for part in (0, 1):
                    where = slice(part * used, (part + 1) * used)
                    normal[where, where] += loose
                    pull[where] += toward[:, part]
                step = np.linalg.solve(normal, pull).reshape(2, used).T
                found += step
                if np.abs(step).max() < 2e-3:
                    break
        alike = float(np.corrcoef(_sampled(images[-1], terms @ found)[0], self._levels[-1])[0, 1])
        return Parallax(float(found[-1, 0]), float(-found[-1, 1]), alike)


def _with_slopes(image: Gray) -> Gray:
    """Return a picture with its slopes across and down as further channels."""
    slopes = [cv2.Sobel(image, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1))]
    return np.asarray(cv2.merge([image, *slopes]), np.float32)


def _own(points: Points) -> Numbers:
    """Return the points in the face's own coordinates: origin between the eyes, unit the distance between them."""
    right, left = eyes(points)
    across = left - right
    unit = float(np.hypot(*across))
    axes = np.array([[across[0], -across[1]], [across[1], across[0]]]) / unit
    return np.asarray((points[:, :2] - (right + left) / 2) @ axes / unit, dtype=np.float64)


def _terms(own: Numbers) -> Numbers:
    """Return the terms of a sheet's motion."""
    u, v = own[:, 0], own[:, 1]
    folds = np.sqrt(u * u + _ROUND), np.sqrt((v - _BELOW) ** 2 + _ROUND)  # along the nose, and across it
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, *folds], axis=1)


def _prepared(picture: Picture, points: Points) -> list[Gray]:
    """Return the face in its own coordinates, without the light's slow changes, by blur."""
    right, left = eyes(points)
    across = left - right
    unit = float(np.hypot(*across))
    cos, sin = across / unit * (_EYES / unit)
    middle = (right + left) / 2
    to_own = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    to_own[:, 2] = _MIDDLE - to_own[:, :2] @ middle
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    if unit > 1.5 * _EYES:
        gray = cv2.GaussianBlur(gray, (0, 0), 0.4 * unit / _EYES)
    face = cv2.warpAffine(gray, to_own, _SIZE, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    face = face - cv2.GaussianBlur(face, (0, 0), 12)
    face /= np.sqrt(cv2.GaussianBlur(face * face, (0, 0), 16)) + 4
    return [np.asarray(cv2.GaussianBlur(face, (0, 0), blur), np.float32) for blur in _BLURS]


def _sampled(image: Gray, own: Numbers) -> Numbers:
    """Return the values of a picture at points: one for each point, or a row of them for each channel."""
    at = (own * _EYES + _MIDDLE).astype(np.float32)[:, None]
    values = cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.ascontiguousarray(values[:, 0].T, np.float64)


def _median(values: Numbers) -> float:
    """Return the median, as np.median does, without what that does for arrays of any shape."""
    middle = len(values) // 2
    halves = np.partition(values, (middle - 1, middle))
    return float(halves[middle] if len(values) % 2 else (halves[middle - 1] + halves[middle]) / 2)

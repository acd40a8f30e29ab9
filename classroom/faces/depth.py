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
_GRID = np.stack(np.meshgrid(_RIGHT, _DOWN)).reshape(2, -1)
_BLURS = (7.0, 3.2, 1.2)  # pixels: the fit begins with the most blurred picture
_ROUNDS = 10
_SMALL = 1e-6 * np.eye(9)
_TUKEY = 3.0
_SPARSE = slice(None, None, 3)  # of the mesh's points, for the depth in between
_HOLDS = np.array([100.0, 10.0])[:, None, None]  # weights of the mesh's points against the pictures': held, and loosely
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
        own, depth = _own(points), MODEL[FIRM, 2]
        self._terms = np.vstack([_terms(*own[FIRM].T), depth])
        self._solve = np.linalg.pinv(self._terms.T)
        self._grid_terms = np.vstack([_terms(*_GRID), _depth_on_grid(own[_SPARSE])])
        products = self._grid_terms[:, None] * self._grid_terms
        self._products = products.reshape(-1, _GRID.shape[1]).T.astype(np.float32)
        self._levels = [_sampled(each, _GRID[None])[0, 0] for each in _prepared(picture, points)]

    def by_points(self, points: Points) -> tuple[float, float]:
        """Return the parallax by the mesh alone, to the right and upwards: cheap, but a photograph can have some."""
        right, down = (self._solve @ (_own(points)[FIRM]))[-1]
        return float(right), float(-down)

    def compare(self, picture: Picture, points: Points, sines: Numbers) -> list[Parallax]:
        """Return the parallax by the pictures, given the sines of yaw and pitch: held near the mesh, and loosely.

        Both fits are improved at once by Gauss-Newton steps, from the blurred picture to the sharp one.
        """
        terms, held, moved = self._grid_terms, self._terms, _own(points)[FIRM].T
        images = [_with_slopes(each) for each in _prepared(picture, points)]
        fits, used = len(_HOLDS), len(terms)
        found = np.tile(moved @ self._solve.T, (fits, 1, 1))  # of each fit, across and down: the weights of the terms
        # The mesh's points hold the sheet's part where the pictures say nothing; never the part by depth.
        goal, pull = _HOLDS * (moved @ held.T), _HOLDS * (held @ held.T)
        goal[:, :, -1] = _SURE * _ASSUMED * sines * np.array([1.0, -1.0])
        pull[:, :, -1] = _SURE * np.eye(used)[-1]
        stiff = pull.copy()
        stiff[:, -1, :-1] = 0
        normal = np.empty((fits, 2, used, 2, used))
        for image, wanted in zip(images, self._levels, strict=True):
            going = np.ones((fits, 1, 1))
            for _round in range(_ROUNDS):
                values, along_x, along_y = _sampled(image, found @ terms)
                left = wanted - values
                spread = 1.48 * _median(np.abs(left)) + 1e-3
                weights = np.maximum(1 - (left / (_TUKEY * spread)) ** 2, 0) ** 2
                noise = spread[:, :, None] ** 2
                x, y = weights * along_x, weights * along_y
                slopes = np.concatenate([x * along_x, x * along_y, y * along_y])
                parts = slopes.astype(np.float32) @ self._products
                in_x, in_both, in_y = parts.reshape(3, fits, used, used)
                normal[:, 0, :, 0] = in_x + stiff * noise + _SMALL
                normal[:, 0, :, 1] = normal[:, 1, :, 0] = in_both
                normal[:, 1, :, 1] = in_y + stiff * noise + _SMALL
                change = np.stack([x * left, y * left], axis=1) @ terms.T + (goal - found @ pull) * noise
                step = np.linalg.solve(normal.reshape(fits, 2 * used, -1), change.reshape(fits, -1, 1))
                found += (step := step.reshape(found.shape) * going)
                going *= np.abs(step).max(axis=(1, 2), keepdims=True) >= 2e-3
                if not going.any():
                    break
        alike = np.corrcoef(self._levels[-1], _sampled(images[-1], found @ terms)[0])[0, 1:]
        return [Parallax(float(x[-1]), float(-y[-1]), float(each)) for (x, y), each in zip(found, alike, strict=True)]


def _with_slopes(image: Gray) -> Gray:
    """Return a picture with its slopes across and down, by the distance between the eyes, as further channels."""
    slopes = [cv2.Sobel(image, cv2.CV_32F, *way, scale=_EYES / 8) for way in ((1, 0), (0, 1))]
    return np.asarray(cv2.merge([image, *slopes]), np.float32)


def _own(points: Points) -> Numbers:
    """Return the points in the face's own coordinates: origin between the eyes, unit the distance between them."""
    right, left = eyes(points)
    across = left - right
    unit = float(np.hypot(*across))
    axes = np.array([[across[0], -across[1]], [across[1], across[0]]]) / unit
    return np.asarray((points[:, :2] - (right + left) / 2) @ axes / unit, dtype=np.float64)


def _terms(u: Numbers, v: Numbers) -> Numbers:
    """Return the terms of a sheet's motion, a row for each."""
    folds = np.sqrt(u * u + _ROUND), np.sqrt((v - _BELOW) ** 2 + _ROUND)  # along the nose, and across it
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, *folds])


def _depth_on_grid(own: Numbers) -> Numbers:
    """Return the model face's depth at the points that are compared, from the mesh's points nearby."""
    across, down = (
        np.exp(-((line[:, None] - own[:, axis]) ** 2) / (2 * 0.07**2)) for axis, line in enumerate((_RIGHT, _DOWN))
    )
    depth = MODEL[_SPARSE, 2]
    near, far = down @ across.T, 1e-12
    return np.ravel(((down * depth) @ across.T + far * depth.sum()) / (near + far * len(depth)))


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
    """Return the values of a picture at rows of points (across, down): for each channel a row for each of theirs."""
    across, down = (own * _EYES + _MIDDLE[:, None]).astype(np.float32).swapaxes(0, -2)
    values = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(values), 2, 0), np.float64)


def _median(values: Numbers) -> Numbers:
    """Return the median of each row, of an even length."""
    middle, ordered = values.shape[1] // 2, np.sort(values.astype(np.float32))
    return np.asarray(ordered[:, middle - 1 : middle + 1].mean(axis=1, keepdims=True), dtype=np.float64)

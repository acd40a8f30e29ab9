"""The head's pose from the points of a face mesh: the model face's points as a camera would see them."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from classroom.faces import FaceUnavailable
from classroom.faces.mesh import Points, weights

Numbers = npt.NDArray[np.float64]

FOCAL = 1.4  # focal length in sides of the picture: a view of 40 degrees, the middle of a phone's front camera
_RIGHT_EYE, _LEFT_EYE = (33, 133), (263, 362)  # corners
# Points that neither speech nor expression moves much: forehead, nose, corners of the eyes, cheekbones, temples.
_MIDDLE = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1)
_RIGHT_SIDE = (
    *(33, 34, 48, 47, 50, 54, 67, 68, 69, 71, 98, 100, 101, 103, 104, 108, 109, 111, 115, 116, 117),
    *(118, 119, 123, 129, 131, 133, 139, 143, 156, 217, 227),
)
_LEFT_SIDE = (
    *(263, 264, 278, 277, 280, 284, 297, 298, 299, 301, 327, 329, 330, 332, 333, 337, 338, 340, 344, 345, 346),
    *(347, 348, 352, 358, 360, 362, 368, 372, 383, 437, 447),
)
FIRM = np.array(sorted({*_MIDDLE, *_RIGHT_SIDE, *_LEFT_SIDE}))


def eyes(points: npt.NDArray[np.floating[Any]]) -> tuple[Numbers, Numbers]:
    """Return the middles of the person's right and left eye in the picture."""
    right, left = (points[list(each), :2].mean(axis=0).astype(np.float64) for each in (_RIGHT_EYE, _LEFT_EYE))
    return right, left


def _model() -> Numbers:
    """Return the model face in distances between its eyes: right in the picture, down, and towards the camera."""
    read = np.loadtxt(weights("face_model.txt"))
    right, left = eyes(read)
    placed = (read - np.append((right + left) / 2, read[FIRM, 2].mean())) / float(np.hypot(*(left - right)))
    return np.asarray(placed * np.array([1.0, -1.0, 1.0]), dtype=np.float64)


MODEL = _model()
_FIRM_MODEL = MODEL[FIRM] * np.array([1.0, 1.0, -1.0])  # OpenCV's third axis points away from the camera


@dataclass(frozen=True)
class Pose:
    """Degrees: yaw to the right in the picture (the person's left), pitch up, roll clockwise as seen.

    All against the line from the camera to the head, so that a face at the edge counts like one in the middle.
    """

    yaw: float
    pitch: float
    roll: float


def pose(points: Points, size: tuple[int, int]) -> Pose:
    """Return the pose of a face in a picture of this width and height."""
    focal = FOCAL * max(size)
    camera = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
    seen = points[FIRM, :2].astype(np.float64)
    _found, turn, place = cv2.solvePnP(_FIRM_MODEL, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not _found:
        raise FaceUnavailable("no pose fits the mesh")
    turn, place = cv2.solvePnPRefineLM(_FIRM_MODEL, seen, camera, None, turn, place)
    own = _towards(np.asarray(place, dtype=np.float64).ravel()) @ cv2.Rodrigues(turn)[0]
    nose = own @ np.array([0.0, 0.0, -1.0])
    return Pose(
        yaw=math.degrees(math.atan2(nose[0], -nose[2])),
        pitch=math.degrees(math.atan2(-nose[1], math.hypot(nose[0], nose[2]))),
        roll=math.degrees(math.atan2(own[1, 0], own[0, 0])),
    )


def _towards(place: Numbers) -> Numbers:
    """Return the rotation that brings a place onto the camera's axis."""
    line = place / np.linalg.norm(place)
    about = np.array([line[1], -line[0], 0.0])
    sine = math.hypot(line[0], line[1])
    if sine < 1e-9:
        return np.eye(3)
    return np.asarray(cv2.Rodrigues(about / sine * math.atan2(sine, float(line[2])))[0], dtype=np.float64)

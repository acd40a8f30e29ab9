"""Face detection and the mesh of 468 points: MediaPipe's BlazeFace (short range) and face mesh, run by OpenCV's dnn.

The weights are in the folder weights, with their origin, licence and checksums. Pictures are BGR. Points are numbered
as in MediaPipe's face mesh; "right" is the right side of the picture.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from classroom.faces import FaceRefused

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

POINTS = 468
SURE = 0.5  # score from which a detection counts as a face
SECOND = 0.5  # of the largest face's width, from which a second face counts
_INPUT, _MESH_INPUT = 128, 192  # pixels: the networks' inputs
_OVERLAP = 0.3  # of two boxes (intersection over union), from which they show the same face
_MARGIN = 1.5  # the mesh's crop, in widths of the face
_RIGHT_EYE, _LEFT_EYE = 33, 263  # the outer corners of the person's right and left eye
_WEIGHTS = Path(__file__).parent / "weights"
_SUMS = {
    "face_descriptor.onnx": "f0ca062501b146140b109fc74a76818bb2b99483bcf22e3d29e186c72f97b059",
    "face_detection.tflite": "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    "face_mesh.tflite": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    "face_model.txt": "d8259131ee08e036632a4338ca1ce33cf72a2e0142aaec7b54bc9b647ba07f86",
}
_NETWORKS = ("face_detection.tflite", "face_mesh.tflite")


@dataclass(frozen=True)
class Region:
    """A square in a picture that contains a face, rotated so that the face is upright. In pixels and radians."""

    x: float
    y: float
    side: float
    angle: float


@dataclass(frozen=True)
class Found:
    """A detected face: its box in pixels, and six points: both eyes (the person's right first), nose, mouth, ears."""

    left: int
    top: int
    right: int
    bottom: int
    score: float
    points: Points

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def region(self) -> Region:
        (right_x, right_y), (left_x, left_y) = self.points[0], self.points[1]
        side = max(self.right - self.left, self.bottom - self.top) * _MARGIN
        angle = math.atan2(left_y - right_y, left_x - right_x)
        return Region((self.left + self.right) / 2, (self.top + self.bottom) / 2, side, angle)


@dataclass(frozen=True)
class Mesh:
    """468 points (x and y in pixels, z towards the back, on the same scale) and the network's belief in a face."""

    points: Points
    presence: float  # 0 to 1

    @property
    def region(self) -> Region:
        """The region for the next picture: the face can be tracked without a detection."""
        across = self.points[_LEFT_EYE] - self.points[_RIGHT_EYE]
        angle = math.atan2(float(across[1]), float(across[0]))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        upright = self.points[:, :2] @ turn
        low, high = upright.min(axis=0), upright.max(axis=0)
        centre = turn @ ((low + high) / 2)
        return Region(float(centre[0]), float(centre[1]), float((high - low).max()) * _MARGIN, angle)


def detect(picture: Picture) -> list[Found]:
    """Return the faces in a picture, largest first: from about a seventh of its longer side on."""
    height, width = picture.shape[:2]
    side = max(height, width)
    factor = _INPUT / side
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    square = np.zeros((_INPUT, _INPUT, 3), np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    net = _networks()[0]
    net.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True))
    boxes, scores = net.forward(["regressors", "classificators"])
    scored = (1 / (1 + np.exp(-np.clip(scores.ravel(), -80, 80)))).astype(np.float32)
    sure = scored >= SURE
    moved = (boxes[0, sure] / _INPUT).reshape(-1, 8, 2)  # centre, size, six points
    moved[:, [0, 2, 3, 4, 5, 6, 7]] += _anchors()[sure][:, None]
    found = [_found(each * side, score) for each, score in _merged(moved, scored[sure])]
    return sorted(found, key=lambda face: -face.width)


def faces(found: list[Found]) -> list[Found]:
    """Return the largest face, and others that are at least half as wide: smaller ones are in the background."""
    return [face for face in found if face.width >= SECOND * found[0].width]


def landmarks(picture: Picture, where: Found | Mesh) -> Mesh:
    """Return the mesh of a face that was detected, or of one whose mesh in the previous picture is given."""
    region = where.region
    to_crop = _to_crop(region)
    crop = cv2.warpAffine(picture, to_crop, (_MESH_INPUT, _MESH_INPUT), flags=cv2.INTER_LINEAR)
    net = _networks()[1]
    net.setInput(cv2.dnn.blobFromImage(crop, 1 / 255, swapRB=True))
    points, presence = net.forward(["conv2d_20", "conv2d_30"])
    found = points.reshape(POINTS, 3)
    back = cv2.invertAffineTransform(to_crop)
    placed = found[:, :2] @ back[:, :2].T + back[:, 2]
    depth = found[:, 2:] * region.side / _MESH_INPUT
    belief = 1 / (1 + math.exp(-max(-80.0, min(80.0, float(presence.ravel()[0])))))
    return Mesh(np.concatenate([placed, depth], axis=1).astype(np.float32), belief)


def load() -> None:
    """Load the networks, once in a process. Raises FaceRefused: a file is missing or was changed."""
    _networks()


@cache
def _networks() -> tuple[cv2.dnn.Net, cv2.dnn.Net]:
    # OpenCV's new engine gives only one of the networks' two outputs; read from memory, it is used nevertheless.
    detector, mesh = (cv2.dnn.readNetFromTFLite(str(weights(name)), cv2.dnn.ENGINE_CLASSIC) for name in _NETWORKS)
    return detector, mesh


def weights(name: str) -> Path:
    """Return a file of weights after comparing its checksum. Raises FaceRefused: it is missing or was changed."""
    path = _WEIGHTS / name
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FaceRefused(f"the face engine is not installed ({name}: {error.strerror})") from error
    if found != _SUMS[name]:
        raise FaceRefused(f"the face engine's file {name} was changed")
    return path


@cache
def _anchors() -> npt.NDArray[np.float32]:
    """Return the centres of the detector's 896 cells, 0 to 1: two for each of 16 x 16 cells, six for each of 8 x 8."""
    made = []
    for cells, times in ((16, 2), (8, 6)):
        middle = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
        made.append(np.repeat(grid, times, axis=0))
    return np.concatenate(made).astype(np.float32)


def _merged(boxes: Points, scores: Points) -> list[tuple[Points, float]]:
    """Return each face once: the mean of the boxes that overlap its best one, weighted by score."""
    low, high = boxes[:, 0] - boxes[:, 1] / 2, boxes[:, 0] + boxes[:, 1] / 2
    area = boxes[:, 1].prod(axis=1)
    left, merged = np.argsort(-scores), []
    while left.size:
        best = left[0]
        shared = np.clip(np.minimum(high[left], high[best]) - np.maximum(low[left], low[best]), 0, None).prod(axis=1)
        same = shared > _OVERLAP * (area[left] + area[best] - shared)
        same[0] = True
        together = left[same]
        merged.append((np.average(boxes[together], axis=0, weights=scores[together]), float(scores[best])))
        left = left[~same]
    return merged


def _found(box: Points, score: float) -> Found:
    (left, top), (right, bottom) = box[0] - box[1] / 2, box[0] + box[1] / 2
    return Found(round(left), round(top), round(right), round(bottom), score, box[2:].astype(np.float32))


def _to_crop(region: Region) -> npt.NDArray[np.float64]:
    """Return the affine map from a picture to the mesh's input."""
    scale = _MESH_INPUT / region.side
    cos, sin = math.cos(region.angle) * scale, math.sin(region.angle) * scale
    middle = _MESH_INPUT / 2
    return np.array(
        [
            [cos, sin, middle - cos * region.x - sin * region.y],
            [-sin, cos, middle + sin * region.x - cos * region.y],
        ]
    )

"""Face descriptors: SFace (OpenCV Zoo), 128 numbers of length one, run by OpenCV's dnn.

The weights are the zoo's, stored with 8 bits each (see the folder weights). A face is first moved, rotated and scaled
so that eyes, nose and mouth lie where they did in the network's training. Two descriptors are compared by their
*distance*, one minus their cosine: 0 is the same picture, about 1 are two people who have nothing in common.
"""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from classroom.domain.face_policy import SCALE
from classroom.faces import PhotoUnusable
from classroom.faces.mesh import Picture, Points, weights

Descriptor = npt.NDArray[np.float32]

LENGTH = 128
SIDE = 112  # pixels: the network's input
_SHRUNK = 0.6  # scale below which a picture is shrunk before its face is cut out
# Where eyes, nose and corners of the mouth belong in the input, and which points of the mesh they are the middle of.
_PLACES = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]])
_POINTS = ((33, 133, 159, 145), (263, 362, 386, 374), (1, 4), (61,), (291,))


def describe(picture: Picture, points: Points) -> Descriptor:
    """Return the descriptor of a face, given its mesh in the picture (BGR)."""
    network = _network()
    network.setInput(cv2.dnn.blobFromImage(aligned(picture, points), swapRB=True))
    return _unit(np.asarray(network.forward(), dtype=np.float32).ravel())


def aligned(picture: Picture, points: Points) -> Picture:
    """Return the face upright, in the size and place that the network takes."""
    found = np.array([points[list(each), :2].mean(axis=0) for each in _POINTS], dtype=np.float64)
    here, there = found @ (1, 1j), _PLACES @ (1, 1j)  # as complex numbers rotation and scale are one factor
    shifted = here - here.mean()
    factor = np.vdot(shifted, there - there.mean()) / np.vdot(shifted, shifted)
    move = there.mean() - factor * here.mean()
    if (size := abs(factor) / _SHRUNK) < 1:  # a large face: without this, single pixels of it would be picked
        picture = np.asarray(cv2.resize(picture, None, fx=size, fy=size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        factor /= size
    to_input = np.array([[factor.real, -factor.imag, move.real], [factor.imag, factor.real, move.imag]])
    return np.asarray(cv2.warpAffine(picture, to_input, (SIDE, SIDE)), dtype=np.uint8)


def mean(descriptors: Sequence[Descriptor]) -> Descriptor:
    """Return the descriptor of one face in several pictures, in which the differences between them cancel out."""
    return _unit(np.mean(descriptors, axis=0))


def apart(one: Descriptor, other: Descriptor) -> float:
    return float(1 - one @ other)


def packed(descriptor: Descriptor) -> bytes:
    """Return a descriptor as a template: a byte for the scale, then the numbers."""
    return bytes([SCALE]) + descriptor.astype("<f4").tobytes()


def unpacked(template: bytes) -> Descriptor:
    """Return a template's descriptor. Raises PhotoUnusable: it is of another engine or scale."""
    if len(template) != 1 + 4 * LENGTH or template[0] != SCALE:
        raise PhotoUnusable("the template is not of this engine")
    return np.frombuffer(template, dtype="<f4", offset=1)


def load() -> None:
    """Load the network, once in a process. Raises FaceRefused: its file is missing or was changed."""
    _network()


@cache
def _network() -> cv2.dnn.Net:
    return cv2.dnn.readNetFromONNX(np.fromfile(weights("face_descriptor.onnx"), dtype=np.uint8))


def _unit(vector: npt.NDArray[np.float32]) -> Descriptor:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)

"""dlib's three models: face detection, five-point landmarks, and the descriptor of 128 numbers.

The model files come from the package face_recognition_models and are found by path: its own module needs
pkg_resources, which new setuptools no longer has. The five-point landmarks are used, not the 68-point ones, whose
training data restricts commercial use (see NOTICE).
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classroom.faces import FaceRefused

Points = npt.NDArray[np.float32]

SURE = 0.6  # a detector's score; non-faces rarely have more than 0.5
SECOND = 0.5  # of the largest face's width, from which a second face counts
_CHIP = 150  # pixels: the input size of the descriptor's network
_PADDING = 0.25


@dataclass(frozen=True)
class Found:
    """A face in a picture: its box in pixels."""

    left: int
    top: int
    right: int
    bottom: int
    score: float = 1.0  # the detector's confidence, from 0 on

    @property
    def width(self) -> int:
        return self.right - self.left

    def scaled(self, factor: float) -> "Found":
        left, top, right, bottom = (round(factor * each) for each in (self.left, self.top, self.right, self.bottom))
        return Found(left, top, right, bottom, self.score)


class _Models(NamedTuple):
    dlib: Any
    detector: Any
    landmarks: Any
    describer: Any


@cache
def load() -> _Models:
    """Load the models, once in a process. Raises FaceRefused: they are not installed."""
    import dlib  # type: ignore[import-untyped]  # imported late: it takes 0.3 s and 60 MB, only in worker processes

    found = importlib.util.find_spec("face_recognition_models")
    if found is None or not found.submodule_search_locations:
        raise FaceRefused("the face engine is not installed (face_recognition_models)")
    folder = Path(found.submodule_search_locations[0]) / "models"
    landmarks = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
    describer = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))
    return _Models(dlib, dlib.get_frontal_face_detector(), landmarks, describer)


def detect(picture: npt.NDArray[np.uint8], doubled: int = 0) -> list[Found]:
    """Return the frontal faces of a picture (grey or RGB), largest first, from 80 pixels on (40 with ``doubled=1``)."""
    boxes, scores, _kinds = load().detector.run(picture, doubled, 0.0)
    found = [
        Found(box.left(), box.top(), box.right(), box.bottom(), score) for box, score in zip(boxes, scores, strict=True)
    ]
    return sorted(found, key=lambda box: -box.width)


def faces(found: list[Found]) -> list[Found]:
    """Return the largest face scored from ``SURE`` on, and others of ``SECOND`` of its width; without one, the best."""
    sure = [box for box in found if box.score >= SURE]
    if not sure:
        return sorted(found, key=lambda box: -box.score)[:1]
    return [box for box in sure if box.width >= SECOND * sure[0].width]


def landmarks(picture: npt.NDArray[np.uint8], box: Found) -> Points:
    """Return (x, y) of the person's own left eye's outer and inner corner, the right eye's, and the nose's base."""
    shape = _shape(picture, box)
    return np.array([(shape.part(at).x, shape.part(at).y) for at in range(shape.num_parts)], dtype=np.float32)


def chip(rgb: npt.NDArray[np.uint8], box: Found) -> npt.NDArray[np.uint8]:
    """Return the face, upright and in the size that ``describe`` takes."""
    return np.asarray(load().dlib.get_face_chip(rgb, _shape(rgb, box), _CHIP, _PADDING), dtype=np.uint8)


def describe(face: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the descriptor of a ``chip``: 128 numbers, to be compared by Euclidean distance."""
    return np.array(load().describer.compute_face_descriptor(face), dtype=np.float64)


def _shape(picture: npt.NDArray[np.uint8], box: Found) -> Any:
    rectangle = load().dlib.rectangle(box.left, box.top, box.right, box.bottom)
    return load().landmarks(picture, rectangle)

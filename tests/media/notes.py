"""Portraits and video notes drawn from them, cached for a test run, since drawing takes a second."""

import os
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import skimage.data

from classroom.faces import matching
from sandbox.video_notes import Face, Look, Picture, Surface, drawn, encoded, flat, head, turned

ASTRONAUT, ADMIRAL = "astronaut", "admiral"  # portraits inside scikit-image and matplotlib


@cache
def portrait(name: str) -> Picture:
    """Return a portrait in BGR: one of the two above, a file in the folder FACES, or one with its whole path."""
    if name == ASTRONAUT:
        return np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
    if name == ADMIRAL:
        path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
        return np.asarray(cv2.imread(str(path)), dtype=np.uint8)
    path = Path(name) if Path(name).is_absolute() else more_faces() / name
    return np.asarray(cv2.imread(str(path)), dtype=np.uint8)


def more_faces() -> Path:
    """Return the folder with two photographs of each person; skip the test without one."""
    folder = os.environ.get("FACES", "")
    if not folder:  # also under REQUIRE_ALL: photographs of people are not the project's to bring along
        pytest.skip("FACES names no folder with photographs")
    return Path(folder)


def jpeg(picture: Picture, quality: int = 92) -> bytes:
    """Return a picture as a JPEG."""
    made, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert made
    return content.tobytes()


@cache
def face(name: str) -> Face:
    """Return a portrait and the places of its eyes."""
    picture = portrait(name)
    _placed, found = matching.the_face(np.ascontiguousarray(picture[:, :, ::-1]))
    right, left = (found.points[list(corners), :2].mean(axis=0) for corners in ((33, 133), (362, 263)))
    return Face(picture, (float(right[0]), float(right[1])), (float(left[0]), float(left[1])))


@cache
def recorded(
    name: str, motions: tuple[str, ...], surface: Surface = head, look: Look | None = None, degrees: float = 25.0
) -> bytes:
    """Return a note of a person, or of a photograph, that makes the motions."""
    look = look or Look()
    return encoded(drawn(face(name), turned(motions, degrees=degrees, seconds=0.8, rest=0.35), surface, look), look.crf)


__all__ = ["ADMIRAL", "ASTRONAUT", "Look", "face", "flat", "head", "jpeg", "more_faces", "portrait", "recorded"]

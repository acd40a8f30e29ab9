"""The face detector, the mesh, and the pose, on photographs that come with other packages."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from classroom.faces import FaceRefused, mesh, pose
from tests.media.notes import ADMIRAL, ASTRONAUT, portrait

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", [ASTRONAUT, ADMIRAL])
def test_small_faces(name: str) -> None:
    """A face is found from 60 pixels on in a note of 384, and its mesh has its eyes where they are."""
    picture = portrait(name)
    found = mesh.detect(picture)[0]
    for width in (60, 120):
        small = cv2.resize(picture, None, fx=width / found.width, fy=width / found.width, interpolation=cv2.INTER_AREA)
        note = np.full((384, 384, 3), 90, np.uint8)
        part = small[:384, :384]
        note[: part.shape[0], : part.shape[1]] = part
        seen = mesh.detect(note)[0]
        assert seen.width == pytest.approx(width, abs=0.25 * width)
        face = mesh.landmarks(note, seen)
        assert face.presence > 0.9
        right, left = pose.eyes(face.points)
        assert np.hypot(*(right - seen.points[0])) < 0.12 * width
        assert np.hypot(*(left - seen.points[1])) < 0.12 * width


def test_rolled() -> None:
    """The mesh follows a head that is tilted to the side."""
    picture = np.asarray(cv2.resize(portrait(ASTRONAUT)[0:300, 90:390], (384, 384)), np.uint8)
    upright = mesh.landmarks(picture, mesh.detect(picture)[0])
    roll = pose.pose(upright.points, (384, 384)).roll
    turned = np.asarray(cv2.warpAffine(picture, cv2.getRotationMatrix2D((192, 192), -20, 1), (384, 384)), np.uint8)
    tilted = mesh.landmarks(turned, mesh.landmarks(turned, mesh.detect(turned)[0]))
    assert pose.pose(tilted.points, (384, 384)).roll == pytest.approx(roll + 20, abs=4)


def test_nothing() -> None:
    """There is no face in a grey picture."""
    assert mesh.detect(np.full((384, 384, 3), 90, np.uint8)) == []


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-25, 0), (0, 20), (0, -20), (15, 10)])
def test_pose(yaw: float, pitch: float) -> None:
    """The model face's own points give back the angles that it was turned by, also at the picture's edge."""
    y, x = math.radians(yaw), math.radians(pitch)
    about_down = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_right = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    turned = pose.MODEL @ (about_right @ about_down).T
    focal, distance = pose.FOCAL * 384, 6.5
    seen = turned[:, :2] * (focal / (distance - turned[:, 2:])) + 192
    points = np.column_stack([seen, turned[:, 2]]).astype(np.float32)
    found = pose.pose(points, (384, 384))
    assert [found.yaw, found.pitch] == pytest.approx([yaw, pitch], abs=1.5)


def test_changed_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed or missing file of weights is refused, by name."""
    monkeypatch.setattr(mesh, "_WEIGHTS", tmp_path)
    with pytest.raises(FaceRefused, match=r"face_mesh\.tflite"):
        mesh.weights("face_mesh.tflite")
    (tmp_path / "face_mesh.tflite").write_bytes(b"other")
    with pytest.raises(FaceRefused, match="changed"):
        mesh.weights("face_mesh.tflite")

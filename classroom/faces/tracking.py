"""Tracks a face through a note: its mesh and pose in each picture. Runs in a worker process.

The detector looks at the first picture, at one in a second (for a second face), and where the face was lost; in
between, each mesh says where the next picture's face is.
"""

import time
from dataclasses import dataclass, field

import cv2
import numpy as np

from classroom.faces import mesh
from classroom.faces.pose import Pose, eyes, pose
from classroom.faces.video import Frame, Picture, frames

LOOK_EVERY = 8  # pictures: a second
_PRESENT = 0.5  # the network's belief from which there is a face
_JUMP = 0.6  # of the face's side, from which it is a face elsewhere
_FACE = slice(60, 130)  # brightness is measured in the middle of the face's region scaled to 192 pixels


@dataclass(frozen=True)
class Seen:
    """A picture with a face. Pictures of one ``stretch`` follow each other without a break."""

    at: float  # seconds
    picture: Picture
    mesh: mesh.Mesh
    pose: Pose
    stretch: int

    @property
    def eyes(self) -> float:
        """The distance between the eyes in pixels."""
        right, left = eyes(self.mesh.points)
        return float(np.hypot(*(left - right)))

    @property
    def sharp(self) -> float:
        """The variance of the Laplacian in the face, scaled to one size."""
        return float(cv2.Laplacian(self._face(96), cv2.CV_32F).var())

    @property
    def light(self) -> float:
        """The mean brightness of the face, 0 to 255."""
        return float(self._face(32).mean())

    def _face(self, side: int) -> Picture:
        low, high = self.mesh.points[:, :2].min(axis=0), self.mesh.points[:, :2].max(axis=0)
        (left, top), (right, bottom) = np.maximum(low, 0).astype(int), high.astype(int)
        face = self.picture[top : bottom + 1, left : right + 1]
        if not face.size:
            return np.zeros((side, side), np.uint8)
        gray = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


@dataclass
class Tracked:
    """The observations in a note."""

    seen: list[Seen] = field(default_factory=list)
    pictures: int = 0
    light: float = 0.0  # the mean brightness of the pictures
    looked: int = 0  # detections
    two_faces: int = 0  # of them with a second large face
    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "detect": 0.0, "track": 0.0})


class _Tracker:
    def __init__(self) -> None:
        self.tracked = Tracked()
        self._last: mesh.Mesh | None = None
        self._stretch = 0

    def take(self, frame: Frame) -> None:
        tracked = self.tracked
        tracked.light += (float(frame.gray.mean()) - tracked.light) / (tracked.pictures + 1)
        found: mesh.Mesh | None = None
        if self._last is not None:
            found = self._followed(frame.picture, self._last)
        if found is None or tracked.pictures % LOOK_EVERY == 0:
            detected = self._detected(frame.picture)
            if found is None and detected:
                found = self._followed(frame.picture, detected[0])
                lost = self._last is None and bool(tracked.seen)
                self._stretch += lost or (found is not None and self._is_elsewhere(found))
        tracked.pictures += 1
        self._last = found
        if found is not None:
            height, width = frame.picture.shape[:2]
            turned = pose(found.points, (width, height))
            tracked.seen.append(Seen(frame.at, frame.picture, found, turned, self._stretch))

    def _followed(self, picture: Picture, where: mesh.Found | mesh.Mesh) -> mesh.Mesh | None:
        started = time.perf_counter()
        found = mesh.landmarks(picture, where)
        self.tracked.seconds["track"] += time.perf_counter() - started
        return found if found.presence >= _PRESENT else None

    def _detected(self, picture: Picture) -> list[mesh.Found]:
        started = time.perf_counter()
        found = mesh.faces(mesh.detect(picture))
        self.tracked.looked += 1
        self.tracked.two_faces += len(found) > 1
        self.tracked.seconds["detect"] += time.perf_counter() - started
        return found

    def _is_elsewhere(self, found: mesh.Mesh) -> bool:
        if self._last is None:
            return False
        now, before = found.region, self._last.region
        return bool(np.hypot(now.x - before.x, now.y - before.y) > _JUMP * before.side / 1.5)


def track(note: bytes) -> Tracked:
    """Track the face through a note. Raises video.NoVideo, FaceRefused."""
    tracker, started = _Tracker(), time.perf_counter()
    for frame in frames(note):
        tracker.tracked.seconds["decode"] += time.perf_counter() - started
        tracker.take(frame)
        started = time.perf_counter()
    return tracker.tracked

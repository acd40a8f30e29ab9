"""Tracks a face through a note: its mesh and pose in each picture. Runs in a worker process.

The detector looks at the first picture, at one in a second (for a second face), and where the face was lost; in
between, each mesh says where the next picture's face is. While the head is still, every second picture is left out.
"""

import time
from dataclasses import dataclass, field

import cv2
import numpy as np

from classroom.faces import mesh
from classroom.faces.pose import Pose, eyes, pose
from classroom.faces.video import Frame, Picture, frames

LOOK_EVERY = 4  # pictures of those tracked while the head is still: a second
_STILL = 3.0  # degrees between two pictures, up to which the one between them is left out
_PRESENT = 0.5  # the network's belief from which there is a face
_JUMP = 0.4  # of the face's region, from which it is a face elsewhere


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
    tracked: int = 0  # pictures in which the face was looked for, without those in between
    lost: int = 0  # of them without a face
    light: float = 0.0  # the mean brightness of the pictures before the first face
    looked: int = 0  # detections
    two_faces: int = 0  # of them with a second large face
    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "detect": 0.0, "track": 0.0})


class _Tracker:
    def __init__(self) -> None:
        self.tracked = Tracked()
        self._last: mesh.Mesh | None = None
        self._stretch = 0
        self._between: Frame | None = None

    def take(self, frame: Frame) -> None:
        """Track the face in a picture; every second one waits until the next one shows whether the head moves."""
        tracked = self.tracked
        tracked.pictures += 1
        if not tracked.seen:
            light = float(cv2.cvtColor(frame.picture, cv2.COLOR_BGR2GRAY).mean())
            tracked.light += (light - tracked.light) / tracked.pictures
        if self._between is None and tracked.pictures > 1:
            self._between = frame
            return
        before, last = (tracked.seen[-1] if tracked.seen else None), self._last
        self._track(frame)
        now = tracked.seen[-1] if tracked.seen else None
        if self._between is not None and last is not None and before is not None and now is not None:
            moved = max(abs(now.pose.yaw - before.pose.yaw), abs(now.pose.pitch - before.pose.pitch))
            if self._last is None or moved > _STILL:
                mesh_now, self._last = self._last, last
                added = self._track(self._between, looks=False)
                if added and mesh_now is not None:
                    tracked.seen[-2:] = reversed(tracked.seen[-2:])
                self._last = mesh_now
        self._between = None

    def _track(self, frame: Frame, *, looks: bool = True) -> bool:
        """Add the picture if there is a face in it."""
        tracked, found = self.tracked, None
        if self._last is not None:
            found = self._followed(frame.picture, self._last)
        if looks and (found is None or tracked.tracked % LOOK_EVERY == 0):
            detected = self._detected(frame.picture)
            if found is None and detected:
                found = self._followed(frame.picture, detected[0])
                if found is not None:
                    self._stretch += self._is_elsewhere(found)
        tracked.tracked += looks
        self._last = found
        tracked.lost += looks and found is None
        if found is not None:
            height, width = frame.picture.shape[:2]
            turned = pose(found.points, (width, height))
            tracked.seen.append(Seen(frame.at, frame.picture, found, turned, self._stretch))
        return found is not None

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
        """Whether a face that was found again may be another one: at another place, or after some time."""
        if not self.tracked.seen:
            return False
        now, before = found.region, self.tracked.seen[-1].mesh.region
        moved = float(np.hypot(now.x - before.x, now.y - before.y)) / before.side
        return self._last is None or moved > _JUMP


def track(note: bytes) -> Tracked:
    """Track the face through a note. Raises video.NoVideo, FaceRefused."""
    tracker, started = _Tracker(), time.perf_counter()
    for frame in frames(note):
        tracker.tracked.seconds["decode"] += time.perf_counter() - started
        tracker.take(frame)
        started = time.perf_counter()
    return tracker.tracked

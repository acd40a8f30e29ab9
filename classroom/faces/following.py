"""Tracks a face through a note: detected in some pictures, its points tracked in between by optical flow.

Runs in a worker process. Pictures are scaled first, so that faces of all sizes are tracked equally well.
"""

import math
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from classroom.faces import models, relief
from classroom.faces.video import Frame, Gray, Picture, frames

KEY_EVERY = 6  # pictures between detections: three quarters of a second
_EYES = 64.0  # pixels between the eyes after scaling
_ENOUGH = 0.28  # deviation from that scale up to which a picture is not scaled
_NOSE_POINTS, _OTHER_POINTS = 40, 80
_FLOW = {"winSize": (13, 13), "maxLevel": 3, "criteria": (3, 10, 0.03)}  # 3: by error or by rounds
_MOST_ERROR = 0.05  # of a fit: above, the points are no longer on the face
_FRONTAL = 0.03  # shift up to which a picture is frontal
_BACK_AGAIN = 3  # pictures between detections after a motion
_AT_REST = 0.012  # change of the shift between pictures, up to which the head rests
_STRAIGHT = 0.05  # allowed difference from the first anchor's asymmetry
_ANCHOR_LASTS = 24  # pictures: after three seconds points have drifted
_FIRST_ANCHOR_WITHIN = 1.0  # seconds at the start, of which the straightest picture is taken as frontal
_ENOUGH_FOR_DETECTING = 100.0  # pixels of a face's box: the detector needs 80, with a margin for movement
_AWAY = 0.07  # shift from which the head is turned, so that the detector can't find the face


@dataclass(frozen=True)
class Moment:
    """The shift of the nose against the face in one picture; None if the tracking was lost."""

    at: float
    shift: relief.Shift | None
    stretch: int = 0  # pictures of one stretch were tracked without a break, so they show the same face


@dataclass(frozen=True)
class FaceView:
    """A whole picture with the box of the detected face."""

    at: float
    picture: Picture
    box: models.Found
    frontal: float  # shift: 0 is frontal
    sharp: float  # variance of the Laplacian in the scaled face
    stretch: int = 0


@dataclass
class Followed:
    """The observations in a note."""

    moments: list[Moment] = field(default_factory=list)
    views: list[FaceView] = field(default_factory=list)
    looked: int = 0  # detections
    two_faces: int = 0  # of them with a second large face
    seconds: dict[str, float] = field(default_factory=dict)  # decode, detect, track


class _Anchor:
    """A frontal picture, and the points tracked from it."""

    def __init__(self, gray: Gray, frame: relief.FaceCoordinates) -> None:
        self.frame = frame
        points = _points(gray, frame)
        self.own = frame.own(points)
        self.now = points
        self.age = 0
        self.is_back = False  # the head has turned since, and rests near its first position
        self._was_away = False
        self._last = relief.Shift(0.0, 0.0, 0.0, 0.0)

    def follow(self, before: Gray, gray: Gray) -> relief.Shift | None:
        """Track the points to the next picture; None if too few are left, or they no longer move like a face."""
        self.age += 1
        if len(self.own) < relief.LEAST_POINTS:
            return None
        after, status, _error = cv2.calcOpticalFlowPyrLK(before, gray, self.now[:, None], None, **_FLOW)  # type: ignore[call-overload]
        kept = status[:, 0] == 1
        self.own, self.now = self.own[kept], after[kept, 0]
        if len(self.own) < relief.LEAST_POINTS:
            return None
        shift = relief.shift(self.own, self.frame.own(self.now))
        if shift.error > _MOST_ERROR:
            return None
        self._was_away = self._was_away or shift.size >= _AWAY
        moved = math.hypot(shift.right - self._last.right, shift.down - self._last.down)
        self.is_back = self._was_away and shift.size < _AWAY and moved <= _AT_REST
        self._last = shift
        return shift


class _Follower:
    def __init__(self) -> None:
        self.seen = Followed(seconds={"decode": 0.0, "detect": 0.0, "track": 0.0})
        self._scale = 1.0
        self._anchor: _Anchor | None = None
        self._first_asymmetry = 0.0
        self._before: Gray | None = None
        self._half = 1.0  # scale of pictures for the detector
        self._stretch = 0
        self._since_key = KEY_EVERY

    def take(self, frame: Frame) -> None:
        started = time.perf_counter()
        shift = None
        gray = _scaled(frame.gray, self._scale)
        if self._anchor is not None and self._before is not None:
            shift = self._anchor.follow(self._before, gray)
            self.seen.moments.append(Moment(frame.at, shift, self._stretch))
        self._before = gray
        self._count("track", started)
        self._since_key += 1
        if shift is not None and shift.size >= _AWAY:
            return
        if shift is not None and self._anchor is not None and self._anchor.is_back and self._since_key >= _BACK_AGAIN:
            self._since_key = KEY_EVERY
        if self._since_key >= KEY_EVERY or (self._anchor is None and self._since_key >= 2):
            self._since_key = 0
            self._look(frame, shift)

    def _count(self, step: str, started: float) -> None:
        self.seen.seconds[step] += time.perf_counter() - started

    def _look(self, frame: Frame, shift: relief.Shift | None) -> None:
        """Detect the face; store the view, and set a new anchor if the face is frontal."""
        started = time.perf_counter()
        found = models.faces(self._detect(frame.gray))
        self.seen.looked += 1
        if not found:
            self._count("detect", started)
            return
        if len(found) > 1:
            self.seen.two_faces += 1
        five = models.landmarks(frame.gray, found[0])
        face = relief.coordinates_of(five)
        asymmetry = relief.asymmetry(face, five)
        self._count("detect", started)
        started = time.perf_counter()
        straight = self._is_straight(frame.at, asymmetry, shift)
        if straight:
            self._stretch += shift is None and bool(self.seen.moments)
            self._anchor_at(frame, face, asymmetry)
        if straight or shift is not None:  # a face that the tracking did not reach belongs to no stretch
            box = found[0].scaled(frame.picture.shape[0] / frame.gray.shape[0])
            away, sharp = shift.size if shift is not None else 0.0, _sharpness(frame.gray, found[0])
            self.seen.views.append(FaceView(frame.at, frame.picture, box, away, sharp, self._stretch))
        self._count("track", started)

    def _detect(self, gray: Gray) -> list[models.Found]:
        """Detect at a lower resolution if the face was large before, and at times at a higher one if none was found."""
        if self._half < 1:
            return [box.scaled(1 / self._half) for box in models.detect(_scaled(gray, self._half))]
        found = models.detect(gray)
        if not found and self._anchor is None and self.seen.looked % 4 == 0:
            found = models.detect(gray, doubled=1)
        if found and found[0].width > _ENOUGH_FOR_DETECTING:
            self._half = max(0.5, _ENOUGH_FOR_DETECTING / found[0].width)
        return found

    def _is_straight(self, at: float, asymmetry: float, shift: relief.Shift | None) -> bool:
        """Say whether a face counts as frontal, so that a new anchor is set.

        In the first second it is the straightest face. Later it is a face as straight as that one by its landmarks,
        when the head is back from a motion (which removes the drift of the points), or the points are old and still
        frontal, or lost. The comparison is always with the first anchor: otherwise the reference could turn slowly.
        """
        anchor = self._anchor
        if anchor is None:
            return True
        if at <= _FIRST_ANCHOR_WITHIN and (shift is None or shift.size <= _FRONTAL):
            return abs(asymmetry) < abs(self._first_asymmetry) - 0.01
        if abs(asymmetry - self._first_asymmetry) > _STRAIGHT:
            return False
        return shift is None or anchor.is_back or (anchor.age >= _ANCHOR_LASTS and shift.size <= _FRONTAL)

    def _anchor_at(self, frame: Frame, face: relief.FaceCoordinates, asymmetry: float) -> None:
        if self._anchor is None:
            factor = _EYES / face.eyes
            self._scale = factor if abs(factor - 1) > _ENOUGH else 1.0
        if self._anchor is None or frame.at <= _FIRST_ANCHOR_WITHIN:
            self._first_asymmetry = asymmetry
        gray = _scaled(frame.gray, self._scale)
        scaled = relief.FaceCoordinates(face.origin * self._scale, face.axes, face.eyes * self._scale)
        self._anchor, self._before = _Anchor(gray, scaled), gray


def follow(note: bytes) -> Followed:
    """Track the face through a note. Raises video.NoVideo, FaceRefused."""
    follower, started = _Follower(), time.perf_counter()
    for frame in frames(note):
        follower.seen.seconds["decode"] += time.perf_counter() - started
        follower.take(frame)
        started = time.perf_counter()
    return follower.seen


def _scaled(gray: Gray, factor: float) -> Gray:
    if factor == 1:
        return gray
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, None, fx=factor, fy=factor, interpolation=how), dtype=np.uint8)


def _points(gray: Gray, frame: relief.FaceCoordinates) -> npt.NDArray[np.float32]:
    """Return points for tracking: on the nose, and on the rest of the face."""
    height, width = gray.shape
    right, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    own = frame.own(np.stack([right.ravel(), down.ravel()], axis=1)).reshape(height, width, 2)
    u, v = own[..., 0], own[..., 1]
    nose = (np.abs(u) < 0.32) & (v > 0.15) & (v < 0.95)
    rest = (u**2 + ((v - 0.4) / 1.1) ** 2 < 1) & ~nose
    found = [_good(gray, nose, _NOSE_POINTS, frame.eyes), _good(gray, rest, _OTHER_POINTS, frame.eyes)]
    return np.concatenate(found)


def _good(gray: Gray, where: npt.NDArray[np.bool_], most: int, eyes: float) -> npt.NDArray[np.float32]:
    found = cv2.goodFeaturesToTrack(gray, most, 0.005, max(2.0, eyes * 0.05), mask=where.astype(np.uint8))
    return np.zeros((0, 2), np.float32) if found is None else np.asarray(found[:, 0], dtype=np.float32)


def _sharpness(gray: Gray, box: models.Found) -> float:
    face = gray[max(box.top, 0) : box.bottom, max(box.left, 0) : box.right]
    if not face.size:
        return 0.0
    return float(cv2.Laplacian(_scaled(face, 100 / max(face.shape)), cv2.CV_32F).var())

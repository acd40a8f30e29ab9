"""Decodes the pictures of a video note from memory, in a worker process."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Gray = npt.NDArray[np.uint8]

PER_SECOND = 8  # pictures: a head turns within about half a second
MOST = 160  # pictures of one note
SIDE = 400  # pixels to which larger notes are scaled down for tracking
_MOST_GRABBED = 4000  # a minute at 60 pictures a second, with a margin
_LARGEST_SIDE = 1280  # pixels; Telegram's notes have at most 640
_SQUARE = 1.02  # largest ratio of the sides


class NoVideo(Exception):
    """The bytes are not a readable video note (permanent)."""


@dataclass(frozen=True)
class Frame:
    """A picture: seconds from the start, in grey for tracking, and in colour."""

    at: float
    gray: Gray
    picture: Picture


def frames(note: bytes) -> Iterator[Frame]:
    """Yield about ``PER_SECOND`` pictures a second, at most ``MOST``. May raise NoVideo after some pictures."""
    try:
        capture = cv2.VideoCapture(io.BytesIO(note), cv2.CAP_FFMPEG, [])  # type: ignore[call-overload]
    except cv2.error as error:
        raise NoVideo(f"not opened ({error.code})") from error
    # Not released explicitly: OpenCV 5 would release the reader without holding the GIL, and crash.
    if not capture.isOpened():
        raise NoVideo("not opened")
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if not 0 < max(width, height) <= _LARGEST_SIDE:
        raise NoVideo(f"{width:.0f} x {height:.0f} pixels")
    if max(width, height) > _SQUARE * min(width, height):
        raise NoVideo(f"not square: {width:.0f} x {height:.0f} pixels")
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if math.isfinite(rate) and 1 <= rate <= 240 else 30.0
    announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    step = max(1, round(rate / PER_SECOND), math.ceil(announced / MOST) if 0 < announced < _MOST_GRABBED else 1)
    found = 0
    for number in range(_MOST_GRABBED):
        if not capture.grab():
            break
        if number % step:
            continue
        read, given = capture.retrieve()
        if not read or given is None:
            raise NoVideo("a picture can't be decoded")
        picture = np.asarray(given, dtype=np.uint8)
        yield Frame(number / rate, _gray(picture), picture)
        found += 1
        if found == MOST:
            break
    if not found:
        raise NoVideo("no pictures")


def _gray(picture: Picture) -> Gray:
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    side = max(gray.shape)
    if side > SIDE:
        gray = cv2.resize(gray, None, fx=SIDE / side, fy=SIDE / side, interpolation=cv2.INTER_AREA)
    return np.asarray(gray, dtype=np.uint8)

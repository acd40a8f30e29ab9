"""ID photos: reading them, and what can be wrong with them."""

from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from classroom.faces import PhotoUnusable

_SIDE = 800  # pixels to which photos are scaled down
_LARGEST = 40_000_000  # pixels: larger pictures would fill the memory


class PhotoFault(StrEnum):
    """Why an ID photo can't be used, or hardly."""

    HEIC = "heic"
    EMPTY = "empty"
    LARGE = "large"
    UNREADABLE = "unreadable"
    NO_FACE = "no face"
    TWO_FACES = "two faces"
    SIDEWAYS = "sideways"
    SMALL = "small"
    BLURRED = "blurred"


def read_photo(content: bytes) -> npt.NDArray[np.uint8]:
    """Return an ID photo in RGB, rotated by its EXIF data, scaled down. Raises PhotoUnusable."""
    try:
        picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise PhotoUnusable(f"no picture that can be read ({error.code})", PhotoFault.UNREADABLE) from error
    if picture is None or picture.size > 3 * _LARGEST:
        raise PhotoUnusable("no picture that can be read", PhotoFault.UNREADABLE)
    side = max(picture.shape[:2])
    if side > _SIDE:
        picture = cv2.resize(picture, None, fx=_SIDE / side, fy=_SIDE / side, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[:, :, ::-1], dtype=np.uint8)

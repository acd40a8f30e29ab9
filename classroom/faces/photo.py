"""ID photos: reading them, and what can be wrong with them.

Size and kind are read from the header, so that nothing is decoded that would fill the memory. OpenCV is imported late:
the main process needs only the header.
"""

import struct
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classroom.faces import PhotoUnusable

LARGEST = 40_000_000  # pixels
_SIDE = 800  # pixels to which photos are scaled down
_MOST_SCANS = 100  # of a JPEG: each is a pass over all pixels; progressive ones have about ten
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_NO_SIZE = {0xC4, 0xC8, 0xCC}  # markers among those of the frame headers that are something else

Picture = npt.NDArray[np.uint8]


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


class Header(NamedTuple):
    """What a file says about its picture, before any rotation."""

    kind: str  # "JPEG", "PNG", "WEBP"
    width: int
    height: int


def read_header(content: bytes) -> Header:
    """Return a complete picture's kind and size. Raises PhotoUnusable."""
    if not content:
        raise PhotoUnusable("an empty file", PhotoFault.EMPTY)
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC:
        raise PhotoUnusable("a HEIC picture", PhotoFault.HEIC)
    try:
        header = _header(content)
    except (struct.error, IndexError):
        header = None
    if header is None or not min(header.width, header.height):
        raise PhotoUnusable("no picture that can be read", PhotoFault.UNREADABLE)
    if header.width * header.height > LARGEST:
        raise PhotoUnusable(f"too large: {header.width} x {header.height} pixels", PhotoFault.LARGE)
    return header


def read_photo(content: bytes) -> Picture:
    """Return an ID photo in RGB, rotated by its EXIF data, scaled down. Raises PhotoUnusable."""
    import cv2

    header = read_header(content)
    side = max(header.width, header.height)
    reduced = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    factor = next((each for each in (8, 4, 2) if header.kind == "JPEG" and side >= each * _SIDE), 1)
    try:
        picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), reduced.get(factor, cv2.IMREAD_COLOR))
    except cv2.error as error:
        raise PhotoUnusable(f"no picture that can be read ({error.code})", PhotoFault.UNREADABLE) from error
    if picture is None:
        raise PhotoUnusable("no picture that can be read", PhotoFault.UNREADABLE)
    side = max(picture.shape[:2])
    if side > _SIDE:
        picture = cv2.resize(picture, None, fx=_SIDE / side, fy=_SIDE / side, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[:, :, ::-1], dtype=np.uint8)


def no_face(picture: Picture, has_face: Callable[[Picture], bool]) -> PhotoUnusable:
    """Return the error for a photo without a face, which names a face that lies sideways or upside down."""
    if any(has_face(np.ascontiguousarray(np.rot90(picture, turns))) for turns in (1, 3, 2)):
        return PhotoUnusable("the face in it lies sideways", PhotoFault.SIDEWAYS)
    return PhotoUnusable("no face in it", PhotoFault.NO_FACE)


def _header(content: bytes) -> Header | None:
    if content.startswith(b"\xff\xd8"):
        last = content.rfind(b"\xff\xda")
        if content.find(b"\xff\xd9", last) < 0 or content.count(b"\xff\xda") > _MOST_SCANS:
            return None  # cut off, or a picture that takes minutes
        at = 2
        while content[at] == 0xFF:
            marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
            if marker == 0xFF:
                at += 1
            elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
                height, width = struct.unpack_from(">HH", content, at + 5)
                return Header("JPEG", width, height)
            else:
                at += 2 + length
    elif content.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") and b"IEND" in content:
        return Header("PNG", *struct.unpack_from(">II", content, 16))
    elif (
        content[:4] == b"RIFF"
        and content[8:12] == b"WEBP"
        and struct.unpack_from("<I", content, 4)[0] + 8 <= len(content)
    ):
        return _webp(content)
    return None


def _webp(content: bytes) -> Header | None:
    match content[12:16]:
        case b"VP8X":
            width, height = (1 + int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
        case b"VP8L":
            (packed,) = struct.unpack_from("<I", content, 21)
            width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
        case _:
            return None
    return Header("WEBP", width, height)

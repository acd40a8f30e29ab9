"""ID photos: what is read from their headers, and what is refused before a picture is decoded."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from classroom.faces import PhotoUnusable
from classroom.faces.examining import template_of
from classroom.faces.photo import Header, PhotoFault, read_header, read_photo
from classroom.verification.reviews import side_by_side
from tests.media.notes import ASTRONAUT, jpeg, portrait

pytestmark = pytest.mark.unit


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def large_png(side: int = 30_000) -> bytes:
    """Return a PNG of 1 bit a pixel, all black: about 100 kB for 900 million pixels."""
    packer, row = zlib.compressobj(9), bytes(1 + (side + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (300, 200), **options: Any) -> bytes:
    """Return a picture, red on the left and blue on the right."""
    picture = Image.new("RGB", size, "blue")
    picture.paste("red", (0, 0, size[0] // 2, size[1]))
    stream = io.BytesIO()
    picture.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def fault(content: bytes) -> PhotoFault | None:
    """Return why a photo is refused; the review's pictures refuse it, too."""
    with pytest.raises(PhotoUnusable) as caught:
        read_photo(content)
    with pytest.raises(ValueError, match="a picture that"):
        side_by_side(content)
    return caught.value.reason


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGB", {"lossless": False}),
        ("WEBP", "RGBA", {}),
    ],
)
def test_kinds(kind: str, mode: str, options: dict[str, Any]) -> None:
    """JPEG, PNG and WebP of all colour models are read."""
    content = saved(kind, mode, **options)
    assert read_header(content) == Header(kind, 300, 200)
    picture = read_photo(content)
    assert picture.shape == (200, 300, 3)
    assert picture[100, 20, 0] > picture[100, 20, 2] + 100
    assert picture[100, 280, 2] > picture[100, 280, 0] + 100


def test_grey() -> None:
    """Grey pictures with 1, 8 and 16 bits keep their brightness."""
    deep = cv2.imencode(".png", np.full((100, 100), 200 * 257, np.uint16))[1].tobytes()
    assert read_photo(deep)[50, 50].tolist() == [200] * 3
    assert read_photo(saved("JPEG", "L")).shape == (200, 300, 3)
    assert set(np.unique(read_photo(saved("PNG", "1")))) <= {0, 255}


def test_animated() -> None:
    """Of an animated picture the first one is read."""
    first, second = Image.new("RGB", (120, 120), "red"), Image.new("RGB", (120, 120), "blue")
    for kind in ("PNG", "WEBP"):
        stream = io.BytesIO()
        first.save(stream, kind, save_all=True, append_images=[second], duration=100)
        picture = read_photo(stream.getvalue())
        assert picture[60, 60, 0] > 200
        assert picture[60, 60, 2] < 50


def test_rotated() -> None:
    """The rotation in the EXIF data is applied, also when a large picture is decoded smaller."""
    turned = Image.Exif()
    turned[0x0112] = 6
    for size in ((300, 200), (4800, 3200)):
        picture = read_photo(saved("JPEG", size=size, exif=turned))
        height, width = picture.shape[:2]
        assert height == round(width * 1.5)
        assert picture[20, width // 2, 0] > 200
        assert max(picture.shape) <= 800


def test_large() -> None:
    """A PNG of 30,000 x 30,000 pixels in 100 kB is refused by its header, and so are large JPEG and WebP pictures."""
    assert fault(large_png()) is PhotoFault.LARGE
    content = saved("JPEG")
    at = content.index(b"\xff\xc0") + 5
    assert fault(content[:at] + struct.pack(">HH", 60_000, 60_000) + content[at + 4 :]) is PhotoFault.LARGE
    content = saved("WEBP", exif=Image.Exif().tobytes())
    at = content.index(b"VP8X") + 12
    assert fault(content[:at] + b"\xff\x3e\0\xff\x3e\0" + content[at + 6 :]) is PhotoFault.LARGE


def test_many_scans() -> None:
    """A JPEG whose scans repeat is refused: each is a pass over all pixels."""
    content = saved("JPEG", progressive=True)
    at = content.rindex(b"\xff\xda")
    assert fault(content[:at] + content[at:-2] * 200 + content[-2:]) is PhotoFault.UNREADABLE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_cut_off(kind: str) -> None:
    """A picture of which the end is missing is refused, wherever it is cut."""
    content = saved(kind)
    for length in (1, 10, 25, 60, len(content) // 2, len(content) - 12):
        assert fault(content[:length]) is PhotoFault.UNREADABLE


def test_other_files() -> None:
    """HEIC and empty files are named; others can't be read."""
    assert fault(b"") is PhotoFault.EMPTY
    for brand in (b"heic", b"mif1"):
        assert fault(b"\0\0\0\x18ftyp" + brand + bytes(200)) is PhotoFault.HEIC
    for kind in ("GIF", "BMP", "TIFF"):
        assert fault(saved(kind)) is PhotoFault.UNREADABLE
    for content in (b"none", b"\0\0\0\x18ftypavif" + bytes(200), b"<svg/>", saved("PNG").replace(b"IHDR", b"IHDX")):
        assert fault(content) is PhotoFault.UNREADABLE
    assert fault(saved("PNG")[:16] + bytes(8) + saved("PNG")[24:]) is PhotoFault.UNREADABLE


def test_faces() -> None:
    """No face, two faces, and a face that lies sideways are told apart."""
    one = portrait(ASTRONAUT)
    pictures = {
        PhotoFault.NO_FACE: np.full((300, 300, 3), 90, dtype=np.uint8),
        PhotoFault.TWO_FACES: np.asarray(np.hstack([one, one[:, ::-1]]), dtype=np.uint8),
        PhotoFault.SIDEWAYS: np.ascontiguousarray(np.rot90(one)),
    }
    for reason, picture in pictures.items():
        with pytest.raises(PhotoUnusable) as caught:
            template_of(jpeg(picture))
        assert caught.value.reason is reason

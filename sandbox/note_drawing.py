"""Draws one video note or portrait, or converts one recording or photograph, in a process with bounds.

`python -m sandbox.note_drawing draw NAME PORTRAIT MOTIONS OUT`, `portrait NAME OUT`, `recording IN OUT` and
`photo IN OUT`. Prints the seconds that a note lasts. The exit code is 3 with one line on stderr if IN can't be used.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Where two packages have a portrait, public domain both: only the file is used, nothing of the package is imported.
# The eyes' places in it, in pixels: the person's right one first.
PORTRAITS: dict[str, tuple[str, str, tuple[float, float], tuple[float, float]]] = {
    "admiral": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", (219.5, 193.8), (306.9, 188.7)),
    "astronaut": ("skimage", "data/astronaut.png", (203.4, 101.8), (245.8, 103.6)),
}
ENCODER = "av"
LONGEST = 60.0  # seconds of a recording that are used
MOST_PIXELS = 24_000_000  # of a photograph
PHOTO_SIDE = 1280  # pixels, at most, of an ID photo
_SECONDS, _MEMORY = 90, 4 * 1024**3  # limits of this process
_EYES = 0.18  # distance between the eyes, of the picture's side: at arm's length
_MIRRORED = {"left": "right", "right": "left"}
_KINDS = {"turn": "down", "nod": "left"}  # what is done instead in a note with wrong motions


class Unusable(Exception):
    """The file can't be used; the text says why."""


def missing() -> list[str]:
    """The packages that drawing needs and that are not installed."""
    names = {ENCODER: ENCODER, "skimage": "scikit-image", "matplotlib": "matplotlib"}
    return [package for module, package in names.items() if importlib.util.find_spec(module) is None]


def portrait_file(name: str) -> Path:
    """The file of a portrait."""
    package, path, _right, _left = PORTRAITS[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unusable(f"the package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / path


def draw(name: str, portrait: str, motions: tuple[str, ...]) -> tuple[bytes, float]:
    """Draw a prepared note; return its MP4 and its seconds."""
    import cv2
    import numpy as np

    from sandbox import video_notes

    picture = np.asarray(cv2.imread(str(portrait_file(portrait))), dtype=np.uint8)
    face = video_notes.Face(picture, *PORTRAITS[portrait][2:])
    surface = video_notes.head
    if name == "photo":
        surface = video_notes.flat
    elif name == "none":  # the same room, without anybody
        face = video_notes.Face(_faceless(picture), *PORTRAITS[portrait][2:])
        surface = video_notes.flat
    elif name == "wrong":
        motions = tuple(_KINDS["turn" if each in ("left", "right") else "nod"] for each in motions)
    if next((each for each in motions if each in _MIRRORED), "") == "right":
        # as a front camera, which mirrors, shows it: the portraits' turns to the left are drawn more clearly
        motions = tuple(_MIRRORED.get(each, each) for each in motions)
    pictures = video_notes.drawn(face, video_notes.turned(motions), surface, video_notes.Look(eyes=_EYES))
    return video_notes.encoded(pictures), len(pictures) / video_notes.RATE


def _faceless(picture: Any) -> Any:
    import cv2

    side = min(picture.shape[:2])
    return cv2.GaussianBlur(picture, (0, 0), side / 6)


def recording(content: bytes) -> tuple[bytes, float]:
    """Make a recording into a video note: cropped square, 30 pictures a second, H.264 in MP4, without sound."""
    kind = _container(content)

    import io

    import av
    import cv2
    import numpy as np

    from sandbox import video_notes

    pictures = list[Any]()
    try:
        with av.open(io.BytesIO(content), "r", format=kind) as container:
            if not container.streams.video:
                raise Unusable("there is no picture in this file")
            for at, frame in _frames(container):
                if at > LONGEST:
                    break
                shown = np.asarray(frame.to_ndarray(format="bgr24"))
                height, width = shown.shape[:2]
                side = min(height, width)
                top, left = (height - side) // 2, (width - side) // 2
                square = shown[top : top + side, left : left + side]
                square = cv2.resize(square, (video_notes.SIZE, video_notes.SIZE), interpolation=cv2.INTER_AREA)
                # a camera's times are uneven: repeat or drop pictures
                while len(pictures) <= at * video_notes.RATE:
                    pictures.append(square)
    except (av.FFmpegError, ValueError) as error:
        raise Unusable(f"this file can't be read as a video ({type(error).__name__})") from error
    if len(pictures) < video_notes.RATE // 2:
        raise Unusable("the recording is shorter than half a second")
    return video_notes.encoded(pictures), len(pictures) / video_notes.RATE


def _frames(container: Any) -> Iterator[tuple[float, Any]]:
    first: float | None = None
    for frame in container.decode(video=0):
        if frame.width * frame.height > MOST_PIXELS or frame.time is None:
            raise Unusable("the pictures are too large, or have no times")
        first = frame.time if first is None else first
        yield max(0.0, frame.time - first), frame


def _container(content: bytes) -> str:
    """The demuxer of a file by its first bytes; others could open further files and addresses."""
    if content[4:8] == b"ftyp":
        return "mov"
    if content[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    raise Unusable("a recording is MP4 or WebM")


def photo(path: Path) -> bytes:
    """Make a photograph into an ID photo: an upright JPEG of moderate size."""
    import io

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Unusable(f"the photograph has more than {MOST_PIXELS // 1_000_000} megapixels")
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise Unusable("this is no JPEG, PNG or WebP picture") from error
    upright.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    if min(upright.size) < 100:
        raise Unusable("the photograph is smaller than 100 pixels")
    made = io.BytesIO()
    upright.save(made, "JPEG", quality=90)
    return made.getvalue()


def _limit() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Do what the arguments say."""
    _limit()
    order, *arguments, out = sys.argv[1:]
    seconds = 0.0
    try:
        if order == "draw":
            name, portrait, motions = arguments
            made, seconds = draw(name, portrait, tuple(motions.split(",")))
        elif order == "portrait":
            made = photo(portrait_file(arguments[0]))
        elif order == "recording":
            made, seconds = recording(Path(arguments[0]).read_bytes())
        else:
            made = photo(Path(arguments[0]))
    except Unusable as error:
        print(error, file=sys.stderr)
        return 3
    Path(out).write_bytes(made)
    print(f"{seconds:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

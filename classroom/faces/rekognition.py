"""The face engine on AWS Rekognition. Challenges are still checked on this machine.

A check costs one CompareFaces, and a new ID photo one DetectFaces. CompareFaces returns position, sharpness and
similarity of each face in the note's frame, so no other call about the frame is needed. The lowest threshold is used,
so that a different face and no face can be distinguished. Its errors don't say which of the two pictures they are
about: the photo was checked before, so a DetectFaces of the frame shows it.
"""

import asyncio
import hashlib
import io
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from aiolimiter import AsyncLimiter
from PIL import Image, UnidentifiedImageError

from classroom.aws import TIMEOUT, Access, AwsRefused, AwsService, AwsUnavailable
from classroom.domain.face_policy import Examined, Motion, Problem
from classroom.faces import FaceRefused, FaceUnavailable, PhotoUnusable
from core.clock import Clock

CALLS_PER_SECOND = 5.0  # of each operation; quotas depend on region and operation, and this is a low one
LARGEST_PICTURE = 5 * 1024 * 1024  # bytes, by AWS's guidelines
SMALLEST_PICTURE = 80  # pixels, each side, likewise
SMALLEST_FACE = 40  # pixels, each side, likewise
SIMILARITY_ASKED = 1.0  # percent: below, a face counts as different
SECOND_FACE = 1 / 3  # of the largest face's area, from which a second face counts and is not in the background
PHOTOS_KNOWN = 10_000  # remembered by digest

_PICTURE_CODES = {"ImageTooLargeException", "InvalidImageFormatException", "InvalidParameterException"}
# Fields of which a real answer has at least one, also where they are empty.
_ALWAYS = {"detect_faces": {"FaceDetails"}, "compare_faces": {"SourceImageFace", "FaceMatches", "UnmatchedFaces"}}
_EXIF_ORIENTATION = 0x0112
_FAULTS = {  # of ID photos, by the only problems that ``_examined`` finds
    Problem.TWO_FACES: "there is more than one face on the ID photo",
    Problem.NO_FACE: f"no face of {SMALLEST_FACE}x{SMALLEST_FACE} pixels is found on the ID photo",
}


class ChallengeChecker(Protocol):
    """Checks on this machine whether a note answers its challenge."""

    async def check_challenge(self, note: bytes, motions: Sequence[Motion]) -> Examined:
        """Return the problem, or the best frontal frame without a percentage. Raises FaceUnavailable, FaceRefused."""

    async def close(self) -> None: ...


@dataclass(frozen=True)
class _Face:
    """A face in a picture: its sides in pixels, and its similarity and quality as Rekognition gives them."""

    width: float
    height: float
    similarity: float
    quality: str


class RekognitionEngine:
    """A ``FaceEngine``, which closes its checker too. ``timeout`` is in seconds, as for AwsService."""

    name = "rekognition"
    keeps_templates = False

    def __init__(
        self,
        access: Access,
        checker: ChallengeChecker,
        clock: Clock,
        calls_per_second: float = CALLS_PER_SECOND,
        timeout: float = TIMEOUT,
    ) -> None:
        self._checker = checker
        self._clock = clock
        self._rekognition = AwsService("rekognition", access, timeout=timeout)
        # evenly spaced calls: a burst would exceed the quota
        self._quotas = {each: AsyncLimiter(1, 1 / calls_per_second) for each in ("detect_faces", "compare_faces")}
        self._photos: OrderedDict[bytes, str] = OrderedDict()  # by digest: why a photo can't be used; "": it can

    async def template(self, photo: bytes) -> bytes:
        """Return the photo itself, after checking that it has one face."""
        await self._require_one_face(photo)
        return photo

    async def examine(
        self, note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()
    ) -> Examined:
        checked = await self._checker.check_challenge(note, motions)
        if checked.problem is not None:
            return checked
        await self._require_one_face(template)
        examined = await self._compare(template, checked.frame)
        return replace(
            examined,
            frame=checked.frame,
            seconds={**(checked.seconds or {}), **(examined.seconds or {})},
            details="; ".join(filter(None, (checked.details, examined.details))),
        )

    async def close(self) -> None:
        await asyncio.gather(self._rekognition.close(), self._checker.close())

    async def _compare(self, photo: bytes, frame: bytes) -> Examined:
        try:
            size = _size(frame)
        except _BadPicture as error:
            return Examined(Problem.BROKEN, details=f"the frame {error}")
        begun = self._clock.monotonic()
        async with self._quotas["compare_faces"]:
            called = self._clock.monotonic()
        pictures = {"SourceImage": {"Bytes": photo}, "TargetImage": {"Bytes": frame}}
        try:
            options = {"SimilarityThreshold": SIMILARITY_ASKED, "QualityFilter": "NONE"}
            answer = await self._call("compare_faces", **pictures, **options)
        except _BadPicture as error:  # which of the two pictures? The photo was good when it was checked
            try:
                faces = await self._detect(frame)
            except _BadPicture as about_frame:
                return Examined(Problem.BROKEN, details=f"the frame {about_frame}")
            if not faces:
                return Examined(Problem.NO_FACE, details=f"no face in the frame, which {error}")
            raise PhotoUnusable(f"the ID photo {error}") from error
        seconds = {"turn": called - begun, "compare": self._clock.monotonic() - called}
        return replace(_examined(_faces(answer, size)), seconds=seconds)

    async def _require_one_face(self, photo: bytes) -> None:
        """Raise PhotoUnusable unless the photo has exactly one face; each photo is checked once."""
        digest = await asyncio.to_thread(lambda: hashlib.sha256(photo).digest())
        if digest not in self._photos:
            try:
                problem = _examined(await self._detect(photo)).problem
                self._photos[digest] = _FAULTS[problem] if problem is not None else ""
            except _BadPicture as error:
                self._photos[digest] = f"the ID photo {error}"
            if len(self._photos) > PHOTOS_KNOWN:
                self._photos.popitem(last=False)
        if fault := self._photos[digest]:
            raise PhotoUnusable(fault)

    async def _detect(self, picture: bytes) -> list["_Face"]:
        size = _size(picture)
        async with self._quotas["detect_faces"]:
            pass
        return _faces(await self._call("detect_faces", Image={"Bytes": picture}, Attributes=["DEFAULT"]), size)

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation. Raises _BadPicture, FaceUnavailable, FaceRefused."""
        answer: dict[str, Any]
        try:
            answer = await self._rekognition.call(lambda client: getattr(client, operation)(**parameters))
        except AwsUnavailable as error:
            raise FaceUnavailable(str(error)) from error
        except AwsRefused as error:
            if error.code in _PICTURE_CODES:
                raise _BadPicture(f"is not accepted by Rekognition ({error.code})") from error
            # we send pictures and no S3 objects, so an error about an S3 object may be temporary
            kind = FaceUnavailable if error.code == "InvalidS3ObjectException" else FaceRefused
            raise kind(str(error)) from error
        if not _ALWAYS[operation] & set(answer):  # botocore parses any server's page as an empty answer
            raise _unreadable("is it Rekognition?")
        return answer


class _BadPicture(Exception):
    """A picture that Rekognition does not accept; the text continues after its name."""


def _size(picture: bytes) -> tuple[int, int]:
    """Return a picture's width and height in pixels as displayed, read from its header. Raises _BadPicture."""
    if len(picture) > LARGEST_PICTURE:
        raise _BadPicture(f"has {len(picture)} bytes, over {LARGEST_PICTURE}")
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as image:
            width, height = image.size
            turned = image.format != "PNG" and image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    except UnidentifiedImageError:
        raise _BadPicture("is not a JPEG or PNG") from None
    except Image.DecompressionBombError:
        raise _BadPicture("has too many pixels") from None
    except (OSError, SyntaxError, ValueError) as error:  # from Pillow, for damaged headers
        raise _BadPicture(f"can't be read ({type(error).__name__})") from None
    if min(width, height) < SMALLEST_PICTURE:
        raise _BadPicture(f"has {width}x{height} pixels, under {SMALLEST_PICTURE}")
    return (height, width) if turned else (width, height)


def _faces(answer: dict[str, Any], size: tuple[int, int]) -> list[_Face]:
    """Return the faces in an answer, also those unlike the photo; sides are converted from fractions to pixels."""
    try:
        alike = [(match["Face"], match["Similarity"]) for match in answer.get("FaceMatches") or []]
        others = [*(answer.get("UnmatchedFaces") or []), *(answer.get("FaceDetails") or [])]
        faces = [
            _Face(
                float(face["BoundingBox"]["Width"]) * size[0],
                float(face["BoundingBox"]["Height"]) * size[1],
                float(similarity),
                _quality(face),
            )
            for face, similarity in [*alike, *((face, 0.0) for face in others)]
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unreadable("a face") from None
    if not all(math.isfinite(face.width * face.height * face.similarity) for face in faces):
        raise _unreadable("a face's figures")
    return faces


def _unreadable(what: str) -> FaceUnavailable:
    return FaceUnavailable(f"rekognition sent an unreadable answer: {what}")


def _quality(face: dict[str, Any]) -> str:
    figures = {**face.get("Quality", {}), **face.get("Pose", {})}
    names = ("Sharpness", "Brightness", "Yaw", "Pitch", "Roll")
    return ", ".join(f"{name.lower()} {float(figures[name]):.0f}" for name in names if name in figures)


def _examined(faces: list[_Face]) -> Examined:
    """Evaluate a picture's faces. The largest one counts, not the most similar one."""
    if not faces:
        return Examined(Problem.NO_FACE, details="no face")
    face, *others = sorted(faces, key=lambda each: each.width * each.height, reverse=True)
    sizes = f"face {face.width:.0f}x{face.height:.0f} of {len(faces)}"
    if min(face.width, face.height) < SMALLEST_FACE:
        return Examined(Problem.NO_FACE, details=f"{sizes}: too small")
    if others and others[0].width * others[0].height >= SECOND_FACE * face.width * face.height:
        return Examined(Problem.TWO_FACES, details=sizes)
    percent = min(max(face.similarity, 0.0), 100.0)
    details = ", ".join(filter(None, (sizes, f"similarity {percent:.2f}", face.quality)))
    return Examined(percent=percent, details=details)

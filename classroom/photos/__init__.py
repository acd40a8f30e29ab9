"""ID photos: where they come from, and how that fails. Two sources: a folder, and S3."""

from dataclasses import dataclass
from typing import Protocol

LARGEST_PHOTO = 5 * 1024 * 1024  # bytes: what Rekognition takes of a picture that is sent to it


class PhotoError(Exception):
    """A photo can't be had. Its text is one line without a secret."""


class PhotoMissing(PhotoError):
    """There is no photo of this student (permanent, until somebody adds one)."""


class PhotoTooLarge(PhotoError):
    """The photo is larger than LARGEST_PHOTO (permanent: a smaller one is needed)."""


class PhotosUnavailable(PhotoError):
    """The source does not answer, or is throttled (try again)."""


class PhotosRefused(PhotoError):
    """The source does not let us in, or does not exist (permanent: the operator has to change it)."""


@dataclass(frozen=True)
class IdPhoto:
    """A picture, as it was kept, and what tells it from its successor (an ETag, a time of change)."""

    content: bytes
    tag: str


class Photos(Protocol):
    """Where ID photos come from. Any method may raise PhotosUnavailable, PhotosRefused."""

    async def tag(self, student_id: str) -> str:
        """Return what tells a student's photo from its successor, without loading it. Raises PhotoMissing."""

    async def photo(self, student_id: str) -> IdPhoto:
        """Return a student's photo. Raises PhotoMissing, PhotoTooLarge."""

    async def close(self) -> None:
        """Let go of every connection."""


__all__ = [
    "LARGEST_PHOTO",
    "IdPhoto",
    "PhotoError",
    "PhotoMissing",
    "PhotoTooLarge",
    "Photos",
    "PhotosRefused",
    "PhotosUnavailable",
]

"""ID photos: the protocol of a source and its errors. Sources: a folder, and S3."""

from dataclasses import dataclass
from typing import Protocol

LARGEST_PHOTO = 5 * 1024 * 1024  # bytes: Rekognition's limit for pictures in a request


class PhotoError(Exception):
    """A photo can't be loaded. Its text is one line without secrets."""


class PhotoMissing(PhotoError):
    """The student has no photo (permanent until one is added)."""


class PhotoTooLarge(PhotoError):
    """The photo is larger than LARGEST_PHOTO (permanent: a smaller one is needed)."""


class PhotosUnavailable(PhotoError):
    """The source does not answer, or throttles (try again)."""


class PhotosRefused(PhotoError):
    """The source denies access, or does not exist (permanent: the operator has to change it)."""


@dataclass(frozen=True)
class IdPhoto:
    """A stored picture, with a tag that changes with it (an ETag, a time of change)."""

    content: bytes
    tag: str


class Photos(Protocol):
    """A source of ID photos. Any method may raise PhotosUnavailable, PhotosRefused."""

    async def tag(self, student_id: str) -> str:
        """Return the tag of a student's photo without loading it. Raises PhotoMissing."""

    async def photo(self, student_id: str) -> IdPhoto:
        """Return a student's photo. Raises PhotoMissing, PhotoTooLarge."""

    async def close(self) -> None: ...

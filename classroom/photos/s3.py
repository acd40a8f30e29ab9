"""ID photos in an S3 bucket: ``{prefix}STUDENT_ID.jpg``, ``.jpeg`` or ``.png``.

Without the permission to list the bucket, S3 answers 403 for a key that does not exist. This counts as "missing" while
a photo that was read before can still be read; otherwise access is denied.
"""

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from classroom.aws import TIMEOUT, WHOLE_TIMEOUT, Access, AwsRefused, AwsService, AwsUnavailable
from classroom.photos import LARGEST_PHOTO, IdPhoto, PhotoMissing, PhotosRefused, PhotosUnavailable, PhotoTooLarge
from classroom.photos.folder import file_names

log = logging.getLogger(__name__)

PART = 256 * 1024  # bytes

T = TypeVar("T")

_DENIED = {"AccessDenied", "403"}  # the answer to a HEAD has no body, only the status
_MISSING = {"NoSuchKey", "404"}


class S3Photos:
    """``Photos`` of a bucket, under keys that begin with ``prefix``. Time-outs are in seconds."""

    def __init__(
        self, bucket: str, prefix: str, access: Access, timeout: float = TIMEOUT, whole_timeout: float = WHOLE_TIMEOUT
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._s3 = AwsService("s3", access, timeout=timeout, whole_timeout=whole_timeout)
        self._read_before = ""  # a key that could be read

    async def tag(self, student_id: str) -> str:
        keys = self._keys(student_id)
        found, _ = await self._first(keys, _head)
        if found is None:  # unlike a HEAD, a GET has a body that says why
            found, denied = await self._first(keys[:1], _etag)
            if found is None:
                raise await self._nothing(student_id, denied)
        return found

    async def photo(self, student_id: str) -> IdPhoto:
        found, denied = await self._first(self._keys(student_id), partial(_get, student_id))
        if found is None:
            raise await self._nothing(student_id, denied)
        return found

    async def close(self) -> None:
        await self._s3.close()

    def _keys(self, student_id: str) -> list[str]:
        return [f"{self._prefix}{name}" for name in file_names(student_id)]

    async def _first(self, keys: list[str], ask: Callable[[Any, str, str], T]) -> tuple[T | None, bool]:
        """Return the answer for the first existing key, if any, and whether access to one was denied."""
        denied = False
        for key in keys:
            try:
                found = await self._s3.call(lambda client, key=key: ask(client, self._bucket, key))  # type: ignore[misc]
            except AwsUnavailable as error:
                raise PhotosUnavailable(str(error)) from error
            except AwsRefused as error:
                if error.code not in _DENIED | _MISSING:  # NoSuchBucket among others
                    raise PhotosRefused(str(error)) from error
                denied = denied or error.code in _DENIED
            else:
                self._read_before = key
                return found, denied
        return None, denied

    async def _nothing(self, student_id: str, denied: bool) -> PhotoMissing | PhotosRefused:
        if not denied:
            return PhotoMissing(f"the bucket has no photo of {student_id}")
        found = None
        if self._read_before:
            found, _ = await self._first([self._read_before], _head)
        if found is None:
            self._read_before = ""
            return PhotosRefused("s3 answers AccessDenied (HTTP 403): allow s3:GetObject and s3:ListBucket")
        log.warning("s3 denies the photo of %s while another one can be read: treated as missing", student_id)
        return PhotoMissing(f"s3 denies the photo of {student_id}, as it does with missing ones")


def _head(client: Any, bucket: str, key: str) -> str:
    return _tag(client.head_object(Bucket=bucket, Key=key))


def _etag(client: Any, bucket: str, key: str) -> str:
    answer = client.get_object(Bucket=bucket, Key=key)
    answer["Body"].close()
    return _tag(answer)


def _get(student_id: str, client: Any, bucket: str, key: str) -> IdPhoto:
    answer = client.get_object(Bucket=bucket, Key=key)
    content = b""
    with contextlib.closing(answer["Body"]) as body:
        size = int(answer.get("ContentLength", 0))
        if size <= LARGEST_PHOTO:
            for part in body.iter_chunks(PART):  # to the end, where botocore checks length and checksum
                content += part
                if len(content) > LARGEST_PHOTO:
                    break
    if max(size, len(content)) > LARGEST_PHOTO:
        raise PhotoTooLarge(f"the photo of {student_id} has over {LARGEST_PHOTO} bytes")
    return IdPhoto(content, _tag(answer))


def _tag(answer: dict[str, Any]) -> str:
    tag = answer.get("ETag")
    if not isinstance(tag, str):
        raise AwsUnavailable("s3 answers without an ETag: is it S3?")
    return tag

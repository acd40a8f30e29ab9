"""ID photos in a folder: ``STUDENT_ID.jpg``, ``.jpeg`` or ``.png``, however the ID is spelled."""

import asyncio
import os
import stat
from pathlib import Path

from classroom.domain.sessions import folded
from classroom.photos import LARGEST_PHOTO, IdPhoto, PhotoMissing, PhotosRefused, PhotosUnavailable, PhotoTooLarge
from core.json_file import is_inside
from core.lookalikes import visible

ENDINGS = ("jpg", "jpeg", "png")  # in the order of preference
LONGEST_ID = 60  # characters: with an ending still a valid file name if each takes four bytes


def file_names(student_id: str) -> list[str]:
    """Return the names that a student's photo may have. Raises PhotoMissing: the ID is not safe in a name or a key."""
    spellings = [
        each
        for each in dict.fromkeys((student_id, visible(student_id)))
        if 0 < len(each) <= LONGEST_ID and each.isprintable() and not set(each) & set("/\\:")
    ]
    if not spellings or min(student_id) < " ":
        raise PhotoMissing(f"no photo is stored for an ID like {student_id[:40]!r}")
    return [f"{each}.{ending}" for each in spellings for ending in ENDINGS]


class FolderPhotos:
    """``Photos`` of a folder. It is read at each request, so new photos count at once; it may be created later."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def tag(self, student_id: str) -> str:
        return await asyncio.to_thread(self._tag, student_id)

    async def photo(self, student_id: str) -> IdPhoto:
        return await asyncio.to_thread(self._photo, student_id)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _tag(self, student_id: str) -> str:
        try:
            return _tag(self._find(student_id).stat())
        except OSError as error:
            raise self._trouble(student_id, error) from error

    def _photo(self, student_id: str) -> IdPhoto:
        try:
            with self._find(student_id).open("rb") as file:
                content, facts = file.read(LARGEST_PHOTO + 1), os.fstat(file.fileno())
        except OSError as error:
            raise self._trouble(student_id, error) from error
        if len(content) > LARGEST_PHOTO:
            raise PhotoTooLarge(
                f"the photo of {student_id} has {facts.st_size} bytes; at most {LARGEST_PHOTO} are read"
            )
        return IdPhoto(content, _tag(facts))

    def _find(self, student_id: str) -> Path:
        names = file_names(student_id)
        for name in names:  # the usual names; avoids listing a large folder
            if _is_file(path := self._folder / name):
                return self._within(path, student_id)
        wanted = [folded(name) for name in names]
        with os.scandir(self._folder) as entries:
            alike = [entry.name for entry in entries if folded(entry.name) in wanted and entry.is_file()]
        if not alike:
            raise PhotoMissing(f"the folder has no photo of {student_id}")
        chosen = min(alike, key=lambda name: (wanted.index(folded(name)), name))
        return self._within(self._folder / chosen, student_id)

    def _within(self, path: Path, student_id: str) -> Path:
        if not is_inside(path, self._folder):  # it may lead to anything that the process can read
            raise PhotoMissing(f"the photo of {student_id} is a link that leads out of the folder")
        return path

    def _trouble(self, student_id: str, error: OSError) -> PhotoMissing | PhotosRefused | PhotosUnavailable:
        cause = error.strerror or type(error).__name__
        if isinstance(error, NotADirectoryError) or not os.access(self._folder, os.R_OK | os.X_OK):
            return PhotosRefused(f"the folder of the ID photos can't be opened: {cause}")
        if isinstance(error, FileNotFoundError):  # deleted meanwhile
            return PhotoMissing(f"the folder has no photo of {student_id}")
        if isinstance(error, PermissionError):
            return PhotosRefused(f"the photo of {student_id} may not be read: {cause}")
        return PhotosUnavailable(f"the photo of {student_id} can't be read: {cause}")


def _is_file(path: Path) -> bool:
    """Say whether a path is a regular file; reading a pipe could block forever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _tag(facts: os.stat_result) -> str:
    return f"{facts.st_mtime_ns}-{facts.st_size}"

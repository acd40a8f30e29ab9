"""A cache of recently used ID photos, so that a second try or a review does not load them again."""

import asyncio
from collections import OrderedDict

from classroom.photos import IdPhoto, PhotoMissing, Photos

MOST_BYTES = 32 * 1024 * 1024


class CachedPhotos:
    """``Photos`` of another source, cached while their tags are current. Simultaneous requests share one load."""

    def __init__(self, photos: Photos, most_bytes: int = MOST_BYTES) -> None:
        self._photos = photos
        self._most = most_bytes
        self._kept: OrderedDict[str, IdPhoto] = OrderedDict()  # by student, most recently used last
        self._size = 0
        self._loads: dict[str, asyncio.Task[IdPhoto]] = {}

    async def tag(self, student_id: str) -> str:
        return await self._photos.tag(student_id)

    async def photo(self, student_id: str) -> IdPhoto:
        load = self._loads.get(student_id)
        if load is None:
            load = asyncio.create_task(self._load(student_id), name="id-photo")
            self._loads[student_id] = load
            load.add_done_callback(lambda done: self._ended(student_id, done))
        return await asyncio.shield(load)  # a cancelled request must not cancel it for the others

    async def close(self) -> None:
        """Cancel all loads, drop all photos and close the source."""
        loads = list(self._loads.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        self._kept.clear()
        self._size = 0
        await self._photos.close()

    async def _load(self, student_id: str) -> IdPhoto:
        kept = self._kept.get(student_id)
        try:
            if kept is not None and await self._photos.tag(student_id) == kept.tag:
                if student_id in self._kept:  # it may have been evicted meanwhile
                    self._kept.move_to_end(student_id)
                return kept
            photo = await self._photos.photo(student_id)
        except PhotoMissing:
            self._forget(student_id)
            raise
        self._keep(student_id, photo)
        return photo

    def _keep(self, student_id: str, photo: IdPhoto) -> None:
        self._forget(student_id)
        self._kept[student_id] = photo
        self._size += len(photo.content)
        while self._size > self._most:
            self._forget(next(iter(self._kept)))

    def _forget(self, student_id: str) -> None:
        photo = self._kept.pop(student_id, None)
        if photo is not None:
            self._size -= len(photo.content)

    def _ended(self, student_id: str, load: asyncio.Task[IdPhoto]) -> None:
        self._loads.pop(student_id, None)
        if not load.cancelled():
            load.exception()  # marks the exception as retrieved: waiting callers get it anyway

"""One video note from Telegram's name for it to what its examination found; how many may be in memory meanwhile."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from classroom.domain.face_policy import Examined, Motion, NoteRefusal, Verdict
from classroom.domain.sessions import CheckIn, FaceCheck, Template
from classroom.domain.video_notes import Download, NoteUnavailable, Unusable
from classroom.faces import FaceEngine
from classroom.faces.person_keys import PersonKeyGone, PersonKeys, PersonKeysUnavailable
from classroom.photos import IdPhoto, Photos
from classroom.services import Classroom
from classroom.store import StoreError
from core.backoff import Backoff

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Repeated(Exception):
    """This very recording was used for another check (permanent: a new note is needed)."""


@dataclass(frozen=True)
class Limits:
    """How many may be where at a time, and how long a note may take to load (seconds)."""

    ahead: int = 8  # notes loaded, or being loaded, and not yet with the engine
    aside: int = 8  # notes that load slowly, beyond those
    slow_after: float = 3.0
    download: float = 30.0


@dataclass
class Check:
    """A check-in in the queue, with what is known of it beyond the store. Times are monotonic seconds."""

    check_in: CheckIn
    face: FaceCheck
    came: float
    backoff: Backoff
    began: float | None = None  # to load, the first time
    seconds: dict[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    outcome: tuple[Examined, Verdict] | Unusable | NoteRefusal | None = None
    in_engine: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """Return what tells this check from all others, also from the same student's next one."""
        return (self.check_in.session, self.check_in.student_id, self.face.message)

    @property
    def order(self) -> tuple[datetime, str, str, int]:
        """Return what the queue is ordered by: when Telegram had the note."""
        return (self.face.sent_at or self.check_in.code_at, *self.key)

    @property
    def label(self) -> str:
        """Return how the log names it."""
        return f"session {self.check_in.session}: student {self.check_in.student_id}"


class _Place:
    """A place at one of so many, which may be left and taken again on the way."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_held = False

    async def take(self) -> None:
        await self._places.acquire()
        self._is_held = True

    def leave(self) -> None:
        if self._is_held:
            self._is_held = False
            self._places.release()

    async def __aenter__(self) -> Self:
        await self.take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class NoteChecks:
    """Loads notes and has them examined."""

    def __init__(
        self,
        room: Classroom,
        photos: Photos,
        engine: FaceEngine,
        keys: PersonKeys,
        download: Download,
        at_once: int,
        limits: Limits,
    ) -> None:
        """Take what is needed for it; the engine gets ``at_once`` notes at a time."""
        self._room = room
        self._photos = photos
        self._engine = engine
        self._keys = keys
        self._download = download
        self._limits = limits
        self._ahead = asyncio.Semaphore(limits.ahead)
        self._aside = asyncio.Semaphore(limits.aside)
        self._in_engine = asyncio.Semaphore(at_once)

    async def examine(self, check: Check) -> Examined:
        """Return what the examination of a check's note found; ``check.seconds`` gets what each step took.

        Raises:
            NoteError, PhotoError, FaceError, StoreError: see there.
            Repeated: the recording was used for another check.
        """
        async with _Place(self._ahead) as place:
            check.began = check.began if check.began is not None else self._room.clock.monotonic()
            (template, photo), note = await _both(self._against(check), self._note(check, place))
            with self._timed(check, "turn"):
                await self._in_engine.acquire()
            try:
                place.leave()
                check.in_engine = True
                if photo is not None:
                    with self._timed(check, "template"):
                        template = await self._made(check, photo)
                examined = await self._engine.examine(note, _motions(check.face), template)
            finally:
                check.in_engine = False
                self._in_engine.release()
        check.seconds.update(examined.seconds or {})
        return examined

    async def _note(self, check: Check, place: _Place) -> bytes:
        with self._timed(check, "download"):
            note = await self._loaded(check.face.file, place)
        fingerprint = "sha256:" + await asyncio.to_thread(lambda: hashlib.sha256(note).hexdigest())
        owner = "/".join(map(str, check.key))
        if not await self._room.store.claim_note(fingerprint, owner, self._room.clock.now()):
            raise Repeated("this very recording was used before")
        return note

    async def _loaded(self, file: str, place: _Place) -> bytes:
        """Load a note. One that is slow lets others go before it, so that a bad line of one holds nobody up."""
        loading = asyncio.ensure_future(self._download(file))
        try:
            await asyncio.wait({loading}, timeout=self._limits.slow_after)
            if loading.done() or self._aside.locked():
                return await self._in_time(loading)
            async with self._aside:
                place.leave()
                note = await self._in_time(loading)
                await place.take()
                return note
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)

    async def _in_time(self, loading: asyncio.Future[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._limits.download - self._limits.slow_after):
                return await loading
        except TimeoutError:
            raise NoteUnavailable(f"not loaded within {self._limits.download:.0f} s") from None

    async def _against(self, check: Check) -> tuple[bytes, IdPhoto | None]:
        """Return the template that is kept; where none fits, the photo of which one is to be made."""
        student_id = check.check_in.student_id
        with self._timed(check, "photo"):
            tag = await self._photos.tag(student_id)
            if self._engine.keeps_templates:
                kept = await self._room.store.template(student_id)
                if kept is not None and (kept.engine, kept.photo_tag) == (self._engine.name, tag):
                    try:
                        return await asyncio.to_thread(self._keys.open, student_id, kept.sealed), None
                    except (PersonKeyGone, PersonKeysUnavailable) as error:
                        log.info("%s, the template is made anew (%s)", check.label, error)
            return b"", await self._photos.photo(student_id)

    async def _made(self, check: Check, photo: IdPhoto) -> bytes:
        """Make a template and keep it; where it can't be kept now it is made again the next time."""
        template = await self._engine.template(photo.content)
        if self._engine.keeps_templates:
            store, student_id = self._room.store, check.check_in.student_id
            try:
                sealed = await asyncio.to_thread(self._keys.seal, student_id, template)
                made_at = self._room.clock.now()
                await store.save_template(Template(student_id, self._engine.name, photo.tag, sealed, made_at))
                if await store.check_in(check.check_in.session, student_id) is None:  # they had their data deleted
                    await asyncio.to_thread(self._keys.forget, student_id)
            except (StoreError, PersonKeysUnavailable) as error:
                log.warning("%s, the template could not be kept (%s)", check.label, error)
        return template

    @contextmanager
    def _timed(self, check: Check, step: str) -> Iterator[None]:
        began = self._room.clock.monotonic()
        try:
            yield
        finally:
            check.seconds[step] = self._room.clock.monotonic() - began


def _motions(face: FaceCheck) -> Sequence[Motion]:
    return [Motion(motion) for motion in face.motions]


async def _both(
    first: Coroutine[Any, Any, tuple[bytes, IdPhoto | None]], second: Coroutine[Any, Any, bytes]
) -> tuple[tuple[bytes, IdPhoto | None], bytes]:
    """Do two things at once; where one fails the other ends, and the first one's failure counts for more."""
    one, other = asyncio.create_task(first), asyncio.create_task(second)
    try:
        await asyncio.wait({one, other}, return_when=asyncio.FIRST_EXCEPTION)
        if other.done() and not one.done():
            other.result()  # it has failed, else both were done
        return await one, await other
    finally:
        one.cancel()
        other.cancel()
        await asyncio.gather(one, other, return_exceptions=True)


__all__ = ["Check", "Limits", "NoteChecks", "Repeated"]

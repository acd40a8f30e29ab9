"""Downloads one video note and has it examined, with a limit on the notes in memory."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from classroom.domain.face_policy import Examined, FaceVerdict, Motion, NoteRefusal
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
    """The same recording was used for another check (permanent: a new note is needed)."""


@dataclass(frozen=True)
class NoteLimits:
    """Limits on the notes in memory, and on the time of a download in seconds."""

    ahead: int = 8  # notes downloaded or being downloaded that the engine does not have yet
    aside: int = 8  # slow downloads beyond those
    slow_after: float = 3.0
    download: float = 30.0


@dataclass
class Check:
    """A check-in in the queue, with its progress. Times are monotonic seconds."""

    check_in: CheckIn
    face: FaceCheck
    submitted_at: float
    backoff: Backoff
    started_at: float | None = None  # of the first download
    seconds: dict[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    outcome: tuple[Examined, FaceVerdict] | Unusable | NoteRefusal | None = None
    in_engine: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """Return the check's identity, which differs from the same student's next check."""
        return (self.check_in.session, self.check_in.student_id, self.face.message)

    @property
    def order(self) -> tuple[datetime, str, str, int]:
        """Return the order in the queue: when Telegram received the note."""
        return (self.face.sent_at or self.check_in.code_at, *self.key)

    @property
    def label(self) -> str:
        return f"session {self.check_in.session}: student {self.check_in.student_id}"


class NoteChecks:
    """Downloads notes and has them examined; the engine gets ``at_once`` notes at a time."""

    def __init__(
        self,
        classroom: Classroom,
        photos: Photos,
        engine: FaceEngine,
        keys: PersonKeys,
        download: Download,
        at_once: int,
        limits: NoteLimits,
    ) -> None:
        self._classroom = classroom
        self._photos = photos
        self._engine = engine
        self._keys = keys
        self._download = download
        self._limits = limits
        self._ahead = asyncio.Semaphore(limits.ahead)
        self._aside = asyncio.Semaphore(limits.aside)
        self._in_engine = asyncio.Semaphore(at_once)

    async def examine(self, check: Check) -> Examined:
        """Examine a check's note, timing its steps. Raises NoteError, PhotoError, FaceError, StoreError, Repeated."""
        async with AsyncExitStack() as slot:  # closed early, it frees its place for the next note
            await slot.enter_async_context(self._ahead)
            check.started_at = check.started_at if check.started_at is not None else self._classroom.clock.monotonic()
            (template, photo), note = await _together(self._template_or_photo(check), self._note(check, slot))
            with self._timed(check, "turn"):
                await self._in_engine.acquire()
            try:
                await slot.aclose()
                check.in_engine = True
                if photo is not None:
                    with self._timed(check, "template"):
                        template = await self._new_template(check, photo)
                examined = await self._engine.examine(note, _motions(check.face), template)
            finally:
                check.in_engine = False
                self._in_engine.release()
        check.seconds.update(examined.seconds or {})
        return examined

    async def _note(self, check: Check, slot: AsyncExitStack) -> bytes:
        with self._timed(check, "download"):
            note = await self._downloaded(check.face.file, slot)
        fingerprint = "sha256:" + await asyncio.to_thread(lambda: hashlib.sha256(note).hexdigest())
        owner = "/".join(map(str, check.key))
        if not await self._classroom.store.claim_note(fingerprint, owner, self._classroom.clock.now()):
            raise Repeated("the same recording was used before")
        return note

    async def _downloaded(self, file: str, slot: AsyncExitStack) -> bytes:
        """Download a note. A slow download gives its slot to others, so that one bad connection delays nobody else."""
        loading = asyncio.ensure_future(self._download(file))
        try:
            await asyncio.wait({loading}, timeout=self._limits.slow_after)
            if loading.done() or self._aside.locked():
                return await self._in_time(loading)
            async with self._aside:
                await slot.aclose()
                note = await self._in_time(loading)
                await slot.enter_async_context(self._ahead)
                return note
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)

    async def _in_time(self, loading: asyncio.Future[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._limits.download - self._limits.slow_after):
                return await loading
        except TimeoutError:
            raise NoteUnavailable(f"not downloaded within {self._limits.download:.0f} s") from None

    async def _template_or_photo(self, check: Check) -> tuple[bytes, IdPhoto | None]:
        """Return the stored template; if none fits, the photo from which to make one."""
        student_id = check.check_in.student_id
        with self._timed(check, "photo"):
            tag = await self._photos.tag(student_id)
            if self._engine.keeps_templates:
                kept = await self._classroom.store.template(student_id)
                if kept is not None and (kept.engine, kept.photo_tag) == (self._engine.name, tag):
                    try:
                        return await asyncio.to_thread(self._keys.open, student_id, kept.sealed), None
                    except (PersonKeyGone, PersonKeysUnavailable) as error:
                        log.info("%s, the template is made again (%s)", check.label, error)
            return b"", await self._photos.photo(student_id)

    async def _new_template(self, check: Check, photo: IdPhoto) -> bytes:
        """Make a template and store it; if it can't be stored it is made again the next time."""
        template = await self._engine.template(photo.content)
        if self._engine.keeps_templates:
            store, student_id = self._classroom.store, check.check_in.student_id
            try:
                sealed = await asyncio.to_thread(self._keys.seal, student_id, template)
                made_at = self._classroom.clock.now()
                await store.save_template(Template(student_id, self._engine.name, photo.tag, sealed, made_at))
                if await store.check_in(check.check_in.session, student_id) is None:  # their data was deleted meanwhile
                    await asyncio.to_thread(self._keys.forget, student_id)
                    await store.remove_template(student_id)
            except (StoreError, PersonKeysUnavailable) as error:
                log.warning("%s, the template could not be stored (%s)", check.label, error)
        return template

    @contextmanager
    def _timed(self, check: Check, step: str) -> Iterator[None]:
        began = self._classroom.clock.monotonic()
        try:
            yield
        finally:
            check.seconds[step] = self._classroom.clock.monotonic() - began


def _motions(face: FaceCheck) -> Sequence[Motion]:
    return [Motion(motion) for motion in face.motions]


async def _together(
    first: Coroutine[Any, Any, tuple[bytes, IdPhoto | None]], second: Coroutine[Any, Any, bytes]
) -> tuple[tuple[bytes, IdPhoto | None], bytes]:
    """Run two coroutines together; if one fails the other is cancelled, and the first one's failure has priority."""
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

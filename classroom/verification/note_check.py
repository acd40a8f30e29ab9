"""Downloads one video note and has it examined, with a limit on the notes in memory."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from classroom.domain.face_policy import Examined, FaceVerdict, Motion, NoteRefusal
from classroom.domain.face_records import Template
from classroom.domain.sessions import CheckIn, FaceCheck
from classroom.domain.video_notes import Download, NoteUnavailable, Unusable
from classroom.faces import FaceEngine, FaceUnavailable, NoteCrashed
from classroom.faces.person_keys import PersonKeyGone, PersonKeys, PersonKeysUnavailable
from classroom.photos import IdPhoto, Photos
from classroom.services import Classroom
from classroom.store import StoreError
from core.backoff import Backoff

log = logging.getLogger(__name__)


class Repeated(Exception):
    """The same recording was used for another check (permanent: a new note is needed)."""


@dataclass(frozen=True)
class QueueSettings:
    """Times are in seconds."""

    # Notes downloaded or being downloaded that the engine does not have yet: enough that slow downloads delay nobody.
    ahead: int = 16
    download_within: float = 30.0
    first_pause: float = 1.0  # after a failure, doubled after each further one
    longest_pause: float = 30.0
    look_every: float = 60.0  # between scans of the store for notes that were not submitted

    def backoff(self) -> Backoff:
        return Backoff(self.first_pause, self.longest_pause)


def key_of(check_in: CheckIn) -> tuple[str, str, int]:
    """Return a check's identity, which differs from the same student's next check."""
    return (check_in.session, check_in.student_id, check_in.face.message if check_in.face is not None else 0)


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
    def crashes(self) -> int:
        """Return how many workers died with this note."""
        return self.failures[NoteCrashed.__name__]

    @property
    def key(self) -> tuple[str, str, int]:
        return key_of(self.check_in)

    @property
    def order(self) -> tuple[datetime, str, str, int]:
        """Return the order in the queue: when Telegram received the note."""
        return (self.face.sent_at or self.check_in.code_at, *self.key)

    @property
    def label(self) -> str:
        return f"session {self.check_in.session}: student {self.check_in.student_id}"


@dataclass(eq=False)
class NoteChecks:
    """Downloads notes and has them examined; the engine gets ``at_once`` notes at a time."""

    _classroom: Classroom
    _photos: Photos
    _engine: FaceEngine
    _keys: PersonKeys
    _download: Download
    at_once: int
    settings: QueueSettings = QueueSettings()

    def __post_init__(self) -> None:
        self._ahead = asyncio.Semaphore(self.settings.ahead)
        self._in_engine = asyncio.Semaphore(self.at_once)
        self._opened: dict[bytes, bytes] = {}  # templates of classmates, by their encrypted form
        self._apart = asyncio.Semaphore(1)  # for notes that brought down a worker: the others do not wait for them

    def has_to_wait(self, check: Check) -> bool:
        """Say whether a check has to be tried later, because another note is examined apart."""
        return bool(check.crashes) and self._apart.locked()

    async def examine(self, check: Check) -> Examined:
        """Examine a check's note, timing its steps. Raises NoteError, PhotoError, FaceError, StoreError, Repeated."""
        async with self._ahead:
            if check.started_at is None:
                check.started_at = self._classroom.clock.monotonic()
            template, photo = await self._template_or_photo(check)  # first: without a photo the note is not needed
            note = await self._note(check)
            others = await self._classmates(check)
            turn = self._apart if check.crashes else self._in_engine
            with self._timed(check, "turn"):
                await turn.acquire()
        check.in_engine = True
        try:
            if photo is not None:
                with self._timed(check, "template"):
                    template = await self._new_template(check, photo)
            motions = [Motion(each) for each in check.face.motions]
            examined = await self._engine.examine(note, motions, template, others)
        finally:
            check.in_engine = False
            turn.release()
        check.seconds.update(examined.seconds or {})
        return examined

    async def _note(self, check: Check) -> bytes:
        with self._timed(check, "download"):
            try:
                async with asyncio.timeout(self.settings.download_within):
                    note = await self._download(check.face.file)
            except TimeoutError:
                raise NoteUnavailable(f"not downloaded within {self.settings.download_within:.0f} s") from None
        fingerprint = "sha256:" + await asyncio.to_thread(lambda: hashlib.sha256(note).hexdigest())
        owner = "/".join(map(str, check.key))
        if not await self._classroom.store.claim_note(fingerprint, owner, self._classroom.clock.now()):
            raise Repeated("the same recording was used before")
        return note

    async def _classmates(self, check: Check) -> list[bytes]:
        """Return the templates of the classmates who agreed to the comparison, if the student did, too."""
        room, there = self._classroom, check.check_in
        own = await room.store.consent(there.telegram_id) if room.settings.face_compare_class else None
        if own is None or not own.covers(room.consent_wording, with_class=True):
            return []
        with self._timed(check, "class"):
            kept = await room.store.templates_of_class(there.session, there.student_id, room.consent_wording)
            try:
                return await asyncio.to_thread(self._open, [each for each in kept if each.engine == self._engine.name])
            except PersonKeysUnavailable as error:
                raise FaceUnavailable(str(error)) from error

    def _open(self, kept: Collection[Template]) -> list[bytes]:
        """Return templates decrypted; those of the last comparison are still known, unless a key was deleted since."""
        with_keys, opened = self._keys.there([each.student_id for each in kept]), dict[bytes, bytes]()
        for each in kept:
            if each.student_id in with_keys:
                with suppress(PersonKeyGone):  # made again at that student's next check
                    opened[each.sealed] = self._opened.get(each.sealed) or self._keys.open(each.student_id, each.sealed)
        self._opened = opened
        return list(opened.values())

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

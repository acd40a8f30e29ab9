"""Puts the checking of faces together: engine, photos, keys, the queue, and who talks of it."""

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telegram import Bot
from telegram.error import BadRequest, InvalidToken, TelegramError

from classroom.check_in.check_ins import CheckIns
from classroom.check_in.face_steps import FaceSteps
from classroom.domain.face_policy import LARGEST_NOTE
from classroom.domain.sessions import CheckIn
from classroom.domain.video_notes import Download, NoteGone, NoteUnavailable
from classroom.faces import FaceEngine
from classroom.faces.person_keys import PersonKeys
from classroom.photos import Photos
from classroom.photos.cache import CachedPhotos
from classroom.photos.folder import FolderPhotos
from classroom.services import Classroom
from classroom.student.face_check import FaceTalk
from classroom.student.face_traces import FaceTraces
from classroom.verification.queue import Verification
from classroom.verification.reviews import FaceReviews, ReviewFiles
from core.clock import Clock
from core.encryption import Cipher
from core.settings import Settings

if TYPE_CHECKING:
    from classroom.aws import Access

log = logging.getLogger(__name__)

AT_ONCE_ELSEWHERE = 8  # notes that the engine gets at a time where most of the work is done by AWS


@dataclass
class FaceParts:
    """What faces are checked with."""

    engine: FaceEngine
    photos: Photos
    download: Download
    at_once: int  # notes that the engine gets at a time


@dataclass
class FaceKept:
    """Where what is kept of faces is, also of a time in which they were checked."""

    keys: PersonKeys
    files: ReviewFiles


@dataclass
class Faces:
    """What checks faces, and talks of it."""

    talk: FaceTalk
    verification: Verification


def engine_of(settings: Settings, clock: Clock) -> FaceEngine:
    """Return the engine that the settings name. Its packages are large: only what is used is loaded."""
    from classroom.faces.local import LocalEngine

    local = LocalEngine(settings.face_match_threshold)
    local.warm_up()
    if settings.face_engine == "local":
        return local
    from classroom.faces.rekognition import RekognitionEngine

    # whether the motions were made is judged here, whoever compares
    return _WithJudge(RekognitionEngine(_access(settings), local, clock), local)


class _WithJudge:
    """An engine whose judge is closed with it."""

    def __init__(self, engine: FaceEngine, judge: FaceEngine) -> None:
        self._engine, self._judge = engine, judge
        self.name, self.keeps_templates = engine.name, engine.keeps_templates
        self.template, self.examine = engine.template, engine.examine

    async def close(self) -> None:
        """Close both at once."""
        await asyncio.gather(self._engine.close(), self._judge.close())


def photos_of(settings: Settings) -> Photos:
    """Return where the settings say that ID photos are, with a bounded cache before it."""
    if settings.aws_s3_bucket is None:
        folder = settings.data_dir / "photos"
        if not folder.is_dir():
            log.warning("faces can't be compared: there is no folder %s with ID photos (see FACE_ENGINE)", folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return CachedPhotos(FolderPhotos(folder))
    from classroom.photos.s3 import S3Photos

    return CachedPhotos(S3Photos(settings.aws_s3_bucket, settings.aws_s3_prefix, _access(settings)))


def _access(settings: Settings) -> "Access":
    from classroom.aws import Access

    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    return Access(settings.aws_region, settings.aws_endpoint_url, key, secret)


def face_parts(
    settings: Settings, clock: Clock, bot: Bot, engine: FaceEngine | None, photos: Photos | None
) -> FaceParts:
    """Return what faces are checked with; engine and photos are those given, else those that the settings name."""
    from classroom.faces.local import workers

    at_once = workers() + 1 if settings.face_engine == "local" else AT_ONCE_ELSEWHERE  # one at hand for who is done
    return FaceParts(
        engine or engine_of(settings, clock),
        photos or photos_of(settings),
        downloads(bot),
        at_once,
    )


def face_kept(settings: Settings, cipher: Cipher) -> FaceKept:
    """Return where the settings say that things of faces are kept."""
    return FaceKept(
        # beside the keys, and so not among the data: a backup of the data opens no template
        PersonKeys(settings.encryption_key_file.with_name("faces"), cipher),
        ReviewFiles(settings.data_dir / "classroom" / "reviews", cipher),
    )


def downloads(bot: Bot) -> Download:
    """Return what loads a note into memory, of 20 MB at most."""

    async def download(file: str) -> bytes:
        try:
            found = await bot.get_file(file)
        except BadRequest as error:
            raise _refused(error) from None
        except TelegramError as error:  # with nothing of its text: it may name an address with the token in it
            raise NoteUnavailable(f"Telegram does not say where the note is ({type(error).__name__})") from None
        if (found.file_size or 0) > LARGEST_NOTE:
            raise NoteGone(f"the note has {found.file_size} bytes, over {LARGEST_NOTE}")
        try:
            return bytes(await found.download_as_bytearray())
        except (BadRequest, InvalidToken) as error:  # PTB's word for 404, too
            raise _refused(error) from None
        except TelegramError as error:
            raise NoteUnavailable(f"the note does not load ({type(error).__name__})") from None

    return download


def _refused(error: TelegramError) -> NoteGone | NoteUnavailable:
    if "temporarily unavailable" in error.message:
        return NoteUnavailable("the note is temporarily unavailable")
    return NoteGone(f"Telegram does not give the note ({type(error).__name__})")


def assemble_faces(
    room: Classroom, check_ins: CheckIns, parts: FaceParts, kept: FaceKept, reviews: FaceReviews, traces: FaceTraces
) -> Faces:
    """Put together what checks faces, and what talks of it."""

    def submit(check_in: CheckIn) -> int:
        return verification.submit(check_in)

    talk = FaceTalk(room, FaceSteps(room, check_ins), reviews, traces, submit)
    verification = Verification(
        room,
        parts.photos,
        parts.engine,
        kept.keys,
        parts.download,
        talk.decided,
        talk.unusable,
        at_once=parts.at_once,
    )
    return Faces(talk, verification)


__all__ = [
    "FaceKept",
    "FaceParts",
    "Faces",
    "assemble_faces",
    "downloads",
    "engine_of",
    "face_kept",
    "face_parts",
    "photos_of",
]

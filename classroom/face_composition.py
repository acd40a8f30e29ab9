"""Composes the face check: engine, photos, keys, queue, and the student bot's handlers."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telegram import Bot
from telegram.error import BadRequest, InvalidToken, TelegramError

from classroom.check_in.check_ins import CheckIns
from classroom.check_in.face_results import FaceResults
from classroom.check_in.face_steps import FaceSteps
from classroom.domain import face_policy as policy
from classroom.domain.face_policy import LARGEST_NOTE
from classroom.domain.video_notes import Download, NoteGone, NoteUnavailable
from classroom.faces import FaceEngine
from classroom.faces.person_keys import PersonKeys
from classroom.photos import Photos
from classroom.photos.folder import FolderPhotos
from classroom.services import Classroom
from classroom.student.face_check import FaceDialog
from classroom.student.face_traces import FaceTraces
from classroom.verification.note_check import NoteChecks
from classroom.verification.queue import Verification
from classroom.verification.reviews import FaceReviews
from core.clock import Clock
from core.machine import FACE_WORKER, Machine
from core.settings import Settings

if TYPE_CHECKING:
    from classroom.aws import Access

log = logging.getLogger(__name__)

AT_ONCE_ELSEWHERE = 8  # notes with the engine at a time, if AWS does most of the work


@dataclass
class FaceParts:
    """The adapters of the face check."""

    engine: FaceEngine
    photos: Photos
    download: Download
    at_once: int  # notes with the engine at a time
    decides: bool  # whether a match marks by itself


def engine_of(settings: Settings, clock: Clock) -> FaceEngine:
    """Return the engine named in the settings. Engines import large packages, so only the used one is imported."""
    from classroom.faces.local import LocalEngine

    local = LocalEngine()
    local.warm_up()
    if settings.face_engine == "local":
        return local
    from classroom.faces.rekognition import RekognitionEngine

    # the challenge is checked locally with either engine
    return RekognitionEngine(_access(settings), local, clock)


def reserve_workers(settings: Settings, machine: Machine) -> str:
    """Reserve what the face workers take: either engine checks the challenge with them.

    Returns why not even one of them fits, empty if one does: then the face check has to stay off.
    """
    if settings.teacher_bot_token is not None and settings.face_engine != "none":
        from classroom.faces.local import workers

        if not (count := workers()):
            lacks = machine.room(FACE_WORKER).lacks(1, "face worker")
            return f"the face check is off, the teacher confirms everybody: {lacks}"
        machine.reserve(FACE_WORKER, count)
    return ""


def photos_of(settings: Settings) -> Photos:
    if settings.aws_s3_bucket is None:
        folder = settings.data_dir / "photos"
        if not folder.is_dir():
            log.warning("faces can't be compared: no folder %s with ID photos (see FACE_ENGINE)", folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FolderPhotos(folder)
    from classroom.photos.s3 import S3Photos

    return S3Photos(settings.aws_s3_bucket, settings.aws_s3_prefix, _access(settings))


def _access(settings: Settings) -> "Access":
    from classroom.aws import Access

    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    return Access(settings.aws_region, settings.aws_endpoint_url, key, secret)


def face_parts(
    settings: Settings, clock: Clock, bot: Bot, engine: FaceEngine | None, photos: Photos | None
) -> FaceParts:
    """Return the adapters; engine and photos come from the settings unless given."""
    from classroom.faces.local import workers

    at_once = workers() + 1 if settings.face_engine == "local" else AT_ONCE_ELSEWHERE  # one is always ready
    engine, photos = engine or engine_of(settings, clock), photos or photos_of(settings)
    decides = policy.decides(settings.face_engine, settings.face_compare_class)
    return FaceParts(engine, photos, downloads(bot), at_once, decides)


def downloads(bot: Bot) -> Download:
    """Return a function that downloads a note into memory, up to 20 MB."""

    async def download(file: str) -> bytes:
        found = None
        try:
            found = await bot.get_file(file)
            if (found.file_size or 0) > LARGEST_NOTE:
                raise NoteGone(f"the note has {found.file_size} bytes, over {LARGEST_NOTE}")
            return bytes(await found.download_as_bytearray())
        except TelegramError as error:  # passed on without its text, which may contain a URL with the token
            # PTB raises InvalidToken for a download's 404, too
            is_refused = isinstance(error, BadRequest) or (found is not None and isinstance(error, InvalidToken))
            if is_refused and "temporarily unavailable" not in error.message:
                raise NoteGone(f"Telegram refuses the note ({type(error).__name__})") from None
            raise NoteUnavailable(f"the note can't be downloaded ({type(error).__name__})") from None

    return download


def assemble_faces(
    classroom: Classroom,
    check_ins: CheckIns,
    parts: FaceParts,
    keys: PersonKeys,
    reviews: FaceReviews,
    traces: FaceTraces,
) -> tuple[FaceDialog, Verification]:
    """Return the student bot's handlers of the face check, and its queue."""
    steps, results = FaceSteps(classroom, check_ins), FaceResults(classroom, check_ins, decides=parts.decides)
    dialog = FaceDialog(classroom, steps, results, reviews, traces, lambda check_in: verification.submit(check_in))
    checks = NoteChecks(classroom, parts.photos, parts.engine, keys, parts.download, parts.at_once)
    verification = Verification(classroom, checks, dialog.on_examined, dialog.on_unusable)
    return dialog, verification
